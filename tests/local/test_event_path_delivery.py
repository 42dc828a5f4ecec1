"""Attempts, pauses and the end of a delivery, without a server and without waiting."""

from dataclasses import dataclass, field

import pytest

from local.aws.event_path.delivery import (
    Clock,
    Delivery,
    DeliveryError,
    GivenUp,
    RetryPolicy,
    not_permitted,
    retry_policy,
)
from local.aws.event_path.mappings import failed_messages

BUSY = DeliveryError("THROTTLING", "not now", permanent=False)


@dataclass
class Target:
    """Refuses with these errors, one after another, then takes the event."""

    errors: list[DeliveryError]
    time: float = 0.0
    attempts: int = 0
    given_up: list[GivenUp] = field(default_factory=list)

    def attempt(self) -> None:
        self.attempts += 1
        if self.errors:
            raise self.errors.pop(0)

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    def deliver(self, policy: RetryPolicy) -> None:
        clock = Clock(lambda: self.time, self.sleep)
        delivery = Delivery(self.attempt, self.given_up.append, policy, clock)
        try:
            delivery.attempt()
        except DeliveryError as error:
            delivery.retry(error, 0.0)


def test_what_is_taken_at_once_is_delivered_once() -> None:
    target = Target([])
    target.deliver(RetryPolicy())
    assert (target.attempts, target.given_up, target.time) == (1, [], 0.0)


def test_a_busy_target_is_tried_again_until_it_takes_the_event() -> None:
    target = Target([BUSY, BUSY])
    target.deliver(RetryPolicy())
    assert (target.attempts, target.given_up) == (3, [])


def test_pauses_grow_from_attempt_to_attempt() -> None:
    pauses: list[float] = []
    target = Target([BUSY] * 6)
    clock = Clock(lambda: 0.0, pauses.append)
    Delivery(target.attempt, target.given_up.append, RetryPolicy(), clock).retry(BUSY, 0.0)
    assert all(later > earlier for earlier, later in zip(pauses, pauses[2:], strict=False))


def test_after_the_last_retry_the_event_is_given_up() -> None:
    target = Target([BUSY] * 99)
    target.deliver(RetryPolicy(max_retries=3))
    assert target.attempts == 4
    assert target.given_up == [GivenUp(BUSY, 3, "MaximumRetryAttempts")]


def test_an_event_is_given_up_before_it_is_too_old() -> None:
    target = Target([BUSY] * 99)
    target.deliver(RetryPolicy(max_age_seconds=60))
    assert target.time <= 60
    assert [end.exhausted for end in target.given_up] == ["MaximumEventAgeInSeconds"]


def test_a_refusal_for_good_ends_the_retries() -> None:
    target = Target([BUSY, not_permitted("no"), BUSY])
    target.deliver(RetryPolicy())
    assert target.attempts == 2
    assert target.given_up[0].attributes() == {
        "ERROR_CODE": "NO_PERMISSIONS",
        "ERROR_MESSAGE": "no",
    }


def test_a_target_without_a_policy_has_a_day_and_185_retries() -> None:
    assert retry_policy({}) == RetryPolicy(185, 86_400)
    asked = {"RetryPolicy": {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": 60}}
    assert retry_policy(asked) == RetryPolicy(0, 60)


@pytest.mark.parametrize(
    ("response", "left"),
    [
        (None, set()),
        ({}, set()),
        ({"batchItemFailures": None}, set()),
        ({"batchItemFailures": []}, set()),
        ({"batchItemFailures": [{"itemIdentifier": "a"}]}, {"a"}),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, {"a", "b"}),
        ({"batchItemFailures": [{"itemIdentifier": None}]}, {"a", "b"}),
        ({"batchItemFailures": [{"identifier": "a"}]}, {"a", "b"}),
        ({"batchItemFailures": [{"itemIdentifier": "of another batch"}]}, {"a", "b"}),
        ({"batchItemFailures": [{"itemIdentifier": ["a"]}]}, {"a", "b"}),
        ({"batchItemFailures": "a"}, {"a", "b"}),
        ("neither", {"a", "b"}),
        (["a"], {"a", "b"}),
    ],
)
def test_only_a_well_formed_report_takes_messages_off_the_queue(
    response: object, left: set[str]
) -> None:
    assert failed_messages(response, ["a", "b"]) == left
