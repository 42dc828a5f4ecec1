"""Versions as W&B shows them, read one by one: whose each is, where, and what may be resumed."""

import json
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from resilience.decide import naming
from resilience.decide.checkpoints import excludes
from resilience.decide.decisions import Checkpoint, CheckpointRequest, Upload
from resilience.decide.stores import NoStore, Store, parse

_COMMITTED, _PENDING = "COMMITTED", "PENDING"
_MOST_DIGITS = 18
_FILENAME_STEP = re.compile(r"step=(\d{1,18})")
# Hugging Face's callback: each checkpoint's alias, and the step that was last logged before it.
_ALIAS_STEP = re.compile(r"checkpoint_global_step_(\d{1,18})")
_LOGGED_STEP = "train/global_step"
# What it logs into the same collection beside them: the architecture alone, and the weights alone.
_NO_CHECKPOINT = ("initial_model", "final_model")
_MODEL = "model"
# Whoever may write an artifact may give any digest; it goes into an Environment and a log.
_DIGEST = re.compile(r"[A-Za-z0-9+/=_-]{1,128}")
_HIGHEST_NUMBER = 10**9 - 1
_ODD = (KeyError, TypeError, AttributeError, ValueError)

Node = Mapping[str, Any]


class Seen:
    """What the pages of one lookup have shown so far."""

    def __init__(self, request: CheckpointRequest) -> None:
        self._request = request
        self._checkpoints: dict[int, Checkpoint] = {}
        self._numbers: set[int] = set()  # of the runs' committed versions, checkpoints or not
        self._heads: dict[str, set[int]] = {}  # the same by run, as the collection lists its newest
        self._listed: list[int] = []  # all that it lists, whoever made them, in its order
        self._odd = 0
        self._elsewhere: dict[str, None] = {}
        self._pending: dict[int | None, Upload] = {}
        self.foreign = 0

    @property
    def checkpoints(self) -> tuple[Checkpoint, ...]:
        return tuple(self._checkpoints[number] for number in sorted(self._checkpoints)[::-1])

    @property
    def elsewhere(self) -> tuple[str, ...]:
        return tuple(self._elsewhere)

    @property
    def pending(self) -> tuple[Upload, ...]:
        return tuple(self._pending.values())

    def says_none_falsely(self) -> bool:
        """Whether there are versions of the runs, and not one that could be read is good."""
        listed = set().union(*self._heads.values())
        return not any(map(is_good, self._checkpoints.values())) and bool(
            self._odd or listed - self._numbers
        )

    def has_the_newest_of(self, run: str) -> bool:
        """Whether no older page of a run can matter, by what the collection lists as its newest.

        All that it lists of this run is read, and what it lists holds a version that can be resumed
        from. So the tables of a run whose checkpoints another run logs are not read to their end.
        W&B does not promise the order that it was asked for; so the numbers must fall.
        """
        falling = all(newer > older for newer, older in pairwise(self._listed))
        if not falling or not self._heads.get(run, set()) <= self._numbers:
            return False
        listed = (self._checkpoints.get(number) for number in self._listed)
        return any(one is not None and is_good(one) for one in listed)

    def take_head(self, node: Node) -> None:
        """Note one version that the collection lists, whoever made it."""
        state, number, maker = node.get("state"), _number(node), _maker(node)
        if number is not None:
            self._listed.append(number)
        if maker is None or maker not in self._request.runs:
            self.foreign += state == _COMMITTED
        elif state == _PENDING:
            self._pending.setdefault(number, Upload(number))
        elif state == _COMMITTED and number is None:
            self._odd += 1
        elif state == _COMMITTED and number is not None:
            self._heads.setdefault(maker, set()).add(number)

    def take(self, node: Node) -> Checkpoint | None:
        """Note one version that a run lists; returns it if it is one to choose from.

        A version that cannot be read is passed over: one odd version must not hide the good ones.
        """
        try:
            if _maker(node) not in self._request.runs:
                return None
            if node["artifactSequence"]["name"] != self._request.collection:
                self._take_elsewhere(node)
                return None
            return self._take_own(node)
        except _ODD:
            self._odd += 1
            return None

    def _take_elsewhere(self, node: Node) -> None:
        metadata = _metadata(node)
        looks_like_one = _type(node) == _MODEL or _step(metadata, ()) is not None
        if node["state"] == _COMMITTED and looks_like_one and _is_checkpoint(metadata):
            self._elsewhere[str(node["artifactSequence"]["name"])] = None

    def _take_own(self, node: Node) -> Checkpoint | None:
        if node["state"] not in {_COMMITTED, _PENDING}:
            return None
        number = _number(node)
        if node["state"] == _PENDING:
            self._pending[number] = Upload(number, _job(_metadata(node)))
            return None
        if number is None:
            raise ValueError("a version without its number")
        found = _checkpoint(node, number)
        self._numbers.add(number)
        if found is not None:
            self._checkpoints[number] = found
        return found


