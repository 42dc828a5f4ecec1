"""Tags are the contract with the training side and the ledger of a lineage (docs/contract.md)."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime

from resilience.decisions import (
    CheckpointRequest,
    Decision,
    Judged,
    Ledger,
    Lineage,
    Mode,
    Policy,
    Successor,
    Verdict,
    Waiting,
)

PREFIX = "resilience:"
ROOT, PARENT, ATTEMPT = "resilience:root", "resilience:parent", "resilience:attempt"
CHECKPOINT, CHECKPOINT_STEP = "resilience:checkpoint", "resilience:checkpoint-step"
LEDGER, REJECTED, WAITING = "resilience:ledger", "resilience:rejected", "resilience:waiting"
VERDICT, REASON, SUCCESSOR = "resilience:verdict", "resilience:reason", "resilience:successor"
DUE, MODE, COMPLETED = "resilience:due", "resilience:mode", "resilience:completed"
DEBUG_RULES = "resilience:debug-rules"
ENTITY, PROJECT = "WANDB_ENTITY", "WANDB_PROJECT"
CHECKPOINT_NAME, CHECKPOINT_TAG, RUN_ID = (
    "WANDB_CHECKPOINT_NAME",
    "WANDB_CHECKPOINT_TAG",
    "WANDB_RUN_ID",
)

_OF_ONE_JOB = frozenset(
    {ROOT, PARENT, ATTEMPT, CHECKPOINT, CHECKPOINT_STEP, LEDGER, REJECTED, WAITING}
    | {VERDICT, REASON, SUCCESSOR, DUE}
)
_WANDB_NAME = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_. -]{0,127}")
_VERSION = re.compile(r"v\d{1,9}")
_STAMP = "%Y-%m-%dT%H:%M:%SZ"
_LONGEST_NAME = 63
_DASH_AND_HASH = 9


class UnreadableTagError(ValueError):
    """A tag of ours holds what we never write."""


def read(raw: object) -> dict[str, str] | None:
    """Tags as the service shows them: a map, a list of Key and Value, or not at all (None)."""
    if isinstance(raw, dict):
        return {str(key): str(value) for key, value in raw.items()}
    if isinstance(raw, list):
        pairs = [pair for pair in raw if isinstance(pair, dict) and "Key" in pair]
        return {str(pair["Key"]): str(pair.get("Value", "")) for pair in pairs}
    return None


def opted_in(tags: Mapping[str, str]) -> bool:
    return all(tags.get(key) for key in (ENTITY, PROJECT, CHECKPOINT_NAME))


def checkpoint_request(tags: Mapping[str, str]) -> CheckpointRequest:
    """Where the checkpoints are; raises UnreadableTagError where a tag is no W&B name."""
    collection, _, suffix = tags[CHECKPOINT_NAME].partition(":")
    alias = suffix or tags.get(CHECKPOINT_TAG) or "latest"
    for name in (tags[ENTITY], tags[PROJECT], collection, alias):
        if not _WANDB_NAME.fullmatch(name) or ".." in name:
            raise UnreadableTagError("not a W&B name")
    return CheckpointRequest(
        entity=tags[ENTITY], project=tags[PROJECT], collection=collection, alias=alias
    )


def run_id(tags: Mapping[str, str], environment: Mapping[str, str]) -> str | None:
    """The lineage's one W&B run, as the training side or the job itself tells it."""
    return tags.get(RUN_ID) or environment.get(RUN_ID) or None


def mode(tags: Mapping[str, str], of_the_stack: Mode) -> Mode:
    """The more careful of the stack's mode and the job's; an unknown word observes."""
    own = tags.get(MODE)
    if own is None:
        return of_the_stack
    order = [Mode.ACT, Mode.OBSERVE, Mode.OFF]
    of_the_job = Mode(own) if own in set(Mode) else Mode.OBSERVE
    return max(of_the_stack, of_the_job, key=order.index)


def completed_mark(tags: Mapping[str, str]) -> bool | None:
    """Whether the training side says that it reached its true end; None: it never says."""
    return {"yes": True, "no": False}.get(tags.get(COMPLETED, ""))


def policy(tags: Mapping[str, str], of_the_stack: Policy) -> Policy:
    """The stack's numbers with the job's own over them; what is no whole number changes nothing."""
    own = {
        name: int(value)
        for name in (field.name for field in fields(Policy))
        if (value := tags.get(PREFIX + name.replace("_", "-"), "")).isascii()
        and value.isdigit()
        and len(value) < _DASH_AND_HASH
    }
    return replace(of_the_stack, **own)


def successor_name(root: str, attempt: int) -> str:
    """Name an attempt: a pure function of lineage and attempt, at most 63 characters."""
    suffix = f"-r{attempt}"
    if len(root) + len(suffix) <= _LONGEST_NAME:
        return root + suffix
    digest = hashlib.sha256(root.encode()).hexdigest()[: _DASH_AND_HASH - 1]
    kept = root[: _LONGEST_NAME - len(suffix) - _DASH_AND_HASH].rstrip("-")
    return f"{kept}-{digest}{suffix}"


