"""Tags are the contract with the training side and the ledger of a lineage (docs/contract.md)."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime
from enum import StrEnum

from resilience.decide.decisions import (
    CheckpointRequest,
    Decision,
    Judged,
    Ledger,
    Lineage,
    Mode,
    Policy,
    Reason,
    Successor,
    Verdict,
    Waiting,
)
from resilience.decide.modes import more_careful
from resilience.failures import FailureClass

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

MOST_TAGS = 50  # that SageMaker lets one job have; aws: ones do not count
# What every successor bears, and what it will bear when it is judged in its turn.
OF_EVERY_SUCCESSOR = frozenset({ROOT, PARENT, ATTEMPT, CHECKPOINT, CHECKPOINT_STEP, LEDGER})
OF_THE_JUDGED = frozenset({VERDICT, REASON, SUCCESSOR, DUE, WAITING})
_OF_ONE_JOB = OF_EVERY_SUCCESSOR | OF_THE_JUDGED | {REJECTED, AGAIN, ANSWERED}
# Narrower than what W&B allows, so that a tag that passes is harmless wherever it goes.
_WANDB_NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9_. -]{0,127}")
_JOB_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_VERSION = re.compile(r"v[0-9]{1,9}")
_CLASSES = frozenset(map(str, FailureClass))
# A ledger's fields beside the class counts, by their words; one that has its default is left out.
_LEDGER_FIELDS = {
    "refused": "refused",
    "unpaid": "unpaid",
    "row": "without_work",
    "code": "by_program",
    "lost": "lost_seconds",
    "same": "same",
    "after": "after",
    "best": "best",
    "seen": "seen",
}
_EMPTY_LEDGER = "new"
_PLACE = re.compile(r"[0-9a-f]{8}")
_STAMP = "%Y-%m-%dT%H:%M:%SZ"
_WORD_LENGTH = 8
_LONGEST_NAME = 63
_DASH_AND_HASH = 9
_CEILINGS = ("max_jobs", "max_age_days")
_MOST_DIGITS = 8  # of a number in a tag that people set
_NOT_OURS = "unknown"
_UNKNOWN_STEP = "unknown"
_MOST_DIGITS_OF_OURS = 18  # of a number that the controller wrote


class UnreadableTagError(ValueError):
    """A tag of ours holds what we never write."""


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
    told = [tags[RUN_ID]] if tags.get(RUN_ID) else []
    entity, project = tags.get(ENTITY, ""), tags.get(PROJECT, "")
    if not all(map(is_wandb_name, (entity, project, collection, alias, *told))):
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


def is_job_name(text: str) -> bool:
    return _JOB_NAME.fullmatch(text) is not None


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
        and _is_whole(tags[key])
        and len(tags[key]) <= _MOST_DIGITS
    }
    for name in _CEILINGS:
        ceiling = int(getattr(of_the_stack, name))
        own[name] = min(own.get(name, ceiling), ceiling)
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
    its tags starts a lineage of their own. On that job all of them must be there: a ledger that is
    gone is not an empty one.
    """
    root, attempt = tags.get(ROOT), tags.get(ATTEMPT)
    if root is None or attempt is None or not is_attempt(job, tags):
        # A clone has its model's start of waiting until it is judged itself.
        inherited = root is not None and VERDICT not in tags
        return Lineage(
            root=job, attempt=1, waiting=None if inherited else _waiting(tags.get(WAITING))
        )
    try:
        started_from, step = tags[CHECKPOINT], tags[CHECKPOINT_STEP]
        ledger = _ledger(tags[LEDGER])
    except KeyError as missing:
        raise UnreadableTagError("a part of the lineage's tags is gone") from missing
    return Lineage(
        root=root,
        attempt=int(attempt),
        started_from=None if started_from == NO_CHECKPOINT else _version(started_from),
        started_step=None if step == _UNKNOWN_STEP else _whole(step),
        ledger=ledger,
        rejected=tuple(_version(word) for word in tags.get(REJECTED, "").split()),
        waiting=_waiting(tags.get(WAITING)),
    )


def is_attempt(job: str, tags: Mapping[str, str]) -> bool:
    """Whether root and attempt are those that give the job its name."""
    root, attempt = tags.get(ROOT, ""), tags.get(ATTEMPT, "")
    if not (_is_whole(attempt) and _JOB_NAME.fullmatch(root)):
        return False
    return int(attempt) > 1 and job == successor_name(root, int(attempt))


def judged(tags: Mapping[str, str]) -> Judged | None:
    """The verdict that stands on the job, if one does; a due time that is no time is due now."""
    verdict = tags.get(VERDICT)
    if not verdict:
        return None
    try:
        due = _instant(tags.get(DUE))
    except UnreadableTagError:
        due = None
    return Judged(verdict=_ours(verdict, Verdict), reason=_ours(tags.get(REASON), Reason), due=due)


