"""Mutations of runs and of their files."""

import json
from dataclasses import dataclass
from typing import Any

from local.wandb_server.graph import files as file_nodes
from local.wandb_server.graph import ids
from local.wandb_server.graph import projects as project_nodes
from local.wandb_server.graph import runs as run_nodes
from local.wandb_server.graph.resolution import InvalidError, NotFoundError
from local.wandb_server.store import run_files, runs
from local.wandb_server.store.alerts import NewAlert, add_alert
from local.wandb_server.store.projects import find_project, make_project
from local.wandb_server.store.records import Project, Run
from local.wandb_server.workspace import Workspace

Given = dict[str, Any]

# States a client may move a run to by itself, and from where.
TRANSITIONS = {
    "pending": {runs.RUNNING, runs.FAILED, runs.CRASHED, runs.PREEMPTED},
    runs.FAILED: {"pending", runs.RUNNING},
}


@dataclass(frozen=True)
class RunChanges:
    workspace: Workspace

    def _project_for_writing(self, entity: str | None, name: str | None, doing: str) -> Project:
        """The project named, made when it is new; W&B makes no entities."""
        entity_name = entity or self.workspace.default_entity
        if entity_name not in self.workspace.entities:
            raise NotFoundError(f"entity {entity_name} not found during {doing}")
        return make_project(
            self.workspace.database, entity_name, name or "uncategorized", self.workspace.clock()
        )

    def _run_by_storage_id(self, storage_id: str) -> Run:
        match ids.decode(storage_id):
            case ["Run", _, name, project, entity]:
                return self._run(entity, project, name)
            case _:
                raise InvalidError(f"not an id of Run: {storage_id}")

    def _run(self, entity: str | None, project: str | None, name: str | None) -> Run:
        database = self.workspace.database
        found = find_project(database, entity or self.workspace.default_entity, project or "")
        run = None if found is None else runs.find_run(database, found.id, name or "")
        if run is None:
            raise NotFoundError(f"run {entity}/{project}/{name} not found")
        return run

    def upsert_model(self, given: Given) -> Given:
        project = self._project_for_writing(
            given.get("entityName"), given.get("name"), "upsertModel"
        )
        node = project_nodes.ProjectNode(self.workspace, project)
        return {"project": node, "model": node, "inserted": True}

    def upsert_bucket(self, given: Given) -> Given:
        """Make a run or change it; a client that takes up an ended run sets it running again."""
        with self.workspace.database.transaction():
            run, inserted = self._run_to_change(given)
            now = self.workspace.clock()
            if self._takes_up(run, given):
                runs.reopen_run(self.workspace.database, run.id, now)
            runs.change_run(self.workspace.database, run.id, _run_change(given), now)
        return {"bucket": run_nodes.RunNode.by_id(self.workspace, run.id), "inserted": inserted}

    def _takes_up(self, run: Run, given: Given) -> bool:
        """Whether this is wandb.init on a run that had ended.

        The SDK sends the same mutation when it starts, resumes, or changes tags or config, so only
        the run's state tells them apart. Changes by wandb.Api give the storage id alone.
        """
        if given.get("name") is None or given.get("state") is not None:
            return False
        current = runs.state_of(run, self.workspace.clock(), self.workspace.silent_after)
        return current not in {runs.RUNNING, runs.PREEMPTING}

    def _run_to_change(self, given: Given) -> tuple[Run, bool]:
        if given.get("name") is None and given.get("id") is not None:
            return self._run_by_storage_id(given["id"]), False
        return self._named_run(given)

    def _named_run(self, given: Given) -> tuple[Run, bool]:
        project = self._project_for_writing(
            given.get("entityName"), given.get("modelName"), "upsertBucket"
        )
        database, name = self.workspace.database, given.get("name")
        if not name:
            raise InvalidError("upsertBucket: name or id is required")
        run = runs.find_run(database, project.id, name)
        if run is not None:
            return run, False
        return runs.insert_run(database, project.id, name, self.workspace.clock()), True

    def update_run_state(self, given: Given) -> Given:
        run = self._run_by_storage_id(given["id"])
        current = runs.state_of(run, self.workspace.clock(), self.workspace.silent_after)
        if current not in TRANSITIONS.get(given["state"], set()):
            raise InvalidError(f"a run cannot go from {current} to {given['state']}")
        change = runs.RunChange(state=given["state"])
        runs.change_run(self.workspace.database, run.id, change, self.workspace.clock())
        return {"success": True}

    def notify_scriptable_run_alert(self, given: Given) -> Given:
        run = self._run(given["entityName"], given["projectName"], given["runName"])
        new = NewAlert(given.get("severity") or "INFO", given["title"], given["text"])
        add_alert(self.workspace.database, run.id, new, self.workspace.clock())
        return {"success": True}

    def stop_run(self, given: Given) -> Given:
        """As the button: the process learns it by the answer to its next post of the file stream.

        The SDK posts every 15 s, every 30 s with nothing new, and looks at the answers every 15 s.
        """
        runs.request_stop(self.workspace.database, self._run_by_storage_id(given["id"]).id)
        return {"success": True}

    def delete_run(self, given: Given) -> Given:
        runs.delete_run(self.workspace.database, self._run_by_storage_id(given["id"]).id)
        return {}

    def create_run_files(self, given: Given) -> Given:
        run = self._run(given.get("entityName"), given.get("projectName"), given["runName"])
        return {
            "runID": ids.encode("RunInternalId", run.id),
            "uploadHeaders": [],
            "files": [self._file_to_write(run, name) for name in given["files"]],
        }

    def _file_to_write(self, run: Run, name: str) -> file_nodes.FileNode:
        if ".." in name.split("/") or name.startswith("/"):
            raise InvalidError(f"createRunFiles: {name} is not below the run's directory")
        return file_nodes.FileNode(
            self.workspace,
            id=ids.encode("RunFile", run.id, name),
            name=name,
            key=file_nodes.run_file_key(run.id, name),
            uploadable=True,
        )

    def mark_run_files_uploaded(self, given: Given) -> Given:
        """Here a file is known from the moment its upload ends, so there is nothing left to do."""
        self._run(given["entityName"], given["projectName"], given["runName"])
        return {"success": True}

    def delete_files(self, given: Given) -> Given:
        for node_id in given["files"]:
            run_files.delete_run_file(self.workspace.database, ids.number("File", node_id))
        return {"success": True}


def _run_change(given: Given) -> runs.RunChange:
    tags = given.get("tags")
    return runs.RunChange(
        display_name=given.get("displayName"),
        state=given.get("state"),
        config=given.get("config"),
        summary=given.get("summaryMetrics"),
        tags=None if tags is None else json.dumps(tags),
        notes=given.get("notes"),
        description=given.get("description"),
        group_name=given.get("groupName"),
        job_type=given.get("jobType"),
        host=given.get("host"),
        program=given.get("jobProgram"),
        commit_hash=given.get("commit"),
        sweep=given.get("sweep"),
    )
