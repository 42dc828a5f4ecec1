from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.wandb_server.graph import artifacts as artifact_nodes
from local.wandb_server.graph import files as file_nodes
from local.wandb_server.graph import ids, people
from local.wandb_server.graph import projects as project_nodes
from local.wandb_server.graph.connection import Page, connect
from local.wandb_server.graph.resolution import python_name
from local.wandb_server.graph.run_streams import RunStreams
from local.wandb_server.graph.times import timestamp
from local.wandb_server.store.artifacts import COMMITTED, made_by_run, used_by_run
from local.wandb_server.store.history import parse_object
from local.wandb_server.store.projects import project_by_id
from local.wandb_server.store.run_files import list_run_files
from local.wandb_server.store.runs import run_by_id, state_of

if TYPE_CHECKING:
    from local.wandb_server.json_value import Json
    from local.wandb_server.store.records import Project, Run
    from local.wandb_server.workspace import Workspace

COLUMNS = {"group": "group_name", "commit": "commit_hash", "sweep_name": "sweep"}


def _chosen(text: str, keys: list[str] | None) -> str:
    """A JSON object as text, cut down to some of its keys when they are given."""
    if keys is None:
        return text
    values = parse_object(text)
    return json.dumps({key: values[key] for key in keys if key in values})


@dataclass(frozen=True)
class RunNode(RunStreams):
    typename = "Run"
    read_only = False

    @classmethod
    def by_id(cls, workspace: Workspace, run_id: int) -> RunNode | None:
        record = run_by_id(workspace.database, run_id)
        return None if record is None else cls(workspace, record)

    def _project(self) -> Project:
        return project_by_id(self.workspace.database, self.record.project_id)

    @property
    def id(self) -> str:
        project = self._project()
        return ids.encode("Run", "v1", self.record.name, project.name, project.entity)

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def display_name(self) -> str | None:
        return self.record.display_name

    @property
    def description(self) -> str | None:
        return self.record.description

    @property
    def notes(self) -> str | None:
        return self.record.notes

    @property
    def group(self) -> str | None:
        return self.record.group_name

    @property
    def job_type(self) -> str | None:
        return self.record.job_type

    @property
    def host(self) -> str | None:
        return self.record.host

    @property
    def commit(self) -> str | None:
        return self.record.commit_hash

    @property
    def sweep_name(self) -> str | None:
        return self.record.sweep

    @property
    def exitcode(self) -> int | None:
        return self.record.exit_code

    @property
    def stopped(self) -> bool:
        return bool(self.record.stop_requested)

    should_stop = stopped

    @property
    def created_at(self) -> str:
        return timestamp(self.record.created_at)

    @property
    def updated_at(self) -> str:
        return timestamp(self.record.updated_at)

    @property
    def heartbeat_at(self) -> str:
        return timestamp(self.record.heartbeat_at)

    @property
    def project_id(self) -> str:
        """A bare number: the SDK turns it into an int."""
        return str(self.record.project_id)

    def state(self) -> str:
        return state_of(self.record, self.workspace.clock(), self.workspace.silent_after)

    def tags(self) -> list[str]:
        return list(json.loads(self.record.tags))

    def user(self) -> people.UserNode:
        return people.UserNode(self.workspace)

    def project(self) -> project_nodes.ProjectNode:
        return project_nodes.ProjectNode(self.workspace, self._project())

    model = project

    def config(self, keys: list[str] | None = None) -> str:
        return _chosen(self.record.config, keys)

    def wandb_config(self, keys: list[str] | None = None) -> str:
        """What the SDK keeps about itself in the config, without the wrapping."""
        kept = parse_object(self.record.config).get("_wandb", {}).get("value", {})
        return _chosen(json.dumps(kept), keys)

    def summary_metrics(self, keys: list[str] | None = None) -> str:
        return _chosen(self.record.summary, keys)

    def file_count(self) -> int:
        return len(list_run_files(self.workspace.database, self.record.id))

    def files(
        self,
        names: list[str] | None = None,
        pattern: str | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> dict[str, object]:
        rows = list_run_files(self.workspace.database, self.record.id)
        return file_nodes.connect_run_files(
            self.workspace, rows, names, pattern, Page(first, after)
        )

    def output_artifacts(
        self,
        filters: str | None = None,
        first: int | None = None,
        after: str | None = None,
        order: str | None = None,
    ) -> dict[str, object]:
        """What the run has logged and committed.

        W&B's own SDK, 0.31.0, fails at a PENDING version here and asks for no filter
        (`Run.logged_artifacts`): so W&B is believed to list none. A collection lists them.
        """
        rows = [
            row
            for row in made_by_run(self.workspace.database, self.record.id)
            if row.state == COMMITTED
        ]
        nodes = [artifact_nodes.ArtifactNode(self.workspace, row) for row in rows]
        return artifact_nodes.connect_artifacts(nodes, filters, order, Page(first, after))

    def input_artifacts(
        self,
        filters: str | None = None,
        first: int | None = None,
        after: str | None = None,
        order: str | None = None,
    ) -> dict[str, object]:
        rows = used_by_run(self.workspace.database, self.record.id)
        nodes = [artifact_nodes.ArtifactNode(self.workspace, row) for row in rows]
        return artifact_nodes.connect_artifacts(nodes, filters, order, Page(first, after))

    def lookup(self, field: str) -> Json:
        """A value for filters and ordering: `state`, `config.lr`, `summary_metrics.loss`."""
        head, _, rest = field.partition(".")
        match head:
            case "config":
                return dig(parse_object(self.record.config), rest.removesuffix(".value"))
            case "summary_metrics" | "summaryMetrics" | "summary":
                return dig(parse_object(self.record.summary), rest)
            case "state":
                return self.state()
            case "tags":
                return self.tags()
            case "username" | "user":
                return self.workspace.default_entity
            case _:
                return _column(self.record, field)


def _column(record: Run, field: str) -> Json:
    name = python_name(field)
    value = getattr(record, COLUMNS.get(name, name), None)
    return timestamp(value) if name.endswith("_at") and isinstance(value, float) else value


def dig(values: dict[str, Any], path: str) -> Json:
    """Follow a dotted path; a config value is wrapped as {"value": …}."""
    found: Json = values
    for part in path.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(part)
        if isinstance(found, dict) and "value" in found:
            found = found["value"]
    return found


def connect_runs(nodes: list[RunNode], page: Page) -> dict[str, object]:
    return connect(nodes, page, lambda node: node)
