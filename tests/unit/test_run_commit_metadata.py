"""What a version says of its checkpoint, and where a commit is refused before it begins."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from resilient_training.checkpoints.seal import is_sealed
from resilient_training.job import CollectionError, job_from
from resilient_training.run.artifact_of_checkpoint import (
    Checkpoint,
    NotCommittedError,
    entry_of,
    metadata_of,
)
from resilient_training.run.commit import Commits
from resilient_training.run.delivery import key_of, new_word, step_of
from resilient_training.run.file_list import FileList, ListedFile, Stored, is_word
from resilient_training.run.place import place_from
from resilient_training.run.run_of_checkpoints import Lineage, root_of

if TYPE_CHECKING:
    import wandb

SHA = "0" * 64
TOKEN = "0123456789abcdef" * 2
STORE = place_from("s3://bucket/team")
TRAINING = Path(__file__).parents[2] / "training"


@dataclass(frozen=True)
class Run:
    entity: str = "team"
    project: str = "digits"
    id: str = "x-checkpoints"
    offline: bool = False
    disabled: bool = False


@dataclass(frozen=True)
class Taken:
    name: str = "step-15"
    step: int | None = 15
    layout: str = "dcp"
    folder: Path = Path()
    files: Mapping[str, int] = field(default_factory=dict)
    elsewhere: Mapping[str, int | None] = field(default_factory=dict)
    changed: str | None = None

    def change(self) -> str | None:
        return self.changed


def files(*keys: str | None) -> FileList:
    all_ = tuple(
        ListedFile(f"f{number}", 5, SHA, None if key is None else Stored(key, "etag", "v"))
        for number, key in enumerate(keys)
    )
    return FileList("step-15", "dcp", "0000000a", all_)


def commits(run: Run, **environment: str) -> Commits:
    return Commits(cast("wandb.Run", run), job_from(environment))


def test_metadata_are_flat_and_few_and_name_what_the_controller_reads() -> None:
    job = job_from({"TRAINING_JOB_NAME": "night", "RESILIENCE_COMPLETION_TOKEN": TOKEN})
    made = Checkpoint(15, files("team/a", "team/b"), 16, STORE)
    metadata = metadata_of(made, job, "0.31.0")
    seal = metadata.pop("seal")
    assert is_sealed(seal, TOKEN, "night", 15, made.files.sha256)
    assert metadata == {
        "step": 15,
        "sha256": made.files.sha256,
        "attempt": 1,
        "training_job": "night",
        "layout": "dcp",
        "folder": "step-15",
        "files": 2,
        "bytes": 10,
        "processes": 16,
        "store": "s3://bucket/team/",
        "wandb": "0.31.0",
    }


def test_what_is_unknown_is_left_out() -> None:
    metadata = metadata_of(Checkpoint(15, files(None)), job_from({}), "0.31.0")
    unknown = {"seal", "training_job", "processes", "store", "epoch"}
    assert not unknown & metadata.keys()


def test_every_file_of_a_stored_checkpoint_is_below_its_store() -> None:
    for keys, store in [
        (("team/a", "teamwork/a"), STORE),
        (("team/a",), None),
        ((None,), STORE),
    ]:
        with pytest.raises(NotCommittedError):
            Checkpoint(15, files(*keys), None, store)


def test_a_file_that_is_in_no_store_has_no_reference() -> None:
    with pytest.raises(NotCommittedError, match="f0 is in no store"):
        entry_of(files(None).files[0], "bucket")


def test_a_reference_has_what_wandbs_own_has_and_the_sha256() -> None:
    entry = entry_of(files("team/a").files[0], "bucket")
    assert (entry.path, entry.ref, entry.digest, entry.size) == (
        "f0",
        "s3://bucket/team/a",
        "etag",
        5,
    )
    assert entry.extra == {"etag": "etag", "versionID": "v", "sha256": SHA}


def test_versions_of_the_training_and_of_its_checkpoints_are_of_one_lineage() -> None:
    made = commits(Run())
    assert made.lineage.runs == {("team", "digits", "x"), ("team", "digits", "x-checkpoints")}
    assert made.name == "model-x"
    assert commits(Run(), RESILIENCE_COLLECTION="team/digits/kept").name == "kept"


def test_a_run_in_another_project_than_the_launch_named_commits_nothing() -> None:
    with pytest.raises(CollectionError, match="the W&B run is in me/digits, RESILIENCE_COLLECTION"):
        commits(Run(entity="me"), RESILIENCE_COLLECTION="team/digits/model-x")


def test_a_run_that_stores_nothing_says_so() -> None:
    made = commits(Run(entity="", offline=True), RESILIENCE_COLLECTION="team/digits/model-x")
    with pytest.raises(NotCommittedError, match="offline or disabled"):
        made.commit(Checkpoint(15, files(None)))
    assert made.versions() == []


def test_keys_have_the_lineages_root_the_attempt_and_a_word_of_their_own() -> None:
    lineage = Lineage("team", "digits", "x")
    first = job_from({"TRAINING_JOB_NAME": "night"})
    second = job_from({"TRAINING_JOB_NAME": "night-r2", "RESILIENCE_ROOT": "night"} | ATTEMPT)
    assert [root_of(job, lineage) for job in (first, second)] == ["night", "night"]
    assert root_of(job_from({}), lineage) == "x"
    assert key_of(second, "night", "0000000a", "step-15") == "night/a2/0000000a/step-15"
    words = {new_word() for _ in range(20)}
    assert len(words) == 20
    assert all(map(is_word, words))


ATTEMPT = {"RESILIENCE_ATTEMPT": "2"}


def test_a_checkpoint_without_a_step_is_refused() -> None:
    assert step_of(Taken()) == 15
    with pytest.raises(NotCommittedError, match="step-15 does not say its step"):
        step_of(Taken(step=None))


def test_nothing_of_a_framework_is_imported() -> None:
    modules = [
        f"resilient_training.run.{path.stem}"
        for path in (TRAINING / "resilient_training/run").glob("*.py")
        if not path.stem.startswith("__")
    ]
    script = f"import sys, {', '.join(modules)}; print(*sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": str(TRAINING)},
        check=True,
        capture_output=True,
        text=True,
    )
    # wandb puts placeholders of these names there, which import nothing until they are used.
    loaded = {name.partition(".")[0] for name in ended.stdout.split() if "." in name}
    heavy = {"torch", "lightning", "transformers", "accelerate", "deepspeed", "keras", "jax"}
    assert "wandb" in loaded
    assert not heavy & loaded
