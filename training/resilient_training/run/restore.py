"""The way of a checkpoint from W&B and its store into the folder where the framework looks."""

from __future__ import annotations

import logging
import shutil
import socket
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import requests
from wandb.errors import CommError
from wandb.sdk.lib.service.service_connection import WandbApiFailedError

from resilient_training.checkpoints.disk import as_disk_full, require_room
from resilient_training.checkpoints.versions import (
    Candidate,
    Loading,
    Version,
    made_by_job,
    newest_whole,
    pinned_version,
)
from resilient_training.job import CheckpointLoadError, Job, Pin
from resilient_training.run.held_files import flaw_of
from resilient_training.run.store_errors import FileLostError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from resilient_training.run.file_list import FileList
    from resilient_training.run.held_files import Contents, Trusts
    from resilient_training.run.store import Store

    Inspect = Callable[[Path], object]
    Settle = Callable[[Path, FileList], Path]
    Keep = Callable[[FileList], object]

_log = logging.getLogger(__name__)
# What is raised where W&B or the store does not answer: no checkpoint is at fault.
AWAY = (StoreError, CommError, WandbApiFailedError, requests.RequestException, TimeoutError)
# Hidden names: no framework takes them for checkpoints. On the same file system as the folder, so
# that a checkpoint gets its name in one step. Hosts may share the folder: each has its own.
_RESTORING = f".resilience-restoring-{socket.gethostname()}-"
_ASIDE = ".resilience-aside-"


class Held(Candidate, Protocol):
    """A version that was looked up, and stays what it was: `HeldFiles`, where W&B has it."""

    def contents(self, folder: Path, trusts: Trusts) -> Contents:
        """Fetch and verify the file list, into `folder`; CheckpointLoadError: it is refused."""

    def download(self, files: FileList, folder: Path) -> None:
        """Fetch and verify the files that are in no store; CheckpointLoadError: one is refused."""


class Versions(Protocol):
    """What a restore needs of W&B."""

    def versions(self) -> Sequence[Held]:
        """The COMMITTED versions of the lineage's collection."""

    def version(self, pin: Pin) -> Held:
        """One version by name; CheckpointLoadError when W&B says that there is none."""


class Lookup(Protocol):
    """What a restore of a version that is known needs of W&B."""

    def version(self, pin: Pin) -> Held:
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


@dataclass(frozen=True)
class Destination:
    """Where a checkpoint is brought to.

    Attributes:
        parent: The folder where the framework looks for checkpoints; it need not be there.
        inspect: Looks at the folder of verified files, and raises when they must not be loaded.
        settle: Moves that folder to the checkpoint's place, and gives the place; None: the
            checkpoint gets its name in `parent`.
        keep: Is called instead of both where the disk has the very checkpoint already, as in a
            container that was restarted: what names the newest one has to name it.
    """

    parent: Path
    inspect: Inspect = lambda _: None
    settle: Settle | None = None
    keep: Keep = lambda _: None


def restore(job: Job, commits: Versions, store: Store | None, to: Destination) -> Restored | None:
    """Bring the checkpoint to resume from to where the framework looks; None: there is none.

    What the controller pinned, it is or it is an error, and the controller walks back. Only a
    version that this very job made goes beyond the pin. Where nobody pinned one, this walks back
    itself, to the newest of the job's own versions that is whole.

    References are fetched from `store` alone; None: from nowhere.

    Raises:
        AWAY: W&B or the store does not answer.
        CheckpointLoadError: it is missing, damaged, or not what was pinned.
        ForeignVersionsError: others claim so many versions that the job's own were not found.
        DiskFullError: the disk has no room for it; nothing of it is left there.
    """
    own = made_by_job(job, commits.versions())
    if job.pin is None:
        return newest_whole(own, lambda held: fetched(held, store, to))
    # The training itself may log one-file checkpoints there, and resume from those by itself.
    folders = (held for held in own if held.holds_checkpoint())
    chosen = next(folders, None) or pinned_version(job.pin, commits)
    return fetched(chosen, store, to)


def restore_pinned(pin: Pin, lookup: Lookup, store: Store | None, to: Destination) -> Restored:
    """Bring this version, as every host does once the first one has chosen it.

    Raises:
        AWAY, CheckpointLoadError, DiskFullError: as `restore`.
    """
    return fetched(pinned_version(pin, lookup), store, to)


def fetched(held: Held, store: Store | None, to: Destination) -> Restored:
    """Fetch and verify one version, and give it its name; what is there of that name goes aside."""
    to.parent.mkdir(parents=True, exist_ok=True)
    with _hidden_folder(to.parent) as hidden:
        trusts = store.trusts if store is not None else lambda _bucket, _key: False
        contents = held.contents(hidden / "list", trusts)
        files, target = contents.files, to.parent / contents.files.folder
        if _is_there(files, target):
            to.keep(files)
        else:
            found = hidden / "files"
            _fetch(held, contents, store, found)
            with Loading(held.version.name):
                to.inspect(found)
            settle = to.settle or partial(_settled, target)
            target = settle(found, files)
    _log.info("restored %s as %s", held.version.name, target)
    return _restored(held.version, files, target)


def _restored(version: Version, files: FileList, target: Path) -> Restored:
    return Restored(version.name, version.step, target, files.layout, version.digest)


def _fetch(held: Held, contents: Contents, store: Store | None, folder: Path) -> None:
    files = contents.files
    try:
        folder.mkdir()
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


def _settled(target: Path, found: Path, files: FileList) -> Path:
    if target.exists() or target.is_symlink():
        aside = Path(tempfile.mkdtemp(prefix=_ASIDE, dir=target.parent)) / target.name
        target.rename(aside)
        _log.warning("%s was there with other content: it is now %s", target, aside)
    (found / files.folder if files.is_file else found).rename(target)
    return target


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
