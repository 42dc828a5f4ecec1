"""Each invariant can fail: a history that violates it, next to the one that does not."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from proofs.matrix import story
from proofs.matrix.account import BREAKER, MODE
from proofs.matrix.cells import record_of
from proofs.matrix.invariants import INVARIANTS, violations
from proofs.matrix.line import Act, Call, Delivery, Taken
from proofs.matrix.mails import MOST_A_DAY
from proofs.matrix.record import Record, tags_of
from proofs.matrix.run import until_quiet
from proofs.matrix.stage import Connections, Stage
from proofs.matrix.steps import Step
from proofs.matrix.story import JOB, SUCCESSOR, Story
from resilience.decide.breaker import Breaker, Circuit
from resilience.wire.switches import text_of


def _one_relaunch(stage: Stage) -> None:
    story.train(stage)
    story.fail(stage)
    stage.queue.send(story.message(stage, Story.RELAUNCH))


@pytest.fixture(scope="module")
def good(connections: Connections) -> Record:
    """What a relaunch without any fault leaves."""
    return record_of(until_quiet(connections, _one_relaunch))


def _only(record: Record, step: Step) -> Call:
    return next(record.calls(step))


def _with(record: Record, *more: Call | Act | Taken) -> Record:
    return replace(record, history=(*record.history, *more))


def _without(record: Record, step: Step) -> Record:
    kept = (one for one in record.history if not (isinstance(one, Call) and one.step is step))
    return replace(record, history=tuple(kept))


def _changed(record: Record, step: Step, **changes: Any) -> Record:  # noqa: ANN401 — of a Call
    return replace(
        record,
        history=tuple(
            replace(one, **changes) if isinstance(one, Call) and one.step is step else one
            for one in record.history
        ),
    )


def _asked(record: Record, **members: object) -> Record:
    create = _only(record, Step.CREATE)
    return _changed(record, Step.CREATE, asked={**create.asked, **members})


def _tagged(record: Record, **tags: str) -> Record:
    own = tags_of(_only(record, Step.CREATE))
    own |= {f"resilience:{name.replace('_', '-')}": value for name, value in tags.items()}
    return _asked(record, Tags=[{"Key": key, "Value": value} for key, value in own.items()])


def _created_twice(record: Record) -> Record:
    return _with(record, replace(_only(record, Step.CREATE), place=len(record.history)))


def _launched_while_it_trains(record: Record) -> Record:
    answer = _only(record, Step.DESCRIBE).answer or {}
    return _changed(record, Step.DESCRIBE, answer={**answer, "TrainingJobStatus": "InProgress"})


def _looked_at_in_another_delivery(record: Record) -> Record:
    other = Delivery(99, "B", JOB, None, 0)
    return _changed(record, Step.DESCRIBE, delivery=other)


def _a_key_in_a_notification(record: Record) -> Record:
    told = {"Message": f"the key is {record.canaries['key']}", "Subject": "RELAUNCH night-1"}
    return _changed(record, Step.PUBLISH, asked=told)


def _acknowledged_without_a_verdict(record: Record) -> Record:
    return replace(
        record,
        history=tuple(
            replace(one, standing={}) if isinstance(one, Taken) else one for one in record.history
        ),
    )


def _unreadable_and_not_set_aside(record: Record) -> Record:
    lost = Delivery(99, "A", "", 0, 0, "acknowledged")
    return _with(record, Taken(len(record.history), 0, lost, {}, 0))


def _act_first(record: Record, what: str, job: str) -> Record:
    return replace(record, history=(Act(-1, 0, what, job), *record.history))


def _with_tags(record: Record, job: str, tags: Mapping[str, str]) -> Record:
    """The same, but that the job rests with other tags."""
    return replace(record, rest=replace(record.rest, tags={**record.rest.tags, job: tags}))


def _verdict(record: Record, verdict: str | None) -> Record:
    own = {**record.rest.tags[JOB], "resilience:verdict": verdict or ""}
    if verdict is None:
        del own["resilience:verdict"]
    return _with_tags(record, JOB, own)


def _logged_another_verdict(record: Record) -> Record:
    line = next(one for one in record.lines if '"facts"' in one)
    return replace(record, lines=(json.dumps(json.loads(line) | {"verdict": "STOP"}),))


def _tripped_in_silence(record: Record) -> Record:
    sweep = Delivery(99, "sweep", None, None, 0)
    open_ = {"Value": text_of(Breaker(state=Circuit.OPEN, cause="infrastructure"))}
    return _with(record, Call(len(record.history), 0, sweep, Step.SET_BREAKER, open_, {}))


def _breaker_told_every_minute(record: Record) -> Record:
    """One sweep notifies and records it, and so does the next."""
    told = {"Message": "cause: infrastructure\nmore", "Subject": "fleet breaker open"}
    state = {"Value": text_of(Breaker(state=Circuit.OPEN, cause="infrastructure"))}
    place, calls = len(record.history), []
    for at in (0, 2):
        sweep = Delivery(90 + at, "sweep", None, None, place + at)
        mail = Call(place + at, at, sweep, Step.TELL_OF_BREAKER, told, {}, logical=f"mail {at}")
        calls += [mail, Call(place + at + 1, at, sweep, Step.SET_BREAKER, state, {})]
    return _with(record, *calls)


def _shown(record: Record, mode: str = "act", breaker: str | None = None) -> Record:
    """The deliveries were shown other switches."""
    shown = [{"Name": MODE, "Value": mode, "LastModifiedDate": 0}]
    if breaker is not None:
        shown.append({"Name": BREAKER, "Value": breaker, "LastModifiedDate": 0})
    return _changed(record, Step.READ_SWITCHES, answer={"Parameters": shown})


def _launched_past_the_breaker(record: Record) -> Record:
    """The breaker is open, and W&B shows nothing that the job has made."""
    project = {"data": {"project": None}}
    return _changed(_shown(record, breaker="open"), Step.ASK_WANDB, answer=project)


def _still_open(record: Record) -> Record:
    return replace(record, rest=replace(record.rest, breaker=Breaker(state=Circuit.HALF_OPEN)))


def _told_twice(record: Record) -> Record:
    publish = _only(record, Step.PUBLISH)
    return _with(record, replace(publish, place=len(record.history), logical="another"))


def _told_again_by_another(record: Record) -> Record:
    """A second delivery, which was shown the verdict and asked for a reminder, notifies again."""
    place = len(record.history)
    other = Delivery(99, "B", JOB, None, place)
    steps = (Step.LIST_TAGS, Step.GET_SCHEDULE, Step.PUBLISH)
    calls = [
        replace(_asked_for(record, step), place=place + at, delivery=other)
        for at, step in enumerate(steps)
    ]
    return _with(record, *calls)


def _asked_for(record: Record, step: Step) -> Call:
    calls = (one for one in record.history if isinstance(one, Call) and one.step is step)
    return next(calls)


def _told_for_hours(record: Record) -> Record:
    publish = _only(record, Step.PUBLISH)
    place = len(record.history)
    more = [
        replace(
            publish,
            place=place + at,
            at=publish.at + 3600 * at,
            delivery=Delivery(90 + at, "A", JOB, None, place),
        )
        for at in range(1, MOST_A_DAY + 1)
    ]
    return _with(record, *more)


def _written_while_off(record: Record) -> Record:
    """The stack was off before the delivery looked at its mode."""
    return _act_first(record, "switched off", "the stack")


def _held_though_relaunched(record: Record) -> Record:
    """A later delivery tags STOP without a look at the successor."""
    tag = _only(record, Step.ADD_TAGS)
    place = len(record.history)
    stop = {**tag.asked, "Tags": [{"Key": "resilience:verdict", "Value": "STOP"}]}
    other = Delivery(99, "B", JOB, None, place)
    return _with(record, replace(tag, place=place, asked=stop, delivery=other))


def _scheduled_without_a_tag(record: Record) -> Record:
    tag = _only(record, Step.ADD_TAGS)
    return _with(record, replace(tag, place=len(record.history), step=Step.CREATE_SCHEDULE))


VIOLATIONS: list[tuple[str, Callable[[Record], Record]]] = [
    ("I1", _created_twice),
    ("I2", _launched_while_it_trains),
    ("I2", _looked_at_in_another_delivery),
    ("I2", lambda record: _without(record, Step.DESCRIBE)),
    ("I3", lambda record: _tagged(record, attempt="3")),
    ("I3", lambda record: _tagged(record, ledger="no-progress=0")),
    ("I4", lambda record: _tagged(record, checkpoint="v0", checkpoint_step="100")),
    ("I4", lambda record: _without(record, Step.ASK_WANDB)),
    ("I5", lambda record: _asked(record, StoppingCondition={"MaxRuntimeInSeconds": 1})),
    ("I5", lambda record: _asked(record, RetryStrategy=None)),
    ("I5", lambda record: _asked(record, Environment={})),
    ("I6", _a_key_in_a_notification),
    ("I6", lambda record: replace(record, lines=(record.canaries["reason"],))),
    ("I6", lambda record: _tagged(record, note=record.canaries["environment"])),
    ("I7", _acknowledged_without_a_verdict),
    ("I7", _unreadable_and_not_set_aside),
    ("I7", lambda record: _without(record, Step.READ_SWITCHES)),
    ("I7", lambda record: replace(_shown(record, "observe"), lines=())),
    ("I7", lambda record: _shown(record, "off")),
    ("I8", lambda record: _act_first(record, "stopped", JOB)),
    ("I8", lambda record: _act_first(record, "switched off", JOB)),
    ("I9", lambda record: _verdict(record, None)),
    ("I9", lambda record: _verdict(record, "WAIT")),
    ("I9", _still_open),
    ("I10", lambda record: replace(record, repeated_from=0)),
    ("I11", _logged_another_verdict),
    ("I12", lambda record: _verdict(record, "STOP")),
    ("I12", lambda record: _without(record, Step.CREATE)),
    ("I13", lambda record: _without(record, Step.PUBLISH)),
    ("I13", _tripped_in_silence),
    ("I8", _written_while_off),
    ("I14", _told_twice),
    ("I14", _told_again_by_another),
    ("I14", _told_for_hours),
    ("I14", _breaker_told_every_minute),
    ("I12", _held_though_relaunched),
    ("I15", _scheduled_without_a_tag),
    ("I16", _launched_past_the_breaker),
]


def test_a_relaunch_without_any_fault_violates_nothing(good: Record) -> None:
    assert violations(good) == ()
    assert SUCCESSOR in good.rest.tags


@pytest.mark.parametrize(
    ("name", "spoil"), VIOLATIONS, ids=[f"{at}-{one[0]}" for at, one in enumerate(VIOLATIONS)]
)
def test_a_history_that_violates_it_is_found(
    name: str, spoil: Callable[[Record], Record], good: Record
) -> None:
    assert list(INVARIANTS[name](good)) == []
    assert list(INVARIANTS[name](spoil(good))) != []


def test_each_invariant_is_shown_to_fail() -> None:
    assert {name for name, _ in VIOLATIONS} == set(INVARIANTS)


def test_a_deletion_before_the_verdict_forgives_a_second_successor_and_nothing_else(
    good: Record,
) -> None:
    twice = replace(_created_twice(good), forgiven=frozenset({"I1"}))
    assert any(text.startswith("I1") for text in violations(twice))
    create = _only(good, Step.CREATE)
    freed = Act(create.place, create.at, "deleted", SUCCESSOR)
    later = replace(create, place=create.place + 2)
    untold = (create, replace(freed, place=create.place + 1), later)
    assert list(INVARIANTS["I1"](replace(twice, history=untold))) == []
    assert list(INVARIANTS["I1"](replace(twice, history=untold, forgiven=frozenset()))) != []
