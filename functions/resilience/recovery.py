"""The one path that acts: observe afresh, decide, act once, record the verdict."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from datetime import datetime
from typing import assert_never

from resilience import environment, identity, policy, relaunch, tags, work
from resilience.decisions import (
    CheckpointRequest,
    Decision,
    Facts,
    Lineage,
    Lookup,
    Mode,
    Reason,
    Succession,
    Verdict,
)
from resilience.errors import CreateRefused, NameInUse, Retry
from resilience.events import Hint, NotForUs
from resilience.failures import Classification, End, FailureClass, classify
from resilience.ports import Answer, Job, World
from resilience.settings import Settings

# IGNORE leaves a verdict only on jobs that are ours to judge; the others are not touched.
_RECORDED = frozenset({Reason.COMPLETED, Reason.STOPPED_BY_USER, Reason.OWNED_ELSEWHERE})
# A wait that only a person can end is told of when it begins.
_WAITS_FOR_A_PERSON = frozenset({Reason.WANDB_REFUSED, Reason.CREATE_DENIED})
_NOT_ASKED = Answer(Lookup.NOT_ASKED)
_REMINDER_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class _Observed:
    """What was seen of a job just now, and why it was looked at."""

    hint: Hint
    job: Job
    tags: Mapping[str, str]
    facts: Facts


def recover(
    hint: Hint, world: World, settings: Settings, executor: Executor
) -> Decision | NotForUs:
    """Take up one job that somebody says has ended. Safe to repeat at any time, from any point."""
    mode = world.mode()
    if mode is Mode.OFF:
        return NotForUs(Reason.MODE_OFF)
    observed = _observe(hint, world, settings, mode, executor)
    if observed is None:
        return NotForUs(Reason.JOB_NOT_FOUND)
    decision = policy.decide(observed.facts)
    if observed.facts.mode is not Mode.ACT:
        return decision
    return _act(decision, observed, world)


def _observe(
    hint: Hint, world: World, settings: Settings, mode: Mode, executor: Executor
) -> _Observed | None:
    """Wave 1: describe, tags and the early question for checkpoints, side by side."""
    describing = executor.submit(world.jobs.describe, hint.job)
    listing = executor.submit(world.jobs.tags, hint.job)
    asked = _early_request(hint, settings)
    asking = executor.submit(world.checkpoints.newest, asked) if asked else None
    # Describe first: how ListTags answers for a job that is gone is not documented.
    job = describing.result()
    own = None if job is None else listing.result()
    if job is None or own is None:
        return None
    facts = replace(
        _establish(hint.job, job.described, own, settings),
        observed_at=world.now(),
        mode=tags.mode(own, mode),
    )
    answer = _answer(facts, asked, asking, world)
    return _Observed(hint, job, own, _with_answer(facts, answer))


def _early_request(hint: Hint, settings: Settings) -> CheckpointRequest | None:
    """The event's own tags may start the question early; ListTags confirms them or asks again."""
    ended_badly = hint.status in {"Failed", "Stopped"}
    if not ended_badly or hint.tags is None:
        return None
    request = _request(hint.job, {}, hint.tags)
    return request if request and settings.allows_project(request) else None


def _answer(
    facts: Facts,
    asked: CheckpointRequest | None,
    asking: Future[Answer] | None,
    world: World,
) -> Answer:
    if facts.request is None or not policy.needs_checkpoints(facts):
        return _NOT_ASKED
    if asking is not None and asked == facts.request:
        return asking.result()
    return world.checkpoints.newest(facts.request)


def _request(name: str, env: Mapping[str, str], own: Mapping[str, str]) -> CheckpointRequest | None:
    if not identity.opted_in(env, own):
        return None
    try:
        return identity.checkpoint_request(name, env, own)
    except tags.UnreadableTagError:
        return None


def _lineage(name: str, env: Mapping[str, str], own: Mapping[str, str]) -> Lineage | None:
    try:
        return identity.lineage(name, env, own)
    except tags.UnreadableTagError:
        return None


