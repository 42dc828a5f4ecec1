"""The versions that the runs of a lineage have logged, as retention reads and deletes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Protocol, TypeVar

import wandb
from wandb.errors import CommError

from resilient_training.checkpoints.held import version_from
from resilient_training.checkpoints.metadata import ARTIFACT_TYPE
from resilient_training.job import CheckpointLoadError
from resilient_training.run.held_files import HeldFiles
from resilient_training.run.place import bucket_and_key
from resilient_training.run.retention import Listed
from resilient_training.run.run_of_checkpoints import HOLDER, SUFFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wandb.apis.public import Run

    from resilient_training.run.held_files import Contents, Trusts
    from resilient_training.run.run_of_checkpoints import Lineage

Found = TypeVar("Found")
# What `artifact_of_checkpoint.metadata_of` always writes.
_OURS = ("sha256", "layout", "folder", "files")
_COMMITTED, _PENDING = "COMMITTED", "PENDING"
_NOT_FOUND = ("not found", "Could not find")


class KeptError(Exception):
    """The version stays, whatever the rule says; says why. No later try would change that."""


@dataclass(frozen=True)
class Look:
    """The lineage's versions at one moment; `holder` is the wrapper that began its run last."""

    versions: tuple[Listed, ...]
    holder: str | None


class Versions(Protocol):
    """What retention needs of W&B. Each call raises AWAY where W&B does not answer."""

    def look(self) -> Look:
        """All versions of the collection that the lineage's runs have logged."""

    def contents(self, name: str, trusts: Trusts) -> Contents:
        """The verified file list of a version that was looked at; KeptError: it has none."""

    def delete(self, name: str) -> None:
        """Delete a version that bears no alias; KeptError: somebody wants it by now."""

    def is_gone(self, name: str) -> bool:
        """Whether W&B says that there is no such version."""

    def references(self) -> frozenset[tuple[str, str]]:
        """Bucket and key of each object that any version of the lineage refers to."""


class LineageVersions:
    """Asks the runs, and not the collection: so no stranger's version is even looked at.

    Args:
        lineage: Whose versions.
        collection: Their name, without entity and project.
    """

    def __init__(self, lineage: Lineage, collection: str) -> None:
        self._lineage = lineage
        self._collection = collection
        self._held: dict[str, HeldFiles] = {}

    def look(self) -> Look:
        runs = list(self._runs())
        logged = [one for run in runs for one in run.logged_artifacts() if self._is_here(one)]
        self._held = {
            one.version: HeldFiles(one, version_from(one), self._lineage.runs) for one in logged
        }
        holder = next((run.config.get(HOLDER) for run in runs if run.id.endswith(SUFFIX)), None)
        return Look(tuple(map(_listed, self._held.values())), holder)

    def contents(self, name: str, trusts: Trusts) -> Contents:
        try:
            with TemporaryDirectory() as folder:
                return self._held[name].contents(Path(folder) / "list", trusts)
        except CheckpointLoadError as error:
            raise KeptError(str(error)) from error

    def delete(self, name: str) -> None:
        """Delete it as long as it has no alias: W&B itself refuses if somebody was faster."""
        artifact = self._held[name].artifact
        if artifact.linked_artifacts:
            raise KeptError(f"{name}: it is linked to another collection")
        try:
            artifact.delete(delete_aliases=False)
        except CommError as error:
            if "alias" in str(error):
                raise KeptError(f"{name}: it has an alias by now") from error
            raise

    def is_gone(self, name: str) -> bool:
        path = self._path(f"{self._collection}:{name}")
        return _found(lambda: wandb.Api().artifact(path)) is None

    def references(self) -> frozenset[tuple[str, str]]:
        # In whichever collection: somebody may have renamed it.
        logged = [one for run in self._runs() for one in run.logged_artifacts()]
        here = self._path(self._collection)
        api = wandb.Api()
        if api.artifact_collection_exists(here, ARTIFACT_TYPE):
            logged += api.artifacts(ARTIFACT_TYPE, here)
        refs = (
            bucket_and_key(entry.ref)
            for one in {one.id: one for one in logged if one.state != _PENDING}.values()
            for entry in one.manifest.entries.values()
            if entry.ref is not None
        )
        return frozenset(place for place in refs if place is not None)

    def _runs(self) -> Iterator[Run]:
        """The training's own run may not be there; that of the checkpoints must be."""
        api = wandb.Api()
        of_training = self._path(self._lineage.run)
        found = _found(lambda: api.run(of_training))
        if found is not None:
            yield found
        yield api.run(of_training + SUFFIX)

    def _path(self, name: str) -> str:
        return f"{self._lineage.entity}/{self._lineage.project}/{name}"

    def _is_here(self, artifact: wandb.Artifact) -> bool:
        name = artifact.name.rpartition(":")[0]
        return artifact.type == ARTIFACT_TYPE and name == self._collection


def _listed(held: HeldFiles) -> Listed:
    artifact, metadata = held.artifact, held.artifact.metadata
    return Listed(
        held.version,
        committed=artifact.state == _COMMITTED,
        by_wrapper=all(metadata.get(key) is not None for key in _OURS),
        marks=frozenset((*artifact.aliases, *artifact.tags)),
        attempt=_whole(metadata.get("attempt")),
        store=_text(metadata.get("store")),
    )


def _found(ask: Callable[[], Found]) -> Found | None:
    """What W&B answers; None: it says that there is none. Any other refusal says nothing."""
    try:
        return ask()
    except CommError as error:
        if any(words in str(error) for words in _NOT_FOUND):
            return None
        raise


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
