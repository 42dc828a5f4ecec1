"""Uploads that are slow, that stand still, and a W&B that is gone, with the real SDK."""

import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.wandb_server import LocalWandb
from tests.local.training_process import own_environment
from tests.local.wandb_script import TRAINING, Script, answers, within

# What its end waits for is the checkpoint of its last step.
STEPS = """
stop_module._FINISH_TIMEOUT = 5
uploads_module._PATIENCE = uploads_module.Patience(still=STILL, unseen=60.0)
with resilient("p", every_n_steps=1) as attempt:
    part = Part(MEGABYTES)
    step = attempt.resume(part=part)
    answer(step)
    while step < LAST:
        part.weights += 1
        step += 1
        attempt.log({"loss": float(step)}, step)
        attempt.after_step(step, 0, epoch_ends=step == LAST)
    torch.save(part.state_dict(), "model.pt")
    print("the training is done", flush=True)
answer("the block is left")
"""


def steps(last: int, *, patience: float) -> str:
    words = {"LAST": last, "MEGABYTES": 10, "STILL": patience}
    text = STEPS
    for word, value in words.items():
        text = text.replace(word, str(value))
    return text


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalWandb]:
    (tmp_path / "server").mkdir()
    with LocalWandb.start(tmp_path / "server") as running:
        yield running


@pytest.fixture
def script(server: LocalWandb, tmp_path: Path) -> Script:
    return Script(server, tmp_path, "r1")


def test_a_slow_upload_commits_however_much_longer_it_takes_than_it_may_stand_still(
    server: LocalWandb, script: Script
) -> None:
    server.fault("trickle", path_contains="_storage/artifacts", bytes_per_second=500_000)
    begun = time.monotonic()
    script.ended(steps(1, patience=8))
    assert not within(12, begun), "of 10 MB some are in buffers of the kernel"
    assert script.committed() == [1]


def test_an_upload_that_stood_still_and_goes_on_is_committed_and_its_file_is_left_alone(
    server: LocalWandb, script: Script
) -> None:
    server.fault("trickle", path_contains="_storage/artifacts", bytes_per_second=0, count=1)
    with script.running(
        """
        with resilient("p", every_n_steps=1, keep=1) as attempt:
            part = Part(12)
            attempt.resume(part=part)
            for step in range(1, 9):
                part.weights += 1
                attempt.after_step(step, 0, epoch_ends=step == 8)
                time.sleep(0.2)
            # The first file is tried in a process of its own before it is uploaded.
            while not attempt.checkpoints.uploads.pending():
                time.sleep(0.1)
            answer([saved.step for saved in attempt.checkpoints.uploads.pending()])
        """
    ) as training:
        training.until_said("answer: ")
        assert 1 in answers(training.log)[0], "its file is being read"
        server.clear_faults()
        assert training.end() == 0, training.log
    assert "BadDigest" not in training.log
    assert {1, 8} <= set(script.committed())


def test_a_training_whose_wandb_goes_away_ends_well_and_says_what_is_missing_and_how_to_mend_it(
    server: LocalWandb, script: Script
) -> None:
    server.fault("trickle", path_contains="_storage/artifacts", bytes_per_second=1_000_000)
    with script.running(steps(2, patience=4)) as training:
        training.until_said("the training is done")
        port = int(server.url.rpartition(":")[2])
        server.stop()
        begun = time.monotonic()
        assert training.end() == 0, training.log
    assert within(40, begun)
    assert answers(training.log) == [0, "the block is left"]
    assert (script.folder / "model.pt").is_file()
    (missing,) = [line for line in training.log.splitlines() if line.startswith("NOT in W&B: ")]
    _, _, command = missing.partition("To upload it: ")
    with LocalWandb.start(script.folder / "server", port=port) as back:
        again = Script(back, script.folder, "r1")
        environment = {**own_environment(), **back.environment(script.folder)}
        subprocess.run(
            [sys.executable, *shlex.split(command)[1:]],
            cwd=script.folder,
            env={**environment, "PYTHONPATH": str(TRAINING)},
            check=True,
        )
        assert again.committed()[-1] == 2
        resumed = again.ended(steps(2, patience=4), "again")
    assert answers(resumed.log)[0] == 2


def test_sigterm_ends_within_its_budget_though_the_upload_stands_still(
    server: LocalWandb, script: Script
) -> None:
    server.fault("trickle", path_contains="_storage/artifacts", bytes_per_second=0)
    with script.running(
        """
        stop_module._TERMINATION_BUDGET, stop_module._FINISH_TIMEOUT = 3.0, 5
        with resilient("p", every_n_steps=1) as attempt:
            part = Part(1)
            attempt.resume(part=part)
            for step in range(1, 1000):
                attempt.after_step(step, 0)
                time.sleep(0.1)
        """
    ) as training:
        training.until_said("checkpoint of step 1 saved")
        begun = time.monotonic()
        training.process.terminate()
        assert training.end() == 143, training.log
    assert within(40, begun)
