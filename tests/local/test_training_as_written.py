"""A Lightning script as people write it, and the same made resilient."""

import difflib
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.wandb_server import LocalWandb
from tests.local.example_process import example, weights_in
from tests.local.training_process import PATIENCE, Training

SCRIPTS = Path(__file__).parent / "scripts"
AS_WRITTEN = SCRIPTS / "lightning_as_written.py"
RESILIENT = SCRIPTS / "lightning_resilient.py"

_VERSIONS = """query($collection: String!) {
  project(entityName: "local", name: "as-written") { artifactCollection(name: $collection) {
    artifacts(first: 100) { edges { node { state metadata } } } } } }"""
_HISTORY = """query($run: String!) {
  project(entityName: "local", name: "as-written") { run(name: $run) { history } } }"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalWandb]:
    with LocalWandb.start(tmp_path_factory.mktemp("wandb")) as running:
        yield running


def lines(script: Path) -> list[str]:
    return [line.strip() for line in script.read_text().splitlines() if line.strip()]


def test_three_lines_are_all_that_it_takes() -> None:
    changes = list(difflib.ndiff(lines(AS_WRITTEN), lines(RESILIENT)))
    assert [line for line in changes if line.startswith("-")] == [
        "- trainer.fit(model, training, validation)"
    ]
    assert [line for line in changes if line.startswith("+")] == [
        "+ from resilient_training import resilient",
        '+ with resilient("as-written") as attempt:',
        "+ attempt.fit(trainer, model, training, validation)",
    ]


def committed(server: LocalWandb, run: str) -> list[int]:
    answer = server.graphql(_VERSIONS, collection=f"model-{run}")
    collection = (answer["project"] or {}).get("artifactCollection")
    edges = collection["artifacts"]["edges"] if collection else []
    nodes = [edge["node"] for edge in edges]
    done = [node["metadata"] for node in nodes if node["state"] == "COMMITTED"]
    return [json.loads(metadata)["step"] for metadata in done]


def until_committed(server: LocalWandb, run: str, step: int, one: Training) -> None:
    deadline = time.monotonic() + PATIENCE
    while step not in committed(server, run):
        assert one.process.poll() is None, one.log
        assert time.monotonic() < deadline, one.log
        time.sleep(0.05)


def test_it_is_killed_and_goes_on_on_another_machine_and_tests_the_best_weights_of_all(
    server: LocalWandb, tmp_path: Path
) -> None:
    def environment(run: str) -> dict[str, str]:
        return {**server.environment(tmp_path), "WANDB_RUN_ID": run, "WANDB_RESUME": "allow"}

    with example(str(RESILIENT), tmp_path / "whole", environment("whole")) as unbroken:
        with example(str(RESILIENT), tmp_path / "one", environment("broken"), "0.1") as first:
            until_committed(server, "broken", 16, first)
            first.kill()
        with example(str(RESILIENT), tmp_path / "other", environment("broken")) as second:
            assert second.end() == 0, second.log
        assert unbroken.end() == 0, unbroken.log
    whole = weights_in(tmp_path / "whole" / "model.pt")
    assert weights_in(tmp_path / "other" / "model.pt") == whole
    assert max(committed(server, "broken")) == max(committed(server, "whole")) > 24
    assert rows(server, "broken") == rows(server, "whole")


def rows(server: LocalWandb, run: str) -> list[dict[str, Any]]:
    answer = server.graphql(_HISTORY, run=run)
    of_wandb = {"_timestamp", "_runtime", "_wandb", "_step"}
    found = [json.loads(row) for row in answer["project"]["run"]["history"]]
    return [{key: row[key] for key in row if key not in of_wandb} for row in found]
