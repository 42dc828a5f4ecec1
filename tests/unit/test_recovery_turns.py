"""Decide, act, learn: at most three turns, and whoever comes second learns of the first."""

from dataclasses import replace

from local.in_memory import InMemoryWorld
from resilience.decide.decisions import Decision, Lookup, Reason, Verdict
from resilience.errors import CreateRefused
from resilience.wire import tags, words
from tests.unit.away import Away
from tests.unit.recovery_world import (
    JOB,
    SUCCESSOR,
    TAGS,
    Watched,
    decide,
    deliver,
    failed,
    forgotten,
    verdict_of,
)


def test_a_refusal_that_finds_the_successor_of_an_earlier_try_is_settled_in_three_turns() -> None:
    """Created, and the answer was lost; now the name is free to refuse, and taken all the same."""
    world = failed()
    deliver(world)
    forgotten(world)
    world.topic.published.clear()
    watched = Watched(world)
    ports = watched.ports()
    refused = replace(ports, jobs=_Refusing(ports.jobs))
    decision = decide(world, ports=refused)
    assert (decision.verdict, decision.reason) == (Verdict.RELAUNCH, Reason.ALREADY_RELAUNCHED)
    assert (verdict_of(world), world.schedules.due) == ("RELAUNCH", {})
    assert (world.sagemaker.tags(JOB) or {})[tags.SUCCESSOR] == SUCCESSOR
    assert len(world.topic.published) == 1
    made = [name for name, _ in watched.made]
    assert made.count("add_tags") == 1


class _Refusing(Away):
    def __init__(self, port: object) -> None:
        super().__init__(port, ("create",))

    def no_answer(self, *_: object) -> None:
        raise CreateRefused("ThrottlingException", "Rate exceeded")


class _Overtaken(Away):
    """Training jobs at which another worker creates the successor before our tag is written."""

    def __init__(self, world: InMemoryWorld) -> None:
        super().__init__(world.sagemaker, ("add_tags",))
        self._world = world
        self._before = True

    def no_answer(self, *arguments: object) -> None:
        if self._before:
            self._before = False
            self._world.wandb.lookup = Lookup.FOUND
            deliver(self._world)
        self._world.sagemaker.add_tags(*arguments)  # type: ignore[arg-type]  # as they came


def test_whichever_worker_writes_last_writes_that_the_job_was_relaunched() -> None:
    world = failed()
    world.wandb.lookup = Lookup.UNAVAILABLE
    decision = decide(world, ports=replace(world.ports(), jobs=_Overtaken(world)))
    assert (decision.verdict, decision.reason) == (Verdict.RELAUNCH, Reason.ALREADY_RELAUNCHED)
    assert verdict_of(world) == "RELAUNCH"
    assert world.sagemaker.names() == (JOB, SUCCESSOR)


def test_a_limit_that_only_the_request_shows_is_a_stop_and_no_create() -> None:
    world = failed()
    crowded = {f"K{number}": "" for number in range(97)}
    found = world.sagemaker.describe(JOB)
    assert found is not None
    world.sagemaker.put(JOB, {**found.described, "Environment": crowded}, TAGS)
    watched = Watched(world)
    decision = decide(world, ports=watched.ports())
    assert (decision.verdict, decision.reason) == (Verdict.STOP, Reason.LIMIT_REACHED)
    assert "create" not in {name for name, _ in watched.made}


class _Second(Away):
    """Training jobs at which another worker has created the successor before we try."""

    def __init__(self, world: InMemoryWorld, *, recorded: bool) -> None:
        super().__init__(world.sagemaker, ("create",))
        self._world = world
        self._recorded = recorded

    def no_answer(self, *request: object) -> None:
        deliver(self._world)
        if not self._recorded:
            forgotten(self._world)
        self._world.sagemaker.create(*request)  # type: ignore[arg-type]  # as it came


