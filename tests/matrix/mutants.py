"""Hand-made mutants of the controller's loop, each with the run that must notice it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from proofs.matrix import chapters, pairs
from proofs.matrix.cells import judge
from proofs.matrix.faults import Fault
from proofs.matrix.interleavings import Meeting, orders
from proofs.matrix.lasting import tell
from proofs.matrix.pairs import Pair
from proofs.matrix.run import Cell
from proofs.matrix.situations import Situation
from proofs.matrix.stage import Connections
from proofs.matrix.steps import Step
from proofs.matrix.story import Story
from resilience import controller

Run = Callable[[Connections], tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of the controller's text, the run that notices it, and by which invariant."""

    what: str
    old: str
    new: str
    run: Run
    by: str

    def __str__(self) -> str:
        return self.what

    def installed(self, patch: pytest.MonkeyPatch) -> None:
        """Have the functions run the changed controller."""
        source = Path(controller.__file__).read_text(encoding="utf-8")
        if source.count(self.old) != 1:
            raise AssertionError(f"the text is there {source.count(self.old)} times: {self.old}")
        changed: dict[str, object] = {"__name__": controller.__name__}
        code = compile(source.replace(self.old, self.new), controller.__file__, "exec")
        exec(code, changed)  # noqa: S102 — a mutant of our own text
        patch.setattr("resilience.intake.recover", changed["recover"])


def cell(step: Step, fault: Fault, situation: Situation = Situation.SINGLE) -> Run:
    return lambda connections: judge(Cell(step, fault, situation), connections).violated


def pair(story: Story, first: tuple[Step, Fault], second: tuple[Step, Fault]) -> Run:
    return lambda connections: pairs.judge(Pair(story, first, second), connections).violated


def chapter(name: str) -> Run:
    (found,) = (one for one in chapters.CHAPTERS if one.name == name)
    return lambda connections: tell(found, connections).violated


def meeting(of: Meeting) -> Run:
    def run(connections: Connections) -> tuple[str, ...]:
        found = orders(of, connections)
        return next((violated for _, violated in found if violated), ())

    return run


_NO_FAULT = cell(Step.READ_KEY, Fault.CLOCK_AHEAD)
_RECORD = "    _record(decision, observed, world)\n"
_COME_BACK = "    _come_back(decision, world)\n"
_LOOK = "    if asks and (learnt := _verified(facts, world)).succession is Succession.OURS:\n"
_OURS = "        return learnt\n"
_PUBLISH = "        world.notifications.publish(decision)\n"
_TAG = "        world.jobs.add_tags(observed.job.arn, verdict)\n"