def _ours(word: str | None, ours: type[StrEnum]) -> str:
    return next((str(one) for one in ours if one == word), _NOT_OURS)


def inherited(parent_tags: Mapping[str, str]) -> dict[str, str]:
    """What a successor takes over: the tags that people and tools have set, overrides included."""
    return {
        key: value
        for key, value in parent_tags.items()
        if not key.lower().startswith("aws:") and key not in _OF_ONE_JOB
    }


def in_collection(own: Mapping[str, str], collection: str) -> dict[str, str]:
    """A job's tags that name this collection, by the alias that they name."""
    if CHECKPOINT_NAME not in own:
        return dict(own)
    _, colon, alias = own[CHECKPOINT_NAME].partition(":")
    return {**own, CHECKPOINT_NAME: f"{collection}{colon}{alias}"}


def of_successor(parent_tags: Mapping[str, str], successor: Successor) -> dict[str, str]:
    """All tags of a successor: the parent's own, then the lineage's."""
    own = inherited(parent_tags)
    if COMPLETED in own:
        own[COMPLETED] = UNFINISHED
    checkpoint = successor.checkpoint
    return own | {
        ROOT: successor.root,
        PARENT: successor.parent,
        ATTEMPT: str(successor.attempt),
        CHECKPOINT: checkpoint.version if checkpoint else NO_CHECKPOINT,
        CHECKPOINT_STEP: step_word(checkpoint.step if checkpoint else 0),
        LEDGER: ledger_text(successor.ledger),
        **({REJECTED: " ".join(successor.rejected)} if successor.rejected else {}),
        **({WAITING: _waiting_text(successor.waiting)} if successor.waiting else {}),
    }


def of_verdict(decision: Decision) -> dict[str, str]:
    """Tags that record a verdict on the job that was judged."""
    tags = {VERDICT: str(decision.verdict), REASON: str(decision.reason)}
    if decision.facts.again is not None:
        tags[ANSWERED] = decision.facts.again
    if decision.successor is not None:
        tags[SUCCESSOR] = decision.successor.name
    if decision.due is not None:
        tags[DUE] = stamp(decision.due)
    if decision.waiting is not None:
        tags[WAITING] = _waiting_text(decision.waiting)
    return tags


def with_room(own: Mapping[str, str], verdict: Mapping[str, str]) -> dict[str, str]:
    """As many of a verdict's tags, the most telling first, as the judged job has room for."""
    room = MOST_TAGS - sum(not key.lower().startswith("aws:") for key in own)
    fresh = [key for key in verdict if key not in own][: max(0, room)]
    return {key: value for key, value in verdict.items() if key in own or key in fresh}


def step_word(step: int | None) -> str:
    return _UNKNOWN_STEP if step is None else str(step)


def stamp(instant: int) -> str:
    """Epoch seconds as the UTC text that a tag may hold."""
    return datetime.fromtimestamp(instant, UTC).strftime(_STAMP)


def ledger_text(ledger: Ledger) -> str:
    """Write a ledger as words; an empty one is `new`."""
    words = [f"{name}={count}" for name, count in ledger.ends]
    words += [
        f"{word}={getattr(ledger, name)}"
        for word, name in _LEDGER_FIELDS.items()
        if getattr(ledger, name) != getattr(Ledger(), name)
    ]
    if ledger.place:
        words.append(f"place={ledger.place}")
    return " ".join(words) or _EMPTY_LEDGER


def _ledger(text: str) -> Ledger:
    if text == _EMPTY_LEDGER:
        return Ledger()
    words = [word.partition("=")[::2] for word in text.split()]
    told = dict(words)
    place = told.pop("place", "")
    known = told.keys() <= _CLASSES | _LEDGER_FIELDS.keys() and (told or place)
    if (
        not known
        or len(words) != len(told) + bool(place)
        or (place and not _PLACE.fullmatch(place))
    ):
        raise UnreadableTagError("not a ledger of ours")
    counts = {name: _whole(count) for name, count in told.items()}
    return Ledger(
        ends=tuple(sorted((name, count) for name, count in counts.items() if name in _CLASSES)),
        place=place,
        **{_LEDGER_FIELDS[word]: counts[word] for word in _LEDGER_FIELDS if word in counts},
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
    if not _is_whole(text):
        raise UnreadableTagError("not a whole number")
    return int(text)


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS_OF_OURS


def _version(text: str) -> str:
    if not _VERSION.fullmatch(text):
        raise UnreadableTagError("not a version")
    return text
