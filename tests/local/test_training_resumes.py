"""Real trainings, the real SDK, a W&B server: what the other side of the contract relies on."""

import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from local.wandb_server import LocalWandb
from tests.local.training_process import Training, training

PROJECT = "resilient-digits"
EVERY = ("--checkpoint-every-n-steps", "7")
SLOW = ("--seconds-per-step", "0.5")
_VERSIONS = """query($project: String!, $collection: String!) {
  project(entityName: "local", name: $project) { artifactCollection(name: $collection) {
    artifacts(first: 100) { edges { version node {
      state digest versionIndex aliases { alias } metadata } } } } } }"""
_HISTORY = """query($project: String!, $run: String!) {
  project(entityName: "local", name: $project) { run(name: $run) { history } } }"""


def weights_of(folder: Path) -> str:
    return hashlib.sha256((folder / "model.pt").read_bytes()).hexdigest()


@dataclass(frozen=True)
class Wandb:
    server: LocalWandb
    folder: Path

    def environment(self, run: str) -> dict[str, str]:
        place = self.folder / run
        place.mkdir(exist_ok=True)
        return {**self.server.environment(place), "WANDB_RUN_ID": run, "WANDB_RESUME": "allow"}

    def versions(self, run: str) -> list[dict[str, Any]]:
        """The COMMITTED versions, the newest last, with their metadata parsed."""
        answer = self.server.graphql(_VERSIONS, project=PROJECT, collection=f"model-{run}")
        edges = answer["project"]["artifactCollection"]["artifacts"]["edges"]
        nodes = [edge["node"] for edge in edges if edge["node"]["state"] == "COMMITTED"]
        found = [{**node, "metadata": json.loads(node["metadata"])} for node in nodes]
        return sorted(found, key=lambda node: node["versionIndex"])

    def history(self, run: str) -> list[dict[str, Any]]:
        answer = self.server.graphql(_HISTORY, project=PROJECT, run=run)
        return [json.loads(row) for row in answer["project"]["run"]["history"]]


@pytest.fixture(scope="module")
def wandb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wandb]:
    folder = tmp_path_factory.mktemp("wandb")
    with LocalWandb.start(folder / "server") as server:
        yield Wandb(server, folder)


@pytest.fixture(scope="module")
def unbroken(wandb: Wandb, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Training]:
    """A training that nobody disturbs, beside the others."""
    folder = tmp_path_factory.mktemp("unbroken")
    with training(folder, "unbroken", wandb.environment("unbroken"), *EVERY) as started:
        yield started


def test_a_training_that_was_killed_and_terminated_is_as_if_nothing_had_happened(
    wandb: Wandb, unbroken: Training, tmp_path: Path
) -> None:
    environment = wandb.environment("broken")
    with training(tmp_path, "killed", environment, *EVERY, *SLOW) as first:
        first.until_said("checkpoint v1 of step 14 is committed")
        time.sleep(random.uniform(0, 0.4))  # noqa: S311  # mid-epoch, at no chosen step
        first.kill()
    with training(tmp_path, "terminated", environment, *EVERY, *SLOW) as second:
        # Of the newest that there is: perhaps the server finished what the killed one had begun.
        version, step = second.resumed
        saved = {
            f"v{one['versionIndex']}": one["metadata"]["step"] for one in wandb.versions("broken")
        }
        second.until_said("is committed")
        second.process.send_signal(signal.SIGTERM)
        assert second.end() == 143
    assert step == saved[version]
    assert step >= first.newest[1]
    terminated = wandb.versions("broken")[-1]["metadata"]["step"]
    assert f"SIGTERM at step {terminated}" in second.log

    with training(tmp_path, "last", environment, *EVERY) as third:
        assert third.end() == 0
    assert f"at step {terminated}" in third.log
    assert unbroken.end() == 0
    model = tmp_path / "outputs" / "model"
    assert weights_of(model) == weights_of(unbroken.log_file.parent / "outputs" / "model")


def test_the_history_of_all_attempts_is_the_history_of_one(
    wandb: Wandb, unbroken: Training
) -> None:
    assert unbroken.end() == 0
    volatile = {"_timestamp", "_runtime", "_wandb"}
    whole, broken = (
        [{key: row[key] for key in row if key not in volatile} for row in wandb.history(run)]
        for run in ("unbroken", "broken")
    )
    assert broken == whole
    assert len({row["_step"] for row in broken}) == len(broken) > 10


