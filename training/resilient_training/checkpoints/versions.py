"""Which version a training may begin with; here nothing of torch or W&B is needed.

The rules are the same for the one-file checkpoints of `resume.py` and for the folders of `run/`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from resilient_training.checkpoints.seal import is_sealed
from resilient_training.job import CheckpointLoadError, Job, Pin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

_log = logging.getLogger(__name__)

# Each costs a question; one that is the run's own is found by the first, or somebody is flooding.
_ASKED = 100


class ForeignVersionsError(Exception):
    """Too many versions claim to be of this job: W&B does not say which is its own."""


@dataclass(frozen=True)
class Version:
    """One COMMITTED version of the run's checkpoint collection, as its metadata describes it."""

    name: str
    digest: str
    step: int | None
    sha256: str | None
    training_job: str | None
    suspect: bool = False
    seal: str | None = None

    @property
    def number(self) -> int:
        return int(self.name.removeprefix("v"))


class Candidate(Protocol):
    """A version that W&B was asked for; it stays what it was at the lookup."""

    @property
    def version(self) -> Version:
        """What W&B said of it when it was looked up."""

    def is_of_run(self) -> bool:
        """Whether W&B says that this run logged it; its metadata say what their writer likes."""

    def holds_checkpoint(self) -> bool:
        """Whether it has what a checkpoint has; others log other things beside it."""


Held = TypeVar("Held", bound=Candidate)
Held_co = TypeVar("Held_co", bound=Candidate, covariant=True)
Fetched = TypeVar("Fetched")


class Lookup(Protocol[Held_co]):
    """One version by name."""

    def version(self, pin: Pin) -> Held_co:
        """Look it up; CheckpointLoadError when W&B says that there is none."""


def choose(job: Job, made: Iterable[Held]) -> Held | None:
    """The version to take instead of the pin: the newest good one made by this very job.

    SageMaker restarts a container inside its job with the Environment of the first start, so the
    pin is then old. Versions of other jobs are the controller's to choose from: it may have pinned
    an older one on purpose.

    Raises:
        ForeignVersionsError: so many others claim to be this job's that its own were not found.
    """
    return next(made_by_job(job, made), None)


def made_by_job(job: Job, made: Iterable[Held]) -> Iterator[Held]:
    """The good versions that this very job has made, the newest first.

    Raises:
        ForeignVersionsError: so many others claim to be this job's that its own were not found.
    """
    able = [one for one in made if may_begin(job, one.version)]
    found = False
    for place, one in enumerate(sorted(able, key=lambda one: _age(one.version), reverse=True)):
        if not found and place == _ASKED:
            raise ForeignVersionsError(f"{len(able)} versions of other runs name this training job")
        if one.is_of_run():
            found = True
            yield one


def _age(version: Version) -> tuple[int, int]:
    return version.step or 0, version.number


def may_begin(job: Job, version: Version) -> bool:
    """Whether the version, if the job's run logged it, overrides where the job was told to begin.

    Only a container that was restarted inside its job has a reason to, and it proves that by the
    seal. A job without a token has no secret to prove it by: there the version's number has to say
    that it was made since the controller looked, for anyone may edit metadata, and none a number.
    """
    return (
        version.training_job == job.name
        and version.name not in job.rejected
        and not version.suspect
        and version.step is not None
        and _not_before(job.pin, version)
        and (_is_made_since(job, version) if job.token is None else _bears_seal(job, version))
    )


def _is_made_since(job: Job, version: Version) -> bool:
    """W&B numbers the versions of a collection in the order in which they are made."""
    looked_at = [job.seen, None if job.pin is None else job.pin.number]
    return all(version.number > number for number in looked_at if number is not None)


def _bears_seal(job: Job, version: Version) -> bool:
    match (job.token, job.name, version.seal, version.step, version.sha256):
        case (str(token), str(name), str(seal), int(step), str(sha256)):
            return is_sealed(seal, token, name, step, sha256)
        case _:
            return False


def _not_before(pin: Pin | None, version: Version) -> bool:
    if pin is None:
        return True
    if pin.step is None or version.step is None:
        return version.number > pin.number
    return version.step >= pin.step


def pinned_version(pin: Pin, checkpoints: Lookup[Held]) -> Held:
    """Look the pinned version up, and refuse one that is suspect or another than was pinned."""
    held = checkpoints.version(pin)
    if held.version.suspect:
        raise CheckpointLoadError(pin.version, "it is marked as suspect")
    if pin.digest is not None and held.version.digest != pin.digest:
        why = f"its digest is {held.version.digest}, the pinned one is {pin.digest}"
        raise CheckpointLoadError(pin.version, why)
    return held


def newest_whole(newest_first: Iterable[Held], fetch: Callable[[Held], Fetched]) -> Fetched | None:
    """Walk back to the newest version that can be fetched; None: there is no checkpoint at all.

    Raises:
        CheckpointLoadError: there are checkpoints, and `fetch` refused each; that of the newest.
    """
    newest_error: CheckpointLoadError | None = None
    for held in newest_first:
        if not held.holds_checkpoint():
            _log.warning("%s is no checkpoint of a resilient training", held.version.name)
            continue
        try:
            return fetch(held)
        except CheckpointLoadError as error:
            _log.warning("walking back from a checkpoint that cannot be resumed from: %s", error)
            newest_error = newest_error or error
    if newest_error is not None:
        raise newest_error
    return None


@dataclass(frozen=True)
class Loading:
    """Whatever goes wrong in its block is the fault of the checkpoint that is loaded in it."""

    version: str

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, Exception) and not isinstance(error, CheckpointLoadError):
            raise load_error(self.version, error) from error


def load_error(version: str, error: Exception) -> CheckpointLoadError:
    return CheckpointLoadError(version, " ".join(f"{type(error).__name__}: {error}".split()))
