"""The way of a checkpoint from W&B and its store into the folder where the framework looks."""

from __future__ import annotations

import logging
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import requests
from wandb.errors import CommError
from wandb.sdk.lib.service.service_connection import WandbApiFailedError

from resilient_training.checkpoints.disk import as_disk_full, require_room
from resilient_training.checkpoints.versions import (
    Loading,
    Version,
    made_by_job,
    newest_whole,
    pinned_version,
)
from resilient_training.job import CheckpointLoadError, Job, Pin
from resilient_training.run.held_files import Contents, HeldFiles, flaw_of
from resilient_training.run.store_errors import FileLostError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from resilient_training.run.file_list import FileList
    from resilient_training.run.store import Store

    Inspect = Callable[[Path], object]

_log = logging.getLogger(__name__)
# What is raised where W&B or the store does not answer: no checkpoint is at fault.
AWAY = (StoreError, CommError, WandbApiFailedError, requests.RequestException, TimeoutError)
# Hidden names: no framework takes them for checkpoints. On the same file system as the folder, so
# that a checkpoint gets its name in one step.
_RESTORING = ".resilience-restoring-"
_ASIDE = ".resilience-aside-"


class Versions(Protocol):
    """What a restore needs of W&B."""

    def versions(self) -> Sequence[HeldFiles]:
        """The COMMITTED versions of the lineage's collection."""

    def version(self, pin: Pin) -> HeldFiles:
        """One version by name; CheckpointLoadError when W&B says that there is none."""


class Lookup(Protocol):
    """What a restore of a version that is known needs of W&B."""

    def version(self, pin: Pin) -> HeldFiles:
        """One version by name; CheckpointLoadError when W&B says that there is none."""


@dataclass(frozen=True)
class Restored:
    """A verified checkpoint where the framework looks for it.

    Attributes:
        version: `vN`.
        step: None: the version does not say.
        folder: The checkpoint: a folder, or a file where the layout saves one.
        digest: Of the version, by which the other hosts restore the same one.
    """

    version: str
    step: int | None
    folder: Path
    layout: str
    digest: str


def restore(
    job: Job,
    commits: Versions,
    store: Store | None,
    parent: Path,
    inspect: Inspect = lambda _: None,
) -> Restored | None:
    """Bring the checkpoint to resume from into `parent`; None: there is none.

    What the controller pinned, it is or it is an error, and the controller walks back. Only a
    version that this very job made goes beyond the pin. Where nobody pinned one, this walks back
    itself, to the newest of the job's own versions that is whole.

    References are fetched from `store` alone; None: from nowhere. `inspect` looks at the checkpoint
    before it gets its name, and raises when it must not be loaded.

    Raises:
        AWAY: W&B or the store does not answer.
        CheckpointLoadError: it is missing, damaged, or not what was pinned.
        ForeignVersionsError: others claim so many versions that the job's own were not found.
        DiskFullError: the disk has no room for it; nothing of it is left there.
    """
    own = made_by_job(job, commits.versions())
    if job.pin is None:
        return newest_whole(own, lambda held: fetched(held, store, parent, inspect))
    chosen = next(own, None) or pinned_version(job.pin, commits)
    return fetched(chosen, store, parent, inspect)


def restore_pinned(
    pin: Pin,
    lookup: Lookup,
    store: Store | None,
    parent: Path,
    inspect: Inspect = lambda _: None,
) -> Restored:
    """Bring this version, as every host does once the first one has chosen it.

    Raises:
        AWAY, CheckpointLoadError, DiskFullError: as `restore`.
    """
    return fetched(pinned_version(pin, lookup), store, parent, inspect)


def fetched(held: HeldFiles, store: Store | None, parent: Path, inspect: Inspect) -> Restored:
    """Fetch and verify one version, and give it its name; what is there of that name goes aside."""
    parent.mkdir(parents=True, exist_ok=True)
    with _hidden_folder(parent) as hidden:
        trusts = store.trusts if store is not None else lambda _bucket, _key: False
        contents = held.contents(hidden / ".list", trusts)
        files, target = contents.files, parent / contents.files.folder
        if not _is_there(files, target):
            found = hidden / files.folder
            _fetch(held, contents, store, hidden if files.is_file else found)
            with Loading(held.version.name):
                inspect(found)
            _publish(found, target)
    _log.info("restored %s as %s", held.version.name, target)
    return _restored(held.version, files, target)


def _restored(version: Version, files: FileList, target: Path) -> Restored:
    return Restored(version.name, version.step, target, files.layout, version.digest)


def _fetch(held: HeldFiles, contents: Contents, store: Store | None, folder: Path) -> None:
    files = contents.files
    try:
        folder.mkdir(exist_ok=True)
        require_room(folder, files.size)
        if contents.bucket is None or store is None:
            held.download(files, folder)
        else:
            store.download(contents.bucket, files.files, folder)
    except FileLostError as error:
        raise CheckpointLoadError(held.version.name, str(error)) from error
    except OSError as error:
        raise as_disk_full(error, folder, files.size) from error


def _is_there(files: FileList, target: Path) -> bool:
    """Whether the disk has it already: a container that was restarted keeps its disk."""
    root = target.parent if files.is_file else target
    if files.is_file is target.is_dir() or target.is_symlink() or not target.exists():
        return False
    found = {path.relative_to(root).as_posix() for path in target.rglob("*") if not path.is_dir()}
    listed = {file.path for file in files.files}
    same = files.is_file or found == listed
    return same and all(flaw_of(root, file) is None for file in files.files)


def _publish(found: Path, target: Path) -> None:
    if target.exists() or target.is_symlink():
        aside = Path(tempfile.mkdtemp(prefix=_ASIDE, dir=target.parent)) / target.name
        target.rename(aside)
        _log.warning("%s was there with other content: it is now %s", target, aside)
    found.rename(target)


@contextmanager
def _hidden_folder(parent: Path) -> Iterator[Path]:
    """A folder that is gone after the block; so are those of restores that were killed."""
    for left in parent.glob(f"{_RESTORING}*"):
        shutil.rmtree(left, ignore_errors=True)
    hidden = Path(tempfile.mkdtemp(prefix=_RESTORING, dir=parent))
    try:
        yield hidden
    finally:
        shutil.rmtree(hidden, ignore_errors=True)
