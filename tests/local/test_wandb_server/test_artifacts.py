import json
from typing import Any

import pytest

from local.wandb_server import LocalWandb, RequestFailedError
from tests.local.test_wandb_server.sdk_client import Client, kill_all, wait_until

# The one question the controller asks.
VERSIONS = """
query Checkpoints($entity: String, $project: String, $collection: String!, $filters: JSONString) {
  project(entityName: $entity, name: $project) {
    artifactCollection(name: $collection) {
      artifacts(first: 50, filters: $filters) {
        edges {
          version
          node {
            id state digest versionIndex aliases { alias } metadata createdAt size historyStep
            createdBy { ... on Run { name state heartbeatAt summaryMetrics(keys: ["loss"]) } }
          }
        }
      }
    }
  }
}
"""
COMMITTED = '{"state": "COMMITTED"}'

# Logs a version of collection `c` for each text given, and waits for it.
LOG = """
def log(run, text, **settings):
    artifact = wandb.Artifact("c", "model", **settings)
    with artifact.new_file("model.ckpt") as file:
        file.write(text)
    return run.log_artifact(artifact).wait()
"""


def versions(server: LocalWandb, project: str, filters: str | None = None) -> list[dict[str, Any]]:
    data = server.graphql(
        VERSIONS, entity="local", project=project, collection="c", filters=filters
    )
    edges: list[dict[str, Any]] = data["project"]["artifactCollection"]["artifacts"]["edges"]
    return edges


