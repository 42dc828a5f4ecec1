"""The one path that acts: observe afresh; then decide, act and learn until nothing is learnt."""

from concurrent.futures import Executor
from dataclasses import replace
from typing import assert_never

from resilience import relaunch, telemetry
from resilience.decide import naming, policy, reporting
from resilience.decide.decisions import Decision, Facts, Lineage, Mode, Reason, Succession, Verdict
from resilience.errors import CreateRefused, NameInUse, Retry
from resilience.failures import FailureClass, classify_text
from resilience.observation import Observed, observe
from resilience.ports import World
from resilience.settings import Settings
from resilience.wire import environment, identity, verdict_tags
from resilience.wire.events import Hint, NotForUs

# IGNORE leaves a verdict only on jobs that are ours to judge; the others are not touched.
_RECORDED = frozenset({Reason.COMPLETED, Reason.STOPPED_BY_USER, Reason.OWNED_ELSEWHERE})
_REMINDER_SECONDS = 86_400
# A name that an older lineage has, a create that is refused, a hold that finds a successor made by
# an earlier try, its record.
_MOST_TURNS = 4


def recover(
    hint: Hint, world: World, settings: Settings, executor: Executor
) -> Decision | NotForUs:
    """Take up one job that somebody says has ended. Safe to repeat at any time, from any point."""
    switches = world.switches()
    if switches.mode is Mode.OFF:
        return NotForUs(Reason.MODE_OFF)
    observed = observe(hint, world, settings, switches, executor)
    if observed is None:
        return NotForUs(Reason.JOB_NOT_FOUND)
    decision = policy.decide(observed.facts)
    if observed.facts.mode is not Mode.ACT:
        return decision
    for _ in range(_MOST_TURNS):
        learnt = _act(decision, observed, world)
        if learnt is None:
            return decision
        decision = policy.decide(learnt)
    raise AssertionError("each turn learns a fact that the next one settles")


def _act(decision: Decision, observed: Observed, world: World) -> Facts | None:
    """Have the decision's one effect, and record it; or give the facts with what was learnt.

    Repeating any part of it is harmless.
    """
    match decision.verdict:
        case Verdict.IGNORE:
            if decision.reason in _RECORDED:
                _record(decision, observed, world)
            return None
        case Verdict.RELAUNCH:
            return _launch(decision, observed, world)
        case Verdict.STOP | Verdict.WAIT:
            return _hold(decision, observed, world)
        case _:
            assert_never(decision.verdict)


def _launch(decision: Decision, observed: Observed, world: World) -> Facts | None:
    facts = decision.facts
    learnt = None
    if facts.succession is not Succession.OURS:
        learnt = _create(decision, observed, world)
    if learnt is None:
        _record(decision, observed, world)
    return learnt


def _create(decision: Decision, observed: Observed, world: World) -> Facts | None:
    """Create the successor; None where it is there now."""
    facts, successor = decision.facts, decision.successor
    if successor is None or facts.request is None:
        raise AssertionError("RELAUNCH without a successor")
    source = relaunch.Source(observed.job.described, observed.tags, facts.request, facts.run)
    request = relaunch.compose(source, successor, world.jobs.request_shape())
    limit = relaunch.limit_reached(request)
    if limit is not None:
        return replace(facts, obstacles=(*facts.obstacles, (Reason.LIMIT_REACHED, limit)))
    try:
        world.jobs.create(request)
    except NameInUse:
        return _named_already(facts, world)
    except CreateRefused as refusal:
        return replace(facts, refusal=_classify_refusal(refusal))
    return None


def _named_already(facts: Facts, world: World) -> Facts | None:
    """Find out whose the job is that has the successor's name; None where it is ours."""
    learnt = _verified(facts, world)
    if learnt == facts:
        raise Retry("the job that has the successor's name is gone again")
    if learnt.succession is not Succession.OURS or learnt.lineage != facts.lineage:
        return learnt
    # SageMaker sends each event more than once, and a concurrent worker may have notified already.
    recorded = verdict_tags.recorded(world.jobs.tags(facts.job) or {})
    relaunched = recorded is not None and recorded.verdict == Verdict.RELAUNCH
    return replace(facts, recorded=recorded) if relaunched and facts.again is None else None


