"""The page of one run."""

import json

from local.wandb_server.pages.curves import curves_of, draw
from local.wandb_server.pages.layout import alias, badge, moment, page, size
from local.wandb_server.pages.markup import Html, facts, join, table, tag
from local.wandb_server.pages.stop_button import stop_button
from local.wandb_server.store import artifacts, collections, history
from local.wandb_server.store.alerts import list_alerts
from local.wandb_server.store.history import OUTPUT, parse_object
from local.wandb_server.store.records import Artifact, Project, Run
from local.wandb_server.store.runs import PREEMPTING, RUNNING, state_of
from local.wandb_server.workspace import Workspace

CONSOLE_LINES = 30
REFRESH_SECONDS = 10


def render_run(workspace: Workspace, project: Project, run: Run) -> str:
    state = state_of(run, workspace.clock(), workspace.silent_after)
    home = f"/{project.entity}/{project.name}"
    return page(
        run.display_name or run.name,
        [("projects", "/"), (f"{project.entity}/{project.name}", home)],
        _facts(workspace, project, run, state),
        _alerts(workspace, run),
        _section("Metrics", _curves(workspace, run)),
        _section("Checkpoints and other artifacts", _versions(workspace, run)),
        _section("Artifacts used", _uses(workspace, run)),
        _section("Summary", _values(run.summary)),
        _section("Config", _values(run.config)),
        _section("Console", _console(workspace, run)),
        refresh=REFRESH_SECONDS if state in {RUNNING, PREEMPTING} else 0,
    )


def _section(title: str, content: Html) -> Html:
    return join(tag("h2", title), content)


def _alerts(workspace: Workspace, run: Run) -> Html:
    """Shown only when there are any: most runs call nobody."""
    rows: list[list[object]] = [
        [alert.severity, alert.title, moment(alert.created_at), alert.text]
        for alert in list_alerts(workspace.database, run.id)
    ]
    return _section("Alerts", table(["severity", "title", "at", "text"], rows)) if rows else join()


def _facts(workspace: Workspace, project: Project, run: Run, state: str) -> Html:
    last = history.last_step(workspace.database, run.id)
    return facts(
        [
            ("state", join(badge(state), stop_button(workspace, project, run, state))),
            ("run id", run.name),
            ("last step", last if last >= 0 else None),
            ("exit code", run.exit_code),
            ("started", moment(run.created_at)),
            ("last heartbeat", moment(run.heartbeat_at)),
            ("group", run.group_name),
            ("job type", run.job_type),
            ("tags", join(*[alias(name) for name in json.loads(run.tags)])),
            ("host", run.host),
            ("program", run.program),
            ("commit", run.commit_hash),
            ("notes", run.notes),
        ]
    )


def _curves(workspace: Workspace, run: Run) -> Html:
    lines = history.history_between(workspace.database, run.id, 0, history.NO_STEP_LIMIT)
    curves = curves_of(parse_object(line) for line in lines)
    if not curves:
        return tag("p", "none", class_="quiet")
    return tag("div", *map(draw, curves), class_="curves")


def _versions(workspace: Workspace, run: Run) -> Html:
    made = artifacts.made_by_run(workspace.database, run.id)
    heads = ["version", "state", "aliases", "step", "size", "created", "metadata"]
    return table(heads, [_version(workspace, artifact) for artifact in reversed(made)])


def _version(workspace: Workspace, artifact: Artifact) -> list[object]:
    metadata = parse_object(artifact.metadata or "{}")
    names = collections.aliases_of_artifact(workspace.database, artifact.id)
    step = metadata.pop("step", None)
    return [
        _name(workspace, artifact),
        badge(artifact.state),
        join(*[alias(row.alias) for row in names]),
        "" if step is None else step,
        size(artifact.size),
        moment(artifact.created_at),
        tag("code", json.dumps(metadata)) if metadata else "",
    ]


def _name(workspace: Workspace, artifact: Artifact) -> str:
    sequence = collections.collection_by_id(workspace.database, artifact.sequence_id)
    return f"{sequence.name if sequence else '?'}:v{artifact.version_index}"


def _uses(workspace: Workspace, run: Run) -> Html:
    used = artifacts.used_by_run(workspace.database, run.id)
    return table(["version"], [[_name(workspace, artifact)] for artifact in used])


def _values(text: str) -> Html:
    """Names and values; those of a config are wrapped, and W&B's own `_…` are left out."""
    rows: list[list[object]] = []
    for name, value in sorted(parse_object(text).items()):
        if not name.startswith("_"):
            shown = value["value"] if isinstance(value, dict) and "value" in value else value
            rows.append([name, tag("code", json.dumps(shown))])
    return table(["name", "value"], rows)


def _console(workspace: Workspace, run: Run) -> Html:
    lines = history.tail(workspace.database, run.id, OUTPUT, CONSOLE_LINES)
    return tag("pre", "\n".join(lines)) if lines else tag("p", "none", class_="quiet")
