from collections.abc import Mapping
from dataclasses import dataclass, field

from resilient_training import JobTags, tags_of
from resilient_training.job import job_from
from resilient_training.tags import COMPLETED, NoTags, changes


@dataclass
class Tags:
    """A job's tags, which can refuse to be written."""

    tags: dict[str, str] = field(default_factory=dict)
    refusing: bool = False
    writes: list[dict[str, str]] = field(default_factory=list)

    def read(self) -> dict[str, str]:
        return dict(self.tags)

    def write(self, tags: Mapping[str, str]) -> bool:
        self.writes.append(dict(tags))
        if not self.refusing:
            self.tags.update(tags)
        return not self.refusing


def test_only_what_changed_is_written() -> None:
    store = Tags({"WANDB_ENTITY": "team"})
    tags = JobTags(store)
    tags.update({"WANDB_ENTITY": "team", "WANDB_PROJECT": "digits", COMPLETED: "no"})
    tags.update({"WANDB_ENTITY": "team", "WANDB_PROJECT": "digits", COMPLETED: "no"})
    tags.completed()
    assert store.writes == [{"WANDB_PROJECT": "digits", COMPLETED: "no"}, {COMPLETED: "yes"}]


def test_a_refused_write_is_tried_again_and_ends_nothing() -> None:
    store = Tags(refusing=True)
    tags = JobTags(store)
    tags.update({COMPLETED: "no"})
    store.refusing = False
    tags.update({COMPLETED: "no"})
    assert store.tags == {COMPLETED: "no"}


def test_a_job_that_said_yes_in_an_earlier_life_says_no_again() -> None:
    store = Tags({COMPLETED: "yes"})
    JobTags(store).update({COMPLETED: "no"})
    assert store.tags == {COMPLETED: "no"}


def test_an_alias_that_a_person_put_behind_the_collection_stays() -> None:
    wanted = {"WANDB_CHECKPOINT_NAME": "model-x"}
    assert changes({"WANDB_CHECKPOINT_NAME": "model-x:best"}, wanted) == {}
    assert changes({"WANDB_CHECKPOINT_NAME": "model-xy"}, wanted) == wanted


def test_outside_sagemaker_there_is_nothing_to_tag() -> None:
    assert isinstance(tags_of(job_from({})), NoTags)
