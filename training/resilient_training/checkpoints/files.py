"""Files that are whole or absent, hashed while they are written."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import sys
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typing_extensions import Buffer

_CHUNK = 4 << 20
_PARTIAL = ".partial"
# Between the making of a file and its lock nothing says that its writer lives.
_YOUNG_SECONDS = 60.0


class FileDamagedError(OSError):
    """What the disk gives back is not what was written."""


class HashedFile(io.FileIO):
    """A new file that is hashed while it is written.

    `error` is what the disk answered: torch.save raises an error of its own over it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "x+b")
        self.path = path
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


@contextmanager
def new_file(target: Path) -> Iterator[HashedFile]:
    """A file that gets its name when the block ends well, and is absent when it does not.

    Until then it has a name beside `target` that ends with `.partial`, and a lock, by which other
    processes know that its writer lives.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with HashedFile(target.with_suffix(_PARTIAL)) as file:
        try:
            _lock(file)
            yield file
            file.path.replace(target)
        except BaseException:
            file.path.unlink(missing_ok=True)
            raise
    _sync(target.parent)


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


def _lock(file: HashedFile) -> None:
    with suppress(OSError):  # a file system without locks
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
