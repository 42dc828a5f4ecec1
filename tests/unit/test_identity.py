"""Who a job is, by what was fixed at its launch and by its tags."""

from datetime import UTC, datetime

import pytest

from resilience.decide.decisions import CheckpointRequest
from resilience.wire import identity, words

NIGHT = 1_769_828_400
EARLIER = {"RESILIENCE_PARENT": "night", "RESILIENCE_PARENT_CREATED": words.stamp(NIGHT - 1)}
SAME = {"RESILIENCE_PARENT": "night", "RESILIENCE_PARENT_CREATED": words.stamp(NIGHT)}
UNTIMED = {"RESILIENCE_PARENT": "night"}


@pytest.mark.parametrize(
    ("env", "created", "continues"),
    [
        (SAME, NIGHT, True),
        (SAME, NIGHT + 1, False),
        (SAME, None, False),
        (UNTIMED, None, True),
        (UNTIMED, NIGHT, False),
        (SAME | {"RESILIENCE_PARENT": "day"}, NIGHT, False),
        ({}, None, False),
    ],
)
def test_a_job_continues_the_one_of_this_name_and_this_moment(
    env: dict[str, str], created: int | None, *, continues: bool
) -> None:
    assert identity.continues(env, "night", created) is continues


@pytest.mark.parametrize(
    ("env", "created", "earlier"),
    [
        (EARLIER, NIGHT, True),
        (SAME, NIGHT, False),
        (EARLIER, None, False),
        (UNTIMED, NIGHT, False),
        (EARLIER | {"RESILIENCE_PARENT": "day"}, NIGHT, False),
        (UNTIMED | {"RESILIENCE_PARENT_CREATED": "yesterday"}, NIGHT, False),
    ],
)
def test_a_job_continues_an_earlier_one_of_this_name_only_where_both_moments_are_known(
    env: dict[str, str], created: int | None, *, earlier: bool
) -> None:
    assert identity.continues_an_earlier(env, "night", created) is earlier


TAGGED = CheckpointRequest(entity="team", project="tagged", collection="model-night")


@pytest.mark.parametrize(
    ("env", "tagged", "place"),
    [
        ({"RESILIENCE_COLLECTION": "a/b/c"}, TAGGED, ("a", "b")),
        (
            {"RESILIENCE_COLLECTION": "a/b/c", "WANDB_ENTITY": "x", "WANDB_PROJECT": "y"},
            None,
            ("a", "b"),
        ),
        ({"WANDB_ENTITY": "x", "WANDB_PROJECT": "y"}, TAGGED, ("x", "y")),
        ({"WANDB_PROJECT": "y"}, TAGGED, ("team", "y")),
        ({"WANDB_PROJECT": "y"}, None, None),
        ({"WANDB_ENTITY": "x"}, TAGGED, None),
        ({"RESILIENCE_COLLECTION": "a/b"}, TAGGED, None),
        ({}, TAGGED, None),
    ],
)
def test_the_project_of_the_launch_is_its_collections_or_what_its_variables_name(
    env: dict[str, str], tagged: CheckpointRequest | None, place: tuple[str, str] | None
) -> None:
    expected = place and CheckpointRequest(entity=place[0], project=place[1], collection="")
    assert identity.pinned_project(env, tagged) == expected


def test_a_job_was_created_when_sagemaker_says_in_whole_seconds() -> None:
    at = datetime.fromtimestamp(NIGHT + 0.9, UTC)
    assert identity.created_at({"CreationTime": at}) == NIGHT
    assert identity.created_at({"CreationTime": "yesterday"}) is None
    assert identity.created_at({}) is None
