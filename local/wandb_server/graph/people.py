"""The one user of this server and the entities it may write to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.wandb_server.graph import ids
from local.wandb_server.graph import projects as project_nodes
from local.wandb_server.graph.connection import Page, connect
from local.wandb_server.store.projects import list_projects

if TYPE_CHECKING:
    from local.wandb_server.workspace import Workspace

FIRST_DAY = "2024-01-01T00:00:00Z"


@dataclass(frozen=True)
class UserNode:
    workspace: Workspace
    typename = "User"
    admin = False
    flags = "{}"
    account_type = "USER"
    created_at = FIRST_DAY
    deleted_at = None

    @property
    def id(self) -> str:
        return ids.encode("User", self.username)

    @property
    def name(self) -> str:
        return self.username

    @property
    def username(self) -> str:
        return self.workspace.default_entity

    @property
    def email(self) -> str:
        return f"{self.username}@localhost"

    @property
    def entity(self) -> str:
        return self.workspace.default_entity

    def default_entity(self) -> EntityNode:
        return EntityNode(self.workspace, self.entity)

    def teams(self, first: int | None = None, after: str | None = None) -> dict[str, object]:
        names = list(self.workspace.entities)
        return connect(names, Page(first, after), lambda name: EntityNode(self.workspace, name))

    def api_keys(self, first: int | None = None, after: str | None = None) -> dict[str, object]:
        return connect([], Page(first, after), lambda key: key)

    def organizations(self) -> list[object]:
        return []


@dataclass(frozen=True)
class EntityNode:
    workspace: Workspace
    name: str
    typename = "Entity"
    is_team = False
    entity_type = "user"
    available = False
    read_only = False
    default_access = "PRIVATE"
    created_at = FIRST_DAY
    organization = None
    xxhash_digests_enabled = False

    @property
    def id(self) -> str:
        return ids.encode("Entity", self.name)

    def user(self) -> UserNode:
        return UserNode(self.workspace)

    def projects(
        self, first: int | None = None, after: str | None = None, order: str | None = None
    ) -> dict[str, object]:
        rows = list_projects(self.workspace.database, self.name)
        ascending = order is not None and not order.startswith("-")
        return connect(
            rows[::-1] if ascending else rows,
            Page(first, after),
            lambda row: project_nodes.ProjectNode(self.workspace, row),
        )
