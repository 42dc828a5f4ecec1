from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.wandb_server.graph import artifacts as artifact_nodes
from local.wandb_server.graph import collections as collection_nodes
from local.wandb_server.graph import ids, people
from local.wandb_server.graph import runs as run_nodes
from local.wandb_server.graph.connection import Page, connect
from local.wandb_server.graph.filters import matches, parse_filters, parse_order, sorted_by
from local.wandb_server.graph.times import timestamp
from local.wandb_server.store import collections
from local.wandb_server.store.runs import find_run, list_runs

if TYPE_CHECKING:
    from local.wandb_server.store.records import Membership, Project
    from local.wandb_server.workspace import Workspace


@dataclass(frozen=True)
class ProjectNode:
    workspace: Workspace
    record: Project
    typename = "Project"
    description = None
    access = "PRIVATE"
    views = None
    is_benchmark = False
    read_only = False

    @property
    def id(self) -> str:
        return ids.encode("Project", "v1", self.record.name, self.record.entity)

    @property
    def internal_id(self) -> str:
        return ids.encode("ProjectInternalId", self.record.id)

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def entity_name(self) -> str:
        return self.record.entity

    @property
    def created_at(self) -> str:
        return timestamp(self.record.created_at)

    updated_at = created_at

    def entity(self) -> people.EntityNode:
        return people.EntityNode(self.workspace, self.record.entity)

    def user(self) -> people.UserNode:
        return people.UserNode(self.workspace)

    def run(self, name: str) -> run_nodes.RunNode | None:
        record = find_run(self.workspace.database, self.record.id, name)
        return None if record is None else run_nodes.RunNode(self.workspace, record)

    def bucket(self, name: str, *, missing_ok: bool | None = None) -> run_nodes.RunNode | None:
        """The older name of `run`; both answer null when there is none."""
        del missing_ok
        return self.run(name)

    def _runs(self, filters: str | None) -> list[run_nodes.RunNode]:
        conditions = parse_filters(filters)
        nodes = [
            run_nodes.RunNode(self.workspace, record)
            for record in list_runs(self.workspace.database, self.record.id)
        ]
        return [node for node in nodes if matches(conditions, node.lookup)]

    def runs(
        self,
        filters: str | None = None,
        first: int | None = None,
        after: str | None = None,
        order: str | None = None,
    ) -> dict[str, object]:
        field, descending = parse_order(order, "-created_at")
        rows = self._runs(filters)
        if not descending:
            rows.reverse()  # ties keep the order in which the runs were made
        rows = sorted_by(rows, lambda node: node.lookup(field), descending=descending)
        return connect(rows, Page(first, after), lambda node: node)

    def run_count(self, filters: str | None = None) -> int:
        return len(self._runs(filters))

    def total_runs(self) -> int:
        return len(list_runs(self.workspace.database, self.record.id))

    def artifact_type(self, name: str) -> collection_nodes.ArtifactTypeNode | None:
        record = collections.find_type(self.workspace.database, self.record.id, name)
        if record is None:
            return None
        return collection_nodes.ArtifactTypeNode(self.workspace, record)

    def artifact_types(
        self, first: int | None = None, after: str | None = None
    ) -> dict[str, object]:
        return connect(
            collections.list_types(self.workspace.database, self.record.id),
            Page(first, after),
            lambda row: collection_nodes.ArtifactTypeNode(self.workspace, row),
        )

    def artifact_collection(self, name: str) -> collection_nodes.CollectionNode | None:
        record = collections.find_collection(self.workspace.database, self.record.id, name)
        return None if record is None else collection_nodes.CollectionNode(self.workspace, record)

    def artifact_collections(
        self,
        filters: str | None = None,
        first: int | None = None,
        after: str | None = None,
        order: str | None = None,
    ) -> dict[str, object]:
        rows = collections.list_collections(self.workspace.database, self.record.id)
        return collection_nodes.connect_collections(
            self.workspace, rows, filters, order, Page(first, after)
        )

    def _member(self, name: str) -> Membership | None:
        """`collection`, `collection:alias` or `collection:vN`."""
        collection_name, _, alias = name.partition(":")
        database = self.workspace.database
        record = collections.find_collection(database, self.record.id, collection_name)
        if record is None:
            return None
        return collections.member_named(database, record.id, alias or collections.LATEST)

    def artifact_collection_membership(self, name: str) -> collection_nodes.MembershipNode | None:
        member = self._member(name)
        return None if member is None else collection_nodes.MembershipNode(self.workspace, member)

    def artifact(self, name: str) -> artifact_nodes.ArtifactNode | None:
        member = self._member(name)
        if member is None:
            return None
        return artifact_nodes.ArtifactNode.by_id(self.workspace, member.artifact_id)
