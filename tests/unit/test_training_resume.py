import hashlib
import pickle
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import torch

from resilience.adapters.wandb_versions import _step as controllers_step
from resilient_training.checkpoints.artifacts import is_of
from resilient_training.checkpoints.held import step_of
from resilient_training.checkpoints.resume import loads, resume_point
from resilient_training.checkpoints.seal import seal_of
from resilient_training.checkpoints.versions import ForeignVersionsError, Version, choose
from resilient_training.job import (
    CheckpointLoadError,
    CollectionError,
    Job,
    Pin,
    job_from,
    run_id_for,
)

COLLECTION = "team/digits/model-run1"
CONTENT = b"the bytes of a checkpoint"
TOKEN = "0123456789abcdef" * 2
OWN = "run1-2"


def job(**environment: str) -> Job:
    return job_from({"TRAINING_JOB_NAME": OWN, **environment})


def pinned(version: str = "v3", step: str = "30", digest: str = "d3", **more: str) -> Job:
    return job(
        RESILIENCE_CHECKPOINT=f"{COLLECTION}:{version}",
        RESILIENCE_CHECKPOINT_DIGEST=digest,
        RESILIENCE_CHECKPOINT_STEP=step,
        **more,
    )


def version(number: int, made_by: str | None = "run1", step: int | None = -1) -> Version:
    return Version(
        name=f"v{number}",
        digest=f"d{number}",
        step=10 * number if step == -1 else step,
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        training_job=made_by,
    )


def sealed(number: int, step: int | None = -1, token: str = TOKEN) -> Version:
    """A version that this very job made: it has the job's token, and so its seal."""
    made = version(number, OWN, step)
    if made.step is None or made.sha256 is None:
        return made
    return replace(made, seal=seal_of(token, OWN, made.step, made.sha256))


@dataclass
class OnDisk:
    """A version whose file is `content`, logged by this run or by a stranger's."""

    version: Version
    of_run: bool = True
    content: bytes = CONTENT
    ours: bool = True

    def holds_checkpoint(self) -> bool:
        return self.ours

    def is_of_run(self) -> bool:
        return self.of_run

    def download(self, folder: Path) -> Path:
        folder.mkdir(parents=True)
        path = folder / "model.ckpt"
        path.write_bytes(self.content)
        return path


@dataclass
class Collection:
    """A checkpoint collection on disk; of the strangers are the versions that they logged."""

    made: list[Version]
    content: Mapping[str, bytes] = field(default_factory=dict)
    strangers: frozenset[str] = frozenset()
    not_ours: frozenset[str] = frozenset()

    def versions(self) -> list[OnDisk]:
        return [
            OnDisk(
                one,
                one.name not in self.strangers,
                self.content.get(one.name, CONTENT),
                one.name not in self.not_ours,
            )
            for one in self.made
        ]

    def version(self, pin: Pin) -> OnDisk:
        for candidate in self.versions():
            if candidate.version.name == pin.version:
                return candidate
        raise CheckpointLoadError(pin.version, "not found")


def chosen(job: Job, made: Iterable[Version], strangers: Iterable[str] = ()) -> str | None:
    found = choose(job, Collection(list(made), strangers=frozenset(strangers)).versions())
    return None if found is None else found.version.name


def resumed(job: Job, collection: Collection, folder: Path) -> str:
    point = resume_point(job, collection, folder)
    assert point is not None
    return point.version


def test_without_a_pin_and_without_versions_training_begins_at_the_start(tmp_path: Path) -> None:
    assert resume_point(job(), Collection([]), tmp_path) is None


def test_a_successor_resumes_from_the_pinned_version_though_newer_ones_exist(
    tmp_path: Path,
) -> None:
    point = resume_point(pinned(), Collection([version(n) for n in range(6)]), tmp_path)
    assert point is not None
    assert (point.version, point.step) == ("v3", 30)
    assert point.path.read_bytes() == CONTENT


RESTARTED = {"RESILIENCE_COMPLETION_TOKEN": TOKEN}


def test_a_restarted_container_resumes_from_the_newest_version_that_its_job_has_sealed(
    tmp_path: Path,
) -> None:
    made = [version(3), sealed(4), sealed(5)]
    assert resumed(pinned(**RESTARTED), Collection(made), tmp_path) == "v5"


