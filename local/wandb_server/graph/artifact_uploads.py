"""Mutations that bring a new version in: create, manifest, files, commit."""

import json
import secrets
from typing import Any

from local.wandb_server.graph import artifacts as artifact_nodes
from local.wandb_server.graph import files as file_nodes
from local.wandb_server.graph import ids, manifests
from local.wandb_server.graph.connection import LARGEST_PAGE, Page, connect
from local.wandb_server.graph.resolution import ConflictError, InvalidError, NotFoundError
from local.wandb_server.graph.run_changes import Given, RunChanges
from local.wandb_server.store import artifacts, collections
from local.wandb_server.store.artifacts import Entry, NewManifest, NewVersion
from local.wandb_server.store.blobs import WrongDigestError, base64_md5, hex_md5
from local.wandb_server.store.records import Artifact, ArtifactType, Collection, Manifest, Project
from local.wandb_server.store.runs import find_run


def part_key(upload_id: str, number: int) -> str:
    return f"parts/{upload_id}/{number}"


class ArtifactUploads(RunChanges):
    def _artifact(self, node_id: str) -> Artifact:
        record = artifacts.artifact_by_id(self.workspace.database, ids.number("Artifact", node_id))
        if record is None or record.state == artifacts.DELETED:
            raise NotFoundError(f"artifact {node_id} not found")
        return record

    def _node(self, artifact_id: int) -> "artifact_nodes.ArtifactNode | None":
        return artifact_nodes.ArtifactNode.by_id(self.workspace, artifact_id)

    def create_artifact(self, given: Given) -> Given:
        """A PENDING version, or the COMMITTED one that has the same content."""
        names = given.get("artifactCollectionNames") or [given.get("artifactCollectionName")]
        if not names[0]:
            raise InvalidError("createArtifact: a collection name is required")
        project = self._project_for_writing(
            given["entityName"], given["projectName"], "createArtifact"
        )
        with self.workspace.database.transaction():
            now = self.workspace.clock()
            kind = collections.make_type(
                self.workspace.database, project.id, given["artifactTypeName"], now
            )
            sequence = self._sequence(kind, names[0], given.get("sequenceClientID"))
            new = _new_version(given, self._run_id(project, given.get("runName")))
            artifact = artifacts.create_version(self.workspace.database, sequence, new, now)
        return {"artifact": self._node(artifact.id)}

    def _run_id(self, project: Project, name: str | None) -> int | None:
        if not name:
            return None
        run = find_run(self.workspace.database, project.id, name)
        if run is None:
            raise NotFoundError(f"run {name} not found during createArtifact")
        return run.id

    def _sequence(self, kind: ArtifactType, name: str, client_id: str | None) -> Collection:
        new = collections.NewCollection(name, client_id=client_id)
        found = collections.find_or_make(self.workspace.database, kind, new, self.workspace.clock())
        if found.type_id != kind.id:
            raise ConflictError(f"artifact collection {name} has another type than {kind.name}")
        return found

    def create_artifact_manifest(self, given: Given) -> Given:
        artifact = self._artifact(given["artifactID"])
        new = NewManifest(given["name"], given["digest"], given.get("type") or "FULL")
        manifest = artifacts.add_manifest(
            self.workspace.database, artifact.id, new, self.workspace.clock()
        )
        return {"artifactManifest": manifests.ManifestNode(self.workspace, manifest)}

    def update_artifact_manifest(self, given: Given) -> Given:
        number = ids.number("ArtifactManifest", given["artifactManifestID"])
        if given.get("digest"):
            artifacts.set_manifest_digest(self.workspace.database, number, given["digest"])
        manifest = artifacts.manifest_by_id(self.workspace.database, number)
        if manifest is None:
            raise NotFoundError("artifact manifest not found")
        return {"artifactManifest": manifests.ManifestNode(self.workspace, manifest)}

    def create_artifact_files(self, given: Given) -> "Given | FilesToWrite":
        return FilesToWrite([self._file_for(spec) for spec in given["artifactFiles"]])

    def _file_for(self, spec: Given) -> file_nodes.FileNode:
        """Where to send one file to: in one piece, in parts when asked for, or not at all."""
        artifact = self._artifact(spec["artifactID"])
        md5 = hex_md5(spec["md5"])
        key = file_nodes.artifact_key(md5)
        missing = not self.workspace.blobs.has(key)
        parts = spec.get("uploadPartsInput") if missing else None
        return file_nodes.FileNode(
            self.workspace,
            id=ids.encode("ArtifactUpload", artifact.id, md5),
            name=spec["name"],
            key=key,
            md5_hex=md5,
            uploadable=missing,
            artifact_id=artifact.id,
            upload_multipart_urls=self._multipart(parts) if parts else None,
        )

    def _multipart(self, parts: list[Given]) -> Given:
        upload_id = secrets.token_hex(16)
        numbers = [int(part["partNumber"]) for part in parts]
        return {
            "uploadID": upload_id,
            "uploadUrlParts": [
                {
                    "partNumber": number,
                    "uploadUrl": self.workspace.write_address(part_key(upload_id, number)),
                }
                for number in numbers
            ],
        }

    def complete_multipart_upload_artifact(self, given: Given) -> Given:
        self._artifact(given["artifactID"])
        blobs, upload_id = self.workspace.blobs, given["uploadID"]
        if not upload_id.isalnum():
            raise InvalidError("completeMultipartUploadArtifact: not an upload id")
        numbers = sorted(int(part["partNumber"]) for part in given["completedParts"])
        keys = [part_key(upload_id, number) for number in numbers]
        missing = [key for key in keys if not blobs.has(key)]
        if missing:
            raise InvalidError(f"completeMultipartUploadArtifact: {len(missing)} parts are missing")
        md5 = given["storagePath"].rpartition("/")[2]
        try:
            received = blobs.join(file_nodes.artifact_key(md5), keys, md5)
        except WrongDigestError as error:
            raise InvalidError(f"completeMultipartUploadArtifact: {error}") from None
        for key in keys:
            blobs.delete(key)
        return {"digest": base64_md5(received.md5)}

    def commit_artifact(self, given: Given) -> Given:
        """COMMITTED, once the manifest and all its files are here; again changes nothing."""
        artifact = self._artifact(given["artifactID"])
        if artifact.state == artifacts.PENDING:
            entries = self._entries(artifact)
            with self.workspace.database.transaction():
                artifacts.commit_version(
                    self.workspace.database, artifact, entries, self.workspace.clock()
                )
        return {"artifact": self._node(artifact.id)}

    def _entries(self, artifact: Artifact) -> list[Entry]:
        manifest = self._uploaded_manifest(artifact)
        contents = json.loads(self.workspace.blobs.read(file_nodes.manifest_key(manifest.id)))
        entries = [_entry(name, given) for name, given in contents["contents"].items()]
        for entry in entries:
            if entry.md5 and not self.workspace.blobs.has(file_nodes.artifact_key(entry.md5)):
                raise InvalidError(f"commitArtifact: {entry.name} has not been uploaded")
        return entries

    def _uploaded_manifest(self, artifact: Artifact) -> Manifest:
        for manifest in artifacts.manifests_of(self.workspace.database, artifact.id):
            if self.workspace.blobs.has(file_nodes.manifest_key(manifest.id)):
                return manifest
        raise InvalidError("commitArtifact: the manifest has not been uploaded")


class FilesToWrite:
    """The answer to createArtifactFiles; the SDK does not page through it, so all is one page."""

    def __init__(self, nodes: list[file_nodes.FileNode]) -> None:
        self._nodes = nodes

    def files(self, first: int | None = None, after: str | None = None) -> dict[str, object]:
        return connect(self._nodes, Page(first or LARGEST_PAGE, after), lambda node: node)

    def client_mutation_id(self) -> None:
        return None


def _entry(name: str, given: dict[str, Any]) -> Entry:
    reference = given.get("ref")
    md5 = None if reference else hex_md5(given["digest"])
    return Entry(name, md5, int(given.get("size") or 0), reference)


def _new_version(given: Given, run_id: int | None) -> NewVersion:
    return NewVersion(
        run_id=run_id,
        digest=given["digest"],
        metadata=given.get("metadata"),
        description=given.get("description"),
        ttl_seconds=given.get("ttlDurationSeconds"),
        history_step=given.get("historyStep"),
        client_id=given.get("clientID"),
        aliases=tuple(alias["alias"] for alias in given.get("aliases") or ()),
        tags=tuple(tag["tagName"] for tag in given.get("tags") or ()),
    )
