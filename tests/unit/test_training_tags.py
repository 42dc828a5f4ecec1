import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest
from botocore.stub import Stubber

from resilient_training import JobMarks, tags_of
from resilient_training.job import job_from
from resilient_training.tags import (
    COMPLETED,
    NoTags,
    SageMakerTags,
    Unreadable,
    changes,
    done_mark,
    identity_tags,
)

if TYPE_CHECKING:
    from wandb import Run

ARN = "arn:aws:sagemaker:eu-west-1:123456789012:training-job/digits"
TOKEN = "0123456789abcdef" * 2


@dataclass(frozen=True)
class OnlineRun:
    """What the tags say of a run that stores its artifacts."""

    entity: str = "team"
    project: str = "digits"
    id: str = "x"
    offline: bool = False
    disabled: bool = False


RUN = cast("Run", OnlineRun())
IDENTITY = {
    "WANDB_ENTITY": "team",
    "WANDB_PROJECT": "digits",
    "WANDB_CHECKPOINT_NAME": "model-x",
    "WANDB_RUN_ID": "x",
}


@dataclass
class Tags:
    """A job's tags, which can refuse to be read and to be written."""

    tags: dict[str, str] = field(default_factory=dict)
    refusing: bool = False
    unreadable: bool = False
    writes: list[dict[str, str]] = field(default_factory=list)
    done: str = "yes"
    collection: str | None = None

    def read(self) -> dict[str, str] | Unreadable:
        return Unreadable() if self.unreadable else dict(self.tags)

    def write(self, tags: Mapping[str, str]) -> bool:
        self.writes.append(dict(tags))
        if not self.refusing:
            self.tags.update(tags)
        return not self.refusing


def test_a_job_that_is_not_opted_in_says_where_its_checkpoints_are_and_that_it_is_not_done() -> (
    None
):
    store = Tags()
    tags = JobMarks(store)
    tags.begun(RUN)
    tags.begun(RUN)
    tags.completed()
    assert store.writes == [{**IDENTITY, COMPLETED: "no"}, {COMPLETED: "yes"}]


def test_a_job_that_was_opted_in_at_its_launch_gets_the_completion_mark_and_nothing_else() -> None:
    store = Tags({**IDENTITY, "WANDB_CHECKPOINT_NAME": "model-x:best"})
    JobMarks(store).begun(RUN)
    assert store.writes == [{COMPLETED: "no"}]


def test_of_a_job_that_a_person_tagged_in_part_only_the_rest_is_written() -> None:
    store = Tags({"WANDB_CHECKPOINT_NAME": "model-x:best"})
    JobMarks(store).begun(RUN)
    assert store.tags == {**IDENTITY, "WANDB_CHECKPOINT_NAME": "model-x:best", COMPLETED: "no"}


def test_tags_that_cannot_be_read_are_not_taken_for_none() -> None:
    """A person's `model-x:best` may be there: without sagemaker:ListTags nobody knows."""
    store = Tags({"WANDB_CHECKPOINT_NAME": "model-x:best"}, unreadable=True)
    tags = JobMarks(store)
    tags.begun(RUN)
    tags.completed()
    assert store.writes == [{COMPLETED: "no"}, {COMPLETED: "yes"}]


def test_a_job_that_says_another_place_than_its_run_keeps_it_and_says_so_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    store = Tags({**IDENTITY, "WANDB_RUN_ID": "another"})
    JobMarks(store).begun(RUN)
    assert store.tags["WANDB_RUN_ID"] == "another"
    assert "the job's tag WANDB_RUN_ID is not that of this run" in caplog.text


def test_the_collection_that_the_launch_named_is_the_one_in_the_tags() -> None:
    assert identity_tags(RUN, "team/digits/kept")["WANDB_CHECKPOINT_NAME"] == "kept"
    assert identity_tags(RUN, None)["WANDB_CHECKPOINT_NAME"] == "model-x"


def test_with_a_token_only_the_job_itself_can_say_that_it_is_done() -> None:
    assert done_mark(None) == "yes"
    assert done_mark(TOKEN) == hashlib.sha256(TOKEN.encode()).hexdigest()
    store = Tags(done=done_mark(TOKEN))
    JobMarks(store).completed()
    assert store.tags == {COMPLETED: done_mark(TOKEN)}
    job = job_from({**ENVIRONMENT, "RESILIENCE_COMPLETION_TOKEN": TOKEN})
    assert tags_of(job).done == done_mark(TOKEN)


def test_a_refused_write_is_tried_again_and_ends_nothing() -> None:
    store = Tags(refusing=True)
    tags = JobMarks(store)
    tags.update({COMPLETED: "no"})
    store.refusing = False
    tags.update({COMPLETED: "no"})
    assert store.tags == {COMPLETED: "no"}


def test_a_job_that_said_yes_in_an_earlier_life_says_no_again() -> None:
    store = Tags({COMPLETED: "yes"})
    JobMarks(store).update({COMPLETED: "no"})
    assert store.tags == {COMPLETED: "no"}


def test_what_is_said_already_is_not_written_again() -> None:
    assert changes({COMPLETED: "no"}, {COMPLETED: "no"}) == {}
    assert changes(Unreadable(), {COMPLETED: "no"}) == {COMPLETED: "no"}


ENVIRONMENT = {"TRAINING_JOB_NAME": "digits", "TRAINING_JOB_ARN": ARN}


@pytest.fixture
def no_region(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.setenv(name, "x")
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")


@pytest.mark.usefixtures("no_region")
def test_without_aws_region_the_job_is_tagged_in_the_region_of_its_arn() -> None:
    tags = tags_of(job_from(ENVIRONMENT))
    assert isinstance(tags, SageMakerTags)
    assert tags.client.meta.region_name == "eu-west-1"


@pytest.mark.usefixtures("no_region")
@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"TRAINING_JOB_ARN": "digits"}, "You must specify a region"),
        ({"TRAINING_JOB_ARN": ""}, "TRAINING_JOB_ARN is not in the environment"),
        ({"AWS_ENDPOINT_URL": "no address"}, "Invalid endpoint: no address"),
        ({"AWS_PROFILE": "nobody"}, "The config profile (nobody) could not be found"),
    ],
)
def test_a_job_that_cannot_be_reached_trains_on_without_tags_and_says_why(
    broken: dict[str, str],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    for name, value in broken.items():
        monkeypatch.setenv(name, value)
    with caplog.at_level(logging.WARNING):
        tags = tags_of(job_from({**ENVIRONMENT, **broken}))
    assert isinstance(tags, NoTags)
    assert said in caplog.text


@pytest.mark.usefixtures("no_region")
def test_a_job_whose_tags_are_denied_trains_on_and_says_which_right_is_missing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    tags = tags_of(job_from(ENVIRONMENT))
    assert isinstance(tags, SageMakerTags)
    with Stubber(tags.client) as denying, caplog.at_level(logging.WARNING):
        denying.add_client_error("list_tags", "AccessDeniedException")
        denying.add_client_error("add_tags", "AccessDeniedException")
        assert tags.read() == Unreadable()
        assert not tags.write({COMPLETED: "no"})
    assert "the job's tags could not be read (sagemaker:ListTags)" in caplog.text
    assert "the job's tags could not be written (sagemaker:AddTags)" in caplog.text


def test_outside_sagemaker_there_is_nothing_to_tag() -> None:
    assert isinstance(tags_of(job_from({})), NoTags)
