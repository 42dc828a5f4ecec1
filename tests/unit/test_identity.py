"""Who a job is, by what was fixed at its launch and by its tags."""

import hashlib
from datetime import UTC, datetime

import pytest

from resilience.decide.decisions import CheckpointRequest
from resilience.wire import environment, identity, words

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


PINNED = {"RESILIENCE_COLLECTION": "team/digits/model-r1"}
FIXED = {"WANDB_ENTITY": "team", "WANDB_PROJECT": "digits", "WANDB_RUN_ID": "r1"}
PLACE = {"WANDB_ENTITY": "team", "WANDB_PROJECT": "digits"}


@pytest.mark.parametrize(
    ("env", "own", "found"),
    [
        (FIXED, PLACE, ()),
        (FIXED, PLACE | {"WANDB_RUN_ID": "r1"}, ()),
        (FIXED, PLACE | {"WANDB_RUN_ID": "night"}, ()),
        (FIXED, PLACE | {"WANDB_RUN_ID": "night-algo-1"}, ()),
        (FIXED, PLACE | {"WANDB_RUN_ID": "r2"}, ("WANDB_RUN_ID",)),
        (FIXED, PLACE | {"WANDB_CHECKPOINT_NAME": "model-r1:best"}, ()),
        (FIXED, PLACE | {"WANDB_CHECKPOINT_NAME": "model-night:v3"}, ()),
        (FIXED, PLACE | {"WANDB_CHECKPOINT_NAME": "a-name-of-ours"}, ()),
        (FIXED, PLACE | {"WANDB_CHECKPOINT_NAME": "model-r2"}, ("WANDB_CHECKPOINT_NAME",)),
        (FIXED, {}, ("WANDB_ENTITY", "WANDB_PROJECT")),
        (FIXED, PLACE | {"WANDB_ENTITY": "stranger"}, ("WANDB_ENTITY",)),
        (FIXED, PLACE | {"WANDB_PROJECT": "else"}, ("WANDB_PROJECT",)),
        (PINNED, PLACE | {"WANDB_CHECKPOINT_NAME": "model-r1:v3"}, ()),
        (PINNED, PLACE | {"WANDB_CHECKPOINT_NAME": "model-night"}, ()),
        (PINNED, PLACE | {"WANDB_CHECKPOINT_NAME": "else"}, ("WANDB_CHECKPOINT_NAME",)),
        (PINNED, PLACE, ("WANDB_CHECKPOINT_NAME",)),
        ({"RESILIENCE_COLLECTION": "team/digits/XXXX"}, PLACE, ("WANDB_CHECKPOINT_NAME",)),
        (PINNED, {"WANDB_CHECKPOINT_NAME": "model-r1"}, ("WANDB_ENTITY", "WANDB_PROJECT")),
        ({}, {"WANDB_CHECKPOINT_NAME": "model-r2", "WANDB_RUN_ID": "r3"}, ()),
        ({}, {}, ()),
    ],
)
def test_a_tag_contradicts_what_the_launch_fixed_where_it_says_other_and_not_where_it_is_silent(
    env: dict[str, str], own: dict[str, str], found: tuple[str, ...]
) -> None:
    assert identity.contradictions("night", env, own) == found


BORN = {"RESILIENCE_ROOT": "night", "RESILIENCE_ATTEMPT": "2"}
AS_TAGS = {
    "resilience:root": "night",
    "resilience:attempt": "2",
    "resilience:parent": "night",
    "resilience:checkpoint": "v3",
    "resilience:checkpoint-step": "40",
    "resilience:ledger": "new",
    "resilience:rejected": "v5 v7",
}
FULL = BORN | {
    "RESILIENCE_PARENT": "night",
    "RESILIENCE_CHECKPOINT": "team/digits/model-r1:v3",
    "RESILIENCE_CHECKPOINT_STEP": "40",
    "RESILIENCE_LEDGER": "new",
    "RESILIENCE_REJECTED": "v5 v7",
}


