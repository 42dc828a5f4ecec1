"""Several `resilient` blocks in a process are several lineages, or a clear error."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import wandb

from resilient_training import resilient
from resilient_training.blocks import _begun


@pytest.fixture(autouse=True)
def failure_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place like SageMaker's, without W&B."""
    before = signal.getsignal(signal.SIGTERM)
    (tmp_path / "output").mkdir()
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_MODE", "disabled")
    for name in ("WANDB_RUN_ID", "WANDB_RESUME"):
        monkeypatch.setenv(name, "x")  # so that what a block sets is undone afterwards
        monkeypatch.delenv(name)
    if wandb.run is not None:  # another test's
        wandb.finish()
    wandb.teardown()  # the SDK keeps what it read of the environment when it was first used
    monkeypatch.setenv("RESILIENT_TRAINING_RESUMED_FROM", "null")
    yield tmp_path / "output" / "failure"
    signal.signal(signal.SIGTERM, before)
    _begun.clear()
    if wandb.run is not None:
        wandb.finish()


def train(**options: str) -> None:
    with resilient("folds", **options):  # type: ignore[arg-type]  # only words are given
        pass


def refused(failure_file: Path, **options: str) -> str:
    with pytest.raises(SystemExit) as left:
        train(**options)
    assert left.value.code == 1
    return failure_file.read_text()


def test_blocks_with_run_ids_of_their_own_are_lineages_of_their_own() -> None:
    for fold in range(3):
        train(id=f"fold-{fold}")


def test_a_second_block_of_the_same_run_would_resume_from_the_end_of_the_first(
    failure_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_RUN_ID", "one")
    train()
    text = refused(failure_file)
    assert text.startswith("BlockError: this process has already trained in the W&B run one:")


def test_a_block_inside_another_is_refused(failure_file: Path) -> None:
    with pytest.raises(SystemExit), resilient("outer", id="outer"):
        train(id="inner")
    assert failure_file.read_text().startswith("BlockError: the W&B run ")


def test_a_run_that_the_script_made_before_the_block_is_refused(failure_file: Path) -> None:
    wandb.init(mode="disabled")
    assert "resilient() makes the run itself" in refused(failure_file)


def test_in_a_job_the_run_is_the_one_that_the_controller_looks_for(
    failure_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINING_JOB_NAME", "night-1")
    assert "in the W&B run night-1, not in fold-2" in refused(failure_file, id="fold-2")
