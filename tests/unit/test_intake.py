"""One message in, one outcome out, one canonical line told."""

import json
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import pytest

import on_training_ended
from local.in_memory import InMemoryWorld
from local.replaying import deployment
from local.replaying.event import captured
from resilience import wiring
from resilience.decide.decisions import Decision, Mode, Reason, Verdict
from resilience.errors import Retry
from resilience.intake import Intake, take
from resilience.wire import events, tags
from resilience.wire.events import NotForUs
from tests.unit.recovery_world import (
    GPU,
    JOB,
    SUCCESSOR,
    TAGS,
    Crash,
    Death,
    Watched,
    described_job,
    failed,
    trained,
    untouched,
    verdict_of,
)


@pytest.fixture(autouse=True)
def _namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Resilience")


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(3) as pool:
        yield pool


def intake_of(world: InMemoryWorld, executor: ThreadPoolExecutor) -> Intake:
    return Intake(
        world=world.ports(),
        dead_letters=world.dead_letters,
        settings=deployment.of(world, {}),
        executor=executor,
        account=world.account,
        region=world.region,
    )


def check(world: InMemoryWorld, job: str = JOB) -> str:
    return events.check(job, source="resilience.sweep", account=world.account, region=world.region)


@dataclass(frozen=True)
class Taken:
    outcome: Decision | NotForUs
    log: list[dict[str, Any]]
    metrics: list[dict[str, Any]]


def taken(body: str, intake: Intake) -> Taken:
    with captured() as printed:
        outcome = take(body, intake)
    lines = [json.loads(line) for line in printed.getvalue().splitlines()]
    return Taken(
        outcome,
        [line for line in lines if "_aws" not in line],
        [line for line in lines if "_aws" in line],
    )


def test_a_message_gets_one_line_with_its_decision(executor: ThreadPoolExecutor) -> None:
    world = failed()
    (line,) = taken(check(world), intake_of(world, executor)).log
    told = {name: line[name] for name in ("verdict", "reason", "job", "successor", "checkpoint")}
    assert told == {
        "verdict": "RELAUNCH",
        "reason": "resumed_from_checkpoint",
        "job": JOB,
        "successor": SUCCESSOR,
        "checkpoint": "v1",
    }
    assert (line["event_source"], line["event_id"]) == (
        "resilience.sweep",
        f"resilience.sweep:{JOB}",
    )


def test_metrics_have_verdict_and_reason_and_nothing_of_one_job(
    executor: ThreadPoolExecutor,
) -> None:
    world = failed()
    world.clock.pass_by(42)
    decisions, seconds = taken(check(world), intake_of(world, executor)).metrics
    assert (decisions["Verdict"], decisions["Reason"]) == ("RELAUNCH", "resumed_from_checkpoint")
    assert (seconds["SecondsToRelaunch"], seconds["FailureClass"]) == ([42.0], "infrastructure")
    assert JOB not in json.dumps([decisions, seconds])


def test_a_message_that_is_none_of_ours_is_told_and_touches_nothing(
    executor: ThreadPoolExecutor,
) -> None:
    world = failed()
    body = check(world).replace(world.account, "444455556666")
    result = taken(body, intake_of(world, executor))
    assert result.outcome == NotForUs(Reason.OTHER_ACCOUNT)
    assert [line["reason"] for line in result.log] == ["other_account"]
    assert untouched(world)


def test_a_stack_that_is_off_says_so(executor: ThreadPoolExecutor) -> None:
    world = failed()
    world.mode = Mode.OFF
    (line,) = taken(check(world), intake_of(world, executor)).log
    assert (line["verdict"], line["reason"], line["job"]) == ("IGNORE", "mode_off", JOB)


@pytest.mark.parametrize("body", ["", "night-1 failed", "[]", "null", '{"detail-type": 7}'])
def test_what_is_no_event_is_set_aside_as_it_came(body: str, executor: ThreadPoolExecutor) -> None:
    world = failed()
    result = taken(body, intake_of(world, executor))
    assert result.outcome == NotForUs(Reason.MESSAGE_MALFORMED)
    assert [(one, why.split(":")[0]) for one, why in world.dead_letters.quarantined] == [
        (body, "message_malformed")
    ]
    assert [(line["level"], line["reason"]) for line in result.log] == [
        ("ERROR", "message_malformed")
    ]