def test_a_strangers_version_that_names_the_job_does_not_replace_the_pin(tmp_path: Path) -> None:
    """A stranger logs to the collection with a run of their own; the metadata are theirs."""
    forged = Collection([version(3), version(9, OWN)], strangers=frozenset({"v9"}))
    assert resumed(pinned(), forged, tmp_path / "without a token") == "v3"
    assert resumed(pinned(**RESTARTED), forged, tmp_path / "with one") == "v3"


@pytest.mark.parametrize(
    "forged",
    [
        version(9, OWN),
        sealed(9, token="f" * 32),
        replace(sealed(8), name="v9", step=900),
        replace(sealed(8), name="v9", sha256=hashlib.sha256(b"theirs").hexdigest()),
        replace(sealed(9), training_job="run1"),
        replace(sealed(9), seal="\ud800"),
        replace(sealed(9), sha256=None),
    ],
)
def test_not_even_as_the_run_itself_can_a_stranger_make_the_jobs_seal(forged: Version) -> None:
    """They may resume the run in W&B and log as it: the token they cannot know."""
    assert chosen(pinned(**RESTARTED), [version(3), forged]) is None
    assert chosen(job(**RESTARTED), [forged]) is None


def test_a_seal_that_a_stranger_copies_with_its_metadata_moves_nothing() -> None:
    made = [version(3), sealed(4), replace(sealed(4), name="v9")]
    assert chosen(pinned(**RESTARTED), made, strangers={"v9"}) == "v4"


def test_a_restarted_successor_without_a_token_goes_on_with_what_its_run_made_since() -> None:
    """Spot restarts a container inside its job often: at its pin it would never get anywhere."""
    made = [version(3), version(4, OWN), version(9, OWN)]
    assert chosen(pinned(), made) == "v9"
    assert chosen(pinned(), made, strangers={"v9"}) == "v4"


def test_an_old_version_of_the_run_whose_metadata_somebody_edits_replaces_nothing() -> None:
    """Any member of the project may edit the metadata of any version; its number stays."""
    edited = [version(1, OWN, step=900), version(3, OWN, step=900)]
    assert chosen(pinned(), edited) is None
    seen = {"RESILIENCE_LEDGER": "infrastructure=2 no-progress=0 at-checkpoint=0 seen=7"}
    since = [version(6, OWN, step=900), version(7, OWN, step=900)]
    assert chosen(pinned(**seen), since) is None
    assert chosen(job(RESILIENCE_ROOT="run1", **seen), since) is None
    assert chosen(pinned(**seen), [*since, version(8, OWN)]) == "v8"


def test_a_restarted_first_attempt_without_a_token_resumes_from_its_own_runs_versions() -> None:
    made = [version(8, "somebody-else"), version(1, OWN), version(2, OWN)]
    assert chosen(job(), made) == "v2"
    assert chosen(job(), made, strangers={"v2"}) == "v1"
    assert chosen(job(), made, strangers={"v1", "v2"}) is None


def test_a_flood_of_versions_that_name_the_job_is_an_error_and_never_a_start_from_scratch() -> None:
    flood = [version(number, OWN) for number in range(2, 103)]
    names = {one.name for one in flood}
    with pytest.raises(ForeignVersionsError, match=r"^102 versions of other runs name this"):
        chosen(job(), [version(1, OWN), *flood], strangers=names)
    assert chosen(job(), [version(200, OWN), *flood], strangers=names) == "v200"


def test_a_rejected_version_is_never_resumed_from() -> None:
    rejecting = pinned(RESILIENCE_REJECTED="v5 v6", **RESTARTED)
    assert chosen(rejecting, [sealed(n) for n in (4, 5, 6)]) == "v4"


def test_a_suspect_version_is_never_resumed_from_not_even_when_pinned(tmp_path: Path) -> None:
    made = [sealed(4), replace(sealed(5), suspect=True)]
    assert chosen(pinned(**RESTARTED), made) == "v4"
    spoilt = Collection([replace(version(3), suspect=True)])
    with pytest.raises(CheckpointLoadError, match=r"^v3: it is marked as suspect$"):
        resume_point(pinned(), spoilt, tmp_path)


def test_an_attempt_answers_for_what_it_made_and_for_what_it_began_with() -> None:
    successor = pinned()
    assert is_of(successor, version(3))
    assert is_of(successor, version(4, "run1-2"))
    assert not is_of(successor, version(9))


def test_a_version_of_a_lower_step_than_the_pinned_one_is_not_newer() -> None:
    assert chosen(pinned(**RESTARTED), [sealed(9, step=29)]) is None
    assert chosen(pinned(**RESTARTED), [sealed(9, step=30)]) == "v9"


