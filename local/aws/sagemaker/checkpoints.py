"""CheckpointConfig: what is in S3 comes down before the training, and changes go up during it."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

from local.aws.sagemaker.storage import Location, Storage, TransferError

Stamp = tuple[int, int]


@dataclass(frozen=True)
class Checkpoints:
    storage: Storage
    folder: Path
    location: Location
    every: float
    _sent: dict[str, Stamp] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)

    def restore(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        below = Location(self.location.bucket, f"{self.location.key.rstrip('/')}/".lstrip("/"))
        self.storage.download_prefix(below, self.folder)
        self._sent.update(self._stamps())

    def start(self) -> threading.Thread:
        thread = threading.Thread(target=self._keep_up, daemon=True)
        thread.start()
        return thread

    def stop(self) -> None:
        self._over.set()

    def _keep_up(self) -> None:
        while not self._over.wait(self.every):
            try:
                self.send()
            except TransferError:
                # A file that vanished half-way, or S3 for a moment: the last send decides.
                continue

    def send(self) -> None:
        """Upload what is new or has changed since it was last sent."""
        for name, stamp in self._stamps().items():
            if self._sent.get(name) != stamp:
                self.storage.upload(self.folder / name, self.location.below(name))
                self._sent[name] = stamp

    def _stamps(self) -> dict[str, Stamp]:
        stamps = {}
        for file in sorted(self.folder.rglob("*")):
            try:
                status = file.stat()
            except FileNotFoundError:
                continue
            if file.is_file():
                stamps[str(file.relative_to(self.folder))] = (status.st_mtime_ns, status.st_size)
        return stamps
