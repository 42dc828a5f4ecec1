"""What is seen of a job just now: Describe, its tags and its checkpoints, as facts to decide on."""

from collections.abc import Iterator, Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from datetime import datetime

from resilience import relaunch
from resilience.decide import checkpoints, policy, work
from resilience.decide.decisions import CheckpointRequest, Facts, Lineage, LogRead, Lookup
from resilience.decide.stores import AllowedStores, StoreFault
from resilience.failures import Classification, classify_log
from resilience.ports import Answer, Job, World
from resilience.settings import Settings
from resilience.wire import environment, identity, tags, verdict_tags, words
from resilience.wire.events import Hint
from resilience.wire.switches import Switches

_NOT_ASKED = Answer(Lookup.NOT_ASKED)


@dataclass(frozen=True, slots=True)
class Observed:
    """What was seen of a job just now."""

    job: Job
    tags: Mapping[str, str]
    facts: Facts


@dataclass(frozen=True, slots=True)
class _Shown:
    """What SageMaker shows of a job, by Describe and by ListTags."""

    name: str
    described: Mapping[str, object]
    tags: Mapping[str, str]


def observe(
    hint: Hint, world: World, settings: Settings, switches: Switches, executor: Executor
) -> Observed | None:
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
    shown = _Shown(hint.job, job.described, own)
    facts = _establish(shown, settings, switches, world.now())
    answer = _answer(facts, asked, asking, world)
    env = environment.read(job.described)
    facts, answer = _reconciled(facts, answer, env, world)
    stores = AllowedStores(settings.allowed_stores, environment.store(env))
    return Observed(job, own, _with_log(_with_answer(facts, answer, stores), job, world))


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


def _reconciled(
    facts: Facts, answer: Answer, env: Mapping[str, str], world: World
) -> tuple[Facts, Answer]:
    """Look where the launch said that the checkpoints are, if the job's own tag leads to none.

    A job that opts itself in tags the collection that its own name gives, whatever it goes on from.
    """
    _, _, pinned = environment.collection_path(env) or (None, None, "")
    if facts.request is None or answer.checkpoints or pinned not in answer.elsewhere:
        return facts, answer
    if not tags.is_wandb_name(pinned):
        return facts, answer
    there = replace(facts.request, collection=pinned)
    found = world.checkpoints.newest(there)
    uploads = (*found.pending, *answer.pending)
    return replace(facts, request=there), replace(found, pending=uploads)


def _request(name: str, env: Mapping[str, str], own: Mapping[str, str]) -> CheckpointRequest | None:
    if not identity.opted_in(env, own):
        return None
    try:
        return identity.checkpoint_request(name, env, own)
    except words.UnreadableTagError:
        return None


def _lineage(name: str, env: Mapping[str, str], own: Mapping[str, str]) -> Lineage | None:
    try:
        return identity.lineage(name, env, own)
    except words.UnreadableTagError:
        return None


def _establish(shown: _Shown, settings: Settings, switches: Switches, now: int) -> Facts:
    """Everything that is known before W&B is asked."""
    name, described, own = shown.name, shown.described, shown.tags
    env = environment.read(described)
    request = _request(name, env, own)
    classification = _classify(described, env, own)
    signature = work.signature(described)
    return Facts(
        job=name,
        status=str(described.get("TrainingJobStatus")),
        secondary_status=str(described.get("SecondaryStatus")),
        observed_at=now,
        created_at=identity.created_at(described),
        ended_at=_instant(described.get("TrainingEndTime") or described.get("LastModifiedTime")),
        started=work.started(described),
        seconds=work.seconds(described),
        signature=signature,
        mode=tags.mode(own, switches.mode),
        breaker=switches.breaker,
        request=request,
        tags_invalid=request is None and identity.opted_in(env, own),
        contradictions=_contradictions(name, described, own),
        project_allowed=any(map(settings.allows_project, _places(env, request))),
        owner=identity.owner(name, described, own),
        lineage=_lineage(name, env, own),
        recorded=None if tags.again(own) else verdict_tags.recorded(own),
        again=tags.again(own),
        failure_class=classification.failure_class,
        failure_rule=classification.rule,
        checkpoint_load_error=classification.checkpoint_load_error,
        run=identity.run_of(env, own),
        obstacles=relaunch.obstacles(
            described, own, settings.allowed_images, settings.training_roles
        ),
        policy=tags.policy(own, settings.policy),
        cause=work.cause_of(classification.failure_class, signature),
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


def _with_answer(facts: Facts, answer: Answer, stores: AllowedStores) -> Facts:
    # A project that W&B does not show may be one that the key may not see. Only a job that never
    # trained may be taken to have no checkpoint in it.
    if answer.lookup is Lookup.FOUND and not answer.project_exists and _ever_trained(facts):
        return replace(facts, lookup=Lookup.REFUSED)
    makers = {one.run for one in answer.checkpoints if one.run is not None}
    return replace(
        facts,
        lookup=answer.lookup,
        run=facts.run or identity.run_with_versions(facts.job, makers),
        checkpoints=answer.checkpoints,
        store_faults=tuple(_store_faults(answer, stores)),
        pending=sum(checkpoints.may_be_own(one, facts) for one in answer.pending),
        elsewhere=tuple(filter(tags.is_wandb_name, answer.elsewhere)),
        heartbeat_at=answer.heartbeat_at,
    )


def _store_faults(answer: Answer, stores: AllowedStores) -> Iterator[tuple[str, StoreFault]]:
    for one in answer.checkpoints:
        fault = None if one.store is None else stores.fault(one.store)
        if fault is not None:
            yield one.version, fault


def _with_log(facts: Facts, job: Job, world: World) -> Facts:
    """Ask the job's own log for the cause that its reason does not name.

    After W&B: an attempt that advanced needs no cause. So most decisions never wait for a log.
    """
    if world.logs is None or not policy.needs_log(facts):
        return facts
    tails = world.logs.tails(facts.job, work.hosts(job.described))
    if not tails:
        return replace(facts, log_read=LogRead.UNAVAILABLE)
    facts = replace(facts, log_read=LogRead.FOUND)
    said = classify_log(tails)
    if said is None:
        return facts
    return replace(facts, failure_class=said.failure_class, failure_rule=said.rule)


def _ever_trained(facts: Facts) -> bool:
    """Whether any attempt of the lineage trained, this one included."""
    lineage = facts.lineage
    before = lineage is not None and (bool(lineage.ledger.ends) or lineage.started_from is not None)
    return facts.started or before


def _classify(
    described: Mapping[str, object], env: Mapping[str, str], own: Mapping[str, str]
) -> Classification:
    return work.classification(described, identity.completed_mark(env, own))


def _instant(value: object) -> int | None:
    return int(value.timestamp()) if isinstance(value, datetime) else None