def test_an_artifact_says_what_the_contract_promises(wandb: Wandb, unbroken: Training) -> None:
    assert unbroken.end() == 0
    newest = wandb.versions("unbroken")[-1]
    assert {alias["alias"] for alias in newest["aliases"]} >= {"latest"}
    metadata = newest["metadata"]
    assert (metadata["step"], metadata["epoch"], metadata["attempt"]) == (69, 2, 1)
    assert len(metadata["sha256"]) == 64
    assert {"torch", "lightning", "wandb"} <= set(metadata)
    assert metadata["metric"]["name"] == "val_loss"
    assert "training_job" not in metadata


@pytest.mark.long
def test_a_pinned_checkpoint_that_is_poisoned_ends_with_65_and_says_so(
    wandb: Wandb, unbroken: Training, tmp_path: Path
) -> None:
    """The file is whole, as its digests say, and is no checkpoint."""
    assert unbroken.end() == 0
    (tmp_path / "output").mkdir()
    digest = log_poison(wandb, tmp_path)
    environment = {
        **wandb.environment("poisoned"),
        "SAGEMAKER_BASE_DIR": str(tmp_path),
        "RESILIENCE_CHECKPOINT": f"local/{PROJECT}/model-poisoned:v0",
        "RESILIENCE_CHECKPOINT_DIGEST": digest,
        "RESILIENCE_CHECKPOINT_STEP": "12",
        "RESILIENCE_ATTEMPT": "2",
    }
    with training(tmp_path, "poisoned", environment) as started:
        assert started.end() == 65
    failure = (tmp_path / "output" / "failure").read_text()
    assert failure.startswith("CheckpointLoadError: v0: ")
    assert not list(tmp_path.glob("model/*"))


def log_poison(wandb: Wandb, folder: Path) -> str:
    """Log a file that is no checkpoint as one, by the SDK in another process; gives its digest."""
    poison = folder / "model.ckpt"
    poison.write_bytes(b"all of this arrived")
    script = folder / "log_poison.py"
    digest = hashlib.sha256(poison.read_bytes()).hexdigest()
    script.write_text(
        "import wandb\n"
        f"run = wandb.init(project={PROJECT!r}, dir={str(folder)!r})\n"
        f"metadata = {{'step': 12, 'epoch': 0, 'attempt': 1, 'sha256': {digest!r}}}\n"
        "artifact = wandb.Artifact('model-poisoned', 'model', metadata=metadata)\n"
        f"artifact.add_file({str(poison)!r}, 'model.ckpt')\n"
        "run.log_artifact(artifact).wait()\n"
        "run.finish()\n"
    )
    run_script(script, wandb.environment("poisoned"))
    return str(wandb.versions("poisoned")[0]["digest"])


def run_script(script: Path, environment: dict[str, str]) -> None:
    subprocess.run([sys.executable, str(script)], env=environment, check=True, timeout=60)


def test_a_loss_that_diverged_bars_its_checkpoint_and_says_so(wandb: Wandb, tmp_path: Path) -> None:
    (tmp_path / "output").mkdir()
    environment = {**wandb.environment("diverged"), "SAGEMAKER_BASE_DIR": str(tmp_path)}
    options = ("--checkpoint-every-n-steps", "1", "--learning-rate", "1e30")
    with training(tmp_path, "diverged", environment, *options) as started:
        assert started.end() == 1
    (suspect,) = wandb.versions("diverged")
    assert {alias["alias"] for alias in suspect["aliases"]} == {"latest", "suspect-v0"}
    assert suspect["metadata"]["suspect"] is True
    assert suspect["metadata"]["step"] == 1
    failure = (tmp_path / "output" / "failure").read_text()
    assert failure.startswith("LossDiverged: the loss at step 1 is ")
    assert failure.endswith("; healthy up to step 0; suspect: v0")

    # Whoever starts it again begins before the suspect, which here is at the start.
    with training(tmp_path, "again", environment, "--epochs", "1") as started:
        assert started.end() == 0
    assert "training from epoch 0, step 0" in started.log


@pytest.mark.long
def test_without_wandb_it_trains_and_warns_that_nothing_can_be_resumed(tmp_path: Path) -> None:
    with training(tmp_path, "offline", {"WANDB_MODE": "offline"}, "--epochs", "1") as started:
        assert started.end() == 0
    assert "W&B is offline or disabled: nothing can be resumed from artifacts" in started.log
    assert (tmp_path / "outputs" / "model" / "model.pt").is_file()