def _establish(
    name: str, described: Mapping[str, object], own: Mapping[str, str], settings: Settings
) -> Facts:
    """Everything that the job itself tells; the clock, the mode and W&B are still to be asked."""
    env = environment.read(described)
    request = _request(name, env, own)
    classification = _classify(described, env, own)
    return Facts(
        job=name,
        status=str(described.get("TrainingJobStatus")),
        secondary_status=str(described.get("SecondaryStatus")),
        observed_at=0,
        created_at=identity.created_at(described),
        ended_at=_instant(described.get("TrainingEndTime") or described.get("LastModifiedTime")),
        started=work.started(described),
        mode=Mode.OFF,
        request=request,
        tags_invalid=request is None and identity.opted_in(env, own),
        contradictions=_contradictions(name, described, own),
        project_allowed=any(map(settings.allows_project, _places(env, request))),
        owner=identity.owner(name, described, own),
        lineage=_lineage(name, env, own),
        judged=tags.judged(own),
        failure_class=classification.failure_class,
        failure_rule=classification.rule,
        checkpoint_load_error=classification.checkpoint_load_error,
        run=identity.told_run(env, own),
        lookup=Lookup.NOT_ASKED,
        checkpoints=(),
        elsewhere=(),
        obstacles=relaunch.obstacles(
            described, own, settings.allowed_images, settings.training_roles
        ),
        policy=tags.policy(own, settings.policy),
    )


def _places(
    env: Mapping[str, str], request: CheckpointRequest | None
) -> Iterator[CheckpointRequest]:
    """Where the job's tags, and what was fixed at its launch, say that it belongs."""
    if request is not None:
        yield request
    pinned = identity.pinned_project(env, request)
    if pinned is not None:
        yield pinned


def _contradictions(
    name: str, described: Mapping[str, object], own: Mapping[str, str]
) -> tuple[str, ...]:
    env = environment.read(described)
    if not identity.opted_in(env, own):
        return ()
    if described.get("TrainingJobStatus") != "Completed":
        return identity.contradictions(name, env, own)
    # A training that reached its end does not come back, whatever its other tags say.
    if identity.is_unproved_completion(env, own):
        return (tags.COMPLETED,)
    unfinished = identity.completed_mark(env, own) is False
    return identity.contradictions(name, env, own) if unfinished else ()


def _with_answer(facts: Facts, answer: Answer) -> Facts:
    # A project that W&B does not show may be one that the key may not see. Only a job that never
    # trained may be taken to have no checkpoint in it.
    began = facts.started or (facts.lineage is not None and facts.lineage.started_from is not None)
    if answer.lookup is Lookup.FOUND and not answer.project_exists and began:
        return replace(facts, lookup=Lookup.REFUSED)
    # With no run named, the successor goes on in the first of the job's runs that has a version.
    makers = {one.run for one in answer.checkpoints}
    runs = facts.request.runs if facts.request else ()
    return replace(
        facts,
        lookup=answer.lookup,
        run=facts.run or next((one for one in runs if one in makers), None),
        checkpoints=answer.checkpoints,
        elsewhere=tuple(filter(tags.is_wandb_name, answer.elsewhere)),
    )


def _classify(
    described: Mapping[str, object], env: Mapping[str, str], own: Mapping[str, str]
) -> Classification:
    reason = described.get("FailureReason")
    by_text = classify(
        End(
            status=str(described.get("TrainingJobStatus")),
            secondary_status=str(described.get("SecondaryStatus")),
            failure_reason=None if reason is None else str(reason),
            transition_messages=tuple(message for _, message in work.transitions(described)),
            completed_mark=identity.completed_mark(env, own),
        )
    )
    return work.corrected(by_text, described)


def _instant(value: object) -> int | None:
    return int(value.timestamp()) if isinstance(value, datetime) else None


def _act(decision: Decision, observed: _Observed, world: World) -> Decision:
    """Have the decision's one effect, then record it. Repeating any part of it is harmless."""
    match decision.verdict:
        case Verdict.IGNORE:
            if decision.reason in _RECORDED and (verdict := _that_fits(decision, observed)):
                world.jobs.add_tags(observed.job.arn, verdict)
            return decision
        case Verdict.RELAUNCH:
            return _launch(decision, observed, world)
        case Verdict.STOP | Verdict.WAIT:
            return _hold(decision, observed, world)
        case _:
            assert_never(decision.verdict)


