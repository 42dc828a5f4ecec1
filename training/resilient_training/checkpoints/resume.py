"""Where a training begins: the pinned checkpoint, a newer one of this very job, or the start."""

from __future__ import annotations

import logging
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch

from resilient_training.checkpoints.files import sha256_of
from resilient_training.checkpoints.seal import is_sealed
from resilient_training.job import CheckpointLoadError, Job, Pin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType

    TryLoad = Callable[[Path], object]

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


class HeldVersion(Protocol):
    """A version, held: what is looked at is what is fetched, whatever its name means by then."""

    @property
    def version(self) -> Version:
        """What W&B said of it when it was looked up."""

    def is_of_run(self) -> bool:
        """Whether W&B says that this run logged it; its metadata say what their writer likes."""

    def holds_checkpoint(self) -> bool:
        """Whether it has the one file of a checkpoint; others log other things beside it."""

    def download(self, folder: Path) -> Path:
        """Fetch its one file; CheckpointLoadError when it is not there or is not the described."""


class Checkpoints(Protocol):
    """What the resume point needs of W&B."""

    def versions(self) -> Sequence[HeldVersion]:
        """The COMMITTED versions of this run's collection; none for a run that is new."""

    def version(self, pin: Pin) -> HeldVersion:
        """One version by name; CheckpointLoadError when W&B says that there is none."""


@dataclass(frozen=True)
class ResumePoint:
    """A verified checkpoint file; `version` is `vN`, or the path of a local file."""

    version: str
    path: Path
    step: int | None


def choose(job: Job, made: Iterable[HeldVersion]) -> HeldVersion | None:
    """The version to take instead of the pin: the newest good one made by this very job.

    SageMaker restarts a container inside its job with the Environment of the first start, so the
    pin is then old. Versions of other jobs are the controller's to choose from: it may have pinned
    an older one on purpose.

    Raises:
        ForeignVersionsError: so many others claim to be this job's that its own were not found.
    """
    return next(made_by_job(job, made), None)


def made_by_job(job: Job, made: Iterable[HeldVersion]) -> Iterator[HeldVersion]:
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


def loads(path: Path) -> None:
    """Load a file of `torch.save` as a resume does; tensors are mapped and not read.

    Raises:
        Exception: of many types; it cannot be resumed from.
    """
    torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))


def resume_point(
    job: Job, checkpoints: Checkpoints, folder: Path, try_load: TryLoad = lambda _: None
) -> ResumePoint | None:
    """Find, fetch and verify the checkpoint to resume from; None: start from the beginning.

    Where the controller pinned a checkpoint, it is that one or an error, and the controller walks
    back. Where nobody did (a first attempt, Slurm, a laptop), this walks back itself: to the newest
    of the job's own versions that is whole and can be loaded.

    `try_load` loads the file as the training is going to, and raises when it cannot be loaded.

    Raises:
        CheckpointLoadError: it is missing, damaged, or not the one that was pinned; or there are
            checkpoints, and not one of them can be resumed from.
    """
    own = made_by_job(job, checkpoints.versions())
    if job.pin is None:
        return _walk_back(own, folder, try_load)
    return fetched(next(own, None) or pinned_version(job.pin, checkpoints), folder, try_load)


def _walk_back(
    newest_first: Iterable[HeldVersion], folder: Path, try_load: TryLoad
) -> ResumePoint | None:
    newest_error: CheckpointLoadError | None = None
    for held in newest_first:
        if not held.holds_checkpoint():
            _log.warning("%s is no checkpoint of a resilient training", held.version.name)
            continue
        point = _fetched_or_error(held, folder, try_load)
        if isinstance(point, ResumePoint):
            return point
        _log.warning("walking back from a checkpoint that cannot be resumed from: %s", point)
        newest_error = newest_error or point
    if newest_error is not None:
        raise newest_error
    return None


def _fetched_or_error(
    held: HeldVersion, folder: Path, try_load: TryLoad
) -> ResumePoint | CheckpointLoadError:
    try:
        return fetched(held, folder, try_load)
    except CheckpointLoadError as error:
        # A walk back over many large files must not fill the disk.
        shutil.rmtree(folder / held.version.name, ignore_errors=True)
        return error


def fetched(held: HeldVersion, folder: Path, try_load: TryLoad) -> ResumePoint:
    """Fetch one version, verify it, and try to load it.

    Raises:
        CheckpointLoadError: it is damaged, or cannot be loaded.
    """
    version = held.version
    path = held.download(folder / version.name)
    _verify_file(version, path)
    with Loading(version.name):
        try_load(path)
    return ResumePoint(version.name, path, version.step)


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


@dataclass(frozen=True)
class Restoring:
    """Tells an error of a framework's restoring from an error of its training.

    Both have the same types, and no hook marks the border, so the place decides: `restores` is
    asked for the name of each file and function that the error came through.
    """

    point: ResumePoint | None
    restores: Callable[[str, str], bool]

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.point is None or not isinstance(error, Exception):
            return
        if any(self.restores(file, function) for file, function in _functions_of(trace)):
            raise load_error(self.point.version, error) from error


def _functions_of(trace: TracebackType | None) -> Iterator[tuple[str, str]]:
    while trace is not None:
        code = trace.tb_frame.f_code
        yield Path(code.co_filename).name, code.co_name
        trace = trace.tb_next


def load_error(version: str, error: Exception) -> CheckpointLoadError:
    return CheckpointLoadError(version, " ".join(f"{type(error).__name__}: {error}".split()))


def pinned_version(pin: Pin, checkpoints: Checkpoints) -> HeldVersion:
    held = checkpoints.version(pin)
    if held.version.suspect:
        raise CheckpointLoadError(pin.version, "it is marked as suspect")
    if pin.digest is not None and held.version.digest != pin.digest:
        why = f"its digest is {held.version.digest}, the pinned one is {pin.digest}"
        raise CheckpointLoadError(pin.version, why)
    return held


def _verify_file(version: Version, path: Path) -> None:
    found = sha256_of(path)
    if version.sha256 is not None and found != version.sha256:
        why = f"sha256 of the file is {found}, its metadata says {version.sha256}"
        raise CheckpointLoadError(version.name, why)