def test_a_copy_of_what_a_successor_was_born_with_that_is_gone_or_changed_is_a_contradiction() -> (
    None
):
    assert identity.contradictions("night-r2", FULL, AS_TAGS) == ()
    for key, value in AS_TAGS.items():
        without = {name: text for name, text in AS_TAGS.items() if name != key}
        assert identity.contradictions("night-r2", FULL, without) == (key,)
        assert identity.contradictions("night-r2", FULL, AS_TAGS | {key: f"{value}0"}) == (key,)
    assert identity.contradictions("night-r2", {}, AS_TAGS) == ("resilience:root",)
    assert identity.contradictions("a-clone", FULL, AS_TAGS) == ()


@pytest.mark.parametrize(
    ("env", "born"),
    [
        (FULL, AS_TAGS),
        (
            BORN | {"RESILIENCE_CHECKPOINT_STEP": "40"},
            {
                "resilience:root": "night",
                "resilience:attempt": "2",
                "resilience:checkpoint": "none",
                "resilience:checkpoint-step": "0",
            },
        ),
        (
            BORN | {"RESILIENCE_CHECKPOINT": "team/digits/model-r1:v3"},
            {
                "resilience:root": "night",
                "resilience:attempt": "2",
                "resilience:checkpoint": "v3",
            },
        ),
        ({"RESILIENCE_ROOT": "night"}, None),
        ({"RESILIENCE_ATTEMPT": "2"}, None),
        ({}, None),
    ],
)
def test_a_successor_was_born_with_what_its_environment_says_and_nothing_that_it_does_not(
    env: dict[str, str], born: dict[str, str] | None
) -> None:
    assert environment.born_with(env) == born


@pytest.mark.parametrize(
    ("env", "own", "run"),
    [
        ({"WANDB_RUN_ID": "e1"}, {"WANDB_RUN_ID": "t1"}, "e1"),
        ({"WANDB_RUN_ID": ""}, {"WANDB_RUN_ID": "t1"}, "t1"),
        ({}, {"WANDB_RUN_ID": "t1", "WANDB_CHECKPOINT_NAME": "model-c1"}, "t1"),
        ({}, {"WANDB_CHECKPOINT_NAME": "model-c1"}, "c1"),
        ({}, {"WANDB_CHECKPOINT_NAME": "model-c1:best"}, "c1"),
        ({}, {"WANDB_CHECKPOINT_NAME": "c1"}, None),
        ({}, {"WANDB_CHECKPOINT_NAME": "my-model-c1"}, None),
        ({}, {"WANDB_RUN_ID": "../admin"}, None),
        ({}, {}, None),
    ],
)
def test_the_run_is_the_launchs_else_the_tags_else_the_one_that_the_collection_is_named_after(
    env: dict[str, str], own: dict[str, str], run: str | None
) -> None:
    assert identity.run_of(env, own) == run


WAITS = f"2 {words.stamp(NIGHT)}"


@pytest.mark.parametrize(
    ("name", "env", "verdict", "waits"),
    [
        ("night", {}, {}, True),
        ("night-r2", FULL, {}, True),
        ("a-clone", FULL, {}, False),
        ("a-clone", FULL, {"resilience:verdict": "WAIT"}, True),
    ],
)
def test_a_wait_that_a_clone_has_inherited_is_none_of_its_own_until_it_is_decided_on(
    name: str, env: dict[str, str], verdict: dict[str, str], *, waits: bool
) -> None:
    found = identity.lineage(name, env, {"resilience:waiting": WAITS} | verdict)
    assert (found.waiting is not None) is waits
    assert found.root == ("night" if name == "night-r2" else name)


TOKEN = {"RESILIENCE_COMPLETION_TOKEN": "0" * 32}
PROOF = hashlib.sha256(b"0" * 32).hexdigest()


@pytest.mark.parametrize(
    ("env", "mark", "completed", "unproved"),
    [
        (TOKEN, PROOF, True, False),
        (TOKEN, "no", False, False),
        (TOKEN, "yes", None, True),
        (TOKEN, None, None, False),
        ({}, PROOF, None, False),
        ({}, "no", None, True),
        ({}, None, None, False),
        ({"RESILIENCE_COMPLETION_TOKEN": "short"}, "no", None, True),
    ],
)
def test_only_who_knows_the_launchs_token_can_say_that_a_training_is_complete(
    env: dict[str, str], mark: str | None, *, completed: bool | None, unproved: bool
) -> None:
    own = {} if mark is None else {"resilience:completed": mark}
    assert identity.completed_mark(env, own) is completed
    assert identity.is_unproved_completion(env, own) is unproved


