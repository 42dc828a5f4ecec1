"""Who a job is: its lineage, its W&B run, and what its tags contradict. Pure.

The Environment was fixed at the launch and decides. A tag that says otherwise is a contradiction:
the lineage stops and a person is notified.
"""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import datetime

from resilience.decide.decisions import CheckpointRequest, Lineage
from resilience.wire import environment, lineage_tags, tags, words

_MODEL = "model-"
_OF_CHECKPOINTS = "-checkpoints"
# Tags by which these services mark the jobs that they run and look after themselves.
_OWNER_TAGS = (
    "MANAGED_BY_AWS",
    "AWS_STEP_FUNCTIONS_EXECUTION_ARN",
    "sagemaker:pipeline-execution-arn",
)
_PIPELINES, _BATCH = "pipelines-", "AWSBatch"
_OWNER_MEMBERS = ("TuningJobArn", "AutoMLJobArn", "LabelingJobArn")
_COPIES = (*sorted(tags.OF_EVERY_SUCCESSOR), tags.REJECTED)


def lineage(name: str, env: Mapping[str, str], own: Mapping[str, str]) -> Lineage:
    """Place a job in its lineage, by its Environment.

    A job whose Environment names another job, as a clone's does, begins a lineage of its own.

    Raises:
        words.UnreadableTagError: an entry holds what the controller never writes.
    """
    born = environment.born_with(env) or {}
    waiting = {tags.WAITING: own[tags.WAITING]} if tags.WAITING in own else {}
    verdict = {tags.VERDICT: own[tags.VERDICT]} if tags.VERDICT in own else {}
    return lineage_tags.read(name, born | waiting | verdict)


def is_successor(name: str, env: Mapping[str, str]) -> bool:
    """Whether the job was launched as a successor, by its Environment and its name."""
    return lineage_tags.is_attempt(name, environment.born_with(env) or {})


def continues(env: Mapping[str, str], parent: str, parent_created: int | None) -> bool:
    """Whether a job's Environment says that it continues this very job, name and creation time."""
    created = words.stamp(parent_created) if parent_created is not None else None
    return env.get(environment.PARENT) == parent and env.get(environment.PARENT_CREATED) == created


def continues_an_earlier(env: Mapping[str, str], parent: str, parent_created: int | None) -> bool:
    """Whether a job continues an earlier job of this name, which was deleted since."""
    created = env.get(environment.PARENT_CREATED)
    if env.get(environment.PARENT) != parent or parent_created is None:
        return False
    try:
        earlier = words.instant(created)
    except words.UnreadableTagError:
        return False
    return earlier is not None and earlier < parent_created


def opted_in(env: Mapping[str, str], own: Mapping[str, str]) -> bool:
    """Whether the job wants to come back. A tag that is emptied opts nothing out."""
    return environment.COLLECTION in env or tags.opted_in(own)


def run_of(env: Mapping[str, str], own: Mapping[str, str]) -> str | None:
    """The lineage's W&B run: by the Environment, else by a tag, else by `model-<run id>`."""
    collection = own.get(tags.CHECKPOINT_NAME, "").partition(":")[0]
    named = collection.removeprefix(_MODEL) if collection.startswith(_MODEL) else ""
    run = env.get(tags.RUN_ID) or own.get(tags.RUN_ID) or named
    return run if tags.is_wandb_name(run) else None


def own_runs(name: str) -> tuple[str, ...]:
    """W&B runs that are this job's by their names; nobody can rename a job.

    The second is what the W&B SDK calls a run inside SageMaker when nobody gives it an id
    (wandb.sdk.lib.sagemaker, `TRAINING_JOB_NAME`-`CURRENT_HOST`).
    """
    return (name, f"{name}-algo-1")


def checkpoints_run(run: str) -> str:
    """The run from which `resilient-run` logs the checkpoints of a run (docs/contract.md)."""
    return f"{run}{_OF_CHECKPOINTS}"


def run_with_versions(name: str, makers: AbstractSet[str]) -> str | None:
    """The first of the job's own runs of which there are versions, whoever logged them for it.

    A successor goes on in that run: in `resilient-run`'s own there is no history to go on with.
    """
    return next((run for run in own_runs(name) if makers & {run, checkpoints_run(run)}), None)


