"""The Environment of a training job: what was fixed when it was launched, read and written. Pure.

Nobody can change a job's Environment after its launch. Tags can be changed by whoever may add tags
to the account's training jobs, and IAM cannot tell the jobs of one role apart. So the Environment
decides what a job is; docs/contract.md names each entry.
"""

import hashlib
import re
from collections.abc import Mapping

from resilience.decide.decisions import CheckpointRequest, Successor
from resilience.decide.stores import NoStore, Store, parse
from resilience.wire import lineage_tags, tags, words

PREFIX = "RESILIENCE_"
ROOT, PARENT, ATTEMPT = "RESILIENCE_ROOT", "RESILIENCE_PARENT", "RESILIENCE_ATTEMPT"
PARENT_CREATED, LEDGER = "RESILIENCE_PARENT_CREATED", "RESILIENCE_LEDGER"
CHECKPOINT, CHECKPOINT_DIGEST = "RESILIENCE_CHECKPOINT", "RESILIENCE_CHECKPOINT_DIGEST"
CHECKPOINT_STEP, REJECTED = "RESILIENCE_CHECKPOINT_STEP", "RESILIENCE_REJECTED"
COLLECTION, COMPLETION_TOKEN = "RESILIENCE_COLLECTION", "RESILIENCE_COMPLETION_TOKEN"
DATA_SEED_OFFSET, STORE = "RESILIENCE_DATA_SEED_OFFSET", "RESILIENCE_STORE"
RESUME = "WANDB_RESUME"

_ON_DIVERGENCE = "on-divergence"
_TOKEN = re.compile(r"[0-9a-f]{32}")
_TOKEN_LENGTH = 32
_PATH_PARTS = 3


def read(described: Mapping[str, object]) -> dict[str, str]:
    """The Environment as DescribeTrainingJob shows it; empty where the job has none."""
    environment = described.get("Environment")
    return {str(k): str(v) for k, v in environment.items()} if isinstance(environment, dict) else {}


def born_with(environment: Mapping[str, str]) -> dict[str, str] | None:
    """The lineage tags that a successor was born with; None: it was launched as no successor."""
    if ROOT not in environment or ATTEMPT not in environment:
        return None
    pinned = environment.get(CHECKPOINT, "").rpartition(":")[2]
    copies = {
        tags.ROOT: environment[ROOT],
        tags.ATTEMPT: environment[ATTEMPT],
        tags.PARENT: environment.get(PARENT, ""),
        tags.CHECKPOINT: pinned or tags.NO_CHECKPOINT,
        tags.CHECKPOINT_STEP: environment.get(CHECKPOINT_STEP, "") if pinned else "0",
        tags.LEDGER: environment.get(LEDGER, ""),
        tags.REJECTED: environment.get(REJECTED, ""),
    }
    return {key: value for key, value in copies.items() if value}


def collection_path(environment: Mapping[str, str]) -> tuple[str, str, str] | None:
    """Entity, project and collection that RESILIENCE_COLLECTION names; None: it names none."""
    parts = environment.get(COLLECTION, "").split("/")
    return (parts[0], parts[1], parts[2]) if len(parts) == _PATH_PARTS else None


def store(environment: Mapping[str, str]) -> Store | NoStore | None:
    """Where the launch says that all checkpoints lie; None: it says nothing of it."""
    named = environment.get(STORE)
    return parse(named) if named else None


def completion_proof(environment: Mapping[str, str]) -> str | None:
    """What the tag resilience:completed must hold at the true end; None: nothing was agreed.

    The hex SHA-256 of the token. Only the job itself, and who may describe it, can know it.
    """
    token = environment.get(COMPLETION_TOKEN, "")
    return hashlib.sha256(token.encode()).hexdigest() if _TOKEN.fullmatch(token) else None


def of_successor(
    described: Mapping[str, object],
    own_tags: Mapping[str, str],
    wandb: CheckpointRequest,
    run: str | None,
    successor: Successor,
) -> dict[str, str]:
    """Compose a successor's Environment: the parent's own entries, then the lineage's.

    Where the checkpoints lie was fixed at the first launch, and stays as it was written there.
    """
    parent = read(described)
    inherited = {
        key: value for key, value in parent.items() if key == STORE or not key.startswith(PREFIX)
    }
    return (
        inherited
        | _identity(successor, wandb, run)
        | _checkpoint(successor, wandb)
        | _completion(parent, successor)
        | _data_order(parent, own_tags, successor)
    )


def _identity(successor: Successor, wandb: CheckpointRequest, run: str | None) -> dict[str, str]:
    entries = {
        RESUME: "allow",
        ROOT: successor.root,
        PARENT: successor.parent,
        ATTEMPT: str(successor.attempt),
        LEDGER: lineage_tags.ledger_text(successor.ledger),
        COLLECTION: wandb.path,
    }
    if successor.parent_created is not None:
        entries[PARENT_CREATED] = words.stamp(successor.parent_created)
    if successor.rejected:
        entries[REJECTED] = " ".join(successor.rejected)
    return entries if run is None else entries | {tags.RUN_ID: run}


def _checkpoint(successor: Successor, wandb: CheckpointRequest) -> dict[str, str]:
    checkpoint = successor.checkpoint
    if checkpoint is None:
        return {}
    return {
        CHECKPOINT: f"{wandb.path}:{checkpoint.version}",
        CHECKPOINT_DIGEST: checkpoint.digest,
        CHECKPOINT_STEP: words.step_word(checkpoint.step),
    }


def _completion(parent: Mapping[str, str], successor: Successor) -> dict[str, str]:
    """A token of the successor's own, where the parent had one; a function of both."""
    if completion_proof(parent) is None:
        return {}
    seed = f"{parent[COMPLETION_TOKEN]}:{successor.name}".encode()
    return {COMPLETION_TOKEN: hashlib.sha256(seed).hexdigest()[:_TOKEN_LENGTH]}


def _data_order(
    parent: Mapping[str, str], own_tags: Mapping[str, str], successor: Successor
) -> dict[str, str]:
    """Another order after a divergence, where it is asked for; later attempts keep it."""
    if successor.diverged and own_tags.get(tags.RESHUFFLE) == _ON_DIVERGENCE:
        return {DATA_SEED_OFFSET: str(successor.attempt)}
    kept = parent.get(DATA_SEED_OFFSET)
    return {} if kept is None else {DATA_SEED_OFFSET: kept}