@pytest.mark.parametrize(
    ("name", "described", "own", "owner"),
    [
        ("night", {}, {}, None),
        ("pipelines-abc", {}, {}, "pipelines-"),
        ("AWSBatch-abc", {}, {}, "AWSBatch"),
        ("my-pipelines-abc", {}, {}, None),
        ("night", {"TuningJobArn": "arn"}, {}, "TuningJobArn"),
        ("night", {"AutoMLJobArn": "arn"}, {}, "AutoMLJobArn"),
        ("night", {"LabelingJobArn": "arn"}, {}, "LabelingJobArn"),
        ("night", {"TuningJobArn": ""}, {}, None),
        ("night", {}, {"MANAGED_BY_AWS": ""}, "MANAGED_BY_AWS"),
        (
            "night",
            {},
            {"sagemaker:pipeline-execution-arn": "x"},
            "sagemaker:pipeline-execution-arn",
        ),
        ("night", {"TuningJobArn": "arn"}, {"MANAGED_BY_AWS": ""}, "TuningJobArn"),
    ],
)
def test_a_service_that_made_a_job_is_known_by_its_name_a_member_or_a_tag(
    name: str, described: dict[str, object], own: dict[str, str], owner: str | None
) -> None:
    assert identity.owner(name, described, own) == owner


@pytest.mark.parametrize(
    ("env", "own", "runs"),
    [
        ({"WANDB_RUN_ID": "r1"}, PLACE, ("r1", "night", "night-algo-1")),
        ({"WANDB_RUN_ID": "night"}, PLACE, ("night", "night-algo-1")),
        ({}, PLACE, ("night", "night-algo-1")),
        ({"WANDB_RUN_ID": "r-checkpoints"}, PLACE, ("r-checkpoints", "night", "night-algo-1")),
    ],
)
def test_the_runs_that_count_are_the_lineages_and_those_that_the_jobs_own_name_gives(
    env: dict[str, str], own: dict[str, str], runs: tuple[str, ...]
) -> None:
    """Each with the run from which `resilient-run` logs its checkpoints."""
    named = own | {"WANDB_CHECKPOINT_NAME": "shared:best"}
    counted = (*runs, *(f"{run}-checkpoints" for run in runs))
    assert identity.checkpoint_request("night", env, named) == CheckpointRequest(
        entity="team", project="digits", collection="shared", alias="best", runs=counted
    )
    with pytest.raises(words.UnreadableTagError):
        identity.checkpoint_request("night", env, own)


@pytest.mark.parametrize(
    ("makers", "run"),
    [
        ({"night"}, "night"),
        ({"night-algo-1"}, "night-algo-1"),
        ({"night-algo-1", "night"}, "night"),
        ({"night-checkpoints"}, "night"),
        ({"night-algo-1-checkpoints"}, "night-algo-1"),
        ({"night-algo-1", "night-checkpoints"}, "night"),
        ({"day", "checkpoints", "-checkpoints", "night-checkpoints-checkpoints"}, None),
        (set(), None),
    ],
)
def test_the_run_that_a_version_is_of_is_never_the_one_that_only_logs_checkpoints(
    makers: set[str], run: str | None
) -> None:
    assert identity.run_with_versions("night", makers) == run


def test_a_job_is_opted_in_by_its_launch_or_by_its_tags() -> None:
    named = PLACE | {"WANDB_CHECKPOINT_NAME": "shared"}
    assert identity.opted_in(PINNED, {})
    assert identity.opted_in({}, named)
    assert not identity.opted_in({}, PLACE)
    assert identity.is_successor("night-r2", FULL)
    assert not identity.is_successor("night", {})
    assert not identity.is_successor("a-clone", FULL)