def _launch(decision: Decision, observed: _Observed, world: World) -> Decision:
    facts, successor = decision.facts, decision.successor
    if successor is None or facts.request is None:
        raise AssertionError("RELAUNCH without a successor")
    source = relaunch.Source(observed.job.described, observed.tags, facts.request, facts.run)
    request = relaunch.compose(source, successor, world.jobs.request_shape())
    limit = relaunch.limit_reached(request)
    if limit is not None:
        obstacles = (*facts.obstacles, (Reason.LIMIT_REACHED, limit))
        return _again(replace(facts, obstacles=obstacles), observed, world)
    try:
        world.jobs.create(request)
    except NameInUse:
        succession = _succession(facts, world)
        if succession is Succession.UNKNOWN:
            raise Retry("the job that has the successor's name is gone again") from None
        if succession is Succession.FOREIGN:
            return _again(replace(facts, succession=succession), observed, world)
        # SageMaker says everything twice, and somebody may be a call ahead: once told is enough.
        judged = tags.judged(world.jobs.tags(facts.job) or {})
        if judged is not None and judged.verdict == Verdict.RELAUNCH:
            return policy.decide(replace(facts, judged=judged))
    except CreateRefused as refusal:
        refused = _classify_refusal(refusal)
        return _again(replace(facts, refusal=refused), observed, world)
    return _record(decision, observed, world)


def _hold(decision: Decision, observed: _Observed, world: World) -> Decision:
    """Wait or stop; unless an earlier try, which died before it could say so, has relaunched."""
    facts = decision.facts
    if facts.succession is Succession.UNKNOWN and _succession(facts, world) is Succession.OURS:
        return _again(replace(facts, succession=Succession.OURS), observed, world)
    if decision.verdict is Verdict.WAIT and decision.due is not None and decision.waiting:
        due = world.waits.schedule(facts.job, decision.waiting.times, decision.due)
        if due != decision.due:
            decision = policy.decide(replace(facts, scheduled=due))
    recorded = _record(decision, observed, world)
    # Another worker may have relaunched since the question, and this tag be over its own. Asked
    # after the tag is written, whichever of the two is the last to write says RELAUNCH.
    if facts.succession is Succession.UNKNOWN and _succession(facts, world) is Succession.OURS:
        return _again(replace(facts, succession=Succession.OURS), observed, world)
    return recorded


def _again(facts: Facts, observed: _Observed, world: World) -> Decision:
    """Decide anew with what the attempt to act has taught; what was learnt is a fact as well."""
    decision = policy.decide(facts)
    if decision.verdict is Verdict.RELAUNCH:
        return _record(decision, observed, world)
    return _hold(decision, observed, world)


def _record(decision: Decision, observed: _Observed, world: World) -> Decision:
    """Notify, then tag: a crash between the two notifies twice rather than never."""
    verdict = _that_fits(decision, observed)
    if _is_told(decision):
        _notify(decision, world, recordable=bool(verdict))
    if verdict:
        world.jobs.add_tags(observed.job.arn, verdict)
    return decision


def _is_told(decision: Decision) -> bool:
    if decision.verdict is Verdict.WAIT:
        begins = decision.waiting is not None and decision.waiting.times == 1
        return begins and decision.reason in _WAITS_FOR_A_PERSON
    return decision.verdict in {Verdict.RELAUNCH, Verdict.STOP}


def _notify(decision: Decision, world: World, *, recordable: bool) -> None:
    """Notify a person; of a job without room for a verdict, once a day.

    A job with 50 tags of its own cannot bear a verdict, and each of its messages finds it anew. So
    a schedule that brings it back in a day says that it has been reported.
    """
    job = decision.facts.job
    if recordable or not world.waits.is_reminder_set(job):
        world.notifications.publish(decision)
    if not recordable:
        world.waits.remind(job, decision.facts.observed_at + _REMINDER_SECONDS)


def _that_fits(decision: Decision, observed: _Observed) -> dict[str, str]:
    return tags.with_room(observed.tags, tags.of_verdict(decision))


def _succession(facts: Facts, world: World) -> Succession:
    """Adjudicate: whose is the job that bears the successor's name?"""
    if facts.lineage is None:
        return Succession.UNKNOWN
    found = world.jobs.describe(tags.successor_name(facts.lineage.root, facts.lineage.attempt + 1))
    if found is None:
        return Succession.UNKNOWN
    env = environment.read(found.described)
    ours = identity.continues(env, facts.job, facts.created_at)
    return Succession.OURS if ours else Succession.FOREIGN


def _classify_refusal(refusal: CreateRefused) -> tuple[FailureClass, str]:
    end = End("Failed", "Failed", failure_reason=f"{refusal.code}: {refusal.text}")
    classified = classify(end)
    return classified.failure_class or FailureClass.UNKNOWN, classified.rule
