"""The page of all projects, and that of one."""

from urllib.parse import quote

from local.wandb_server.pages.layout import badge, moment, page
from local.wandb_server.pages.markup import Html, join, table, tag
from local.wandb_server.store import artifacts, history
from local.wandb_server.store.projects import list_projects
from local.wandb_server.store.records import Project, Run
from local.wandb_server.store.runs import list_runs, state_of
from local.wandb_server.workspace import Workspace

SHOWN = 200


def render_home(workspace: Workspace) -> str:
    projects = [
        project
        for entity in workspace.entities
        for project in list_projects(workspace.database, entity)
    ]
    content = [_project(workspace, project) for project in projects]
    empty = tag("p", "No run has been logged here yet.", class_="quiet")
    return page("Local W&B", [], *(content or [empty]))


def render_project(workspace: Workspace, project: Project) -> str:
    title = f"{project.entity}/{project.name}"
    return page(title, [("projects", "/")], _runs(workspace, project))


def _project(workspace: Workspace, project: Project) -> Html:
    name = f"{project.entity}/{project.name}"
    link = tag("a", name, href=quote(f"/{name}"))
    return join(tag("h2", link), _runs(workspace, project))


def _runs(workspace: Workspace, project: Project) -> Html:
    rows = list_runs(workspace.database, project.id)[:SHOWN]
    heads = ["run", "state", "last step", "artifacts", "started", "last heartbeat"]
    return table(heads, [_run(workspace, project, run) for run in rows])


def _run(workspace: Workspace, project: Project, run: Run) -> list[object]:
    last = history.last_step(workspace.database, run.id)
    address = quote(f"/{project.entity}/{project.name}/runs/{run.name}")
    return [
        tag("a", run.display_name or run.name, href=address),
        badge(state_of(run, workspace.clock(), workspace.silent_after)),
        last if last >= 0 else "",
        len(artifacts.made_by_run(workspace.database, run.id)),
        moment(run.created_at),
        moment(run.heartbeat_at),
    ]
