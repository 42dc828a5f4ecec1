from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.wandb_server.graph import artifacts as artifact_nodes
from local.wandb_server.graph import files as file_nodes
from local.wandb_server.graph import ids
from local.wandb_server.graph.times import timestamp

if TYPE_CHECKING:
    from local.wandb_server.store.records import Manifest
    from local.wandb_server.workspace import Workspace


@dataclass(frozen=True)
class ManifestNode:
    workspace: Workspace
    record: Manifest
    typename = "ArtifactManifest"

    @property
    def id(self) -> str:
        return ids.encode("ArtifactManifest", self.record.id)

    @property
    def digest(self) -> str:
        return self.record.digest

    @property
    def type(self) -> str:
        return self.record.kind

    def created_at(self) -> str:
        return timestamp(self.record.created_at)

    def artifact(self) -> artifact_nodes.ArtifactNode | None:
        return artifact_nodes.ArtifactNode.by_id(self.workspace, self.record.artifact_id)

    def file(self) -> file_nodes.FileNode:
        return file_nodes.FileNode(
            self.workspace,
            id=ids.encode("ManifestFile", self.record.id),
            name=self.record.name,
            key=file_nodes.manifest_key(self.record.id),
            uploadable=True,
            artifact_id=self.record.artifact_id,
        )
