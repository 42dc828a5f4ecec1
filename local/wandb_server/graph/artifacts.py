from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.wandb_server.graph import collections as collection_nodes
from local.wandb_server.graph import files as file_nodes
from local.wandb_server.graph import ids, manifests, people
from local.wandb_server.graph import runs as run_nodes
from local.wandb_server.graph.connection import Page, connect
from local.wandb_server.graph.filters import matches, parse_filters, parse_order, sorted_by
from local.wandb_server.graph.resolution import python_name
from local.wandb_server.graph.times import timestamp
from local.wandb_server.store import artifacts, collections
from local.wandb_server.store.history import parse_object

if TYPE_CHECKING:
    from local.wandb_server.json_value import Json
    from local.wandb_server.store.records import Artifact, Membership, Tag
    from local.wandb_server.workspace import Workspace


@dataclass(frozen=True)
class TagNode:
    record: Tag
    typename = "Tag"
    tag_category_name = ""

    @property
    def id(self) -> str:
        return ids.encode("Tag", self.record.id)

    @property
    def name(self) -> str:
        return self.record.name


@dataclass(frozen=True)
class ArtifactNode:
    """A version; `member` is the membership through which it was reached, if any."""

    workspace: Workspace
    record: Artifact
    member: Membership | None = None
    typename = "Artifact"
    digest_algorithm = "MANIFEST_MD5"
    labels = None

    @classmethod
    def by_id(cls, workspace: Workspace, artifact_id: int) -> ArtifactNode | None:
        record = artifacts.artifact_by_id(workspace.database, artifact_id)
        return None if record is None else cls(workspace, record)

    @property
    def id(self) -> str:
        return ids.encode("Artifact", self.record.id)

    @property
    def state(self) -> str:
        return self.record.state

    @property
    def digest(self) -> str:
        return self.record.digest

    @property
    def description(self) -> str | None:
        return self.record.description

    @property
    def metadata(self) -> str | None:
        return self.record.metadata

    @property
    def history_step(self) -> int | None:
        return self.record.history_step

    @property
    def size(self) -> int:
        return self.record.size

    storage_bytes = size

    @property
    def file_count(self) -> int:
        return self.record.file_count

    @property
    def created_at(self) -> str:
        return timestamp(self.record.created_at)

    @property
    def updated_at(self) -> str:
        return timestamp(self.record.updated_at)

    @property
    def ttl_duration_seconds(self) -> int:
        return max(self.record.ttl_seconds or 0, 0)

    @property
    def ttl_is_inherited(self) -> bool:
        return self.record.ttl_seconds is None or self.record.ttl_seconds < 0

    def _member(self, collection_name: str | None) -> Membership | None:
        """Its place in the collection named, or in the one through which it was reached."""
        if collection_name is None:
            return self.member
        for member in collections.memberships_of(self.workspace.database, self.record.id):
            node = collection_nodes.CollectionNode.by_id(self.workspace, member.collection_id)
            if node.name == collection_name:
                return member
        return None

    def version_index(self, artifact_collection_name: str | None = None) -> int | None:
        member = self._member(artifact_collection_name)
        if member is not None:
            return member.version_index
        return self.record.version_index if artifact_collection_name is None else None

    def commit_hash(self) -> str | None:
        return f"{self.record.id:020x}"

    def aliases(
        self, artifact_collection_name: str | None = None
    ) -> list[collection_nodes.AliasNode]:
        rows = collections.aliases_of_artifact(self.workspace.database, self.record.id)
        nodes = [collection_nodes.AliasNode(self.workspace, row) for row in rows]
        if artifact_collection_name is None:
            return nodes
        return [node for node in nodes if node.artifact_collection_name == artifact_collection_name]

    def tags(self) -> list[TagNode]:
        rows = collections.tags_of_artifact(self.workspace.database, self.record.id)
        return [TagNode(row) for row in rows]

    def created_by(self) -> run_nodes.RunNode | people.UserNode:
        """The run that made it; the user, when it was made outside one."""
        if self.record.run_id is None:
            return people.UserNode(self.workspace)
        return run_nodes.RunNode.by_id(self.workspace, self.record.run_id) or people.UserNode(
            self.workspace
        )

    def artifact_sequence(self) -> collection_nodes.CollectionNode:
        return collection_nodes.CollectionNode.by_id(self.workspace, self.record.sequence_id)

    def artifact_type(self) -> collection_nodes.ArtifactTypeNode:
        return self.artifact_sequence().default_artifact_type()

    def artifact_memberships(
        self, first: int | None = None, after: str | None = None
    ) -> dict[str, object]:
        return connect(
            collections.memberships_of(self.workspace.database, self.record.id),
            Page(first, after),
            lambda row: collection_nodes.MembershipNode(self.workspace, row),
        )

    def current_manifest(self) -> manifests.ManifestNode | None:
        """The newest manifest that has been uploaded."""
        for manifest in artifacts.manifests_of(self.workspace.database, self.record.id):
            if self.workspace.blobs.has(file_nodes.manifest_key(manifest.id)):
                return manifests.ManifestNode(self.workspace, manifest)
        return None

    def files(
        self,
        names: list[str] | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> dict[str, object]:
        rows = artifacts.files_of(self.workspace.database, self.record.id)
        return file_nodes.connect_artifact_files(self.workspace, rows, names, Page(first, after))

    def files_by_manifest_entries(
        self,
        entries: list[dict[str, Any]] | None = None,
        first: int | None = None,
        after: str | None = None,
        **_: object,
    ) -> dict[str, object]:
        names = [entry["name"] for entry in entries or []]
        return self.files(names, first or max(len(names), 1), after)

    def _using(self) -> list[run_nodes.RunNode]:
        users = artifacts.runs_using(self.workspace.database, self.record.id)
        nodes = [run_nodes.RunNode.by_id(self.workspace, run_id) for run_id in users]
        return [node for node in nodes if node is not None]

    def used_by(
        self,
        filters: str | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> dict[str, object]:
        conditions = parse_filters(filters)
        nodes = [node for node in self._using() if matches(conditions, node.lookup)]
        return run_nodes.connect_runs(nodes, Page(first, after))

    def used_count(self) -> int:
        return len(self._using())

    def lookup(self, field: str) -> Json:
        """A value for filters and ordering: `state`, `versionIndex`, `metadata.step`, `alias`."""
        head, _, rest = field.partition(".")
        match head:
            case "metadata":
                return run_nodes.dig(parse_object(self.record.metadata or "{}"), rest)
            case "alias" | "aliases":
                return [alias.record.alias for alias in self.aliases()]
            case "tag" | "tags":
                return [tag.name for tag in self.tags()]
            case "versionIndex" | "version_index":
                return self.version_index()
            case _:
                return getattr(self.record, python_name(field), None)


def select_artifacts(
    nodes: list[ArtifactNode], filters: str | None, order: str | None
) -> list[ArtifactNode]:
    conditions = parse_filters(filters)
    chosen = [node for node in nodes if matches(conditions, node.lookup)]
    if order is None:
        return chosen
    field, descending = parse_order(order, "")
    return sorted_by(chosen, lambda node: node.lookup(field), descending=descending)


def connect_artifacts(
    nodes: list[ArtifactNode], filters: str | None, order: str | None, page: Page
) -> dict[str, object]:
    return connect(select_artifacts(nodes, filters, order), page, lambda node: node)
