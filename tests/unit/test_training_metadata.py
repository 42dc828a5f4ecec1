import hashlib
from itertools import pairwise
from pathlib import Path

import pytest

from resilient_training.checkpoints.checkpointer import Checkpointer, SavePlan
from resilient_training.checkpoints.files import free_path, sha256_of, write_atomically
from resilient_training.checkpoints.metadata import (
    Metric,
    SavedCheckpoint,
    collection_name,
    metadata_of,
)
from resilient_training.checkpoints.seal import is_sealed
from resilient_training.checkpoints.snapshot import StateSnapshot
from resilient_training.job import job_from
from tests.unit.small_training import Store

SOFTWARE = {"torch": "2", "lightning": "3", "wandb": "4"}


def saved(metric: Metric | None = None) -> SavedCheckpoint:
    return SavedCheckpoint(Path("x"), step=120, epoch=3, sha256="ab", metric=metric, best=False)


def test_an_artifact_of_a_job_says_all_that_the_contract_asks_for() -> None:
    job = job_from({"TRAINING_JOB_NAME": "digits-2", "RESILIENCE_ATTEMPT": "2"})
    assert metadata_of(saved(Metric("val_loss", 0.25)), job, SOFTWARE) == {
        "step": 120,
        "epoch": 3,
        "sha256": "ab",
        "attempt": 2,
        "training_job": "digits-2",
        "metric": {"name": "val_loss", "value": 0.25},
        **SOFTWARE,
    }


def test_an_artifact_of_a_job_with_a_token_bears_its_seal_and_not_the_token() -> None:
    token = "0123456789abcdef" * 2
    job = job_from({"TRAINING_JOB_NAME": "digits-2", "RESILIENCE_COMPLETION_TOKEN": token})
    metadata = metadata_of(saved(), job, SOFTWARE)
    assert is_sealed(metadata["seal"], token, "digits-2", 120, "ab")
    assert token not in str(metadata)
    laptop = job_from({"RESILIENCE_COMPLETION_TOKEN": token})
    assert "seal" not in metadata_of(saved(), laptop, SOFTWARE)


def test_the_collection_is_that_of_the_launch_else_that_of_the_run() -> None:
    assert collection_name("x", "team/digits/kept") == "kept"
    assert collection_name("x", None) == "model-x"


def test_an_artifact_of_a_laptop_names_no_job_and_no_metric_that_was_not_measured() -> None:
    assert metadata_of(saved(), job_from({}), SOFTWARE) == {
        "step": 120,
        "epoch": 3,
        "sha256": "ab",
        "attempt": 1,
        **SOFTWARE,
    }


def test_a_checkpoint_is_whole_or_absent(tmp_path: Path) -> None:
    target = tmp_path / "new" / "step=1.ckpt"

    def dies_half_way(path: Path) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    def whole(path: Path) -> None:
        path.write_bytes(b"whole")

    with pytest.raises(KeyboardInterrupt):
        write_atomically(target, dies_half_way)
    assert not target.exists()
    write_atomically(target, whole)
    assert target.read_bytes() == b"whole"
    assert [path.name for path in target.parent.iterdir()] == ["step=1.ckpt"]


def test_names_are_used_again_when_what_they_held_is_not_wanted_any_more(tmp_path: Path) -> None:
    first = free_path(tmp_path, set())
    second = free_path(tmp_path, {first, None})
    assert first != second
    assert free_path(tmp_path, {second}) == first


def test_a_folder_that_may_be_mirrored_grows_no_further_and_loses_no_file(tmp_path: Path) -> None:
    """SageMaker deletes in S3, for all hosts and attempts, what a container deletes here."""
    (tmp_path / "of-another-host.ckpt").write_bytes(b"theirs")
    checkpoints = Checkpointer(SavePlan(tmp_path, keep=1), Store())
    names: list[set[str]] = []
    for step in range(1, 30):
        checkpoints.save(step, 0, lambda: StateSnapshot({}))
        checkpoints.drain()
        names.append({path.name for path in tmp_path.iterdir()})
    assert all(before <= after for before, after in pairwise(names))
    assert "of-another-host.ckpt" in names[-1]
    assert len(names[-1]) <= 1 + 5


def test_the_sha256_is_that_of_the_whole_file(tmp_path: Path) -> None:
    content = bytes(range(256)) * 9000
    (tmp_path / "x").write_bytes(content)
    assert sha256_of(tmp_path / "x") == hashlib.sha256(content).hexdigest()
