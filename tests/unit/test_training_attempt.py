"""The block around a training: what leaves it, and what the controller reads of it."""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import torch
import wandb
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from resilient_training import ResumableLoader, ResumePoint, resilient
from resilient_training.ranks import hand_over

if TYPE_CHECKING:
    from resilient_training.checkpoints.checkpointer import CheckpointStore
    from resilient_training.checkpoints.metadata import SavedCheckpoint


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


@dataclass
class SlowStore:
    """Takes a checkpoint only after a while."""

    committed: list[int] = field(default_factory=list)
    stored: bool = True

    def versions(self) -> list[object]:
        return []

    def commit(self, saved: "SavedCheckpoint") -> bool:
        time.sleep(0.3)
        self.committed.append(saved.step)
        return True


def test_a_training_that_fails_waits_for_the_checkpoint_that_is_on_its_way() -> None:
    store = SlowStore()

    def fail() -> None:
        with resilient("x", every_n_steps=1) as attempt:
            attempt.checkpoints.store = cast("CheckpointStore", store)
            attempt.resume(model=nn.Linear(2, 2))
            attempt.after_step(1, 0)
            raise RuntimeError("CUDA out of memory")

    with pytest.raises(SystemExit):
        fail()
    assert store.committed == [1]


DATA = DataLoader(TensorDataset(torch.zeros(4, 1)))


@pytest.mark.parametrize(
    ("reads", "part", "said"),
    [
        (DATA, None, True),
        (None, None, False),
        (ResumableLoader(DATA, seed=1), ResumableLoader(DATA, seed=1), False),
    ],
    ids=["a loader", "no loader", "a resumable one"],
)
def test_a_loader_that_no_part_knows_is_said(
    reads: DataLoader[Any] | None,
    part: ResumableLoader[Any] | None,
    said: bool,  # noqa: FBT001 - a row
) -> None:
    with resilient("x", every_minutes=0) as attempt:
        attempt.resume(model=nn.Linear(1, 1), **({"data": part} if part is not None else {}))
        for _ in [1] if reads is None else reads:
            attempt.after_step(1, 0)
            break
        assert any("a DataLoader is read" in line for line in attempt.notices.lines) is said
