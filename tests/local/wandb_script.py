"""A script of a training as a process of its own, with the real SDK against the local server."""

import json
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.wandb_server import LocalWandb
from tests.local.training_process import Training, running

TRAINING = Path(__file__).parents[2] / "training"
# What every script finds: what a training of a few lines needs.
PRELUDE = """
import json, logging, os, pathlib, sys, time
import torch, wandb
import resilient_training.checkpoints.uploads as uploads_module
import resilient_training.stop_request as stop_module
from resilient_training import RunCheckpoints, resilient
logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
def answer(value):
    # In one piece: other threads log to the same stream.
    print("answer: " + json.dumps(value) + "\\n", end="", flush=True)
def weights(megabytes):
    return torch.rand(megabytes * 250_000)
class Part:
    def __init__(self, megabytes):
        self.weights = weights(megabytes)
    def state_dict(self):
        return {"weights": self.weights}
    def load_state_dict(self, state):
        self.weights = state["weights"]
"""
_HISTORY = """query($project: String!, $run: String!) {
  project(entityName: "local", name: $project) { run(name: $run) { history config } } }"""
_VERSIONS = """query($project: String!, $collection: String!) {
  project(entityName: "local", name: $project) { artifactCollection(name: $collection) {
    artifacts(first: 100) { edges { node { state metadata } } } } } }"""


@dataclass(frozen=True)
class Script:
    """Scripts of one W&B run; `project` is `p`."""

    server: LocalWandb
    folder: Path
    run: str

    @contextmanager
    def running(self, text: str, name: str = "log") -> Iterator[Training]:
        environment = {
            **self.server.environment(self.folder),
            "PYTHONPATH": str(TRAINING),
            "WANDB_RUN_ID": self.run,
            "WANDB_RESUME": "allow",
            # Seconds; 15 without it, for which a checkpoint with images waits.
            "WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL": "2",
        }
        command = ["-c", PRELUDE + textwrap.dedent(text)]
        with running(command, self.folder / f"{name}.txt", environment) as started:
            yield started

    def ended(self, text: str, name: str = "log") -> Training:
        """Run to its end, which has to be good."""
        with self.running(text, name) as script:
            assert script.end() == 0, script.log
        return script

    def history(self) -> list[dict[str, Any]]:
        return [json.loads(row) for row in self._run()["history"]]

    def config(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._run()["config"])
        return {key: held["value"] for key, held in found.items()}

    def _run(self) -> dict[str, Any]:
        answer = self.server.graphql(_HISTORY, project="p", run=self.run)
        run: dict[str, Any] = answer["project"]["run"]
        return run

    def committed(self) -> list[int]:
        """The steps of the COMMITTED versions, in order."""
        name = f"model-{self.run}"
        answer = self.server.graphql(_VERSIONS, project="p", collection=name)
        nodes = [
            edge["node"] for edge in answer["project"]["artifactCollection"]["artifacts"]["edges"]
        ]
        metadata = [json.loads(one["metadata"]) for one in nodes if one["state"] == "COMMITTED"]
        return sorted(one["step"] for one in metadata)


def answers(log: str) -> list[Any]:
    said = [line for line in log.splitlines() if line.startswith("answer: ")]
    return [json.loads(line.removeprefix("answer: ")) for line in said]


def within(seconds: float, begun: float) -> bool:
    return time.monotonic() - begun < seconds
