"""What may never happen, whatever comes twice, at once, or is refused."""

import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from local.in_memory import InMemoryWorld
from resilience.adapters.messages import message
from resilience.decide.decisions import Lookup, Reason, Verdict
from resilience.errors import CreateRefused, NameInUse, Retry
from resilience.ports import Job
from resilience.relaunch import Request
from resilience.telemetry import record
from resilience.wire import tags
from tests.unit.recovery_world import (
    BUG,
    GPU,
    JOB,
    SUCCESSOR,
    TAGS,
    Watched,
    decide,
    deliver,
    described_job,
    dies,
    failed,
    forgotten,
    hint,
    lineage_of,
    take_up_the_waits,
    trained,
    untouched,
    verdict_of,
)


def test_a_failed_job_comes_back_from_its_newest_checkpoint() -> None:
    world = failed()
    decision = decide(world)
    assert (decision.verdict, decision.reason) == (
        Verdict.RELAUNCH,
        Reason.RESUMED_FROM_CHECKPOINT,
    )
    successor = world.sagemaker.describe(SUCCESSOR)
    assert successor is not None
    environment = successor.described["Environment"]
    assert isinstance(environment, dict)
    assert environment["RESILIENCE_CHECKPOINT"] == "example-team/vision/model-night-1:v1"
    assert verdict_of(world) == "RELAUNCH"


def test_a_repeated_event_writes_nothing_and_tells_nothing() -> None:
    world = failed()
    deliver(world)
    before = (world.sagemaker.tags(JOB), world.sagemaker.names(), len(world.topic.published))
    watched = Watched(world)
    again = decide(world, ports=watched.ports())
    assert again.reason is Reason.ALREADY_DECIDED
    after = (world.sagemaker.tags(JOB), world.sagemaker.names(), len(world.topic.published))
    assert before == after
    assert {name for name, _ in watched.made} == {"describe", "tags"}


class _MeetingAtCreate:
    """Training jobs at which two recoveries meet before either may create."""

    def __init__(self, world: InMemoryWorld) -> None:
        self._jobs = world.sagemaker
        self._both_are_here = threading.Barrier(2, timeout=10)
        self.request_shape = self._jobs.request_shape
        self.add_tags = self._jobs.add_tags

    def describe(self, name: str) -> Job | None:
        return self._jobs.describe(name)

    def tags(self, name: str) -> dict[str, str] | None:
        return self._jobs.tags(name)

    def create(self, request: Request) -> None:
        self._both_are_here.wait()
        self._jobs.create(request)


def test_two_messages_at_once_make_one_successor() -> None:
    world = failed()
    ports = replace(world.ports(), jobs=_MeetingAtCreate(world))
    with ThreadPoolExecutor(2) as executor:
        first, second = executor.map(lambda _: decide(world, ports=ports), range(2))
    # The later one made no job, and may already see that the earlier one has told of it.
    assert Verdict.RELAUNCH in {first.verdict, second.verdict}
    assert {first.reason, second.reason} <= {Reason.RESUMED_FROM_CHECKPOINT, Reason.ALREADY_DECIDED}
    assert world.sagemaker.names() == (JOB, SUCCESSOR)
    assert verdict_of(world) == "RELAUNCH"


def test_a_successor_of_this_very_job_is_ours_whoever_made_it() -> None:
    world = failed()
    deliver(world)
    forgotten(world)  # the verdict was never written
    decision = decide(world)
    assert (decision.verdict, world.sagemaker.names()) == (Verdict.RELAUNCH, (JOB, SUCCESSOR))
    assert verdict_of(world) == "RELAUNCH"


@pytest.mark.parametrize("of_the_other", [{}, {tags.PARENT: "another-job"}])
def test_a_name_that_somebody_else_has_taken_stops(of_the_other: dict[str, str]) -> None:
    world = failed()
    world.sagemaker.put(SUCCESSOR, {"TrainingJobStatus": "InProgress"}, of_the_other)
    decision = decide(world)
    assert (decision.verdict, decision.reason) == (Verdict.STOP, Reason.NAME_TAKEN)
    assert world.sagemaker.tags(SUCCESSOR) == of_the_other


def test_a_name_that_was_in_use_and_is_free_again_is_tried_again() -> None:
    world = failed()
    world.sagemaker.refuse_create(NameInUse(SUCCESSOR))
    with pytest.raises(Retry, match=r"^the job that has the successor's name is gone again$"):
        deliver(world)
    assert verdict_of(world) is None
    assert decide(world).verdict is Verdict.RELAUNCH
    assert SUCCESSOR in world.sagemaker.names()