def is_good(checkpoint: Checkpoint) -> bool:
    """Whether nobody has excluded it."""
    return not any(map(excludes, checkpoint.aliases))


def _checkpoint(node: Node, number: int) -> Checkpoint | None:
    digest, metadata, aliases = node["digest"], _metadata(node), _aliases(node)
    if not _is_checkpoint(metadata):
        return None
    if not isinstance(digest, str) or _DIGEST.fullmatch(digest) is None:
        raise ValueError("a digest that is none")
    return Checkpoint(
        version=f"v{number}",
        step=_step(metadata, aliases),
        digest=digest,
        run=_maker(node),
        committed=True,
        aliases=aliases,
        job=_job(metadata),
        hashed=isinstance(metadata.get("sha256"), str),
        store=_store(metadata),
    )


def _job(metadata: Mapping[str, Any]) -> str | None:
    """The training job that logged it, as the training side writes it (docs/contract.md)."""
    name = metadata.get("training_job")
    return name if isinstance(name, str) and naming.is_job_name(name) else None


def _store(metadata: Mapping[str, Any]) -> Store | NoStore | None:
    """Where its bytes lie, if not in W&B."""
    named = metadata.get("store")
    return None if named is None else parse(named)


def _maker(node: Node) -> str | None:
    maker = node.get("createdBy")
    name = maker.get("name") if isinstance(maker, dict) else None
    return name if isinstance(name, str) else None


def _type(node: Node) -> object:
    return (node.get("artifactType") or {}).get("name")


def _number(node: Node) -> int | None:
    number = node.get("versionIndex")
    if not isinstance(number, int) or isinstance(number, bool):
        return None
    return number if 0 <= number <= _HIGHEST_NUMBER else None


def _aliases(node: Node) -> tuple[str, ...]:
    """Those that it has where it was logged: a registry that links it has aliases of its own."""
    home = node["artifactSequence"]
    return tuple(
        str(alias["alias"]) for alias in node["aliases"] if alias["artifactCollection"] == home
    )


def _metadata(node: Node) -> dict[str, Any]:
    raw = node.get("metadata")
    try:
        parsed = json.loads(raw) if isinstance(raw, str) else raw
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _is_checkpoint(metadata: dict[str, Any]) -> bool:
    return not any(metadata.get(mark) for mark in _NO_CHECKPOINT)


def _step(metadata: dict[str, Any], aliases: tuple[str, ...]) -> int | None:
    """The global step, where anything names it as a number or as its digits."""
    if "step" in metadata and _LOGGED_STEP not in metadata:
        return _whole(metadata["step"])
    # What was last logged may be behind what was saved; the alias is exact, until it moves on.
    named = next(filter(None, map(_ALIAS_STEP.fullmatch, aliases)), None)
    if named is not None:
        return int(named[1])
    for key in (_LOGGED_STEP, "step"):
        if key in metadata:
            return _whole(metadata[key])
    # WandbLogger's own checkpoints have it in their file's name only.
    in_name = _FILENAME_STEP.search(str(metadata.get("original_filename", "")))
    return int(in_name[1]) if in_name else None


def _whole(step: object) -> int | None:
    if isinstance(step, str):
        digits = step.isascii() and step.isdigit() and len(step) <= _MOST_DIGITS
        return int(step) if digits else None
    if isinstance(step, bool) or not isinstance(step, int | float):
        return None
    sensible = 0 <= step < 10**_MOST_DIGITS
    return int(step) if sensible and float(step).is_integer() else None
