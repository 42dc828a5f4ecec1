import json
from pathlib import Path
from typing import Any

import pytest

from local.wandb_server import LocalWandb
from tests.local.test_wandb_server.sdk_client import Client, kill_all

RUN = """
query ($project: String, $run: String!) {
  project(entityName: "local", name: $project) {
    run(name: $run) { state exitcode historyLineCount summaryMetrics config tags }
  }
}
"""

TRAIN = """
for resume in given.get("resume", [None]):
    run = wandb.init(project=given["project"], id=given["run"], resume=resume)
    resumed = run.resumed
    for _ in range(given.get("steps", 3)):
        run.log({"loss": 1 / (run.step + 1)})
    answer(resumed)
    run.finish(exit_code=given.get("exit_code", 0))
"""


def read_run(server: LocalWandb, project: str, run: str) -> dict[str, Any]:
    found: dict[str, Any] = server.graphql(RUN, project=project, run=run)["project"]["run"]
    return found


def test_a_resumed_run_is_the_same_run_and_goes_on_counting_steps(
    client: Client, server: LocalWandb, project: str
) -> None:
    first = client.run(TRAIN, project=project, run="r")
    second = client.run(TRAIN, project=project, run="r", resume=["allow", "must"])

    assert first.answers == [False]
    assert second.answers == [True, True]
    found = read_run(server, project, "r")
    assert found["historyLineCount"] == 9
    assert json.loads(found["summaryMetrics"])["_step"] == 8
    assert found["state"] == "finished"


@pytest.mark.parametrize(
    ("resume", "exists", "reason"),
    [("must", "", "does not exist"), ("never", "r", "already exists")],
)
def test_resume_is_refused_when_the_run_is_not_as_asked(
    client: Client, project: str, resume: str, exists: str, reason: str
) -> None:
    if exists:
        client.ask(TRAIN, project=project, run=exists, steps=1)
    ended = client.run(TRAIN, project=project, run="r", resume=[resume])
    assert ended.exit_code != 0
    assert reason in ended.stderr


def test_a_run_that_exits_with_an_error_has_failed(
    client: Client, server: LocalWandb, project: str
) -> None:
    client.ask(TRAIN, project=project, run="r", exit_code=3)
    found = read_run(server, project, "r")
    assert (found["state"], found["exitcode"]) == ("failed", 3)


