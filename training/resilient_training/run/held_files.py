"""One version in W&B that holds a checkpoint of many files, held until each is verified."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

import requests
from wandb.apis.public.runs import RunNotFoundError

from resilient_training.checkpoints.files import sha256_of
from resilient_training.checkpoints.held import NO_CHECKPOINT
from resilient_training.job import CheckpointLoadError
from resilient_training.run.file_list import (
    LIST_NAME,
    MOST_LIST_BYTES,
    FileList,
    ListedFile,
    file_list_from,
)
from resilient_training.run.invalid_input import InvalidInputError, shown
from resilient_training.run.place import bucket_and_key, reference

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import wandb
    from wandb.sdk.artifacts.artifact_manifest_entry import ArtifactManifestEntry

    from resilient_training.checkpoints.versions import Version

    Trusts = Callable[[str, str], bool]

_GONE = frozenset({404, 410})


@dataclass(frozen=True)
class Contents:
    """The verified file list of a version; `bucket` has the files, None: W&B has them."""

    files: FileList
    bucket: str | None


@dataclass(frozen=True)
class HeldFiles:
    """A version, and the runs of the lineage that asks for it: entity, project, id of each.

    A name, an alias and a collection can mean another artifact a second later, and whoever may
    write to the project edits the metadata. What is fixed is the digest that was looked up.
    """

    artifact: wandb.Artifact
    version: Version
    runs: frozenset[tuple[str, str, str]] = frozenset()

    def is_of_run(self) -> bool:
        try:
            by = self.artifact.logged_by()
        except RunNotFoundError:  # deleted since
            return False
        return by is not None and (by.entity, by.project, by.id) in self.runs

    def holds_checkpoint(self) -> bool:
        marked = any(self.artifact.metadata.get(mark) for mark in NO_CHECKPOINT)
        return not marked and LIST_NAME in self.artifact.manifest.entries

    def contents(self, folder: Path, trusts: Trusts) -> Contents:
        """Fetch and verify the file list, into `folder`.

        `trusts` says whether an object may be fetched. Every reference is looked at before
        anything at all is fetched.

        Raises:
            CheckpointLoadError: it is missing, or contradicts the digest, the metadata or the
                manifest; or a reference leaves the stores that are allowed.
        """
        bucket = self._bucket(trusts)
        size = self._list_entry().size or 0
        if size > MOST_LIST_BYTES:
            raise self._refused(f"{LIST_NAME} has {size} bytes")
        self._download(folder, LIST_NAME)
        path = folder / LIST_NAME
        if not path.is_file():
            raise self._refused(f"{LIST_NAME} did not come")
        if (found := sha256_of(path)) != self.version.sha256:
            why = f"sha256 of {LIST_NAME} is {found}, its metadata says {self.version.sha256}"
            raise self._refused(why)
        try:
            contents = Contents(file_list_from(path.read_bytes()), bucket)
        except InvalidInputError as error:
            raise self._refused(f"{LIST_NAME}: {error}") from error
        self._compare(contents)
        return contents

    def download(self, files: FileList, folder: Path) -> None:
        """Fetch the files that W&B has into `folder`, and verify size and sha256 of each.

        Raises:
            CheckpointLoadError: one of them is missing, or is not what the list says.
            OSError: the disk does not take them.
        """
        self._download(folder, None)
        (folder / LIST_NAME).unlink()
        for file in files.files:
            if (why := flaw_of(folder, file)) is not None:
                raise self._refused(f"{file.path} {why}")

    def _list_entry(self) -> ArtifactManifestEntry:
        manifest = self.artifact.manifest
        if manifest.digest() != self.version.digest:
            why = f"its digest was {self.version.digest}, its files have {manifest.digest()}"
            raise self._refused(why)
        entry = manifest.entries.get(LIST_NAME)
        if entry is None or entry.ref is not None:
            raise self._refused(f"it has no {LIST_NAME}: no resilient-run made it")
        # The SDK fetches by the beginning of a name.
        if len([path for path in manifest.entries if path.startswith(LIST_NAME)]) > 1:
            raise self._refused(f"several of its names begin with {LIST_NAME}")
        return entry

    def _bucket(self, trusts: Trusts) -> str | None:
        """The one bucket that its references mean; None: it has no references."""
        refs = [entry.ref for entry in self.artifact.manifest.entries.values()]
        buckets: dict[str, None] = {}
        for ref in filter(None, refs):
            place = bucket_and_key(ref)
            if place is None or not trusts(*place):
                why = "is below no store that this job allows: its launch, or --store, names others"
                raise self._refused(f"the reference to {shown(ref)} {why}")
            buckets[place[0]] = None
        if len(buckets) > 1:
            raise self._refused(f"its files are in several buckets: {', '.join(buckets)}")
        return next(iter(buckets), None)

    def _compare(self, contents: Contents) -> None:
        """The file list and W&B's manifest have to say the same of each file."""
        entries = dict(self.artifact.manifest.entries)
        del entries[LIST_NAME]
        listed = {file.path: file for file in contents.files.files}
        if other := sorted(entries.keys() ^ listed.keys()):
            raise self._refused(f"{LIST_NAME} and the manifest differ in {shown(other[0])}")
        for path, entry in entries.items():
            if not _says_the_same(entry, listed[path], contents.bucket):
                raise self._refused(f"{LIST_NAME} and the manifest differ about {path}")

    def _download(self, folder: Path, only: str | None) -> None:
        try:
            self.artifact.download(root=str(folder), skip_cache=True, path_prefix=only)
        # KeyError: the SDK lists the files by name once more, and the name means others by now.
        except (ValueError, KeyError) as error:
            raise self._refused(str(error)) from error
        except requests.HTTPError as error:
            if error.response is None or error.response.status_code not in _GONE:
                raise
            raise self._refused(f"W&B has lost a file: {error}") from error

    def _refused(self, why: str) -> CheckpointLoadError:
        return CheckpointLoadError(self.version.name, " ".join(why.split()))


def _says_the_same(entry: ArtifactManifestEntry, file: ListedFile, bucket: str | None) -> bool:
    stored = file.stored
    if entry.size != file.size or stored is None or bucket is None:
        return entry.size == file.size and stored is None and entry.ref is None
    said = (entry.ref, entry.digest, entry.extra.get("versionID"), entry.extra.get("sha256"))
    return said == (reference(bucket, stored.key), stored.etag, stored.version_id, file.sha256)


def flaw_of(folder: Path, file: ListedFile) -> str | None:
    """Why the file on disk is not the listed one, behind its name; None: it is."""
    path = folder / file.path
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return "did not come"
    if not stat.S_ISREG(status.st_mode):
        return "is no plain file"
    if status.st_size != file.size:
        return f"has {status.st_size} bytes, its list says {file.size}"
    found = sha256_of(path)
    return None if found == file.sha256 else f"has the sha256 {found}, its list says {file.sha256}"
