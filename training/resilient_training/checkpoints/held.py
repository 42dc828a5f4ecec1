"""One version in W&B, held from the moment it is looked up until its file is verified."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wandb.apis.public.runs import RunNotFoundError
from wandb.sdk.lib.hashutil import md5_file_b64, xxh128_file_b64

from resilient_training.checkpoints.metadata import FILE_NAME
from resilient_training.checkpoints.versions import Version
from resilient_training.job import CheckpointLoadError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import wandb
    from wandb.sdk.artifacts.artifact_manifest_entry import ArtifactManifestEntry

# A person writes the first, a training whose loss diverged the second.
_SUSPECT = re.compile(r"suspect(-v\d+)?")
# Who else logs to the collection says the step elsewhere: Lightning's WandbLogger in its file's
# name, transformers in the metrics of its metadata, which may be old, and in an alias.
_IN_FILE_NAME = re.compile(r"step=(\d{1,18})")
_IN_ALIAS = re.compile(r"checkpoint_global_step_(\d{1,18})")
_LOGGED_STEP = "train/global_step"
_MOST_DIGITS = 18
# What transformers logs beside its checkpoints: the architecture alone, the weights alone.
NO_CHECKPOINT = ("initial_model", "final_model")
_DIGEST_OF = {"MANIFEST_MD5": md5_file_b64, "MANIFEST_XXH128": xxh128_file_b64}


@dataclass(frozen=True)
class HeldArtifact:
    """A version, and the run that asks for it: entity, project, id.

    A name, an alias and a collection can mean another artifact a second later. `version` is what
    was said at the lookup, and its digest is what the file is verified against.
    """

    artifact: wandb.Artifact
    version: Version
    run: tuple[str, str, str]

    def is_of_run(self) -> bool:
        try:
            by = self.artifact.logged_by()
        except RunNotFoundError:  # deleted since
            return False
        return by is not None and (by.entity, by.project, by.id) == self.run

    def holds_checkpoint(self) -> bool:
        marked = any(self.artifact.metadata.get(mark) for mark in NO_CHECKPOINT)
        return not marked and FILE_NAME in self.artifact.manifest.entries

    def download(self, folder: Path) -> Path:
        """Fetch the file and verify it against the digest that the version was looked up with."""
        entry = self._entry()
        try:
            self.artifact.download(root=str(folder), skip_cache=True, path_prefix=FILE_NAME)
        # KeyError: the SDK lists the files by name once more, and the name means others by now.
        except (ValueError, KeyError) as error:
            raise self._refused(str(error)) from error
        path = folder / FILE_NAME
        if not path.is_file():
            raise self._refused(f"{FILE_NAME} did not come")
        self._verify(entry, path)
        return path

    def _entry(self) -> ArtifactManifestEntry:
        manifest = self.artifact.manifest
        for entry in manifest.entries.values():
            if entry.ref is not None:
                raise self._refused(f"{entry.path} is a reference to {entry.ref}")
        if manifest.digest() != self.version.digest:
            why = f"its digest was {self.version.digest}, its files have {manifest.digest()}"
            raise self._refused(why)
        if FILE_NAME not in manifest.entries:
            raise self._refused(f"the artifact has no file {FILE_NAME}")
        return manifest.entries[FILE_NAME]

    def _verify(self, entry: ArtifactManifestEntry, path: Path) -> None:
        size = path.stat().st_size
        if entry.size is not None and size != entry.size:
            raise self._refused(f"{FILE_NAME} has {size} bytes, its manifest says {entry.size}")
        digest = _DIGEST_OF[entry.digest_algorithm().name](path)
        if digest != entry.digest:
            raise self._refused(f"{FILE_NAME} has the digest {digest}, not {entry.digest}")

    def _refused(self, why: str) -> CheckpointLoadError:
        return CheckpointLoadError(self.version.name, why)


def version_from(artifact: wandb.Artifact) -> Version:
    """What W&B and the metadata say; whoever may write to the project writes the metadata."""
    metadata: Mapping[str, Any] = artifact.metadata
    return Version(
        name=artifact.version,
        digest=artifact.digest,
        step=step_of(metadata, artifact.aliases),
        sha256=_text(metadata.get("sha256")),
        training_job=_text(metadata.get("training_job")),
        suspect=any(_SUSPECT.fullmatch(alias) for alias in artifact.aliases),
        seal=_text(metadata.get("seal")),
    )


def step_of(metadata: Mapping[str, Any], aliases: Sequence[str]) -> int | None:
    """The global step of a version, whoever logged it; the controller reads it by the same rules.

    (functions/resilience/adapters/wandb_versions.py)
    """
    if "step" in metadata and _LOGGED_STEP not in metadata:
        return _whole(metadata["step"])
    in_alias = next(filter(None, map(_IN_ALIAS.fullmatch, aliases)), None)
    if in_alias is not None:
        return int(in_alias[1])
    for key in (_LOGGED_STEP, "step"):
        if key in metadata:
            return _whole(metadata[key])
    in_name = _IN_FILE_NAME.search(str(metadata.get("original_filename", "")))
    return None if in_name is None else int(in_name[1])


def _whole(step: object) -> int | None:
    match step:
        case bool():
            return None
        case str():
            digits = step.isascii() and step.isdigit() and len(step) <= _MOST_DIGITS
            return int(step) if digits else None
        case int() | float() if 0 <= step < 10**_MOST_DIGITS and float(step).is_integer():
            return int(step)
        case _:
            return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