def test_with_an_unknown_pinned_step_the_version_number_decides() -> None:
    unknown = pinned(step="unknown", **RESTARTED)
    assert chosen(unknown, [sealed(2, step=900)]) is None
    assert chosen(unknown, [sealed(4, step=1)]) == "v4"


def test_a_version_of_unknown_step_is_not_chosen_over_the_pin() -> None:
    assert chosen(pinned(**RESTARTED), [sealed(9, step=None)]) is None


def test_of_two_versions_of_one_step_the_later_is_chosen() -> None:
    assert chosen(pinned(**RESTARTED), [sealed(4, step=40), sealed(7, step=40)]) == "v7"


def test_on_a_laptop_the_runs_own_versions_are_resumed_from() -> None:
    made = [version(1, made_by=None), version(2, made_by="run1"), version(3, made_by=None)]
    assert chosen(job_from({}), made, strangers={"v3"}) == "v1"


def test_another_digest_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointLoadError, match=r"^v3: its digest is d3, the pinned one is dx$"):
        resume_point(pinned(digest="dx"), Collection([version(3)]), tmp_path)


def test_a_file_that_is_not_what_its_metadata_says_is_refused(tmp_path: Path) -> None:
    damaged = Collection([version(3)], {"v3": CONTENT[:-1]})
    with pytest.raises(CheckpointLoadError, match=r"^v3: sha256 of the file is "):
        resume_point(pinned(), damaged, tmp_path)


def refusing(*contents: bytes) -> Callable[[Path], None]:
    """Loads every file but those with these contents."""

    def try_load(path: Path) -> None:
        if path.read_bytes() in contents:
            raise ValueError(f"{path.name} is\nno checkpoint")

    return try_load


