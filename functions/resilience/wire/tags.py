"""Tags are the contract with the training side and the ledger of a lineage (docs/contract.md)."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import fields, replace

from resilience.decide.decisions import (
    CheckpointRequest,
    Mode,
    Policy,
)
from resilience.decide.modes import more_careful
from resilience.wire.words import UnreadableTagError, is_whole

PREFIX = "resilience:"
ROOT, PARENT, ATTEMPT = "resilience:root", "resilience:parent", "resilience:attempt"
CHECKPOINT, CHECKPOINT_STEP = "resilience:checkpoint", "resilience:checkpoint-step"
LEDGER, REJECTED, WAITING = "resilience:ledger", "resilience:rejected", "resilience:waiting"
VERDICT, REASON, SUCCESSOR = "resilience:verdict", "resilience:reason", "resilience:successor"
DUE, MODE, COMPLETED = "resilience:due", "resilience:mode", "resilience:completed"
DEBUG_RULES = "resilience:debug-rules"
# A person's word to decide on the job again, and what answers it: a hash of that word.
AGAIN, ANSWERED = "resilience:again", "resilience:answered"
RESHUFFLE = "resilience:reshuffle"
ENTITY, PROJECT = "WANDB_ENTITY", "WANDB_PROJECT"
CHECKPOINT_NAME, CHECKPOINT_TAG, RUN_ID = (
    "WANDB_CHECKPOINT_NAME",
    "WANDB_CHECKPOINT_TAG",
    "WANDB_RUN_ID",
)
OPT_IN = (ENTITY, PROJECT, CHECKPOINT_NAME)
UNFINISHED = "no"
NO_CHECKPOINT = "none"
# What every successor bears, and what it will bear when it is decided on in its turn.
OF_EVERY_SUCCESSOR = frozenset({ROOT, PARENT, ATTEMPT, CHECKPOINT, CHECKPOINT_STEP, LEDGER})
OF_THE_DECIDED = frozenset({VERDICT, REASON, SUCCESSOR, DUE, WAITING})
OF_ONE_JOB = OF_EVERY_SUCCESSOR | OF_THE_DECIDED | {REJECTED, AGAIN, ANSWERED}
# Narrower than what W&B allows, so that a tag that passes is harmless wherever it goes.
_WANDB_NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_. -]{0,127}")
_WORD_LENGTH = 8
_CEILINGS = ("max_jobs", "max_age_days")
_MOST_DIGITS = 8  # of a number in a tag that people set


def read(raw: object) -> dict[str, str] | None:
    """Tags as the service shows them: a map, a list of Key and Value, or not at all (None)."""
    if isinstance(raw, dict):
        return {str(key): "" if value is None else str(value) for key, value in raw.items()}
    if isinstance(raw, list):
        pairs = [pair for pair in raw if isinstance(pair, dict) and "Key" in pair]
        return {str(pair["Key"]): str(pair.get("Value") or "") for pair in pairs}
    return None


def opted_in(tags: Mapping[str, str]) -> bool:
    """Whether the tags opt the job in; one that is emptied opts nothing out."""
    return all(key in tags for key in OPT_IN)


def checkpoint_request(tags: Mapping[str, str], runs: tuple[str, ...]) -> CheckpointRequest:
    """Where the checkpoints are; raises UnreadableTagError where a tag is no W&B name."""
    collection, _, suffix = tags.get(CHECKPOINT_NAME, "").partition(":")
    alias = suffix or tags.get(CHECKPOINT_TAG) or "latest"
    named = [tags[RUN_ID]] if tags.get(RUN_ID) else []
    entity, project = tags.get(ENTITY, ""), tags.get(PROJECT, "")
    if not all(map(is_wandb_name, (entity, project, collection, alias, *named))):
        raise UnreadableTagError("not a W&B name")
    return CheckpointRequest(
        entity=entity, project=project, collection=collection, alias=alias, runs=runs
    )


def is_wandb_name(text: str) -> bool:
    return _WANDB_NAME.fullmatch(text) is not None


def again(tags: Mapping[str, str]) -> str | None:
    """A hash of the word by which a person asks for another decision; None: it was answered."""
    if AGAIN not in tags:
        return None
    asked = hashlib.sha256(tags[AGAIN].encode()).hexdigest()[:_WORD_LENGTH]
    return None if asked == tags.get(ANSWERED) else asked


def mode(tags: Mapping[str, str], of_the_stack: Mode) -> Mode:
    """The more careful of the stack's mode and the job's; an unknown word observes."""
    return more_careful(tags.get(MODE, ""), of_the_stack)


def policy(tags: Mapping[str, str], of_the_stack: Policy) -> Policy:
    """The stack's numbers with the job's own over them; what is no whole number changes nothing.

    The ceiling over all of a lineage's jobs and over a job's age are the stack's: a job may lower
    them.
    """
    own = {
        field.name: int(tags[key])
        for field in fields(Policy)
        if (key := PREFIX + field.name.replace("_", "-")) in tags
        and is_whole(tags[key])
        and len(tags[key]) <= _MOST_DIGITS
    }
    for name in _CEILINGS:
        ceiling = int(getattr(of_the_stack, name))
        own[name] = min(own.get(name, ceiling), ceiling)
    return replace(of_the_stack, **own)
