from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.wandb_server.graph import artifacts as artifact_nodes
from local.wandb_server.graph import files as file_nodes
from local.wandb_server.graph import ids
from local.wandb_server.graph import projects as project_nodes
from local.wandb_server.graph.connection import Page, connect
from local.wandb_server.graph.filters import matches, parse_filters, parse_order, sorted_by
from local.wandb_server.graph.resolution import python_name
from local.wandb_server.graph.times import timestamp
from local.wandb_server.store import artifacts, collections
from local.wandb_server.store.projects import project_by_id
from local.wandb_server.store.records import Alias, ArtifactType, Collection, Membership

if TYPE_CHECKING:
    from local.wandb_server.json_value import Json
    from local.wandb_server.workspace import Workspace


@dataclass(frozen=True)
class ArtifactTypeNode:
    workspace: Workspace
    record: ArtifactType
    typename = "ArtifactType"
    description = None

    @property
    def id(self) -> str:
        return ids.encode("ArtifactType", self.record.id)

    @property
    def name(self) -> str:
        return self.record.name

    def created_at(self) -> str:
        return timestamp(self.record.created_at)

    def project(self) -> project_nodes.ProjectNode:
        return _project(self.workspace, self.record.project_id)

    def artifact(self, name: str) -> artifact_nodes.ArtifactNode | None:
        return self.project().artifact(name)

    def artifact_collection(self, name: str) -> CollectionNode | None:
        found = self.project().artifact_collection(name)
        return found if found is not None and found.record.type_id == self.record.id else None

    def artifact_collections(
        self,
        filters: str | None = None,
        first: int | None = None,
        after: str | None = None,
        order: str | None = None,
    ) -> dict[str, object]:
        rows = [
            row
            for row in collections.list_collections(self.workspace.database, self.record.project_id)
            if row.type_id == self.record.id
        ]
        return connect_collections(self.workspace, rows, filters, order, Page(first, after))


@dataclass(frozen=True)
class AliasNode:
    workspace: Workspace
    record: Alias
    typename = "ArtifactAlias"

    @property
    def id(self) -> str:
        return ids.encode("ArtifactAlias", self.record.id)

    @property
    def alias(self) -> str:
        return self.record.alias

    def artifact(self) -> artifact_nodes.ArtifactNode | None:
        return artifact_nodes.ArtifactNode.by_id(self.workspace, self.record.artifact_id)

    def artifact_collection(self) -> CollectionNode:
        return CollectionNode.by_id(self.workspace, self.record.collection_id)

    @property
    def artifact_collection_name(self) -> str:
        return self.artifact_collection().name


