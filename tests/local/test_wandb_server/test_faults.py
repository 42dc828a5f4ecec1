import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from local.wandb_server import LocalWandb, RequestFailedError
from tests.local.test_wandb_server.sdk_client import Client, wait_until

VIEWER = "query Viewer { viewer { entity } }"
STATES = """
query ($project: String) {
  project(entityName: "local", name: $project) {
    artifactCollection(name: "c") { artifacts { edges { version node { state } } } }
  }
}
"""
LOG_ONE = """
run = wandb.init(project=given["project"])
artifact = wandb.Artifact("c", "model")
with artifact.new_file("model.ckpt") as file:
    file.write("weights")
try:
    answer(run.log_artifact(artifact).wait(timeout=given.get("timeout", 30)).state)
except Exception as error:
    answer(f"{type(error).__name__}: {error}")
run.finish()
"""


def states(server: LocalWandb, project: str) -> list[str]:
    data = server.graphql(STATES, project=project)
    edges = data["project"]["artifactCollection"]["artifacts"]["edges"]
    return [edge["node"]["state"] for edge in edges]


def failure(server: LocalWandb, query: str = VIEWER) -> RequestFailedError:
    """The error that one GraphQL request ends in."""
    with pytest.raises(RequestFailedError) as caught:
        server.graphql(query)
    return caught.value


def test_the_sdk_gets_over_a_short_outage(client: Client, server: LocalWandb, project: str) -> None:
    server.fault("unavailable", count=1, operation="CreateArtifact")
    server.fault("unavailable", count=1, path_contains="_storage/artifacts")
    assert client.ask(LOG_ONE, project=project) == "COMMITTED"
    assert states(server, project) == ["COMMITTED"]


def test_a_conflict_on_commit_leaves_the_version_pending(
    client: Client, server: LocalWandb, project: str
) -> None:
    server.fault("commit_conflict")
    commits = server.requests().get("CommitArtifact", 0)
    told = client.ask(LOG_ONE, project=project)
    assert "COMMITTED" not in told
    assert states(server, project) == ["PENDING"]
    assert server.requests()["CommitArtifact"] == commits + 1


@pytest.mark.parametrize(
    ("kind", "status"),
    [("unavailable", 503), ("rate_limited", 429), ("commit_conflict", 409), ("unauthorized", 401)],
)
def test_a_fault_answers_with_the_status_of_wandb(
    server: LocalWandb, kind: str, status: int
) -> None:
    server.fault(kind, count=1)
    commit = (
        'mutation CommitArtifact { commitArtifact(input: {artifactID: "x"}) { artifact { id } } }'
    )
    error = failure(server, commit)
    assert error.status == status
    assert '"message"' in str(error)


def test_a_limited_client_is_told_when_to_come_back(server: LocalWandb) -> None:
    server.fault("rate_limited", count=1, retry_after=7)
    headers = failure(server).headers
    assert headers["retry-after"] == "7"
    assert headers["ratelimit-remaining"] == "0"
    assert headers["ratelimit-reset"] == "7"


def test_a_malformed_answer_is_not_json(server: LocalWandb) -> None:
    server.fault("malformed", count=1)
    with pytest.raises(ValueError, match="Expecting value"):
        server.graphql(VIEWER)


def test_a_fault_ends_after_its_count_its_seconds_or_when_cleared(server: LocalWandb) -> None:
    server.fault("unavailable", count=1)
    failure(server)
    assert server.graphql(VIEWER)

    server.fault("unavailable", seconds=0.05)
    time.sleep(0.06)
    assert server.graphql(VIEWER)

    server.fault("unavailable")
    failure(server)
    server.clear_faults()
    assert server.graphql(VIEWER)


def test_a_fault_meets_only_the_client_and_the_operation_it_names(server: LocalWandb) -> None:
    server.fault("unavailable", user_agent_contains="wandb-core")
    server.fault("unavailable", operation="CommitArtifact")
    server.fault("unavailable", path_contains="/file_stream")
    assert server.graphql(VIEWER)


def test_a_request_that_is_held_back_goes_on_when_faults_are_cleared(server: LocalWandb) -> None:
    server.fault("slow", delay=60)
    seen = server.requests().get("Viewer", 0)
    with ThreadPoolExecutor() as pool:
        held = pool.submit(server.graphql, VIEWER)
        wait_until(lambda: server.requests().get("Viewer", 0) > seen)
        assert not held.done()
        server.clear_faults()
        assert held.result(timeout=60) == {"viewer": {"entity": "local"}}


@pytest.mark.parametrize("given", [{"kind": "fire"}, {"kind": "slow", "colour": 1}])
def test_a_fault_that_cannot_be_made_is_refused(server: LocalWandb, given: dict[str, Any]) -> None:
    with pytest.raises(RequestFailedError, match="400"):
        server.fault(**given)


def test_a_wrong_key_is_not_logged_in(client: Client, server: LocalWandb, project: str) -> None:
    intruder = replace(server, api_key="0" * 40)
    error = failure(intruder)
    assert error.status == 401
    assert "user is not logged in" in str(error)
    script = """
    try:
        wandb.init(project=given["project"])
    except Exception as error:
        answer(str(error))
    """
    told = replace(client, server=intruder).run(script, project=project).answers
    assert "user is not logged in" in told[0]


def test_requests_are_counted_by_operation(server: LocalWandb) -> None:
    before = server.requests().get("Viewer", 0)
    server.graphql(VIEWER)
    assert server.requests()["Viewer"] == before + 1
