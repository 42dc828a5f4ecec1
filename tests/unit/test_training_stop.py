"""A person's stop in W&B: saved, committed, ended as the contract says, whatever comes with it."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import wandb
from torch import nn

from resilient_training import (
    Attempt,
    Ending,
    StoppedByUser,
    StopRequest,
    Terminated,
    resilient,
    run_settings,
)

TRAINING = Path(__file__).parents[2] / "training"


@pytest.fixture(autouse=True)
def failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place like SageMaker's, without W&B; gives the failure file."""
    before = signal.getsignal(signal.SIGTERM)
    (tmp_path / "output").mkdir()
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_MODE", "disabled")
    if wandb.run is not None:  # another test's
        wandb.finish()
    wandb.teardown()  # the SDK keeps what it read of the environment when it was first used
    yield tmp_path / "output" / "failure"
    signal.signal(signal.SIGTERM, before)


def press(attempt: Attempt) -> None:
    """Stop as W&B's SDK does: in a thread that is not the training's."""
    pressing = threading.Thread(target=attempt.stop.ask)
    pressing.start()
    pressing.join()


def terminate(_attempt: Attempt) -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def code_of(training: Callable[[Attempt], None]) -> object:
    """The exit code of a plain training, 0 where its block ends by itself."""
    try:
        with resilient("x", every_minutes=0) as attempt:
            training(attempt)
    except SystemExit as left:
        return left.code
    return 0


def saved_step(folder: Path) -> int:
    (file,) = (folder / "checkpoints").glob("*.ckpt")
    return int(torch.load(file, weights_only=True)["step"])


def test_the_sdk_is_given_the_stop_and_a_failed_upload_is_no_person(tmp_path: Path) -> None:
    stop = StopRequest(Ending(tmp_path / "failure"))
    settings = run_settings(stop)
    assert settings.stop_fn is not None
    stop.training_is_over()
    settings.stop_fn()
    assert stop.by_user
    assert settings.stop_on_fatal_error is False


def test_the_sdk_can_copy_its_settings_as_it_does_at_the_end_when_wandb_is_gone(
    tmp_path: Path,
) -> None:
    settings = run_settings(StopRequest(Ending(tmp_path / "failure")))
    assert settings.model_copy(deep=True).finish_timeout == settings.finish_timeout


def test_a_stop_is_heeded_after_the_step_that_it_came_in(tmp_path: Path, failure: Path) -> None:
    def train(attempt: Attempt) -> None:
        attempt.resume(model=nn.Linear(2, 2))
        attempt.after_step(1, 0)
        press(attempt)
        attempt.after_step(2, 0)

    assert code_of(train) == 66
    assert failure.read_text() == "StoppedByUser: in W&B, at step 2"
    assert saved_step(tmp_path) == 2


def test_a_stop_before_the_training_lets_it_not_begin(tmp_path: Path, failure: Path) -> None:
    def train(attempt: Attempt) -> None:
        press(attempt)
        attempt.resume(model=nn.Linear(2, 2))
        raise AssertionError("it trains")

    assert code_of(train) == 66
    assert failure.read_text() == "StoppedByUser: in W&B, before the training began"
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize("both", [(press, terminate), (terminate, press), (press, press)])
def test_with_a_sigterm_or_twice_it_is_one_stop_of_a_person(
    both: tuple[Callable[[Attempt], None], ...], tmp_path: Path, failure: Path
) -> None:
    def train(attempt: Attempt) -> None:
        attempt.resume(model=nn.Linear(2, 2))
        for come in both:
            come(attempt)
        attempt.after_step(3, 0)

    assert code_of(train) == 66
    assert failure.read_text() == "StoppedByUser: in W&B, at step 3"
    assert saved_step(tmp_path) == 3


def test_a_sigterm_that_finds_a_stopped_training_before_its_begin_is_that_stop(
    failure: Path,
) -> None:
    def train(attempt: Attempt) -> None:
        press(attempt)
        terminate(attempt)

    assert code_of(train) == 66
    assert failure.read_text().startswith("StoppedByUser: in W&B; then ")


@pytest.mark.parametrize("breaks", [RuntimeError("CUDA out of memory"), SystemExit(3)])
def test_what_breaks_on_the_way_to_the_stop_does_not_bring_the_job_back(
    breaks: BaseException, failure: Path
) -> None:
    def train(attempt: Attempt) -> None:
        attempt.resume(model=nn.Linear(2, 2))
        press(attempt)
        raise breaks

    assert code_of(train) == 66
    assert failure.read_text().startswith("StoppedByUser: in W&B; then ")


def test_a_stop_at_the_true_end_leaves_it_the_true_end(failure: Path) -> None:
    def train(attempt: Attempt) -> None:
        attempt.resume(model=nn.Linear(2, 2))
        attempt.after_step(1, 0, epoch_ends=True)
        press(attempt)

    assert code_of(train) == 0
    assert not failure.exists()


def test_a_script_that_leaves_well_by_itself_has_done_so(failure: Path) -> None:
    def train(attempt: Attempt) -> None:
        press(attempt)
        sys.exit(0)

    assert code_of(train) == 0
    assert not failure.exists()


def test_ctrl_c_keeps_its_own_meaning(failure: Path) -> None:
    def train(attempt: Attempt) -> None:
        attempt.resume(model=nn.Linear(2, 2))
        signal.raise_signal(signal.SIGINT)

    # A shell has what it starts in the background ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            code_of(train)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not failure.exists()


@pytest.mark.parametrize("error", [StoppedByUser("at step 3"), Terminated("at step 3")])
def test_a_planned_end_of_a_process_beside_rank_zero_does_not_look_like_a_crash(
    error: Exception, failure: Path
) -> None:
    """Lightning kills rank 0 in its last commit as soon as a child has left with a code."""
    with pytest.raises(SystemExit) as left, Ending(failure, follower=True):
        raise error
    assert left.value.code == 0
    assert not failure.exists()


BLOCKED = """
import threading, time
from resilient_training import StopRequest, resilient
StopRequest.patience, StopRequest.patience_before_training = 0.6, 0.3
with resilient("x") as attempt:
    {begin}
    threading.Thread(target=attempt.stop.ask).start()
    time.sleep(60)
"""


@pytest.mark.parametrize(("begin", "patience"), [("pass", "0.3"), ("attempt.begin()", "0.6")])
def test_a_training_that_looks_no_more_is_left_where_it_stands(
    begin: str, patience: str, failure: Path
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", BLOCKED.format(begin=begin)],
        env={**os.environ, "PYTHONPATH": str(TRAINING)},
        timeout=50,
        check=False,
    )
    assert ended.returncode == 66
    assert failure.read_text() == (
        f"StoppedByUser: in W&B; it did not come to an end in {patience} s"
    )


SLOW_END = """
import threading, time
from resilient_training import StopRequest, resilient
StopRequest.patience, StopRequest.patience_before_training = 0.4, 0.2

def slow_commit():
    threading.Thread(target=attempt.stop.ask).start()
    time.sleep(1.5)

with resilient("x") as attempt:
    attempt.begin()
    attempt.checkpoints.finish = slow_commit
print("done")
"""


def test_a_stop_during_the_last_commit_waits_for_it_and_the_training_is_done(
    failure: Path,
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", SLOW_END],
        env={**os.environ, "PYTHONPATH": str(TRAINING)},
        timeout=50,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stdout) == (0, "done\n")
    assert not failure.exists()