def test_a_wait_does_not_hide_a_successor_that_an_earlier_try_has_made() -> None:
    world = failed()
    deliver(world)
    forgotten(world)
    world.wandb.lookup = Lookup.UNAVAILABLE
    decision = decide(world)
    assert (decision.verdict, decision.reason) == (Verdict.RELAUNCH, Reason.ALREADY_RELAUNCHED)
    assert world.schedules.due == {}


@pytest.mark.parametrize(
    ("code", "text", "verdict", "reason"),
    [
        (
            "ResourceLimitExceeded",
            "The account-level service limit 'ml.g5 for training job usage' is 0",
            Verdict.WAIT,
            Reason.QUOTA_REACHED,
        ),
        ("ThrottlingException", "Rate exceeded", Verdict.WAIT, Reason.THROTTLED),
        (
            "ResourceLimitExceeded",
            "ml.p4d.24xlarge is not available in this region",
            Verdict.STOP,
            Reason.REQUEST_REJECTED,
        ),
        (
            "ValidationException",
            "1 validation error",
            Verdict.STOP,
            Reason.REQUEST_REJECTED,
        ),
        ("ValidationException", "Could not assume role", Verdict.WAIT, Reason.CREATE_DENIED),
        ("AccessDeniedException", "is not authorized", Verdict.WAIT, Reason.CREATE_DENIED),
    ],
)
def test_a_refused_create_waits_where_time_helps_and_else_stops(
    code: str, text: str, verdict: Verdict, reason: Reason
) -> None:
    world = failed()
    world.sagemaker.refuse_create(CreateRefused(code, text))
    decision = decide(world)
    assert (decision.verdict, decision.reason) == (verdict, reason)
    assert verdict_of(world) == str(verdict)


def test_a_wait_that_only_a_person_can_end_is_told_of_once() -> None:
    world = failed()
    world.sagemaker.refuse_create(*[CreateRefused("AccessDeniedException", "no")] * 2)
    decide(world)
    world.clock.pass_by(3600)
    assert decide(world).verdict is Verdict.WAIT
    assert [one.reason for one in world.topic.published] == [Reason.CREATE_DENIED]


def test_a_create_that_was_refused_for_a_while_succeeds_in_the_end() -> None:
    world = failed()
    world.sagemaker.refuse_create(CreateRefused("ThrottlingException", "Rate exceeded"))
    deliver(world)
    assert take_up_the_waits(world)[-1].verdict is Verdict.RELAUNCH
    assert world.sagemaker.names() == (JOB, SUCCESSOR)


def test_an_answer_that_never_came_leaves_no_verdict() -> None:
    world = failed()
    world.sagemaker.refuse_create(Retry("CreateTrainingJob: no answer"))
    with pytest.raises(Retry):
        deliver(world)
    assert untouched(world)


def test_a_lineage_ends_when_it_dies_again_and_each_attempt_is_counted() -> None:
    world, job = failed(BUG), JOB
    spent: list[int] = []
    while (decision := decide(world, hint(job))).verdict is not Verdict.STOP:
        if decision.verdict is Verdict.WAIT:
            world.clock.pass_by(3600)
            continue
        job = world.sagemaker.names()[-1]
        dies(world, job, BUG)
        spent.append(lineage_of(world, job).ledger.count("user_code"))
    assert decision.reason is Reason.FAILED_AGAIN_AT_SAME_STEP
    assert spent == [1, 2]
    assert world.sagemaker.names() == (JOB, SUCCESSOR, "night-1-r3")


def test_a_secret_in_the_jobs_environment_goes_to_the_successor_and_nowhere_else() -> None:
    world, key = trained(), secrets.token_hex(20)
    job = described_job(world) | {"Environment": {"WANDB_API_KEY": key}}
    world.sagemaker.put(JOB, job, TAGS)
    world.sagemaker.end(JOB, "Failed", "Failed", f"{GPU} WANDB_API_KEY={key}")
    decision = decide(world)
    environment = world.sagemaker.requests[0]["Environment"]
    assert isinstance(environment, dict)
    assert environment["WANDB_API_KEY"] == key
    told = [record(decision), message(decision), world.sagemaker.tags(JOB)]
    assert key not in str([*told, world.sagemaker.requests[0]["Tags"]])