def test_without_a_pin_a_damaged_newest_checkpoint_is_walked_back_from(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = [version(number, OWN) for number in (1, 2, 3)]
    damaged = Collection(made, {"v3": CONTENT[:-1], "v2": b""})
    assert resumed(job(), damaged, tmp_path) == "v1"
    said = [one.getMessage() for one in caplog.records]
    assert [line.partition("from: ")[2].partition(":")[0] for line in said] == ["v3", "v2"]
    assert [path.name for path in tmp_path.iterdir()] == ["v1"], "no disk is filled on the way"


def test_what_cannot_be_loaded_is_walked_back_from_as_well(tmp_path: Path) -> None:
    odd = b"an odd one"
    made = [
        version(1, OWN),
        replace(version(2, OWN), sha256=hashlib.sha256(odd).hexdigest()),
    ]
    collection = Collection(made, {"v2": odd})
    point = resume_point(job(), collection, tmp_path, refusing(odd))
    assert point is not None
    assert point.version == "v1"


def test_checkpoints_of_which_none_can_be_resumed_from_are_an_error_and_never_a_new_beginning(
    tmp_path: Path,
) -> None:
    collection = Collection([version(1, OWN), version(2, OWN)])
    with pytest.raises(CheckpointLoadError, match=r"^v2: ValueError: model.ckpt is no checkpoint$"):
        resume_point(job(), collection, tmp_path, refusing(CONTENT))


def test_a_pinned_checkpoint_that_cannot_be_loaded_is_the_controllers_to_walk_back_from(
    tmp_path: Path,
) -> None:
    collection = Collection([version(2), version(3)])
    with pytest.raises(CheckpointLoadError, match=r"^v3: ValueError"):
        resume_point(pinned(), collection, tmp_path, refusing(CONTENT))


def test_what_others_log_into_the_collection_is_passed_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = [version(1, OWN), version(2, OWN)]
    beside = Collection(made, not_ours=frozenset({"v2"}))
    assert resumed(job(), beside, tmp_path) == "v1"
    assert "v2 is no checkpoint of a resilient training" in caplog.text
    nothing = Collection(made, not_ours=frozenset({"v1", "v2"}))
    assert resume_point(job(), nothing, tmp_path) is None


def test_a_file_of_torch_is_tried_by_mapping_it(tmp_path: Path) -> None:
    whole, legacy, unsafe = (tmp_path / name for name in ("whole", "legacy", "unsafe"))
    torch.save({"weights": torch.ones(3), "step": 4}, whole)
    torch.save({"step": 4}, legacy, _use_new_zipfile_serialization=False)
    torch.save({"path": tmp_path}, unsafe)
    loads(whole)
    loads(legacy)
    with pytest.raises(pickle.UnpicklingError, match="PosixPath"):
        loads(unsafe)


@pytest.mark.parametrize(
    ("metadata", "aliases", "step"),
    [
        ({"step": 12}, [], 12),
        ({"step": "12"}, [], 12),
        ({"step": True}, [], None),
        ({"step": 1e30}, [], None),
        ({"step": 2.5}, [], None),
        ({"step": None, "original_filename": "step=3.ckpt"}, [], None),
        ({"original_filename": "epoch=2-step=12.ckpt", "score": 0.1}, [], 12),
        ({"original_filename": "last.ckpt"}, ["latest"], None),
        ({"train/global_step": 10}, ["checkpoint_global_step_12", "latest"], 12),
        ({"train/global_step": 10, "step": 9}, [], 10),
        ({}, ["checkpoint_global_step_12"], 12),
        ({}, ["checkpoint_global_step_x"], None),
    ],
)
def test_the_step_of_a_version_is_read_as_the_controller_reads_it(
    metadata: dict[str, object], aliases: list[str], step: int | None
) -> None:
    assert step_of(metadata, aliases) == step
    assert controllers_step(metadata, tuple(aliases)) == step


def test_a_checkpoint_that_others_logged_without_sha256_is_taken_by_its_digest(
    tmp_path: Path,
) -> None:
    foreign = replace(version(3), sha256=None)
    point = resume_point(pinned(), Collection([foreign]), tmp_path)
    assert point is not None
    assert point.version == "v3"


def test_a_missing_pinned_version_is_a_load_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(CheckpointLoadError, match=r"^v3: "):
        resume_point(pinned(), Collection([version(1)]), tmp_path)


@pytest.mark.parametrize(
    "name", ["model-x:v1", "team/digits/model-x", "team/digits/model-x:latest", "a/b/c/d:v1"]
)
def test_a_pin_that_names_no_version_is_a_load_error(name: str) -> None:
    with pytest.raises(CheckpointLoadError, match="is not entity/project/collection:vN"):
        job(RESILIENCE_CHECKPOINT=name)


ARN = "arn:aws:sagemaker:eu-west-1:123456789012:training-job/run1-2"


def test_without_aws_region_the_region_is_that_of_the_jobs_arn() -> None:
    assert job(TRAINING_JOB_ARN=ARN).region == "eu-west-1"
    assert job(TRAINING_JOB_ARN=ARN, AWS_DEFAULT_REGION="eu-west-2").region == "eu-west-2"
    assert job(TRAINING_JOB_ARN="no arn").region is None
    assert job().region is None


@pytest.mark.parametrize("name", ["model-x", "team/digits", "team/digits/model-x:v1", "a/b/c/d"])
def test_a_collection_that_is_none_ends_the_training_before_it_starts(name: str) -> None:
    with pytest.raises(CollectionError, match="is not entity/project/collection"):
        job(RESILIENCE_COLLECTION=name)


def test_the_job_is_read_from_its_environment() -> None:
    found = pinned(
        RESILIENCE_ATTEMPT="4",
        RESILIENCE_ROOT="run1",
        RESILIENCE_REJECTED="v1 v2",
        RESILIENCE_DATA_SEED_OFFSET="4",
        RESILIENCE_COMPLETION_TOKEN=TOKEN,
        RESILIENCE_COLLECTION=COLLECTION,
        RESILIENCE_LEDGER="user_code=1 seen=12",
        TRAINING_JOB_ARN=ARN,
        AWS_REGION="eu-north-1",
        SAGEMAKER_BASE_DIR="/elsewhere",
    )
    assert found.pin == Pin(COLLECTION, "v3", "d3", 30)
    assert (found.data_seed_offset, job().data_seed_offset) == (4, 0)
    assert (found.attempt, found.root) == (4, "run1")
    assert found.rejected == {"v1", "v2"}
    assert (found.token, found.collection, found.seen) == (TOKEN, COLLECTION, 12)
    assert (found.arn, found.region) == (ARN, "eu-north-1")
    assert found.failure_file == Path("/elsewhere/output/failure")


def test_the_run_is_the_given_one_else_the_lineages() -> None:
    successor = job(RESILIENCE_ROOT="run1")
    assert run_id_for(successor, "given") == "given"
    assert run_id_for(successor, None) == "run1"
    assert run_id_for(job(), None) == "run1-2"
    assert run_id_for(job_from({}), None) is None
