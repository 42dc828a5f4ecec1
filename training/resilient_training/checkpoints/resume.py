"""Where a training begins: the pinned checkpoint, a newer one of this very job, or the start."""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch

from resilient_training.checkpoints.files import sha256_of
from resilient_training.checkpoints.versions import (
    Candidate,
    Loading,
    Version,
    load_error,
    made_by_job,
    newest_whole,
    pinned_version,
)
from resilient_training.job import CheckpointLoadError, Job, Pin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

    TryLoad = Callable[[Path], object]


class HeldVersion(Candidate, Protocol):
    """A version, held: what is looked at is what is fetched, whatever its name means by then."""

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
        return newest_whole(own, lambda held: _fetched_or_removed(held, folder, try_load))
    return fetched(next(own, None) or pinned_version(job.pin, checkpoints), folder, try_load)


def _fetched_or_removed(held: HeldVersion, folder: Path, try_load: TryLoad) -> ResumePoint:
    try:
        return fetched(held, folder, try_load)
    except CheckpointLoadError:
        # A walk back over many large files must not fill the disk.
        shutil.rmtree(folder / held.version.name, ignore_errors=True)
        raise


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


def _verify_file(version: Version, path: Path) -> None:
    found = sha256_of(path)
    if version.sha256 is not None and found != version.sha256:
        why = f"sha256 of the file is {found}, its metadata says {version.sha256}"
        raise CheckpointLoadError(version.name, why)
