"""Files that are whole or absent, hashed while they are written."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from typing_extensions import override

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Buffer

_CHUNK = 4 << 20
_PARTIAL = ".partial"
# Between the making of a file and its lock nothing says that its writer lives.
_YOUNG_SECONDS = 60.0


class FileDamagedError(OSError):
    """What the disk gives back is not what was written."""


class HashedFile(io.FileIO):
    """A new file that is hashed while it is written, and gets its name once it is whole.

    Until `publish` it has a name that ends with `.partial`, and a lock, by which other processes
    know that its writer lives. `error` is what the disk answered: torch.save raises an error of its
    own over it.
    """

    def __init__(self, target: Path) -> None:
        self.target, self.path = target, target.with_suffix(_PARTIAL)
        super().__init__(self.path, "x")
        with suppress(OSError):  # a file system without locks
            fcntl.flock(self, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self.size = 0
        self.error: OSError | None = None
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    @override
    def write(self, data: Buffer, /) -> int:
        whole = memoryview(data).cast("B")
        for start in range(0, len(whole), _CHUNK):
            self._write_all(whole[start : start + _CHUNK])
        self.size += len(whole)
        return len(whole)

    def _write_all(self, chunk: memoryview) -> None:
        self._hash.update(chunk)
        try:
            while chunk:
                chunk = chunk[super().write(chunk) :]
        except OSError as error:
            self.error = error
            raise

    def read_back(self) -> None:
        """Have the disk take it all, and compare what the disk then gives.

        Raises:
            FileDamagedError: it is something else.
        """
        os.fsync(self)
        # Else the answer would come out of memory, and not from the disk.
        if sys.platform == "linux":
            os.posix_fadvise(self.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        size, digest = self.path.stat().st_size, sha256_of(self.path)
        if (size, digest) != (self.size, self.sha256):
            written = f"{self.size} bytes of sha256 {self.sha256} were written"
            raise FileDamagedError(f"{self.path}: {written}, {size} of {digest} came back")

    def publish(self) -> None:
        """Give it its name, in one step and for good."""
        self.path.replace(self.target)
        self.close()
        _sync(self.target.parent)

    def discard(self) -> None:
        """As if it had never been."""
        self.path.unlink(missing_ok=True)
        self.close()


def remove_abandoned(folder: Path) -> list[Path]:
    """Remove the `.partial` files whose writers have died; gives what was removed."""
    return [path for path in folder.glob(f"checkpoint-*{_PARTIAL}") if _removed(path)]


def _removed(partial: Path) -> bool:
    # OSError: another one was faster, or the file system knows no locks, and all look alive.
    with suppress(OSError):
        if time.time() - partial.stat().st_mtime < _YOUNG_SECONDS:
            return False
        with partial.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            partial.unlink()
            return True
    return False


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
