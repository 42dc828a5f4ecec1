import hashlib
from pathlib import Path

from resilient_training.checkpoints.files import sha256_of
from resilient_training.checkpoints.metadata import (
    Metric,
    SavedCheckpoint,
    collection_name,
    metadata_of,
)
from resilient_training.checkpoints.seal import is_sealed
from resilient_training.job import job_from

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


def test_the_sha256_is_that_of_the_whole_file(tmp_path: Path) -> None:
    content = bytes(range(256)) * 9000
    (tmp_path / "x").write_bytes(content)
    assert sha256_of(tmp_path / "x") == hashlib.sha256(content).hexdigest()