@dataclass(frozen=True)
class MembershipNode:
    workspace: Workspace
    record: Membership
    typename = "ArtifactCollectionMembership"

    @property
    def id(self) -> str:
        return ids.encode("ArtifactCollectionMembership", self.record.id)

    @property
    def version_index(self) -> int:
        return self.record.version_index

    def commit_hash(self) -> str | None:
        node = self.artifact()
        return None if node is None else node.commit_hash()

    def created_at(self) -> str:
        return timestamp(self.record.created_at)

    def aliases(self) -> list[AliasNode]:
        rows = collections.aliases_of_artifact(self.workspace.database, self.record.artifact_id)
        here = [row for row in rows if row.collection_id == self.record.collection_id]
        return [AliasNode(self.workspace, row) for row in here]

    def artifact_collection(self) -> CollectionNode:
        return CollectionNode.by_id(self.workspace, self.record.collection_id)

    def artifact(self) -> artifact_nodes.ArtifactNode | None:
        record = artifacts.artifact_by_id(self.workspace.database, self.record.artifact_id)
        if record is None:
            return None
        return artifact_nodes.ArtifactNode(self.workspace, record, self.record)

    def files(
        self,
        names: list[str] | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> dict[str, object]:
        rows = artifacts.files_of(self.workspace.database, self.record.artifact_id)
        return file_nodes.connect_artifact_files(self.workspace, rows, names, Page(first, after))


@dataclass(frozen=True)
class CollectionNode:
    workspace: Workspace
    record: Collection
    state = "READY"
    digest_algorithm = "MANIFEST_MD5"

    @classmethod
    def by_id(cls, workspace: Workspace, collection_id: int) -> CollectionNode:
        sql = "select * from collections where id = ?"
        return cls(workspace, workspace.database.sure(Collection, sql, collection_id))

    @property
    def typename(self) -> str:
        is_sequence = self.record.kind == collections.SEQUENCE
        return "ArtifactSequence" if is_sequence else "ArtifactPortfolio"

    @property
    def id(self) -> str:
        return ids.encode("ArtifactCollection", self.record.id)

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def description(self) -> str | None:
        return self.record.description

    def created_at(self) -> str:
        return timestamp(self.record.created_at)

    def updated_at(self) -> str:
        return timestamp(self.record.updated_at)

    def project(self) -> project_nodes.ProjectNode:
        return _project(self.workspace, self.record.project_id)

    def default_artifact_type(self) -> ArtifactTypeNode:
        record = collections.type_by_id(self.workspace.database, self.record.type_id)
        return ArtifactTypeNode(self.workspace, record)

    def tags(self, first: int | None = None, after: str | None = None) -> dict[str, object]:
        return connect([], Page(first, after), lambda row: row)

    def aliases(self, first: int | None = None, after: str | None = None) -> dict[str, object]:
        return connect(
            collections.aliases_of_collection(self.workspace.database, self.record.id),
            Page(first, after),
            lambda row: AliasNode(self.workspace, row),
        )

    def _members(self) -> list[MembershipNode]:
        rows = collections.members_of(self.workspace.database, self.record.id)
        return [MembershipNode(self.workspace, row) for row in rows]

    def artifacts(
        self,
        filters: str | None = None,
        first: int | None = None,
        after: str | None = None,
        order: str | None = None,
    ) -> dict[str, object]:
        """The versions, newest first unless `order` says otherwise, PENDING ones included."""
        members = collections.members_of(self.workspace.database, self.record.id)
        records = artifacts.in_collection(self.workspace.database, self.record.id)
        nodes = [
            artifact_nodes.ArtifactNode(self.workspace, record, member)
            for record, member in zip(records, members, strict=True)
        ]
        return connect(
            artifact_nodes.select_artifacts(nodes, filters, order),
            Page(first, after),
            lambda node: node,
            lambda node: {"version": f"v{node.version_index()}"},
        )

    def artifact_membership(self, alias_name: str) -> MembershipNode | None:
        record = collections.member_named(self.workspace.database, self.record.id, alias_name)
        return None if record is None else MembershipNode(self.workspace, record)

    def artifact_memberships(
        self, first: int | None = None, after: str | None = None
    ) -> dict[str, object]:
        return connect(self._members(), Page(first, after), lambda node: node)

    def latest_artifact(self) -> artifact_nodes.ArtifactNode | None:
        member = self.artifact_membership(collections.LATEST)
        return None if member is None else member.artifact()

    def lookup(self, field: str) -> Json:
        return getattr(self.record, python_name(field), None)


def _project(workspace: Workspace, project_id: int) -> project_nodes.ProjectNode:
    return project_nodes.ProjectNode(workspace, project_by_id(workspace.database, project_id))


def connect_collections(
    workspace: Workspace,
    rows: list[Collection],
    filters: str | None,
    order: str | None,
    page: Page,
) -> dict[str, object]:
    conditions = parse_filters(filters)
    nodes = [CollectionNode(workspace, row) for row in rows]
    chosen = [node for node in nodes if matches(conditions, node.lookup)]
    if order is not None:
        field, descending = parse_order(order, "")
        chosen = sorted_by(chosen, lambda node: node.lookup(field), descending=descending)
    return connect(chosen, page, lambda node: node)