def names(edges: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Aliases by version."""
    return {
        edge["version"]: sorted(alias["alias"] for alias in edge["node"]["aliases"])
        for edge in edges
    }


def test_what_one_run_logs_another_downloads_to_the_byte(client: Client, project: str) -> None:
    log = """
    import hashlib, pathlib
    content = os.urandom(1 << 20)
    os.makedirs("checkpoint/deep")
    pathlib.Path("checkpoint/model.ckpt").write_bytes(content)
    pathlib.Path("checkpoint/deep/ä b#%.txt").write_text("a name to be quoted")
    with wandb.init(project=given["project"]) as run:
        artifact = wandb.Artifact("c", "model", metadata={"step": 7})
        artifact.add_dir("checkpoint")
        artifact = run.log_artifact(artifact).wait()
        answer([artifact.version, hashlib.sha256(content).hexdigest(), artifact.digest])
    """
    download = """
    import hashlib, pathlib, shutil
    shutil.rmtree(os.environ["WANDB_CACHE_DIR"])
    with wandb.init(project=given["project"]) as run:
        artifact = run.use_artifact("c:latest")
        place = pathlib.Path(artifact.download(root="downloaded"))
        content = (place / "model.ckpt").read_bytes()
        answer([
            artifact.version, hashlib.sha256(content).hexdigest(), artifact.digest,
            artifact.metadata, (place / "deep/ä b#%.txt").read_text(),
            [user.id for user in artifact.used_by()] == [run.id],
        ])
    """
    logged = client.ask(log, project=project)
    downloaded = client.ask(download, project=project)
    assert logged == downloaded[:3]
    assert downloaded[3:] == [{"step": 7}, "a name to be quoted", True]


def test_the_one_query_answers_versions_newest_first_with_their_run(
    client: Client, server: LocalWandb, project: str
) -> None:
    script = """
    with wandb.init(project=given["project"], id="r") as run:
        for step in (10, 20, 30):
            run.log({"loss": 1 / step}, step=step)
            log(run, f"weights {step}", metadata={"step": step})
        answer(None)
    """
    client.ask(LOG, script, project=project)
    found = versions(server, project, COMMITTED)
    assert [edge["version"] for edge in found] == ["v2", "v1", "v0"]
    assert [edge["node"]["metadata"] for edge in found] == [
        '{"step":30}',
        '{"step":20}',
        '{"step":10}',
    ]
    newest = found[0]["node"]
    assert newest["versionIndex"] == 2
    assert newest["size"] == len("weights 30")
    assert newest["createdBy"]["name"] == "r"
    assert newest["createdBy"]["state"] == "finished"
    assert newest["createdBy"]["summaryMetrics"].startswith('{"loss": 0.0333')
    assert names(found) == {"v2": ["latest"], "v1": [], "v0": []}
    assert versions(server, project, '{"state": "PENDING"}') == []


def test_the_one_query_answers_null_for_what_does_not_exist(
    server: LocalWandb, project: str
) -> None:
    asked = {"collection": "c", "filters": COMMITTED}
    nothing = {"project": None}
    assert server.graphql(VERSIONS, entity="local", project=project, **asked) == nothing
    assert server.graphql(VERSIONS, entity="nobody", project=project, **asked) == nothing
    server.graphql(
        "mutation ($p: String) { upsertModel(input: {name: $p}) { inserted } }", p=project
    )
    found = server.graphql(VERSIONS, entity="local", project=project, **asked)
    assert found == {"project": {"artifactCollection": None}}


def test_the_same_content_is_no_new_version_and_takes_the_aliases(
    client: Client, server: LocalWandb, project: str
) -> None:
    script = """
    with wandb.init(project=given["project"]) as run:
        answer([log(run, text).version for text in ("one", "two", "one")])
    """
    assert client.ask(LOG, script, project=project) == ["v0", "v1", "v0"]
    assert names(versions(server, project)) == {"v1": [], "v0": ["latest"]}


def test_api_changes_aliases_metadata_and_ttl_and_deletes_versions(
    client: Client, server: LocalWandb, project: str
) -> None:
    script = """
    from datetime import timedelta
    with wandb.init(project=given["project"]) as run:
        for text in ("one", "two", "three"):
            log(run, text)
    api = wandb.Api()
    path = f"local/{given['project']}/c"
    middle = api.artifact(path + ":v1")
    middle.aliases.append("best")
    middle.metadata["loss"] = 0.5
    middle.ttl = timedelta(days=3)
    middle.save()
    oldest = api.artifact(path + ":v0")
    oldest.aliases.append("best")
    oldest.save()
    api.artifact(path + ":v2").delete(delete_aliases=True)
    again = wandb.Api()
    middle = again.artifact(path + ":v1")
    answer([middle.metadata, middle.ttl.days, again.artifact(path + ":best").version])
    """
    assert client.ask(LOG, script, project=project) == [{"loss": 0.5}, 3, "v0"]
    assert names(versions(server, project)) == {"v1": ["latest"], "v0": ["best"]}


@pytest.mark.parametrize(("version", "aliases"), [("v1", ["latest"]), ("v0", ["best"])])
def test_a_version_with_an_alias_is_deleted_only_with_its_aliases(
    client: Client, server: LocalWandb, project: str, version: str, aliases: list[str]
) -> None:
    script = """
    with wandb.init(project=given["project"]) as run:
        first = log(run, "one")
        first.aliases.append("best")
        first.save()
        log(run, "two")
    path = f"local/{given['project']}/c:{given['version']}"
    try:
        wandb.Api().artifact(path).delete()
    except wandb.errors.CommError as error:
        refusal = str(error)
    kept = wandb.Api().artifact(path).aliases
    wandb.Api().artifact(path).delete(delete_aliases=True)
    answer([refusal, kept])
    """
    refusal, kept = client.ask(LOG, script, project=project, version=version)
    assert f"cannot delete an artifact with aliases: {aliases[0]}" in refusal
    assert kept == aliases
    assert version not in names(versions(server, project))


def test_a_version_without_an_alias_is_deleted_as_it_is(
    client: Client, server: LocalWandb, project: str
) -> None:
    script = """
    with wandb.init(project=given["project"]) as run:
        for text in ("one", "two"):
            log(run, text)
    wandb.Api().artifact(f"local/{given['project']}/c:v0").delete()
    answer(None)
    """
    client.ask(LOG, script, project=project)
    assert names(versions(server, project)) == {"v1": ["latest"]}


def test_api_and_the_one_query_see_the_same(
    client: Client, server: LocalWandb, project: str
) -> None:
    """The training side asks by the SDK, the controller by GraphQL: they must agree."""
    script = """
    with wandb.init(project=given["project"]) as run:
        for step in range(3):
            log(run, f"weights {step}", metadata={"step": step, "name": "ä", "none": None})
        run.log_artifact(wandb.Artifact("other", "dataset")).wait()
    api = wandb.Api()
    path = f"local/{given['project']}"
    answer({
        "versions": [
            [one.version, one.state, one.digest, one.metadata, one.size, sorted(one.aliases)]
            for one in api.artifacts("model", f"{path}/c")
        ],
        "collections": [one.name for one in api.artifact_collections(path, "model")],
        "types": sorted(one.name for one in api.artifact_types(path)),
        "exists": [api.artifact_exists(f"{path}/{name}") for name in ("c:v2", "c:v9", "d:v0")],
        "logged": sorted(one.name for one in api.run(f"{path}/{run.id}").logged_artifacts()),
    })
    """
    by_sdk = client.ask(LOG, script, project=project)
    by_query = [
        [
            edge["version"],
            node["state"],
            node["digest"],
            json.loads(node["metadata"]),
            node["size"],
            sorted(alias["alias"] for alias in node["aliases"]),
        ]
        for edge in versions(server, project, COMMITTED)
        for node in [edge["node"]]
    ]
    assert by_sdk["versions"] == by_query
    assert by_sdk["collections"] == ["c"]
    assert by_sdk["types"] == ["dataset", "model"]
    assert by_sdk["exists"] == [True, False, False]
    assert by_sdk["logged"] == ["c:v0", "c:v1", "c:v2", "other:v0"]


def test_a_killed_upload_leaves_the_version_pending_and_latest_where_it_was(
    client: Client, server: LocalWandb, project: str
) -> None:
    script = """
    import time
    with wandb.init(project=given["project"]) as run:
        log(run, "whole", metadata={"step": 1})
        answer("logged")
        while not os.path.exists("go on"):
            time.sleep(0.02)
        log(run, "lost", metadata={"step": 2})
    """
    process = client.start(LOG, script, project=project)
    assert process.stdout is not None
    process.stdout.readline()
    server.fault("slow", delay=60, path_contains="_storage/artifacts")
    sent = server.requests()["_storage"]
    (client.directory / "go on").touch()
    wait_until(lambda: server.requests()["_storage"] > sent)
    kill_all(process)

    states = {edge["version"]: edge["node"]["state"] for edge in versions(server, project)}
    assert states == {"v1": "PENDING", "v0": "COMMITTED"}
    assert names(versions(server, project, COMMITTED)) == {"v0": ["latest"]}
    script = """
    (run,) = wandb.Api().runs(f"local/{given['project']}")
    answer([one.name for one in run.logged_artifacts()])
    """
    assert client.ask(script, project=project) == ["c:v0"]


def test_a_version_that_could_not_be_committed_keeps_its_number_and_the_next_try_gets_another(
    client: Client, server: LocalWandb, project: str
) -> None:
    script = """
    with wandb.init(project=given["project"]) as run:
        try:
            answer(log(run, "weights").version)
        except Exception as error:
            answer(type(error).__name__)
    """
    server.fault("unauthorized", operation="CommitArtifact")
    assert client.ask(LOG, script, project=project) == "ValueError"
    server.clear_faults()
    assert client.ask(LOG, script, project=project) == "v1"
    states = {edge["version"]: edge["node"]["state"] for edge in versions(server, project)}
    assert states == {"v1": "COMMITTED", "v0": "PENDING"}


def test_two_clients_commit_to_one_collection_at_the_same_time(
    client: Client, server: LocalWandb, project: str
) -> None:
    script = """
    with wandb.init(project=given["project"]) as run:
        answer([log(run, f"{given['name']} {step}").version for step in range(4)])
    """
    together = [client.start(LOG, script, project=project, name=name) for name in "ab"]
    for process in together:
        process.communicate(timeout=180)
    assert [process.returncode for process in together] == [0, 0]
    found = versions(server, project, COMMITTED)
    assert [edge["version"] for edge in found] == [f"v{index}" for index in reversed(range(8))]
    assert sum("latest" in aliases for aliases in names(found).values()) == 1


@pytest.mark.parametrize("filters", ['{"state"', '["state"]', '{"$near": 1}'])
def test_filters_that_cannot_be_read_are_refused(
    server: LocalWandb, project: str, filters: str
) -> None:
    make = """
    mutation ($p: String!) {
      createArtifact(input: {
        entityName: "local", projectName: $p, artifactTypeName: "model",
        artifactCollectionName: "c", digest: "abc", digestAlgorithm: MANIFEST_MD5
      }) { artifact { state } }
    }
    """
    server.graphql(make, p=project)
    with pytest.raises(RequestFailedError, match="400"):
        versions(server, project, filters)
    assert len(versions(server, project, '{"state": {"$in": ["PENDING"]}}')) == 1
