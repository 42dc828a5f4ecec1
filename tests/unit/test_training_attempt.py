"""The block around a training: what leaves it, and what the controller reads of it."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import wandb
from torch import nn

from resilient_training import ResumePoint, resilient
from resilient_training.ranks import hand_over


@pytest.fixture(autouse=True)
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place like SageMaker's, without W&B; gives the failure file."""
    before = signal.getsignal(signal.SIGTERM)
    (tmp_path / "output").mkdir()
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_MODE", "disabled")
    if wandb.run is not None:  # another test's
        wandb.finish()
    wandb.teardown()  # the SDK keeps what it read of the environment when it was first used
    monkeypatch.setenv("RESILIENT_TRAINING_RESUMED_FROM", "null")
    yield tmp_path / "output" / "failure"
    signal.signal(signal.SIGTERM, before)
    if wandb.run is not None:  # a process that SIGTERM ended would be gone
        wandb.finish()


def saved(folder: Path, model: nn.Module) -> ResumePoint:
    with resilient("x", every_n_steps=1) as attempt:
        attempt.resume(model=model)
        attempt.after_step(5, 0)
    (file,) = (folder / "checkpoints").glob("*.ckpt")
    return ResumePoint("v3", file, 5)


def resume_from(point: ResumePoint, monkeypatch: pytest.MonkeyPatch, **parts: nn.Module) -> int:
    """Resume as a process that rank 0 has told where from."""
    monkeypatch.setenv("LOCAL_RANK", "1")
    hand_over(point, os.environ)
    with resilient("x") as attempt:
        return attempt.resume(**parts)


def test_what_a_step_saved_is_restored_with_its_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, other = nn.Linear(2, 2), nn.Linear(2, 2)
    assert resume_from(saved(tmp_path, model), monkeypatch, model=other) == 5
    assert torch.equal(model.weight, other.weight)


@pytest.mark.parametrize(
    ("parts", "why"),
    [
        ({"model": nn.Linear(3, 3)}, "RuntimeError: Error(s) in loading state_dict"),
        ({"network": nn.Linear(2, 2)}, "KeyError: 'network'"),
    ],
)
def test_a_checkpoint_that_does_not_fit_ends_with_65_and_names_its_version(
    parts: dict[str, nn.Module],
    why: str,
    job: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    point = saved(tmp_path, nn.Linear(2, 2))
    with pytest.raises(SystemExit) as left:
        resume_from(point, monkeypatch, **parts)
    assert left.value.code == 65
    assert job.read_text().startswith(f"CheckpointLoadError: v3: {why}")


def test_a_loss_that_is_not_finite_ends_with_1_and_says_that_it_diverged(job: Path) -> None:
    def diverge() -> None:
        with resilient("x") as attempt:
            attempt.resume(model=nn.Linear(2, 2))
            attempt.after_step(1, 0, loss=0.5)
            attempt.after_step(2, 0, loss=float("nan"))

    with pytest.raises(SystemExit) as left:
        diverge()
    assert left.value.code == 1
    assert job.read_text() == (
        "LossDiverged: the loss at step 1 is nan; healthy up to step 0; suspect: none"
    )


def test_sigterm_is_heeded_after_the_step_that_it_came_in(job: Path, tmp_path: Path) -> None:
    def be_terminated() -> None:
        with resilient("x", every_minutes=0) as attempt:
            attempt.resume(model=nn.Linear(2, 2))
            attempt.after_step(1, 0)
            os.kill(os.getpid(), signal.SIGTERM)
            attempt.after_step(2, 0)

    with pytest.raises(SystemExit) as left:
        be_terminated()
    assert left.value.code == 143
    assert not job.exists()
    (file,) = (tmp_path / "checkpoints").glob("*.ckpt")
    assert torch.load(file, weights_only=True)["step"] == 2


def test_sigterm_before_the_training_leaves_at_once() -> None:
    with pytest.raises(SystemExit) as left, resilient("x"):
        os.kill(os.getpid(), signal.SIGTERM)
    assert left.value.code == 143


def test_another_data_order_is_another_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    with resilient("x") as attempt:
        assert attempt.data_seed(7) == 7
    monkeypatch.setenv("RESILIENCE_DATA_SEED_OFFSET", "3")
    with resilient("x") as attempt:
        assert attempt.data_seed(7) == 10
