"""The button by which a person stops a run, as W&B's own page of a run has it.

It is a plain form, as no script runs on these pages. A page of another site can post a form too,
but cannot read this one: so the form carries a token of its run, and counts only with it.
"""

import hmac
from urllib.parse import parse_qs, quote

from starlette.requests import Request

from local.wandb_server.pages.markup import Html, tag
from local.wandb_server.store.records import Project, Run
from local.wandb_server.store.runs import PREEMPTING, RUNNING
from local.wandb_server.workspace import Workspace

LABEL = "Stop run"
_LONGEST_FORM = 1024


def stop_button(workspace: Workspace, project: Project, run: Run, state: str) -> Html:
    """The button while the run can be stopped; after that, what it has done."""
    if state not in {RUNNING, PREEMPTING}:
        return Html("")
    if run.stop_requested:
        return tag("span", " asked to stop; its process learns it within a minute", class_="quiet")
    return tag(
        "form",
        tag("input", type="hidden", name="token", value=_token(workspace, run)),
        tag("button", LABEL),
        method="post",
        action=quote(f"/{project.entity}/{project.name}/runs/{run.name}/stop"),
    )


async def is_pressed(workspace: Workspace, run: Run, request: Request) -> bool:
    """Whether the form is one that this server has made for this run."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST_FORM:
            return False
    given = parse_qs(body.decode("latin-1")).get("token", [""])[0]
    return hmac.compare_digest(given.encode(), _token(workspace, run).encode())


def _token(workspace: Workspace, run: Run) -> str:
    return workspace.signer.token(f"stop {run.id}")
