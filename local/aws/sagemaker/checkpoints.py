"""CheckpointConfig: a folder of the container and a prefix of S3 that are kept alike.

"Existing checkpoints in S3 are written to the SageMaker container at the start of the job […].
Checkpoints added to the S3 folder after the job has started are not copied to the training
container. SageMaker also writes new checkpoints from the container to S3 during training. If a
checkpoint is deleted in the SageMaker container, it will also be deleted in the S3 folder."
(docs.aws.amazon.com/sagemaker/latest/dg/model-checkpoints.html, seen 2023 to 2026.)

All hosts of a job have the one prefix, "without additional suffixes": a file of one host takes the
place of another's of the same name, and each host begins with what all of them left (the same
guide, considerations for checkpointing).
"""

import os
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
    _paused: threading.Event = field(default_factory=threading.Event)

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

    def pause(self) -> None:
        """Send nothing: the host is cut off."""
        self._paused.set()

    def go_on(self) -> None:
        self._paused.clear()

    def _keep_up(self) -> None:
        while not self._over.wait(self.every):
            if self._paused.is_set():
                continue
            try:
                self.send()
            except TransferError:
                # A file that vanished half-way, or S3 for a moment: the last send decides.
                continue

    def send(self) -> None:
        """Upload what is new or has changed since it was last sent, and delete what is gone."""
        stamps = self._stamps()
        for name, stamp in stamps.items():
            if self._sent.get(name) != stamp:
                self.storage.upload(self.folder / name, self.location.below(name))
                self._sent[name] = stamp
        for name in self._sent.keys() - stamps.keys():
            # A folder that could not be read is not an empty one.
            if not os.path.lexists(self.folder / name):
                self.storage.delete(self.location.below(name))
                del self._sent[name]

    def _stamps(self) -> dict[str, Stamp]:
        stamps = {}
        # A rotation may take a folder away while it is listed; `rglob` would raise.
        for place, _, names in os.walk(self.folder):
            for file in (Path(place, name) for name in sorted(names)):
                try:
                    status = file.stat()
                except FileNotFoundError:
                    continue
                if file.is_file():
                    name = str(file.relative_to(self.folder))
                    stamps[name] = (status.st_mtime_ns, status.st_size)
        return stamps
