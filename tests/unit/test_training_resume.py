import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from resilient_training.artifacts import is_of
from resilient_training.job import CheckpointLoadError, Job, Pin, job_from, run_id_for
from resilient_training.resume import Version, choose, resume_point

COLLECTION = "team/digits/model-run1"
CONTENT = b"the bytes of a checkpoint"


def job(**environment: str) -> Job:
    return job_from({"TRAINING_JOB_NAME": "run1-2", **environment})


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
        collection=COLLECTION,
        digest=f"d{number}",
        step=10 * number if step == -1 else step,
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        training_job=made_by,
    )


@dataclass
class Collection:
    """A checkpoint collection on disk."""

    made: list[Version]
    content: Mapping[str, bytes] = field(default_factory=dict)

    def versions(self) -> list[Version]:
        return self.made

    def version(self, pin: Pin) -> Version:
        for candidate in self.made:
            if candidate.name == pin.version:
                return candidate
        raise CheckpointLoadError(pin.version, "not found")

    def download(self, version: Version, folder: Path) -> Path:
        folder.mkdir()
        path = folder / "model.ckpt"
        path.write_bytes(self.content.get(version.name, CONTENT))
        return path


def test_without_a_pin_and_without_versions_training_begins_at_the_start(tmp_path: Path) -> None:
    assert resume_point(job(), Collection([]), tmp_path) is None


def test_a_successor_resumes_from_the_pinned_version_though_newer_ones_exist(
    tmp_path: Path,
) -> None:
    point = resume_point(pinned(), Collection([version(n) for n in range(6)]), tmp_path)
    assert point is not None
    assert (point.version, point.step) == ("v3", 30)
    assert point.path.read_bytes() == CONTENT


def test_a_restarted_container_resumes_from_the_newest_version_of_its_own_job(
    tmp_path: Path,
) -> None:
    made = [version(3), version(4, "run1-2"), version(5, "run1-2")]
    point = resume_point(pinned(), Collection(made), tmp_path)
    assert point is not None
    assert point.version == "v5"


def test_a_restarted_container_of_an_unpinned_job_resumes_from_its_own_versions() -> None:
    chosen = choose(job(), [version(8, "somebody-else"), version(1, "run1-2")])
    assert chosen is not None
    assert chosen.name == "v1"


def test_a_rejected_version_is_never_resumed_from() -> None:
    rejecting = pinned(RESILIENCE_REJECTED="v5 v6")
    chosen = choose(rejecting, [version(n, "run1-2") for n in (4, 5, 6)])
    assert chosen is not None
    assert chosen.name == "v4"


def test_a_suspect_version_is_never_resumed_from_not_even_when_pinned(tmp_path: Path) -> None:
    made = [version(4, "run1-2"), replace(version(5, "run1-2"), suspect=True)]
    assert choose(pinned(), made) == version(4, "run1-2")
    spoilt = Collection([replace(version(3), suspect=True)])
    with pytest.raises(CheckpointLoadError, match=r"^v3: it is marked as suspect$"):
        resume_point(pinned(), spoilt, tmp_path)


def test_an_attempt_answers_for_what_it_made_and_for_what_it_began_with() -> None:
    successor = pinned()
    assert is_of(successor, version(3))
    assert is_of(successor, version(4, "run1-2"))
    assert not is_of(successor, version(9))


def test_a_version_of_a_lower_step_than_the_pinned_one_is_not_newer() -> None:
    assert choose(pinned(), [version(9, "run1-2", step=29)]) is None


def test_with_an_unknown_pinned_step_the_version_number_decides() -> None:
    unknown = pinned(step="unknown")
    assert choose(unknown, [version(2, "run1-2", step=900)]) is None
    assert choose(unknown, [version(4, "run1-2", step=1)]) == version(4, "run1-2", step=1)


def test_a_version_of_unknown_step_is_not_chosen_over_the_pin() -> None:
    assert choose(pinned(), [version(9, "run1-2", step=None)]) is None


def test_of_two_versions_of_one_step_the_later_is_chosen() -> None:
    made = [version(4, "run1-2", step=40), version(7, "run1-2", step=40)]
    chosen = choose(pinned(), made)
    assert chosen is not None
    assert chosen.name == "v7"


def test_on_a_laptop_the_runs_own_versions_are_resumed_from() -> None:
    laptop = job_from({})
    assert choose(laptop, [version(1, made_by=None), version(2, made_by="run1")]) == version(
        1, made_by=None
    )


def test_another_digest_than_the_pinned_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointLoadError, match=r"^v3: its digest is d3, the pinned one is dx$"):
        resume_point(pinned(digest="dx"), Collection([version(3)]), tmp_path)


def test_a_file_that_is_not_what_its_metadata_says_is_refused(tmp_path: Path) -> None:
    damaged = Collection([version(3)], {"v3": CONTENT[:-1]})
    with pytest.raises(CheckpointLoadError, match=r"^v3: sha256 of the file is "):
        resume_point(pinned(), damaged, tmp_path)


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


def test_the_job_is_read_from_its_environment() -> None:
    found = pinned(
        RESILIENCE_ATTEMPT="4",
        RESILIENCE_ROOT="run1",
        RESILIENCE_REJECTED="v1 v2",
        RESILIENCE_DATA_SEED_OFFSET="4",
        TRAINING_JOB_ARN="arn:aws:sagemaker:eu-west-1:123456789012:training-job/run1-2",
        AWS_REGION="eu-west-1",
        SAGEMAKER_BASE_DIR="/elsewhere",
    )
    assert found.pin == Pin(COLLECTION, "v3", "d3", 30)
    assert (found.data_seed_offset, job().data_seed_offset) == (4, 0)
    assert (found.attempt, found.root) == (4, "run1")
    assert found.rejected == {"v1", "v2"}
    assert found.failure_file == Path("/elsewhere/output/failure")


def test_the_run_is_the_given_one_else_the_lineages() -> None:
    successor = job(RESILIENCE_ROOT="run1")
    assert run_id_for(successor, "given") == "given"
    assert run_id_for(successor, None) == "run1"
    assert run_id_for(job(), None) == "run1-2"
    assert run_id_for(job_from({}), None) is None