def lineage(job: str, tags: Mapping[str, str]) -> Lineage:
    """Place a job in its lineage; raises UnreadableTagError where our own tags make no sense.

    Lineage tags count only on the job whose name they give: a person who clones a successor with
    its tags starts a lineage of their own.
    """
    root, attempt = tags.get(ROOT), _whole(tags.get(ATTEMPT, "1"))
    waiting = _waiting(tags.get(WAITING))
    if root is None or job != successor_name(root, attempt):
        return Lineage(root=job, attempt=1, waiting=waiting)
    started_from = tags.get(CHECKPOINT, "none")
    step = tags.get(CHECKPOINT_STEP, "unknown")
    return Lineage(
        root=root,
        attempt=attempt,
        started_from=None if started_from == "none" else _version(started_from),
        started_step=None if step == "unknown" else _whole(step),
        ledger=_ledger(tags.get(LEDGER, "")),
        rejected=tuple(_version(word) for word in tags.get(REJECTED, "").split()),
        waiting=waiting,
    )


def judged(tags: Mapping[str, str]) -> Judged | None:
    """The verdict that stands on the job, if one does; a due time that is no time is due now."""
    verdict = tags.get(VERDICT)
    if not verdict:
        return None
    try:
        due = _instant(tags.get(DUE))
    except UnreadableTagError:
        due = None
    return Judged(verdict=verdict, reason=tags.get(REASON, ""), due=due)


def of_successor(parent_tags: Mapping[str, str], successor: Successor) -> dict[str, str]:
    """All tags of a successor: the parent's own, then the lineage's."""
    inherited = {
        key: value
        for key, value in parent_tags.items()
        if not key.lower().startswith("aws:") and key not in _OF_ONE_JOB
    }
    if inherited.get(COMPLETED) == "yes":
        inherited[COMPLETED] = "no"
    checkpoint = successor.checkpoint
    return inherited | {
        ROOT: successor.root,
        PARENT: successor.parent,
        ATTEMPT: str(successor.attempt),
        CHECKPOINT: checkpoint.version if checkpoint else "none",
        CHECKPOINT_STEP: step_word(checkpoint.step if checkpoint else 0),
        LEDGER: ledger_text(successor.ledger),
        **({REJECTED: " ".join(successor.rejected)} if successor.rejected else {}),
        **({WAITING: _waiting_text(successor.waiting)} if successor.waiting else {}),
    }


def of_verdict(decision: Decision) -> dict[str, str]:
    """Tags that record a verdict on the job that was judged."""
    tags = {VERDICT: str(decision.verdict), REASON: str(decision.reason)}
    if decision.successor is not None:
        tags[SUCCESSOR] = decision.successor.name
    if decision.verdict is Verdict.WAIT and decision.due is not None:
        tags[DUE] = stamp(decision.due)
    if decision.verdict is Verdict.WAIT and decision.waiting is not None:
        tags[WAITING] = _waiting_text(decision.waiting)
    return tags


def step_word(step: int | None) -> str:
    return "unknown" if step is None else str(step)


def stamp(instant: int) -> str:
    """Epoch seconds as the UTC text that a tag may hold."""
    return datetime.fromtimestamp(instant, UTC).strftime(_STAMP)


def ledger_text(ledger: Ledger) -> str:
    words = [f"{name}={count}" for name, count in ledger.ends]
    words.append(f"no-progress={ledger.without_progress}")
    words.append(f"at-checkpoint={ledger.at_checkpoint}")
    return " ".join(words)


def _ledger(text: str) -> Ledger:
    counts = {}
    for word in text.split():
        name, _, count = word.partition("=")
        counts[name] = _whole(count)
    return Ledger(
        without_progress=counts.pop("no-progress", 0),
        at_checkpoint=counts.pop("at-checkpoint", 0),
        ends=tuple(sorted(counts.items())),
    )


def _waiting_text(waiting: Waiting) -> str:
    return f"{waiting.times} {stamp(waiting.since)}"


def _waiting(text: str | None) -> Waiting | None:
    if not text:
        return None
    times, _, since = text.partition(" ")
    started = _instant(since)
    if started is None:
        raise UnreadableTagError("a waiting tag without its start")
    return Waiting(times=_whole(times), since=started)


def _instant(text: str | None) -> int | None:
    if not text:
        return None
    try:
        return int(datetime.strptime(text, _STAMP).replace(tzinfo=UTC).timestamp())
    except ValueError as error:
        raise UnreadableTagError("not a UTC time") from error


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise UnreadableTagError("not a whole number")
    return int(text)


def _version(text: str) -> str:
    if not _VERSION.fullmatch(text):
        raise UnreadableTagError("not a version")
    return text
