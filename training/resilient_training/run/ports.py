"""What the wrapper needs of the files on disk (W1), and of W&B and the store of bytes (W3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


class AwayError(Exception):
    """W&B or the store of bytes cannot be reached now: a later attempt may succeed."""


class Taken(Protocol):
    """The files of one complete checkpoint, which no rotation takes away and nobody changes."""

    @property
    def name(self) -> str:
        """Of the checkpoint's folder, or of its one file."""

    @property
    def step(self) -> int | None:
        """None: the layout does not say."""

    @property
    def layout(self) -> str:
        """The layout's name."""

    @property
    def folder(self) -> Path:
        """Where the links or copies are."""

    @property
    def files(self) -> Mapping[str, int]:
        """Paths below `folder`, and sizes in bytes."""

    @property
    def elsewhere(self) -> Mapping[str, int | None]:
        """Files that the checkpoint needs and other hosts have, with the sizes that are known."""

    def change(self) -> str | None:
        """Why the bytes are not those that were taken; to be asked again after an upload."""


class Snapshot(Taken, Protocol):
    """The same as links or copies of the wrapper's own."""

    def remove(self) -> None:
        """Delete the links or copies."""


class Watching(Protocol):
    """Sees the checkpoints that the command makes. Each call may take long: it copies, or asks S3.

    On a host beside the first one `found` gives what the first host has announced, as far as this
    host's disk holds it.
    """

    def found(self, *, final: bool = False) -> Sequence[Snapshot]:
        """The checkpoints that are newly complete, the oldest first; each is given once.

        Args:
            final: Nobody writes any longer: what is complete now need not be seen twice.
        """


class Restored(Protocol):
    """A checkpoint that lies, verified, where the command looks for it."""

    @property
    def version(self) -> str:
        """`vN`."""

    @property
    def folder(self) -> Path:
        """Of the checkpoint, in the folder of `--checkpoints`."""


@dataclass(frozen=True)
class Committed:
    """W&B has the checkpoint as `version`; on a host beside the first, the store has its part."""

    version: str


@dataclass(frozen=True)
class NotCommitted:
    """The checkpoint is not in W&B; it is tried again until another one overtakes it."""

    why: str


class Delivery(Protocol):
    """Brings checkpoints to W&B and the store. Any call may block for as long as W&B is slow."""

    def commit(self, snapshot: Snapshot) -> Committed | NotCommitted:
        """Upload and commit one checkpoint: the whole of it, or this host's part."""

    def moved(self) -> object:
        """A value that changes while an upload moves; None: nobody can see it."""

    def close(self) -> None:
        """Finish the run of W&B that the checkpoints are logged from."""


@dataclass(frozen=True)
class RunSeen:
    """The lineage's run as W&B shows it; `rows` of its history, None: W&B does not say."""

    stopped: bool
    running: bool
    rows: int | None


class Lineage(Protocol):
    """The lineage's run, to which the command logs by itself, or nothing does."""

    def look(self) -> RunSeen | None:
        """Ask W&B; None: there is no such run (yet).

        Raises:
            AwayError: W&B does not answer.
        """


class Marks(Protocol):
    """The job's completion mark. A mark that cannot be written is a warning."""

    def begun(self) -> None:
        """Say that the training has not ended."""

    def completed(self) -> None:
        """Say that the training has truly ended."""


@dataclass(frozen=True)
class Parts:
    """Everything that the wrapper works with, for one job.

    Attributes:
        tidy: Moves aside what no command may resume from: incomplete folders, and those beyond the
            pin; gives their names. It runs before `restore`.
        restore: Brings the checkpoint to resume from into the folder and has the watch know it;
            None: there is none. Raises CheckpointLoadError or AwayError.
        resume_arguments: What is added to the command after a restore, for the restored folder.
        lineage: None: nothing can be asked, as with W&B offline.
    """

    watch: Watching
    tidy: Callable[[], Sequence[str]]
    restore: Callable[[], Restored | None]
    delivery: Delivery
    resume_arguments: Callable[[Path], Sequence[str]]
    lineage: Lineage | None
    marks: Marks
