"""Trainings without Lightning: killed, terminated, and resumed as if nothing had happened.

Their steps take so long that checkpoints are committed while they go on: the first one of each
attempt is loaded in a process of its own before.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.wandb_server import LocalWandb
from tests.local.example_process import TRAINING, example, weights_in

_HISTORY = """query($project: String!, $run: String!) {
  project(entityName: "local", name: $project) { run(name: $run) { history } } }"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalWandb]:
    with LocalWandb.start(tmp_path_factory.mktemp("wandb")) as running:
        yield running


def environment(server: LocalWandb, folder: Path, run: str) -> dict[str, str]:
    return {**server.environment(folder), "WANDB_RUN_ID": run, "WANDB_RESUME": "allow"}


def logged_steps(server: LocalWandb, project: str, run: str) -> list[int]:
    answer = server.graphql(_HISTORY, project=project, run=run)
    rows = answer["project"]["run"]["history"]
    return [json.loads(row)["_step"] for row in rows]


@pytest.mark.long
def test_a_plain_loop_that_was_killed_and_terminated_ends_in_the_weights_of_an_unbroken_one(
    server: LocalWandb, tmp_path: Path
) -> None:
    whole = environment(server, tmp_path, "plain-whole")
    broken = environment(server, tmp_path, "plain-broken")
    with example("plain.py", tmp_path / "whole", whole) as unbroken:
        with example("plain.py", tmp_path / "broken", broken, "1") as first:
            first.until_said("checkpoint v1 of step")
            first.kill()
        with example("plain.py", tmp_path / "broken", broken, "1") as second:
            second.until_said("resuming from v")
            second.until_said("is committed")
            second.process.send_signal(signal.SIGTERM)
            assert second.end() == 143
        assert "SIGTERM at step" in second.log
        with example("plain.py", tmp_path / "broken", broken) as third:
            assert third.end() == 0, third.log
        assert unbroken.end() == 0, unbroken.log
    whole_weights = weights_in(tmp_path / "whole" / "model.pt")
    assert weights_in(tmp_path / "broken" / "model.pt") == whole_weights
    steps = logged_steps(server, "plain", "plain-broken")
    assert len(set(steps)) == len(steps)
    assert steps[-1] == 32


def test_a_plain_loop_imports_no_lightning() -> None:
    looking = (
        "import sys, resilient_training as parts\n"
        "parts.resilient, parts.ResumableLoader, parts.seed_from\n"
        "print('lightning' in sys.modules)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", looking],
        env={"PYTHONPATH": str(TRAINING)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert told.stdout.strip() == "False"


@pytest.mark.long
def test_a_hugging_face_training_that_was_killed_ends_in_the_weights_of_an_unbroken_one(
    server: LocalWandb, tmp_path: Path
) -> None:
    whole = environment(server, tmp_path, "hf-whole")
    broken = environment(server, tmp_path, "hf-broken")
    with example("huggingface.py", tmp_path / "whole", whole) as unbroken:
        with example("huggingface.py", tmp_path / "broken", broken, "1.5") as first:
            first.until_said("of step 9 is committed")
            first.kill()
        with example("huggingface.py", tmp_path / "broken", broken) as second:
            assert second.end() == 0, second.log
        assert second.resumed[1] in {9, 12}, "in the middle of the second epoch"
        assert unbroken.end() == 0, unbroken.log
    whole_weights = weights_in(tmp_path / "whole" / "model.pt")
    assert weights_in(tmp_path / "broken" / "model.pt") == whole_weights
    steps = logged_steps(server, "huggingface", "hf-broken")
    assert len(set(steps)) == len(steps)
    assert steps[-1] == 21


@pytest.mark.long
def test_two_processes_that_were_killed_and_terminated_end_in_the_weights_of_unbroken_ones(
    server: LocalWandb, tmp_path: Path
) -> None:
    whole = environment(server, tmp_path, "two-whole")
    broken = environment(server, tmp_path, "two-broken")
    with example("two_processes.py", tmp_path / "whole", whole) as unbroken:
        # Slow, so that it is gone before its next checkpoint, which is the epoch's last step.
        with example("two_processes.py", tmp_path / "broken", broken, "2") as first:
            first.until_said("of step 8 is committed")
            first.kill()
        with example("two_processes.py", tmp_path / "broken", broken, "2") as second:
            assert second.resumed[1] == 8, "in the middle of the second epoch"
            second.until_said("is committed")
            second.process.send_signal(signal.SIGTERM)
            assert second.end() == 143, second.log
        with example("two_processes.py", tmp_path / "broken", broken) as third:
            assert third.end() == 0, third.log
        assert unbroken.end() == 0, unbroken.log
    whole_weights = weights_in(tmp_path / "whole" / "model.pt")
    assert weights_in(tmp_path / "broken" / "model.pt") == whole_weights
    steps = logged_steps(server, "two-processes", "two-broken")
    assert len(set(steps)) == len(steps)
    assert steps[-1] == 17
