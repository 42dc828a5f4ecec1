"""The sweep moves the fleet breaker: which deaths count, who is tried, what people are told."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.in_memory import Clock, InMemoryWorld
from resilience.decide import naming, work
from resilience.decide.breaker import OPEN_SECONDS, Breaker, Circuit, Trial
from resilience.decide.decisions import Mode
from resilience.errors import Retry
from resilience.fleet.breaker import FleetBreaker
from resilience.fleet.jobs import Pages, SeenJob, deaths, successor_of, trial
from resilience.fleet.sweeping import sweep
from resilience.wire import tags, words
from tests.unit.fleet_story import FRIDAY_NIGHT, HOUR, swept
from tests.unit.recovery_world import SWEEP, TAGS

MINUTE = 60
GPU = 'AlgorithmError: ExecuteUserScriptError: ErrorMessage "CUDA error: uncorrectable ECC error"'
BUG = "AlgorithmError: ExecuteUserScriptError: ErrorMessage \"KeyError: 'labels'\""
OTHER_BUG = "AlgorithmError: ExecuteUserScriptError: ErrorMessage \"NameError: name 'x' is not\""
STOPPED = "AlgorithmError: StoppedByUser: run night-1 was stopped in W&B"
PLACE = {"RESILIENCE_COLLECTION": "example-team/vision/model-night-1"}
NIGHT = FRIDAY_NIGHT
NOTHING: Mapping[str, str] = {}
OPEN = Breaker(state=Circuit.OPEN, since=FRIDAY_NIGHT, cause="infrastructure", mailed=FRIDAY_NIGHT)


def world_at_night() -> InMemoryWorld:
    return InMemoryWorld(Clock(FRIDAY_NIGHT))


def died(
    world: InMemoryWorld,
    name: str,
    reason: str = GPU,
    trained: int = 5 * MINUTE,
    environment: Mapping[str, str] = PLACE,
) -> str:
    """A job of its own lineage that has just died after so long."""
    begun = datetime.fromtimestamp(world.clock() - trained, UTC)
    job = {"Environment": dict(environment), "TrainingStartTime": begun}
    world.sagemaker.put(name, job, TAGS)
    world.sagemaker.end(name, "Failed", "Failed", reason)
    return name


def successor_died(world: InMemoryWorld, root: str, attempt: int = 2) -> str:
    born = {
        "RESILIENCE_ROOT": root,
        "RESILIENCE_PARENT": root,
        "RESILIENCE_ATTEMPT": str(attempt),
    }
    return died(world, naming.successor_name(root, attempt), environment=PLACE | born)


def many_die(world: InMemoryWorld, count: int, reason: str = GPU) -> None:
    for number in range(count):
        died(world, f"bad-{number}", reason)


def change(world: InMemoryWorld, name: str, own: Mapping[str, str], **more: object) -> None:
    job, had = world.sagemaker.describe(name), world.sagemaker.tags(name)
    assert job is not None
    described = {key: value for key, value in {**job.described, **more}.items() if value}
    world.sagemaker.put(name, described, {**(had or {}), **own})


def is_open(world: InMemoryWorld, failures: int = 5) -> bool:
    swept(world, failures)
    return world.breaker.state is Circuit.OPEN


# --- what counts


def test_many_lineages_that_die_soon_of_one_cause_open_the_breaker() -> None:
    world = world_at_night()
    many_die(world, 4)
    assert not is_open(world)
    successor_died(world, "bad-4")
    assert is_open(world)
    assert world.breaker.cause == "infrastructure"
    assert world.breaker.died_within == 5 * MINUTE
    assert world.mode is Mode.ACT


def test_a_lineage_that_dies_again_and_again_is_one_lineage() -> None:
    world = world_at_night()
    died(world, "bad")
    for attempt in range(2, 9):
        successor_died(world, "bad", attempt)
    assert not is_open(world, failures=2)


def test_bugs_of_many_programs_are_no_cause_that_they_share() -> None:
    world = world_at_night()
    for number in range(8):
        died(world, f"bad-{number}", BUG if number % 2 else OTHER_BUG)
    assert not is_open(world)
    died(world, "bad-8", BUG)
    assert is_open(world)
    assert world.breaker.cause.startswith("user_code/")


def test_an_attempt_that_trained_for_an_hour_is_no_evidence_that_trying_is_in_vain() -> None:
    world = world_at_night()
    for number in range(9):
        died(world, f"old-{number}", trained=HOUR)
    assert not is_open(world)


def test_what_a_person_stopped_is_no_death_however_many_it_was() -> None:
    world = world_at_night()
    many_die(world, 9, STOPPED)
    assert not is_open(world)


def test_deaths_older_than_the_window_do_not_count() -> None:
    world = world_at_night()
    many_die(world, 5)
    world.clock.pass_by(SWEEP.breaker_window_seconds + 1)
    assert not is_open(world)


def test_deaths_of_another_cause_count_from_before_it_opened_as_well() -> None:
    world = world_at_night()
    many_die(world, 5)
    world.clock.pass_by(60)
    bug = work.cause({"TrainingJobStatus": "Failed", "FailureReason": BUG})
    world.breaker = replace(OPEN, cause=bug, since=world.clock())
    assert is_open(world)
    assert world.breaker.cause == "infrastructure"


def test_a_death_that_is_tagged_later_does_not_count_again() -> None:
    world = world_at_night()
    many_die(world, 5)
    world.clock.pass_by(SWEEP.breaker_window_seconds + 1)
    now = datetime.fromtimestamp(world.clock(), UTC)
    for number in range(5):
        change(world, f"bad-{number}", {"team": "vision"}, LastModifiedTime=now)
    assert not is_open(world)


def test_what_died_before_the_breaker_was_closed_does_not_open_it_again() -> None:
    world = world_at_night()
    many_die(world, 5)
    world.clock.pass_by(1)
    world.breaker = Breaker(since=world.clock())
    assert not is_open(world)
    many_die(world, 5)
    assert is_open(world)


JUNK: dict[str, Callable[[InMemoryWorld, str], None]] = {
    "a project that only a tag allows": lambda world, name: change(
        world, name, {}, Environment={"WANDB_PROJECT": "vision"}
    ),
    "nothing that its launch fixed": lambda world, name: change(world, name, {}, Environment={}),
    "a project that is not allowed": lambda world, name: change(
        world, name, {}, Environment={"RESILIENCE_COLLECTION": "stranger/vision/model-x"}
    ),
    "never started": lambda world, name: change(world, name, {}, TrainingStartTime=None),
    "stopped by a person": lambda world, name: change(world, name, {}, FailureReason=STOPPED),
    "still training": lambda world, name: change(world, name, {}, TrainingJobStatus="InProgress"),
    "an attempt of another's lineage": lambda world, name: change(
        world,
        name,
        {},
        Environment=PLACE | {"RESILIENCE_ROOT": "other", "RESILIENCE_ATTEMPT": "²"},
        TrainingJobStatus="Stopped",
    ),
}


@pytest.mark.parametrize("spoil", JUNK.values(), ids=JUNK)
def test_what_is_no_death_of_an_allowed_lineage_neither_counts_nor_hides_what_does(
    spoil: Callable[[InMemoryWorld, str], None],
) -> None:
    world = world_at_night()
    many_die(world, 8)
    for number in range(4):
        spoil(world, f"bad-{number}")
    assert not is_open(world)
    assert is_open(world, failures=4)


def test_what_the_launch_fixed_counts_and_not_what_a_tag_says_of_it() -> None:
    world = world_at_night()
    many_die(world, 5)
    change(world, "bad-0", {"WANDB_ENTITY": "stranger"})
    assert is_open(world)


# --- while it is open


def held(world: InMemoryWorld, name: str) -> str:
    """A job that waits because the breaker holds it."""
    died(world, name)
    waits = {tags.VERDICT: "WAIT", tags.REASON: "fleet_breaker_open"}
    due = {tags.DUE: words.stamp(world.clock() + 1800)}
    change(world, name, waits | due)
    return name


def seen(name: str, own: Mapping[str, str] = NOTHING) -> SeenJob:
    """An ended job as Search shows it."""
    return SeenJob(
        name=name,
        status="Failed",
        tags=own,
        environment={},
        started_at=None,
        ended_at=None,
        described={},
    )


def an_hour_later(*names: str) -> InMemoryWorld:
    """The breaker has been open for an hour, and these wait."""
    world = world_at_night()
    world.breaker = OPEN
    for name in names:
        held(world, name)
    world.clock.pass_by(OPEN_SECONDS)
    return world


def asked(world: InMemoryWorld, name: str) -> bool:
    return any(f'"{name}"' in body for body in world.queue.bodies)


def test_after_an_hour_one_of_those_that_wait_is_let_through() -> None:
    world = an_hour_later("a", "b", "c")
    for name in "abc":
        change(world, name, {tags.DUE: words.stamp(world.clock() + 1800)})
    swept(world)
    assert world.breaker.state is Circuit.HALF_OPEN
    assert [name for name in "abc" if asked(world, name)] == [world.breaker.probe]


def test_one_that_its_own_tags_keep_from_acting_is_not_let_through() -> None:
    world = an_hour_later("a", "b")
    change(world, "a", {tags.MODE: "observe"})
    change(world, "b", {tags.REASON: "capacity_unavailable"})
    swept(world)
    assert world.breaker.state is Circuit.CLOSED


def test_the_one_that_is_let_through_is_asked_for_until_its_verdict_is_another() -> None:
    world = an_hour_later("a")
    swept(world)
    world.queue.bodies.clear()
    swept(world)
    assert asked(world, "a")
    change(world, "a", {tags.VERDICT: "RELAUNCH"})
    world.queue.bodies.clear()
    swept(world)
    assert not asked(world, "a")


def on_trial(**successor: object) -> InMemoryWorld:
    """`a` was let through ten minutes ago, and its successor is as it is said; `b` waits."""
    world = an_hour_later("a")
    swept(world)
    held(world, "b")
    change(world, "a", {tags.VERDICT: "RELAUNCH", tags.SUCCESSOR: "a-r2"})
    world.clock.pass_by(11 * MINUTE)
    if successor:
        tagged = successor.pop("tagged", {})
        assert isinstance(tagged, dict)
        world.sagemaker.put("a-r2", {"Environment": PLACE, **successor}, TAGS | tagged)
    swept(world)
    return world


def ago(seconds: int) -> datetime:
    trial = FRIDAY_NIGHT + OPEN_SECONDS + 11 * MINUTE
    return datetime.fromtimestamp(trial, UTC) - timedelta(seconds=seconds)


RUNNING = {"TrainingJobStatus": "InProgress"}
DIED = {"TrainingJobStatus": "Failed", "FailureReason": GPU, "TrainingEndTime": ago(0)}
ADVANCED = {"tagged": {tags.VERDICT: "RELAUNCH"}}
OUTCOMES: dict[str, tuple[dict[str, object], Circuit]] = {
    "not there yet": ({}, Circuit.HALF_OPEN),
    "waits for its instances": ({**RUNNING}, Circuit.HALF_OPEN),
    "trains as long as others": ({**RUNNING, "TrainingStartTime": ago(600)}, Circuit.HALF_OPEN),
    "outlives the deaths": ({**RUNNING, "TrainingStartTime": ago(601)}, Circuit.CLOSED),
    "dies": ({**DIED, "TrainingStartTime": ago(300)}, Circuit.OPEN),
    "dies later than the others": ({**DIED, "TrainingStartTime": ago(601)}, Circuit.CLOSED),
    "dies and had advanced": (
        {**DIED, **ADVANCED, "TrainingStartTime": ago(300)},
        Circuit.CLOSED,
    ),
    "ends well": (
        {"TrainingJobStatus": "Completed", "TrainingStartTime": ago(300)},
        Circuit.CLOSED,
    ),
}


@pytest.mark.parametrize(("successor", "state"), OUTCOMES.values(), ids=OUTCOMES)
def test_the_trial_decides_for_the_fleet(successor: dict[str, object], state: Circuit) -> None:
    world = on_trial(**successor)
    assert world.breaker.state is state
    pending = state is Circuit.HALF_OPEN
    assert world.breaker.probe == ("a" if pending else "")
    assert (world.breaker.since == world.clock()) is not pending


NO_ANSWERS: dict[str, dict[str, object]] = {
    "never began": {"TrainingJobStatus": "Failed", "FailureReason": "CapacityError: none"},
    "a person stopped it": {"TrainingJobStatus": "Stopped", "TrainingStartTime": ago(300)},
}


@pytest.mark.parametrize("successor", NO_ANSWERS.values(), ids=NO_ANSWERS)
def test_where_the_trial_has_no_answer_the_next_one_is_tried(successor: dict[str, object]) -> None:
    world = on_trial(**successor)
    assert (world.breaker.state, world.breaker.probe) == (Circuit.HALF_OPEN, "b")


def test_a_trial_that_another_rule_stops_hands_over() -> None:
    world = an_hour_later("a")
    swept(world)
    held(world, "b")
    change(world, "a", {tags.VERDICT: "STOP"})
    swept(world)
    assert world.breaker.probe == "b"


def test_a_trial_that_has_not_begun_within_the_hour_hands_over() -> None:
    world = on_trial(TrainingJobStatus="InProgress")
    world.clock.pass_by(OPEN_SECONDS)
    swept(world)
    assert world.breaker.probe == "b"


@pytest.mark.parametrize(
    ("reason", "state"), [(OTHER_BUG, Circuit.OPEN), (BUG, Circuit.CLOSED)], ids=["other", "same"]
)
def test_of_a_narrow_cause_only_who_comes_back_from_that_death_has_advanced(
    reason: str, state: Circuit
) -> None:
    """Whoever died of another cause comes back in any case, and proves nothing."""
    world = an_hour_later("a")
    bug = work.cause({"TrainingJobStatus": "Failed", "FailureReason": BUG})
    world.breaker = replace(OPEN, cause=bug)
    swept(world)
    change(world, "a", {tags.VERDICT: "RELAUNCH", tags.SUCCESSOR: "a-r2"})
    died(world, "a-r2", reason)
    change(world, "a-r2", {tags.VERDICT: "RELAUNCH"})
    swept(world)
    assert world.breaker.state is state


def test_a_trial_whose_job_was_deleted_hands_over() -> None:
    world = an_hour_later("a")
    swept(world)
    held(world, "b")
    world.sagemaker.delete("a")
    swept(world)
    assert (world.breaker.state, world.breaker.probe) == (Circuit.HALF_OPEN, "b")


def test_a_person_who_half_opens_it_and_names_nobody_has_one_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = world_at_night()
    real = world.sagemaker.named

    def named(names: Sequence[str]) -> Iterator[SeenJob]:
        assert all(names), "Search takes no empty value"
        return real(names)

    monkeypatch.setattr(world.sagemaker, "named", named)
    world.breaker = Breaker(state=Circuit.HALF_OPEN, since=FRIDAY_NIGHT)
    held(world, "a")
    swept(world)
    assert world.breaker.probe == "a"


@pytest.mark.parametrize(
    ("seconds", "verdict", "expected"),
    [
        (3599, {}, Trial.PENDING),
        (3600, {}, Trial.NO_ANSWER),
        (0, {tags.VERDICT: "WAIT"}, Trial.PENDING),
        (0, {tags.VERDICT: "RELAUNCH"}, Trial.PENDING),
        (0, {tags.VERDICT: "STOP"}, Trial.NO_ANSWER),
    ],
)
def test_a_trial_is_waited_for_for_an_hour_unless_it_gets_another_verdict(
    seconds: int, verdict: dict[str, str], expected: Trial
) -> None:
    breaker = Breaker(state=Circuit.HALF_OPEN, since=FRIDAY_NIGHT, probe="a")
    assert trial(seen("a", verdict), None, breaker, FRIDAY_NIGHT + seconds) is expected


@pytest.mark.parametrize(
    ("started_at", "ended_at", "status", "trained"),
    [
        (None, None, "InProgress", 0),
        (None, NIGHT + 90, "Failed", 0),
        (NIGHT, NIGHT + 90, "Failed", 90),
        (NIGHT, NIGHT + 90, "InProgress", 600),  # Search shows its last change
        (NIGHT, None, "Failed", 600),
        (NIGHT + 700, None, "InProgress", 0),  # by another clock
    ],
)
def test_how_long_a_job_has_trained_is_until_its_end_or_until_now(
    started_at: int | None, ended_at: int | None, status: str, trained: int
) -> None:
    job = replace(seen("a"), started_at=started_at, ended_at=ended_at, status=status)
    assert job.trained(NIGHT + 600) == trained


def test_how_soon_a_job_died_is_until_its_end_though_search_shows_it_as_it_was_before() -> None:
    job = replace(
        seen("a", TAGS),
        status="InProgress",
        environment=PLACE,
        started_at=NIGHT,
        ended_at=NIGHT + 90,
        described={"TrainingJobStatus": "Failed", "FailureReason": GPU},
    )
    assert deaths([job], SWEEP, after=NIGHT) == {"infrastructure": {"a": 90}}


USED_AGAIN = naming.root_used_again("a", NIGHT)


@pytest.mark.parametrize(
    ("name", "recorded", "successor"),
    [
        ("a", None, "a-r2"),
        ("a", "a-r2", "a-r2"),
        ("a", f"{USED_AGAIN}-r2", f"{USED_AGAIN}-r2"),
        ("a", "of-somebody-else", "a-r2"),
        ("a-r2", None, "a-r3"),
    ],
)
def test_a_jobs_successor_bears_the_name_that_was_recorded_if_the_lineage_could_have_given_it(
    name: str, recorded: str | None, successor: str
) -> None:
    own = {} if recorded is None else {tags.SUCCESSOR: recorded}
    born = {"RESILIENCE_ROOT": "a", "RESILIENCE_ATTEMPT": "2"} if name == "a-r2" else {}
    created = {"CreationTime": datetime.fromtimestamp(NIGHT, UTC)}
    assert successor_of(replace(seen(name, own), environment=born, described=created)) == successor


# --- people


TO_ALL = "Jobs that committed no new checkpoint wait, whatever they died of."
TO_SOME = "Jobs that died of this cause, and committed no new checkpoint, wait."


@pytest.mark.parametrize(("reason", "whom"), [(GPU, TO_ALL), (BUG, TO_SOME)], ids=["all", "some"])
def test_people_are_told_once_a_day_of_the_fleet_and_how_to_close_it(
    reason: str, whom: str
) -> None:
    world = world_at_night()
    many_die(world, 5, reason)
    assert is_open(world)
    for _ in range(12):
        world.clock.pass_by(300)
        swept(world, 5)
    [(subject, text)] = world.topic.told
    assert subject == "fleet breaker open: relaunches wait"
    assert text.splitlines() == [
        f"cause: {world.breaker.cause}",
        f"open since: {words.stamp(FRIDAY_NIGHT)}",
        (
            f"{whom} One job is tried each hour. When its successor trains for 600 s, the breaker"
            " closes and the others go on by themselves."
        ),
        "look: docs/runbook.md#fleet_breaker_open",
        (
            "close it now: aws ssm put-parameter --overwrite --type String"
            " --name /resilience/breaker --value closed"
        ),
    ]


class NotWritten:
    """Switches that are read and never written, as without the right to PutParameter."""

    def __init__(self, world: InMemoryWorld) -> None:
        self.read = world.read

    def write(self, breaker: Breaker, *, instead_of: Breaker) -> bool:
        raise Retry(f"cannot write {breaker} instead of {instead_of}")


class NobodyThere:
    def notify(self, subject: str, text: str) -> None:
        raise Retry(f"cannot send {subject}: {text}")


def sweep_with(world: InMemoryWorld, **service: Any) -> None:  # noqa: ANN401 — a part of the fleet
    settings = replace(SWEEP, breaker_failures=5)
    sweep(replace(world.fleet(), **service), settings, world.clock(), lambda: 60.0)


def test_of_a_state_that_cannot_be_written_no_sweep_notifies() -> None:
    world = world_at_night()
    many_die(world, 5)
    for _ in range(3):
        with pytest.raises(Retry):
            sweep_with(world, switches=NotWritten(world))
    assert world.topic.told == []


def test_of_a_new_cause_that_nobody_could_be_told_of_a_later_sweep_tells() -> None:
    """Of the old one people were told an hour ago, which would be soon enough."""
    world = world_at_night()
    bug = work.cause({"TrainingJobStatus": "Failed", "FailureReason": BUG})
    world.breaker = replace(OPEN, cause=bug)
    many_die(world, 5)
    with pytest.raises(Retry):
        sweep_with(world, alert=NobodyThere())
    assert (world.breaker.cause, world.breaker.mailed) == ("infrastructure", 0)
    swept(world, 5)
    swept(world, 5)
    assert len(world.topic.told) == 1


def test_where_nobody_can_be_notified_the_breaker_holds_and_a_later_sweep_notifies() -> None:
    world = world_at_night()
    many_die(world, 5)
    with pytest.raises(Retry):
        sweep_with(world, alert=NobodyThere())
    assert world.breaker.state is Circuit.OPEN
    world.clock.pass_by(300)
    swept(world, 5)
    swept(world, 5)
    assert len(world.topic.told) == 1


def test_what_is_left_over_is_asked_for_though_the_breaker_cannot_be_written() -> None:
    world = world_at_night()
    many_die(world, 5)
    world.clock.pass_by(300)
    with pytest.raises(Retry):
        sweep_with(world, switches=NotWritten(world))
    assert asked(world, "bad-0")


def test_what_nobody_can_read_in_the_parameter_is_reported_and_mended_by_the_sweep() -> None:
    world = an_hour_later("a")
    world.breaker = Breaker(state=Circuit.OPEN, since=FRIDAY_NIGHT, cause="unreadable")
    swept(world)
    assert world.breaker.state is Circuit.HALF_OPEN
    [(_, text)] = world.topic.told
    assert text.startswith("cause: unreadable\n")


def test_of_a_breaker_that_a_person_opened_people_are_told_that_a_person_did() -> None:
    world = world_at_night()
    world.breaker = Breaker(state=Circuit.OPEN, since=FRIDAY_NIGHT)
    swept(world)
    [(_, text)] = world.topic.told
    assert text.startswith("cause: set by a person\n")


def test_of_endless_waits_so_many_pages_are_read_and_the_sweep_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = an_hour_later()

    def endless() -> Pages:
        while True:
            yield (seen("junk"),)

    monkeypatch.setattr(world.sagemaker, "waiting", endless)
    found = swept(world, seconds_left=lambda: 0.0)
    assert found.cut == ("held", "waiting", "again", "opted_in")
    # While a trial goes on, nobody asks who else waits.
    world.breaker = replace(OPEN, state=Circuit.HALF_OPEN, since=world.clock(), probe="a")
    held(world, "a")
    found = swept(world, seconds_left=lambda: 0.0)
    assert found.cut == ("waiting", "again", "opted_in")


def test_an_open_breaker_holds_no_job_without_a_verdict_back_from_being_decided_on() -> None:
    world = world_at_night()
    many_die(world, 5)
    assert is_open(world)
    world.clock.pass_by(300)
    found = swept(world, 5)
    assert len(found.without_verdict) == 5
    assert found.breaker is Circuit.OPEN


@pytest.mark.parametrize("mode", [Mode.OBSERVE, Mode.OFF])
def test_in_the_other_modes_the_breaker_stands_still(mode: Mode) -> None:
    world = an_hour_later("a")
    world.mode = mode
    swept(world)
    assert world.breaker == OPEN
    assert world.topic.told == []


def test_what_a_person_writes_while_the_sweep_counts_is_left_as_it_is() -> None:
    world = world_at_night()
    many_die(world, 5)
    settings = replace(SWEEP, breaker_failures=5)
    by_a_person = Breaker(since=FRIDAY_NIGHT)
    seen, world.breaker = world.breaker, by_a_person
    after = FleetBreaker(world.fleet(), settings, world.clock()).look(seen)
    assert (after, world.breaker) == (seen, by_a_person)