MUTANTS = (
    Mutant(
        "the schedule before the tag",
        _RECORD + _COME_BACK,
        _COME_BACK + _RECORD,
        cell(Step.CREATE_SCHEDULE, Fault.CRASH_AFTER),
        "I15",
    ),
    Mutant(
        "no first look at the successor",
        _LOOK + _OURS + _RECORD,
        _RECORD,
        meeting(Meeting(Story.RELAUNCHED, Step.ASK_WANDB, Fault.SERVER_ERROR)),
        "I12",
    ),
    Mutant(
        "no second look at the successor",
        "    # another's job had the name: it may have been deleted since.\n"
        "    if (learnt := _verified(facts, world)).succession is Succession.OURS:\n" + _OURS,
        "",
        cell(Step.CREATE, Fault.BAD_REQUEST, Situation.CONCURRENT),
        "I12",
    ),
    Mutant("published twice", _PUBLISH, _PUBLISH * 2, _NO_FAULT, "I14"),
    Mutant("never published", _PUBLISH, "        pass\n", _NO_FAULT, "I13"),
    Mutant(
        "published though it was reported",
        "reporting.notifies(decision) and not _is_reported(decision, world)",
        "reporting.notifies(decision)",
        chapter("AddTags is down for an hour, a GPU fails"),
        "'RELAUNCH night-1' was sent",
    ),
    Mutant(
        "taken for reported where Scheduler gives no answer",
        "return False  # rather twice than never",
        "return True",
        cell(Step.GET_SCHEDULE, Fault.SERVER_ERROR),
        "I13",
    ),
    Mutant(
        "no answer of Scheduler fails the message",
        "return False  # rather twice than never",
        "raise",
        chapter("Scheduler is down for a day, a GPU fails"),
        "dead letters",
    ),
    Mutant("recorded nothing", _TAG, "        pass\n", _NO_FAULT, "I9"),
    Mutant(
        "acknowledged though not recorded",
        "        _remind(decision, world)\n        raise\n",
        "        _remind(decision, world)\n",
        cell(Step.ADD_TAGS, Fault.SERVER_ERROR),
        "I7",
    ),
    Mutant(
        "never reminded",
        "        _remind(decision, world)\n        raise\n",
        "        raise\n",
        chapter("AddTags is down for an hour, a GPU fails"),
        "'RELAUNCH night-1' was sent",
    ),
    Mutant(
        "reminded within minutes",
        "_REMINDER_SECONDS = 86_400",
        "_REMINDER_SECONDS = 600",
        chapter("AddTags is down for an hour, a GPU fails"),
        "'RELAUNCH night-1' was sent",
    ),
    Mutant(
        "a STOP's reminder silences a RELAUNCH",
        "world.waits.remind(facts.job, decision.verdict, ",
        'world.waits.remind(facts.job, "RELAUNCH", ',
        pair(
            Story.RELAUNCH,
            (Step.CREATE, Fault.BAD_REQUEST),
            (Step.ADD_TAGS, Fault.BAD_REQUEST),
        ),
        "I13",
    ),
    Mutant(
        "the schedule before the tag, and not without it",
        _RECORD + _COME_BACK,
        "    if decision.waiting is not None and decision.due is not None:\n"
        "        world.waits.schedule(facts.job, decision.waiting.times, decision.due)\n" + _RECORD,
        chapter("Scheduler is down for a day, no capacity"),
        "the sweep did not take the wait up",
    ),
    Mutant(
        "a name that is free again taken for ours",
        'raise Retry("the job that has the successor\'s name is gone again")',
        "return None",
        chapter("another's job has the successor's name, and is gone when it is looked at"),
        "I12",
    ),
    Mutant(
        "another's job taken for ours",
        "Succession.OURS if ours else Succession.FOREIGN",
        "Succession.OURS",
        chapter("another's job has the successor's name"),
        "I12",
    ),
    Mutant(
        "the names of an older lineage are kept",
        "if identity.continues_an_earlier(found, facts.job, facts.created_at):",
        "if not found:",
        chapter("the root's name is used again, its successor is there"),
        "night-1 rests with STOP",
    ),
    Mutant(
        "ours taken for another's",
        "Succession.OURS if ours else Succession.FOREIGN",
        "Succession.FOREIGN",
        cell(Step.CREATE, Fault.LOST_RESPONSE),
        "I12",
    ),
    Mutant(
        "not looked whether another has recorded it",
        "return replace(facts, recorded=recorded) if relaunched and facts.again is None else None",
        "return None",
        cell(Step.CREATE, Fault.CLOCK_AHEAD, Situation.CONCURRENT),
        "I14",
    ),
    Mutant(
        "a refused create taken for done",
        "return replace(facts, refusal=_classify_refusal(refusal))",
        "return None",
        cell(Step.CREATE, Fault.BAD_REQUEST),
        "I12",
    ),
    Mutant(
        "recorded before it is created",
        "    learnt = None\n    if facts.succession",
        "    learnt = None\n    _record(decision, observed, world)\n    if facts.succession",
        cell(Step.CREATE, Fault.ACCESS_DENIED),
        "I14",
    ),
    Mutant(
        "no verdict on what a person stopped",
        "frozenset({Reason.COMPLETED, Reason.STOPPED_BY_USER, Reason.OWNED_ELSEWHERE})",
        "frozenset({Reason.COMPLETED})",
        cell(Step.DESCRIBE, Fault.CLOCK_AHEAD, Situation.JOB_STOPPED),
        "I9",
    ),
    Mutant(
        "observe acts",
        "    if observed.facts.mode is not Mode.ACT:\n        return decision\n",
        "",
        chapter("observed for three days"),
        "I8",
    ),
    Mutant(
        "one turn and no more",
        "_MOST_TURNS = 4",
        "_MOST_TURNS = 1",
        chapter("there is no quota for a day"),
        "dead letters",
    ),
)