def second(world: InMemoryWorld, *, recorded: bool) -> Decision:
    return decide(world, ports=replace(world.ports(), jobs=_Second(world, recorded=recorded)))


def test_whoever_comes_second_and_sees_that_it_was_recorded_neither_records_nor_notifies() -> None:
    world = failed()
    decision = second(world, recorded=True)
    assert (decision.verdict, decision.reason) == (Verdict.IGNORE, Reason.ALREADY_DECIDED)
    assert len(world.topic.published) == 1
    assert world.sagemaker.names() == (JOB, SUCCESSOR)


def test_whoever_comes_second_records_and_notifies_where_the_first_has_died_before_it() -> None:
    world = failed()
    assert second(world, recorded=False).verdict is Verdict.RELAUNCH
    assert len(world.topic.published) == 2
    assert verdict_of(world) == "RELAUNCH"


def test_a_wait_that_stands_on_the_job_is_no_record_of_its_successor() -> None:
    """The first worker died after it had created it; what stands there is an older wait."""
    world = failed()
    deliver(world)
    forgotten(world)
    wait = {tags.VERDICT: "WAIT", tags.REASON: "throttled", tags.DUE: words.stamp(world.clock())}
    world.sagemaker.add_tags(world.sagemaker.arn(JOB), wait)
    assert decide(world).verdict is Verdict.RELAUNCH
    assert verdict_of(world) == "RELAUNCH"


def test_a_person_who_asks_again_is_answered_though_the_successor_is_there() -> None:
    world = failed()
    deliver(world)
    world.sagemaker.add_tags(world.sagemaker.arn(JOB), {tags.AGAIN: "2026-01-31"})
    assert decide(world).verdict is Verdict.RELAUNCH
    assert tags.again(world.sagemaker.tags(JOB) or {}) is None
    assert tags.ANSWERED in (world.sagemaker.tags(JOB) or {})
    assert world.sagemaker.names() == (JOB, SUCCESSOR)


def test_a_job_that_is_deleted_while_its_successor_is_adjudicated_is_no_error() -> None:
    world = failed()
    deliver(world)
    forgotten(world)
    ports = world.ports()
    gone = replace(ports, jobs=_Untagged(ports.jobs))
    assert decide(world, ports=gone).verdict is Verdict.RELAUNCH


class _Untagged(Away):
    """A job that is gone when its tags are asked for the second time."""

    def __init__(self, port: object) -> None:
        super().__init__(port, ("tags",))
        self._asked = 0

    def no_answer(self, *arguments: object) -> object:  # type: ignore[override]  # it answers
        self._asked += 1
        return self._port.tags(*arguments) if self._asked == 1 else None  # type: ignore[attr-defined]  # a port


def test_a_name_that_is_known_to_be_anothers_is_asked_about_once_more_after_the_tag() -> None:
    world = failed()
    world.sagemaker.put(SUCCESSOR, {"TrainingJobStatus": "InProgress"}, {})
    watched = Watched(world)
    assert decide(world, ports=watched.ports()).reason is Reason.NAME_TAKEN
    assert [name for name, _ in watched.made].count("describe") == 3


def test_a_name_that_becomes_free_before_stop_is_written_hides_no_relaunch() -> None:
    """Another's job is deleted, and another worker creates the successor, before our tag stands."""
    world = failed()
    world.sagemaker.put(SUCCESSOR, {"TrainingJobStatus": "InProgress"}, {})
    decision = decide(world, ports=replace(world.ports(), jobs=_FreedAndOvertaken(world)))
    assert (decision.verdict, decision.reason) == (Verdict.RELAUNCH, Reason.ALREADY_RELAUNCHED)
    assert verdict_of(world) == "RELAUNCH"


class _FreedAndOvertaken(_Overtaken):
    def no_answer(self, *arguments: object) -> None:
        if self._before:
            self._world.sagemaker.delete(SUCCESSOR)
        super().no_answer(*arguments)