def test_api_reads_history_summary_config_tags_and_files_as_logged(
    client: Client, project: str
) -> None:
    script = """
    import pathlib
    run = wandb.init(project=given["project"], config={"lr": 0.1, "layers": [1, 2]}, tags=["good"])
    for step in range(25):
        run.log({"loss": 10 - step / 10, "epoch": step // 5})
        if step % 2:
            run.log({"accuracy": step / 25}, step=run.step - 1)
    pathlib.Path("notes.txt").write_text("from the run")
    run.save("notes.txt")
    run.finish()
    api = wandb.Api()
    seen = api.run(f"local/{given['project']}/{run.id}")
    answer({
        "state": seen.state,
        "config": seen.config,
        "tags": seen.tags,
        "summary": [seen.summary["loss"], seen.summary["epoch"]],
        "last step": seen.lastHistoryStep,
        "scanned": [row["loss"] for row in seen.scan_history()],
        "keyed": [row["epoch"] for row in seen.scan_history(keys=["epoch"])],
        "page by page": [row["_step"] for row in seen.scan_history(page_size=4)],
        "sampled": seen.history(samples=5, keys=["loss"], pandas=False),
        "listed": [found.id for found in api.runs(f"local/{given['project']}", {"config.lr": 0.1})],
        "not listed": len(api.runs(f"local/{given['project']}", {"state": "failed"})),
        "file": seen.file("notes.txt").download(replace=True).read(),
        "id": run.id,
    })
    """
    seen = client.ask(script, project=project)
    losses = [10 - step / 10 for step in range(25)]
    assert seen["state"] == "finished"
    assert seen["config"] == {"lr": 0.1, "layers": [1, 2]}
    assert seen["tags"] == ["good"]
    assert seen["summary"] == [losses[-1], 4]
    assert seen["last step"] == 24
    assert seen["scanned"] == pytest.approx(losses)
    assert seen["keyed"] == [step // 5 for step in range(25)]
    assert seen["page by page"] == list(range(25))
    assert [row["_step"] for row in seen["sampled"]] == [0, 6, 12, 18, 24]
    assert seen["listed"] == [seen["id"]]
    assert seen["not listed"] == 0
    assert seen["file"] == "from the run"


def test_keys_of_the_history_are_nested_with_dots_and_media_are_one_key(
    client: Client, project: str
) -> None:
    script = """
    run = wandb.init(project=given["project"])
    run.log({"flat": 1, "eval": {"loss": 0.5, "by class": {"cat": 1, "dog": 2}}})
    run.log({"flat": 2, "eval": {"loss": 0.25}, "page": wandb.Html("<p>")})
    run.finish()
    keys = wandb.Api().run(f"local/{given['project']}/{run.id}").history_keys
    answer({
        key: [one["typeCounts"], one["previousValue"]]
        for key, one in keys["keys"].items()
        if not key.startswith("_") and key != "page"
    } | {"page": keys["keys"]["page"]["typeCounts"]})
    """
    assert client.ask(script, project=project) == {
        "flat": [[{"type": "number", "count": 2}], 2],
        "eval.loss": [[{"type": "number", "count": 2}], 0.25],
        "eval.by class.cat": [[{"type": "number", "count": 1}], 1],
        "eval.by class.dog": [[{"type": "number", "count": 1}], 2],
        "page": [{"type": "html-file", "count": 1}],
    }


def test_the_sdks_own_check_of_a_server_finds_all_that_a_run_logged(client: Client) -> None:
    """A part of `wandb verify`, which W&B wrote for those who host a server of their own."""
    script = """
    from wandb.sdk.verify import verify
    answer(verify.check_run(wandb.Api()))
    """
    assert client.run(script).answers == [True]


def test_two_clients_log_to_two_runs_at_the_same_time(
    client: Client, server: LocalWandb, project: str
) -> None:
    together = [client.start(TRAIN, project=project, run=name, steps=50) for name in "ab"]
    for process in together:
        process.communicate(timeout=180)
    found = [read_run(server, project, name) for name in "ab"]
    assert [(run["state"], run["historyLineCount"]) for run in found] == [("finished", 50)] * 2


SILENT = """
run = wandb.init(project=given["project"], id="r")
run.log({"loss": 1})
answer("running")
import time
time.sleep(120)
"""


def test_a_killed_run_stays_running_until_its_silence_makes_it_crashed(
    client: Client,
    server: LocalWandb,
    project: str,
) -> None:
    process = client.start(SILENT, project=project)
    assert process.stdout is not None
    process.stdout.readline()
    kill_all(process)
    assert read_run(server, project, "r")["state"] == "running"

    client.ask(TRAIN, project=project, run="r", resume=["allow"])
    assert read_run(server, project, "r")["state"] == "finished"


def test_silence_is_a_setting_of_the_server(tmp_path: Path) -> None:
    make = 'mutation { upsertBucket(input: {name: "r", modelName: "p"}) { inserted } }'
    with LocalWandb.start(tmp_path, "--crashed-after", "0") as impatient:
        impatient.graphql(make)
        assert read_run(impatient, "p", "r")["state"] == "crashed"
    with LocalWandb.start(tmp_path, "--crashed-after", "300") as patient:
        assert read_run(patient, "p", "r")["state"] == "running"


def test_a_run_of_an_unknown_entity_is_refused_as_wandb_does(client: Client, project: str) -> None:
    script = """
    try:
        wandb.init(project=given["project"], entity="nobody")
    except Exception as error:
        answer(str(error))
    """
    assert "entity nobody not found during upsertBucket" in client.ask(script, project=project)


def test_a_run_that_said_it_would_be_preempted_is_preempted_and_runs_on_when_resumed(
    client: Client, server: LocalWandb, project: str
) -> None:
    script = """
    run = wandb.init(project=given["project"], id="r")
    run.mark_preempting()
    run.tags += ("spot",)
    run.finish(exit_code=1)
    """
    client.ask(script, project=project)
    found = read_run(server, project, "r")
    assert (found["state"], found["tags"]) == ("preempted", ["spot"])

    client.ask(TRAIN, project=project, run="r", resume=["must"], exit_code=1)
    found = read_run(server, project, "r")
    assert (found["state"], found["tags"]) == ("failed", ["spot"])