class _NoDeadLetters:
    """A dead-letter queue that does not answer."""

    def quarantine(self, body: str, reason: str) -> None:
        raise Retry(f"SendMessage: no answer to {len(body)} characters ({reason})")


def test_what_cannot_be_set_aside_comes_again(executor: ThreadPoolExecutor) -> None:
    world = failed()
    intake = replace(intake_of(world, executor), dead_letters=_NoDeadLetters())
    with captured() as printed, pytest.raises(Retry):
        take("no event", intake)
    assert printed.getvalue() == ""


@pytest.mark.parametrize("call", ["create", "publish", "add_tags"])
def test_nothing_is_acknowledged_before_it_is_durable(
    call: str, executor: ThreadPoolExecutor
) -> None:
    world = failed()
    ports = Watched(world, Death((call, 1), after=False)).ports()
    with captured() as printed, pytest.raises(Crash):
        take(check(world), replace(intake_of(world, executor), world=ports))
    assert printed.getvalue() == ""
    assert verdict_of(world) is None


def test_no_secret_of_the_job_is_told(executor: ThreadPoolExecutor) -> None:
    world, key = trained(), secrets.token_hex(20)
    job = described_job(world) | {
        "Environment": {"WANDB_API_KEY": key},
        "HyperParameters": {"token": key},
    }
    world.sagemaker.put(JOB, job, TAGS | {"owner": key})
    world.sagemaker.end(JOB, "Failed", "Failed", f"{GPU} --key {key}")
    result = taken(check(world), intake_of(world, executor))
    assert isinstance(result.outcome, Decision)
    assert result.outcome.verdict is Verdict.RELAUNCH
    assert key not in json.dumps([result.log, result.metrics])


class _Context:
    """The little that Powertools and the handler read of a Lambda context."""

    function_name = "on_training_ended"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:111122223333:function:on_training_ended"
    aws_request_id = "a-request"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def _batch(*bodies: str) -> dict[str, Any]:
    return {
        "Records": [
            {"messageId": f"message-{number}", "body": body, "eventSource": "aws:sqs"}
            for number, body in enumerate(bodies)
        ]
    }


def test_a_message_that_must_come_again_holds_up_no_other(
    monkeypatch: pytest.MonkeyPatch, executor: ThreadPoolExecutor
) -> None:
    world = failed()
    world.sagemaker.put("night-2", described_job(world), TAGS)
    world.sagemaker.refuse_create(Retry("CreateTrainingJob: no answer"))
    monkeypatch.setattr(wiring, "start", lambda: intake_of(world, executor))
    batch = _batch(check(world), "no event", check(world, "night-2"))
    with captured():
        answer = on_training_ended.handler(batch, _Context())  # type: ignore[arg-type]
    assert answer == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}
    assert (verdict_of(world), verdict_of(world, "night-2")) == (None, "RELAUNCH")
    assert len(world.dead_letters.quarantined) == 1


def test_where_every_message_must_come_again_each_is_named_and_the_log_says_why(
    monkeypatch: pytest.MonkeyPatch, executor: ThreadPoolExecutor
) -> None:
    world = failed()
    world.sagemaker.refuse_create(Retry("CreateTrainingJob: no answer"))
    monkeypatch.setattr(wiring, "start", lambda: intake_of(world, executor))
    with captured() as printed:
        answer = on_training_ended.handler(_batch(check(world)), _Context())  # type: ignore[arg-type]
    assert answer == {"batchItemFailures": [{"itemIdentifier": "message-0"}]}
    (line,) = map(json.loads, printed.getvalue().splitlines())
    assert line["level"] == "WARNING"
    assert "CreateTrainingJob: no answer" in line["exception"]


def test_a_verdict_of_ours_is_written_in_our_words(executor: ThreadPoolExecutor) -> None:
    world = failed()
    take_result = taken(check(world), intake_of(world, executor))
    own = world.sagemaker.tags(JOB) or {}
    assert {own[tags.VERDICT], own[tags.REASON]} == {
        take_result.log[0]["verdict"],
        take_result.log[0]["reason"],
    }
