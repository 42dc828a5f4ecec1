"""What may never happen, whatever comes twice, late, at once, or not at all."""

import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from local.in_memory import InMemoryWorld
from resilience import tags
from resilience.adapters.messages import message
from resilience.decisions import Decision, Lookup, Mode, Reason, Verdict
from resilience.errors import CreateRefused, NameInUse, Retry
from resilience.events import NotForUs
from resilience.ports import Job, World
from resilience.relaunch import Request
from resilience.telemetry import record
from tests.unit.recovery_world import (
    CAPACITY,
    GPU,
    JOB,
    OUT_OF_MEMORY,
    SUCCESSOR,
    TAGS,
    WANDB,
    Watched,
    decide,
    deliver,
    event,
    failed,
    hint,
    hint_of,
    trained,
)


def verdict_of(world: InMemoryWorld, job: str = JOB) -> str | None:
    return (world.sagemaker.tags(job) or {}).get(tags.VERDICT)


def untouched(world: InMemoryWorld) -> bool:
    """Nothing was created, tagged, told or scheduled."""
    return (
        world.sagemaker.requests == []
        and verdict_of(world) is None
        and world.topic.published == []
        and world.schedules.due == {}
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


# --- what comes twice


def test_a_repeated_event_writes_nothing_and_tells_nothing() -> None:
    world = failed()
    deliver(world)
    before = (world.sagemaker.tags(JOB), world.sagemaker.names(), len(world.topic.published))
    watched = Watched(world)
    again = decide(world, ports=watched.ports())
    assert again.reason is Reason.ALREADY_JUDGED
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
    assert first.verdict is second.verdict is Verdict.RELAUNCH
    assert world.sagemaker.names() == (JOB, SUCCESSOR)
    assert verdict_of(world) == "RELAUNCH"


# --- the name of the successor


def test_a_successor_of_this_very_job_is_ours_whoever_made_it() -> None:
    world = failed()
    deliver(world)
    world.sagemaker.put(JOB, _described(world), TAGS)  # the verdict was never written
    decision = decide(world)
    assert (decision.verdict, world.sagemaker.names()) == (Verdict.RELAUNCH, (JOB, SUCCESSOR))
    assert verdict_of(world) == "RELAUNCH"


def _described(world: InMemoryWorld) -> dict[str, object]:
    job = world.sagemaker.describe(JOB)
    assert job is not None
    return dict(job.described)


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
    with pytest.raises(Retry):
        deliver(world)
    assert verdict_of(world) is None
    assert decide(world).verdict is Verdict.RELAUNCH
    assert SUCCESSOR in world.sagemaker.names()


def test_a_wait_does_not_hide_a_successor_that_an_earlier_try_has_made() -> None:
    world = failed()
    deliver(world)
    world.sagemaker.put(JOB, _described(world), TAGS)
    world.wandb.lookup = Lookup.UNAVAILABLE
    decision = decide(world)
    assert (decision.verdict, decision.reason) == (Verdict.RELAUNCH, Reason.ALREADY_RELAUNCHED)
    assert world.schedules.due == {}


# --- what SageMaker refuses


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
        ("ValidationException", "Could not assume role", Verdict.STOP, Reason.REQUEST_REJECTED),
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


# --- who has the say


def test_a_job_that_a_person_stopped_never_comes_back() -> None:
    world = trained()
    world.sagemaker.end(JOB, "Stopped", "Stopped")
    assert decide(world).reason is Reason.STOPPED_BY_USER
    assert decide(world).reason is Reason.ALREADY_JUDGED
    assert world.sagemaker.names() == (JOB,)


def test_a_successor_that_a_person_stopped_never_comes_back() -> None:
    world = failed()
    deliver(world)
    world.sagemaker.end(SUCCESSOR, "Stopped", "Stopped")
    assert decide(world, hint(SUCCESSOR)).reason is Reason.STOPPED_BY_USER
    deliver(world)
    assert world.sagemaker.names() == (JOB, SUCCESSOR)


def test_a_job_that_is_switched_off_while_it_waits_stays_down() -> None:
    world = failed(CAPACITY)
    deliver(world)
    world.sagemaker.add_tags(world.sagemaker.arn(JOB), {tags.MODE: "off"})
    assert [one.reason for one in take_up_the_waits(world)] == [Reason.MODE_OFF]
    assert world.sagemaker.names() == (JOB,)


def test_a_job_that_is_deleted_while_it_waits_stays_down() -> None:
    world = failed(CAPACITY)
    deliver(world)
    world.sagemaker.delete(JOB)
    (body,) = world.schedules.fire(world.clock() + 3600)
    assert deliver(world, hint_of(body, world)) == NotForUs(Reason.JOB_NOT_FOUND)


@pytest.mark.parametrize("reason", [GPU, CAPACITY, OUT_OF_MEMORY])
@pytest.mark.parametrize("of_the_job", [False, True])
def test_observing_decides_and_changes_nothing(reason: str, *, of_the_job: bool) -> None:
    world = failed(reason, tags=TAGS | {tags.MODE: "observe"} if of_the_job else TAGS)
    world.mode = Mode.ACT if of_the_job else Mode.OBSERVE
    acting = decide(failed(reason))
    observing = decide(world)
    assert (observing.verdict, observing.reason) == (acting.verdict, acting.reason)
    assert untouched(world)


def test_switched_off_not_even_a_question_is_asked() -> None:
    world = failed()
    world.mode = Mode.OFF
    watched = Watched(world)
    assert deliver(world, ports=watched.ports()) == NotForUs(Reason.MODE_OFF)
    assert watched.made == []


# --- an event is only a hint


@pytest.mark.parametrize(
    ("status", "secondary"), [("InProgress", "Training"), ("Stopping", "Stopping")]
)
def test_nothing_is_launched_while_the_job_itself_has_not_ended(
    status: str, secondary: str
) -> None:
    world = trained()
    world.sagemaker.put(JOB, _described(world) | {"TrainingJobStatus": status}, TAGS)
    world.sagemaker.end(JOB, status, secondary)
    decision = decide(world, event())
    assert decision.reason is Reason.NOT_ENDED
    assert untouched(world)


def test_a_state_that_nobody_knows_means_no_action() -> None:
    world = trained()
    world.sagemaker.end(JOB, "Hibernating", "Hibernating")
    assert decide(world).reason is Reason.STATUS_UNKNOWN
    assert untouched(world)


def test_the_events_own_tags_only_start_the_question_early() -> None:
    world = failed()
    decide(world, event())
    assert world.wandb.asked == [WANDB]


def test_the_jobs_tags_overrule_those_of_an_older_event() -> None:
    world = failed()
    stale = TAGS | {"WANDB_CHECKPOINT_NAME": "model-of-an-older-run"}
    decision = decide(world, event(stale))
    assert decision.facts.request == WANDB
    assert WANDB in world.wandb.asked
    assert [one.version for one in decision.facts.checkpoints] == ["v1", "v0"]


def test_an_event_cannot_opt_a_job_in() -> None:
    world = failed(tags={})
    decision = decide(world, event())
    assert decision.reason is Reason.NOT_OPTED_IN
    assert untouched(world)


def test_of_a_job_that_is_not_opted_in_wandb_is_asked_nothing() -> None:
    world = failed(tags={"team": "vision"})
    assert decide(world, event({"team": "vision"})).reason is (Reason.NOT_OPTED_IN)
    assert world.wandb.asked == []


# --- waiting


def take_up_the_waits(world: InMemoryWorld, job: str = JOB) -> list[Decision]:
    """Let time pass until no schedule is left; what was decided each time."""
    decisions: list[Decision] = []
    while world.schedules.due:
        world.clock.now = min(world.schedules.due.values())
        fired = world.schedules.fire(world.clock())
        decisions.extend(decide(world, hint_of(body, world)) for body in fired)
    assert job in world.sagemaker.names()
    return decisions


def test_a_wait_for_capacity_ends_in_a_relaunch_when_it_is_due() -> None:
    world = failed(CAPACITY)
    waiting = decide(world)
    assert (waiting.verdict, verdict_of(world)) == (Verdict.WAIT, "WAIT")
    assert world.sagemaker.names() == (JOB,)
    assert decide(world).reason is Reason.NOT_DUE
    assert [one.verdict for one in take_up_the_waits(world)] == [Verdict.RELAUNCH]
    assert (world.sagemaker.names(), verdict_of(world)) == ((JOB, SUCCESSOR), "RELAUNCH")


def test_a_wait_for_capacity_goes_on_over_attempts_that_never_started_and_ends() -> None:
    world = failed(CAPACITY)
    last, job = decide(world), JOB
    while last.verdict is not Verdict.STOP:
        last = take_up_the_waits(world, job)[-1]
        job = world.sagemaker.names()[-1]
        world.sagemaker.end(job, "Failed", "Failed", CAPACITY)
        last = decide(world, hint(job))
    assert last.reason is Reason.WAIT_TIME_EXHAUSTED
    waited = world.clock() - decide(failed(CAPACITY)).facts.observed_at
    longest = last.facts.policy.wait_total_seconds + last.facts.policy.backoff_max_seconds
    assert last.facts.policy.wait_total_seconds <= waited <= longest


def test_wandb_that_is_down_delays_and_changes_nothing_else() -> None:
    world = failed()
    world.wandb.lookup = Lookup.UNAVAILABLE
    assert decide(world).reason is Reason.WANDB_UNAVAILABLE
    (due,) = world.schedules.due.values()
    world.clock.now = due
    (body,) = world.schedules.fire(due)
    assert decide(world, hint_of(body, world)).reason is Reason.WANDB_UNAVAILABLE
    world.wandb.lookup = Lookup.FOUND
    assert take_up_the_waits(world)[-1].reason is Reason.RESUMED_FROM_CHECKPOINT
    successor = world.sagemaker.tags(SUCCESSOR) or {}
    assert successor[tags.CHECKPOINT] == "v1"


# --- budgets, replay, secrets


def test_a_lineage_ends_with_its_budget_and_every_end_is_counted() -> None:
    world, job = failed(), JOB
    spent: list[int] = []
    while (decision := decide(world, hint(job))).verdict is Verdict.RELAUNCH:
        job = world.sagemaker.names()[-1]
        world.wandb.commit(WANDB, step=300 + len(spent), run="night-1")
        world.sagemaker.end(job, "Failed", "Failed", GPU)
        lineage = tags.lineage(job, world.sagemaker.tags(job) or {})
        spent.append(sum(count for _, count in lineage.ledger.ends))
    assert decision.reason is Reason.ATTEMPTS_EXHAUSTED
    assert spent == list(range(1, 10))
    assert len(world.sagemaker.names()) == 10


def test_a_secret_in_the_jobs_environment_goes_to_the_successor_and_nowhere_else() -> None:
    world, key = trained(), secrets.token_hex(20)
    job = _described(world) | {"Environment": {"WANDB_API_KEY": key}}
    world.sagemaker.put(JOB, job, TAGS)
    world.sagemaker.end(JOB, "Failed", "Failed", f"{GPU} WANDB_API_KEY={key}")
    decision = decide(world)
    environment = world.sagemaker.requests[0]["Environment"]
    assert isinstance(environment, dict)
    assert environment["WANDB_API_KEY"] == key
    told = [record(decision), message(decision), world.sagemaker.tags(JOB)]
    assert key not in str([*told, world.sagemaker.requests[0]["Tags"]])


def test_the_ports_in_memory_are_the_ports() -> None:
    world = trained()
    ports: World = world.ports()
    assert ports.now() == world.clock()
