"""A history of all attempts with the real SDK: whatever else logs, and when a kill comes."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.wandb_server import LocalWandb
from tests.local.wandb_script import Script, answers

AXIS = "trainer/global_step"
# Rows through the attempt, others past it, a validation's on the same step, numbers of numpy.
LOGGING = """
import numpy
with resilient("p", every_n_steps=5) as attempt:
    part = Part(1)
    step = attempt.resume(part=part)
    answer(step)
    while step < LAST:
        step += 1
        wandb.log({"mine": step})
        wandb.log({"also mine": step})
        attempt.log({"loss": numpy.float32(step), "deep": {"inner": step}}, step)
        if step % 5 == 0:
            attempt.log({"val_loss": torch.tensor(float(step))}, step)
            attempt.log({"page": wandb.Html(f"<p>{step}</p>")}, step)
        attempt.after_step(step, 0)
        time.sleep(PAUSE)
"""


def logging(last: int, pause: float) -> str:
    return LOGGING.replace("LAST", str(last)).replace("PAUSE", str(pause))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalWandb]:
    with LocalWandb.start(tmp_path_factory.mktemp("wandb")) as running:
        yield running


def steps_with(script: Script, name: str) -> list[int]:
    return [row[AXIS] for row in script.history() if name in row]


def test_each_row_arrives_once_whatever_else_calls_wandb_log_and_when_a_kill_comes(
    server: LocalWandb, tmp_path: Path
) -> None:
    script = Script(server, tmp_path, "beside")
    with script.running(logging(1000, 0.3), "killed") as training:
        training.until_said("is committed")
        time.sleep(1.5)
        training.kill()
    last = script.ended(logging(40, 0))
    assert answers(last.log)[0] >= 5
    assert steps_with(script, "loss") == list(range(1, 41))
    assert steps_with(script, "val_loss") == list(range(5, 41, 5))
    assert steps_with(script, "page") == list(range(5, 41, 5)), "no checkpoint holds a page"
    assert "cannot be resumed from" not in last.log


def test_two_processes_on_one_run_say_so_and_wandb_shows_it(
    server: LocalWandb, tmp_path: Path
) -> None:
    first, second = (Script(server, tmp_path / name, "twice") for name in ("one", "two"))
    for one in (first, second):
        one.folder.mkdir()
    with first.running(logging(1000, 0.3)) as earlier:
        earlier.until_said("of step 5 is committed")
        with second.running(logging(1000, 0.3)) as later:
            later.until_said("answer: ")
            earlier.until_said("TWO PROCESSES write to the W&B run twice: ")
            later.until_said("TWO PROCESSES write to the W&B run twice: ")
            assert "resilience_two_writers" in first.config()


def test_a_kill_and_a_new_start_are_not_two_processes(server: LocalWandb, tmp_path: Path) -> None:
    script = Script(server, tmp_path, "once")
    with script.running(logging(1000, 0.1), "killed") as training:
        training.until_said("is committed")
        # The SDK's service outlives the training for a moment.
        training.process.kill()
        training.process.wait()
    again = script.ended(logging(40, 0.05))
    assert "TWO PROCESSES" not in again.log
    assert "resilience_two_writers" not in script.config()
