from dataclasses import dataclass
from typing import Any

from local.wandb_server.graph import artifacts as artifact_nodes
from local.wandb_server.graph import collections as collection_nodes
from local.wandb_server.graph import ids, people
from local.wandb_server.graph import projects as project_nodes
from local.wandb_server.graph.connection import Page, connect
from local.wandb_server.store.artifacts import DELETED, artifact_by_client_id, artifact_by_id
from local.wandb_server.store.collections import collection_by_client_id, collection_by_id
from local.wandb_server.store.projects import find_project, list_projects
from local.wandb_server.workspace import Workspace

# What the SDK may use here; it falls back, or says so, for all it does not find in this list.
FEATURES = (
    "ARTIFACT_COLLECTIONS_FILTERING_SORTING",
    "ARTIFACT_COLLECTION_MEMBERSHIP_FILES",
    "ARTIFACT_MEMBERSHIP_IN_LINK_ARTIFACT_RESPONSE",
    "ARTIFACT_TAGS",
    "CLIENT_IDS",
    "LARGE_FILENAMES",
    "MARK_RUN_FILES_UPLOADED",
    "PROJECT_ARTIFACT_COLLECTION_MEMBERSHIP",
    "TOTAL_COUNT_IN_FILE_CONNECTION",
    "USE_ARTIFACT_WITH_ENTITY_AND_PROJECT_INFORMATION",
)


@dataclass(frozen=True)
class Query:
    workspace: Workspace

    def viewer(self) -> people.UserNode:
        return people.UserNode(self.workspace)

    def server_info(self) -> dict[str, Any]:
        return {
            "features": [{"name": name, "isEnabled": True} for name in FEATURES],
            "frontendHost": self.workspace.base_url,
            "cliVersionInfo": {"max_cli_version": "999.0.0", "min_cli_version": "0.0.1"},
            "messageOfTheDay": None,
        }

    def entity(self, name: str | None = None) -> people.EntityNode | None:
        wanted = name or self.workspace.default_entity
        return (
            people.EntityNode(self.workspace, wanted) if wanted in self.workspace.entities else None
        )

    def organization(self, key: str | None = None, name: str | None = None) -> None:
        """Organisations are a matter of wandb.ai; here there are none."""

    def project(
        self, entity_name: str | None = None, name: str | None = None
    ) -> project_nodes.ProjectNode | None:
        """Null when there is no such project or entity: W&B does not tell which."""
        entity = entity_name or self.workspace.default_entity
        record = find_project(self.workspace.database, entity, name or "")
        return None if record is None else project_nodes.ProjectNode(self.workspace, record)

    model = project

    def projects(
        self,
        entity_name: str | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> dict[str, object]:
        return connect(
            list_projects(self.workspace.database, entity_name or self.workspace.default_entity),
            Page(first, after),
            lambda row: project_nodes.ProjectNode(self.workspace, row),
        )

    models = projects

    def artifact(self, key: str) -> artifact_nodes.ArtifactNode | None:
        record = artifact_by_id(self.workspace.database, ids.number("Artifact", key))
        if record is None or record.state == DELETED:
            return None
        return artifact_nodes.ArtifactNode(self.workspace, record)

    def artifact_collection(self, key: str) -> collection_nodes.CollectionNode | None:
        number = ids.number("ArtifactCollection", key)
        record = collection_by_id(self.workspace.database, number)
        return None if record is None else collection_nodes.CollectionNode(self.workspace, record)

    def client_id_mapping(self, client_id: str) -> dict[str, Any] | None:
        """The server's id of what a client has named itself, before it knew ours."""
        node = self._named_by_client(client_id)
        if node is None:
            return None
        return {"clientID": client_id, "serverID": node.id, "entry": node}

    def _named_by_client(
        self, client_id: str
    ) -> artifact_nodes.ArtifactNode | collection_nodes.CollectionNode | None:
        artifact = artifact_by_client_id(self.workspace.database, client_id)
        if artifact is not None:
            return artifact_nodes.ArtifactNode(self.workspace, artifact)
        collection = collection_by_client_id(self.workspace.database, client_id)
        if collection is None:
            return None
        return collection_nodes.CollectionNode(self.workspace, collection)
