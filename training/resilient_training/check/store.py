"""A folder in the place of W&B's artifacts."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from resilient_training.checkpoints.metadata import Metric
from resilient_training.checkpoints.versions import Version
from resilient_training.job import CheckpointLoadError, Pin

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from resilient_training.checkpoints.metadata import SavedCheckpoint

_FILE, _METADATA = "model.ckpt", "metadata.json"


@dataclass(frozen=True)
class HeldFile:
    """One version in the folder, as `HeldVersion` wants it."""

    folder: Path
    version: Version

    def is_of_run(self) -> bool:
        return True

    def holds_checkpoint(self) -> bool:
        return True

    def download(self, folder: Path) -> Path:
        """Copy the file out: a resume may not read what the store itself holds."""
        folder.mkdir(parents=True, exist_ok=True)
        return shutil.copyfile(self.folder / _FILE, folder / _FILE)


@dataclass(frozen=True)
class FolderStore:
    """Takes checkpoints and gives them back, as the collection of a run in W&B does.

    A version is whole or absent: it gets its name when its files are there.

    Attributes:
        reached: Is told of the places `uploading` and `committed`, with the step.
        away_from: From this step on nothing is taken, as when W&B is away.
    """

    folder: Path
    reached: Callable[[str, int], None] = lambda _place, _number: None
    away_from: int | None = None

    @property
    def stored(self) -> bool:
        return True

    def commit(self, saved: SavedCheckpoint) -> bool:
        if self.away_from is not None and saved.step >= self.away_from:
            return False
        name = f"v{len(self._folders())}"
        unfinished = self.folder / f"{name}.partial"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        shutil.copyfile(saved.path, unfinished / _FILE)
        self.reached("uploading", saved.step)
        about = {
            "step": saved.step,
            "epoch": saved.epoch,
            "best": saved.best,
            "metric": None if saved.metric is None else asdict(saved.metric),
            "sha256": _sha256_of(unfinished / _FILE),
        }
        (unfinished / _METADATA).write_text(json.dumps(about))
        unfinished.rename(self.folder / name)
        self.reached("committed", saved.step)
        return True

    def uploaded_bytes(self) -> int:
        return len(self._folders())

    def by_hand(self, saved: SavedCheckpoint) -> str:
        return f"copy {saved.path} to {self.folder}"

    def bar_after(self, step: int) -> list[str]:
        """Mark each version beyond `step` as suspect; gives their names."""
        barred = []
        for folder in self._folders():
            about = _metadata_of(folder)
            if about["step"] > step:
                (folder / _METADATA).write_text(json.dumps({**about, "suspect": True}))
                barred.append(folder.name)
        return barred

    def versions(self) -> list[HeldFile]:
        return [HeldFile(folder, _version_in(folder)) for folder in self._folders()]

    def version(self, pin: Pin) -> HeldFile:
        found = [one for one in self.versions() if one.version.name == pin.version]
        if not found:
            raise CheckpointLoadError(pin.version, "the check has no such version")
        return found[0]

    def newest(self) -> Path | None:
        """The file of the newest version."""
        folders = self._folders()
        return folders[-1] / _FILE if folders else None

    def steps(self) -> list[int]:
        """The step of each version, the oldest first."""
        return [int(_metadata_of(folder)["step"]) for folder in self._folders()]

    def best(self, into: Path) -> Metric | None:
        """Copy the version that has the alias `best`; gives what it was best in."""
        marked = self._marked()
        if not marked:
            return None
        shutil.copyfile(marked[-1] / _FILE, into)
        metric = _metadata_of(marked[-1])["metric"]
        return None if metric is None else Metric(**metric)

    def best_step(self) -> int | None:
        """The step of the version that has the alias `best`."""
        marked = self._marked()
        return int(_metadata_of(marked[-1])["step"]) if marked else None

    def _marked(self) -> list[Path]:
        return [folder for folder in self._folders() if _metadata_of(folder)["best"]]

    def _folders(self) -> list[Path]:
        found = [path for path in self.folder.glob("v*") if path.name[1:].isdecimal()]
        return sorted(found, key=lambda path: int(path.name[1:]))


def _metadata_of(folder: Path) -> dict[str, Any]:
    about: dict[str, Any] = json.loads((folder / _METADATA).read_text())
    return about


def _version_in(folder: Path) -> Version:
    about = _metadata_of(folder)
    suspect = bool(about.get("suspect"))
    return Version(folder.name, about["sha256"], about["step"], about["sha256"], None, suspect)


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
