"""The function's own zip, unpacked once per content as AWS does under /var/task."""

import hashlib
import io
import os
import shutil
import threading
import zipfile
from pathlib import Path


class Packages:
    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()

    def unpacked(self, package: bytes) -> Path:
        """Directory with the content of the zip; the same content gives the same directory."""
        target = self._root / hashlib.sha256(package).hexdigest()[:32]
        with self._lock:
            if not target.is_dir():
                self._unpack(package, target)
        return target

    def _unpack(self, package: bytes, target: Path) -> None:
        # Beside it and renamed, so that a half-unpacked directory never runs.
        partial = target.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            archive.extractall(partial)
            _restore_modes(archive, partial)
        partial.rename(target)


def _restore_modes(archive: zipfile.ZipFile, root: Path) -> None:
    """Give members the permissions recorded in the zip, which `extractall` leaves out."""
    for member in archive.infolist():
        mode = member.external_attr >> 16 & 0o777
        if mode and not member.is_dir():
            (root / member.filename).chmod(mode | os.R_OK << 6)
