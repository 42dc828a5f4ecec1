"""Where a training begins: the pinned checkpoint, a newer one of this very job, or the start."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from resilient_training.files import sha256_of
from resilient_training.job import CheckpointLoadError, Job, Pin

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

    from lightning.pytorch import LightningDataModule, LightningModule, Trainer

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Version:
    """One COMMITTED version of the run's checkpoint collection, as its metadata describes it."""

    name: str
    collection: str
    digest: str
    step: int | None
    sha256: str | None
    training_job: str | None
    suspect: bool = False

    @property
    def number(self) -> int:
        return int(self.name.removeprefix("v"))


class Checkpoints(Protocol):
    """What the resume point needs of W&B."""

    def versions(self) -> list[Version]:
        """The COMMITTED versions that this run has made; none for a run that is new."""

    def version(self, pin: Pin) -> Version:
        """One version by name; CheckpointLoadError when W&B says that there is none."""

    def download(self, version: Version, folder: Path) -> Path:
        """Fetch the version's one file; CheckpointLoadError when it is not there or is damaged."""


@dataclass(frozen=True)
class ResumePoint:
    """A verified checkpoint file; `version` is `vN`, or the path of a local file."""

    version: str
    path: Path
    step: int | None


def choose(job: Job, made: Iterable[Version]) -> Version | None:
    """The version to take instead of the pin: the newest good one made by this very job.

    SageMaker restarts a container inside its job with the Environment of the first start, so the
    pin is then old. Versions of other jobs are the controller's to choose from: it may have pinned
    an older one on purpose.
    """
    own = [
        version
        for version in made
        if version.training_job == job.name
        and version.name not in job.rejected
        and not version.suspect
        and version.step is not None
        and _not_before(job.pin, version)
    ]
    return max(own, key=lambda version: (version.step or 0, version.number), default=None)


def _not_before(pin: Pin | None, version: Version) -> bool:
    if pin is None:
        return True
    if pin.step is None or version.step is None:
        return version.number > int(pin.version.removeprefix("v"))
    return version.step >= pin.step


def resume_point(job: Job, checkpoints: Checkpoints, folder: Path) -> ResumePoint | None:
    """Find, fetch and verify the checkpoint to resume from; None: start from the beginning.

    Raises:
        CheckpointLoadError: it is missing, damaged, or not the one that was pinned.
    """
    version = choose(job, checkpoints.versions())
    if version is None:
        if job.pin is None:
            return None
        version = pinned_version(job.pin, checkpoints)
    path = checkpoints.download(version, folder / version.name)
    _verify_file(version, path)
    return ResumePoint(version.name, path, version.step)


def pinned_version(pin: Pin, checkpoints: Checkpoints) -> Version:
    version = checkpoints.version(pin)
    if version.suspect:
        raise CheckpointLoadError(pin.version, "it is marked as suspect")
    if pin.digest is not None and version.digest != pin.digest:
        why = f"its digest is {version.digest}, the pinned one is {pin.digest}"
        raise CheckpointLoadError(pin.version, why)
    return version


def _verify_file(version: Version, path: Path) -> None:
    found = sha256_of(path)
    if version.sha256 is not None and found != version.sha256:
        why = f"sha256 of the file is {found}, its metadata says {version.sha256}"
        raise CheckpointLoadError(version.name, why)


def fit(
    trainer: Trainer,
    model: LightningModule,
    data: LightningDataModule,
    point: ResumePoint | None = None,
) -> None:
    """`trainer.fit` from `point`, with weights_only loading.

    Raises:
        CheckpointLoadError: the checkpoint does not fit this code, or is none.
    """
    path = None if point is None else str(point.path)
    if point is not None:
        _log.info("resuming from %s at step %s", point.version, point.step)
    with _Restoring(point):
        trainer.fit(model, datamodule=data, ckpt_path=path, weights_only=True)


@dataclass(frozen=True)
class _Restoring:
    """Tells an error in restoring from an error in training.

    They have the same types, and no hook of Lightning marks the border, so the place decides.
    """

    point: ResumePoint | None

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.point and isinstance(error, Exception) and raised_while_restoring(trace):
            why = " ".join(f"{type(error).__name__}: {error}".split())
            raise CheckpointLoadError(self.point.version, why) from error


def raised_while_restoring(trace: TracebackType | None) -> bool:
    return any(
        Path(frame).name == "checkpoint_connector.py"
        and function.startswith(("restore", "_restore"))
        for frame, function in _functions_of(trace)
    )


def _functions_of(trace: TracebackType | None) -> Iterator[tuple[str, str]]:
    while trace is not None:
        code = trace.tb_frame.f_code
        yield code.co_filename, code.co_name
        trace = trace.tb_next
