"""A person stops a run, by the page's button or by the API, and the run's process learns it."""

from typing import Any
from urllib.error import HTTPError

import pytest

from local.demo.browser import NoSuchButtonError, press
from local.wandb_server import LocalWandb
from tests.local.test_wandb_server.sdk_client import Client, exchange

MAKE = """mutation ($p: String!, $r: String!) {
  upsertBucket(input: {name: $r, modelName: $p}) { bucket { id } } }"""
STOP = "mutation ($id: ID!) { stopRun(input: {id: $id}) { success } }"
# As SDKs before 0.23 ask, every 15 s; newer ones take it from the file stream's answers.
RUN = """query RunStoppedStatus($p: String, $r: String!) {
  project(name: $p, entityName: "local") { run(name: $r) { stopped shouldStop state } } }"""
BUTTON = "Stop run"


def make_run(server: LocalWandb, project: str, name: str = "r") -> str:
    """A run without a client; gives the address of its page."""
    server.graphql(MAKE, p=project, r=name)
    return f"{server.url}/local/{project}/runs/{name}"


def seen(server: LocalWandb, project: str) -> dict[str, Any]:
    found: dict[str, Any] = server.graphql(RUN, p=project, r="r")["project"]["run"]
    return found


def test_the_button_asks_the_run_to_stop_and_is_gone(server: LocalWandb, project: str) -> None:
    page = make_run(server, project)
    assert seen(server, project) == {"stopped": False, "shouldStop": False, "state": "running"}
    press(page, BUTTON)
    assert seen(server, project) == {"stopped": True, "shouldStop": True, "state": "running"}
    assert "asked to stop" in exchange("GET", page, None)[1]
    with pytest.raises(NoSuchButtonError):
        press(page, BUTTON)


def test_a_form_without_the_runs_own_token_stops_nothing(server: LocalWandb, project: str) -> None:
    page, other = make_run(server, project), make_run(server, project, "other")
    _, html, given = exchange("GET", other, None)
    (token,) = (part.split('"')[0] for part in html.split('name="token" value="')[1:])
    # All else is as a browser sends it that has a page of this server open.
    browser = {"Origin": server.url, "Cookie": given.get("set-cookie", "").partition(";")[0]}
    for body in (b"", b"token=", b"token=guessed", f"token={token}".encode(), b"token=" * 9999):
        assert exchange("POST", f"{page}/stop", body, **browser)[0] == 403
    assert exchange("GET", f"{page}/stop", None)[0] == 405
    assert seen(server, project)["stopped"] is False


def test_no_page_can_show_the_button_within_itself(server: LocalWandb, project: str) -> None:
    _, _, headers = exchange("GET", make_run(server, project), None)
    policy = headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self'" in policy


def test_a_run_that_is_not_there_cannot_be_stopped(server: LocalWandb, project: str) -> None:
    page = make_run(server, project)
    assert exchange("POST", f"{page}-2/stop", b"")[0] in {403, 404}
    with pytest.raises(HTTPError):
        press(f"{page}-2", BUTTON)


WAITING = """
import threading
stopped = threading.Event()
settings = wandb.Settings(stop_fn=stopped.set)
run = wandb.init(project=given["project"], id="r", settings=settings)
run.log({"loss": 1})
wandb.Api().run(f"local/{given['project']}/r").stop()
answer(stopped.wait(55))
run.finish(exit_code=given["exit_code"])
wandb.Api().run(f"local/{given['project']}/r").stop()
answer(wandb.Api().run(f"local/{given['project']}/r").state)
"""


def test_the_sdk_learns_of_a_stop_by_the_api_and_a_run_that_ended_is_not_asked(
    client: Client, server: LocalWandb, project: str
) -> None:
    ended = client.run(WAITING, project=project, exit_code=66)
    assert ended.answers == [True, "killed"], ended.stderr
    resumed = 'run = wandb.init(project=given["project"], id="r", resume="must"); run.finish()'
    client.run(resumed, project=project)
    assert seen(server, project) == {"stopped": False, "shouldStop": False, "state": "finished"}


END_WELL = """
run = wandb.init(project=given["project"], id="r")
wandb.Api().run(f"local/{given['project']}/r").stop()
run.finish()
"""


def test_a_run_that_ended_well_in_spite_of_the_stop_is_finished(
    client: Client, server: LocalWandb, project: str
) -> None:
    client.ask(END_WELL, project=project)
    assert seen(server, project) == {"stopped": True, "shouldStop": True, "state": "finished"}