def checkpoint_request(
    name: str, env: Mapping[str, str], own: Mapping[str, str]
) -> CheckpointRequest:
    """Where the job's checkpoints are, and whose count: each run's, and those logged for it.

    Raises:
        words.UnreadableTagError: a tag is missing or is no name that W&B could have.
    """
    run = run_of(env, own)
    runs = tuple(dict.fromkeys((*([run] if run else []), *own_runs(name))))
    return tags.checkpoint_request(own, (*runs, *map(checkpoints_run, runs)))


def pinned_project(
    env: Mapping[str, str], tagged: CheckpointRequest | None
) -> CheckpointRequest | None:
    """The project that was fixed at the launch; None: none was, or its entity is unknown."""
    path = environment.collection_path(env)
    entity = path[0] if path else env.get(tags.ENTITY) or (tagged.entity if tagged else None)
    project = path[1] if path else env.get(tags.PROJECT)
    if not (entity and project):
        return None
    return CheckpointRequest(entity=entity, project=project, collection="")


def contradictions(name: str, env: Mapping[str, str], own: Mapping[str, str]) -> tuple[str, ...]:
    """The names of tags that say other than what was fixed at the launch."""
    return tuple(dict.fromkeys((*_of_wandb(name, env, own), *_of_lineage(name, env, own))))


def _of_wandb(name: str, env: Mapping[str, str], own: Mapping[str, str]) -> Iterator[str]:
    entity, project, collection = environment.collection_path(env) or (None, None, None)
    for key, pinned in ((tags.ENTITY, entity), (tags.PROJECT, project)):
        if any(fixed and own.get(key) != fixed for fixed in (env.get(key), pinned)):
            yield key
    run, runs = env.get(tags.RUN_ID), own_runs(name)
    if run and own.get(tags.RUN_ID, run) not in (run, *runs):
        yield tags.RUN_ID
    if not _may_be_collection(own.get(tags.CHECKPOINT_NAME, ""), collection, run, runs):
        yield tags.CHECKPOINT_NAME


def _may_be_collection(
    tagged: str, pinned: str | None, run: str | None, runs: tuple[str, ...]
) -> bool:
    """Whether the tag names the pinned collection, or one that the job's own name gives."""
    collection = tagged.partition(":")[0]
    if collection.removeprefix(_MODEL) in runs:
        return True
    if pinned is not None:
        return collection == pinned
    return run is None or not collection.startswith(_MODEL) or collection == _MODEL + run


def _of_lineage(name: str, env: Mapping[str, str], own: Mapping[str, str]) -> Iterator[str]:
    born = environment.born_with(env) or {}
    if lineage_tags.is_attempt(name, born):
        yield from (key for key in _COPIES if own.get(key, "") != born.get(key, ""))
    elif lineage_tags.is_attempt(name, own):
        yield tags.ROOT  # its tags call it a successor; it was not launched as one


def completed_mark(env: Mapping[str, str], own: Mapping[str, str]) -> bool | None:
    """Whether the training reached its true end; None: nothing says so, or nothing may.

    "Completed" counts as unfinished only where a token in the Environment agreed on a mark: any
    container of the account may write the tag `no`.
    """
    proof, mark = environment.completion_proof(env), own.get(tags.COMPLETED)
    if proof is None or mark is None:
        return None
    return {proof: True, tags.UNFINISHED: False}.get(mark)


def is_unproved_completion(env: Mapping[str, str], own: Mapping[str, str]) -> bool:
    """Whether the mark claims what it does not prove.

    With a token: neither `no` nor the proof. Without one: `no`, which anybody could have written.
    """
    proof, mark = environment.completion_proof(env), own.get(tags.COMPLETED)
    if proof is None:
        return mark == tags.UNFINISHED
    return mark not in (None, tags.UNFINISHED, proof)


def owner(name: str, described: Mapping[str, object], own: Mapping[str, str]) -> str | None:
    """The service that looks after the job itself; None: nobody does."""
    for prefix in (_PIPELINES, _BATCH):
        if name.startswith(prefix):
            return prefix
    members = (member for member in _OWNER_MEMBERS if described.get(member))
    marks = (key for key in _OWNER_TAGS if key in own)
    return next(members, None) or next(marks, None)


def created_at(described: Mapping[str, object]) -> int | None:
    """When the job was created, in epoch seconds; with its name it is the job's identity."""
    created = described.get("CreationTime")
    return int(created.timestamp()) if isinstance(created, datetime) else None