def _hold(decision: Decision, observed: Observed, world: World) -> Facts | None:
    """Wait or stop; unless an earlier try, which died before it could say so, has relaunched."""
    facts = decision.facts
    asks = facts.succession is Succession.UNKNOWN
    if asks and (learnt := _verified(facts, world)).succession is Succession.OURS:
        return learnt
    _record(decision, observed, world)
    _come_back(decision, world)
    # A concurrent worker may create the successor after our check, and our tag may overwrite its
    # RELAUNCH. So check again after writing: whichever writes last then says RELAUNCH. Also where
    # another's job had the name: it may have been deleted since.
    if (learnt := _verified(facts, world)).succession is Succession.OURS:
        return learnt
    return None


def _come_back(decision: Decision, world: World) -> None:
    """Schedule the next look at a wait; the tag is the wait, and the sweep finds what is overdue.

    So a scheduler that is away for days delays a wait by minutes, and loses none.
    """
    if decision.due is None or decision.waiting is None:
        return
    try:
        world.waits.schedule(decision.facts.job, decision.waiting.times, decision.due)
    except Retry:
        telemetry.not_scheduled(decision)


def _record(decision: Decision, observed: Observed, world: World) -> None:
    """Notify, then tag: a crash between the two notifies twice rather than never.

    What cannot be recorded now is reported once a day, however often its message comes.
    """
    verdict = verdict_tags.with_room(observed.tags, verdict_tags.of_verdict(decision))
    if reporting.notifies(decision) and not _is_reported(decision, world):
        world.notifications.publish(decision)
    if not verdict:  # a job with 50 tags of its own has no room for one
        _remind(decision, world)
        return
    try:
        world.jobs.add_tags(observed.job.arn, verdict)
    except Retry:
        _remind(decision, world)
        raise


def _is_reported(decision: Decision, world: World) -> bool:
    """Whether just this was reported within the day, and could not be recorded."""
    try:
        return world.waits.is_reminder_set(decision.facts.job, decision.verdict)
    except Retry:
        return False  # rather twice than never


def _remind(decision: Decision, world: World) -> None:
    """Have a schedule stand for "reported"; it brings the job back in a day."""
    facts = decision.facts
    if reporting.notifies(decision):
        try:
            world.waits.remind(facts.job, decision.verdict, facts.observed_at + _REMINDER_SECONDS)
        except Retry:
            telemetry.not_scheduled(decision)


def _verified(facts: Facts, world: World) -> Facts:
    """Learn whose the job is that bears the successor's name, if one does.

    Where an older lineage has the names, because its first job was deleted and the name was used
    again, this lineage takes names of its own.
    """
    if facts.lineage is None:
        return facts
    found = _successor_env(facts.lineage, world)
    if found is None:
        return facts
    if identity.continues_an_earlier(found, facts.job, facts.created_at):
        root = naming.root_used_again(facts.lineage.root, facts.created_at)
        renamed = replace(facts.lineage, root=root)
        facts = replace(facts, lineage=renamed)
        found = _successor_env(renamed, world)
        if found is None:
            return facts
    ours = identity.continues(found, facts.job, facts.created_at)
    return replace(facts, succession=Succession.OURS if ours else Succession.FOREIGN)


def _successor_env(lineage: Lineage, world: World) -> dict[str, str] | None:
    """The Environment of the job that bears the successor's name; None where there is none."""
    found = world.jobs.describe(lineage.next_name)
    return None if found is None else environment.read(found.described)


def _classify_refusal(refusal: CreateRefused) -> tuple[FailureClass, str]:
    classified = classify_text(f"{refusal.code}: {refusal.text}")
    return classified.failure_class or FailureClass.UNKNOWN, classified.rule
