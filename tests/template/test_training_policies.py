"""The two policies for training roles: what the container of one job may do to jobs."""

import pytest

from resilience.wire import tags
from tests.template.policies import A_JOB, actions, allowed
from tests.template.stack import ACCOUNT, REGION, Stack, source, stack, with_everything

STACK, FULL = stack(), with_everything()
PLACE = f"{REGION}:{ACCOUNT}"
PLACES = [tags.ENTITY, tags.PROJECT, tags.CHECKPOINT_NAME, tags.CHECKPOINT_TAG, tags.RUN_ID]
TRAINING_POLICIES = ("CompletionMarkPolicy", "SelfOptInPolicy")
OPTED_IN: dict[str, object] = {"aws:ResourceTag/WANDB_PROJECT": "digits"}


def may_tag(
    policy: str,
    keys: list[str] | None,
    has: dict[str, object],
    of: Stack = STACK,
    job: str = "a-job",
) -> bool:
    """Whether a training may write these tags on a job that has those."""
    arn = f"arn:aws:sagemaker:{PLACE}:training-job/{job}"
    return allowed(of, policy, "sagemaker:AddTags", arn, {"aws:TagKeys": keys} | has)


def test_a_training_may_mark_its_end_on_a_job_that_is_opted_in_and_on_no_other() -> None:
    assert may_tag("CompletionMarkPolicy", [tags.COMPLETED], OPTED_IN)
    assert not may_tag("CompletionMarkPolicy", [tags.COMPLETED], {})


@pytest.mark.parametrize("key", [*PLACES, tags.MODE, "team"])
def test_the_mark_of_the_end_gives_no_right_to_say_where_checkpoints_are(key: str) -> None:
    for keys in ([key], [tags.COMPLETED, key], None):
        assert not may_tag("CompletionMarkPolicy", keys, OPTED_IN)
        assert not may_tag("CompletionMarkPolicy", keys, {})


def test_a_training_may_opt_in_a_job_that_is_not_and_change_none_that_is() -> None:
    assert may_tag("SelfOptInPolicy", [*PLACES, tags.COMPLETED], {})
    for key in (*PLACES, tags.COMPLETED):
        assert not may_tag("SelfOptInPolicy", [key], OPTED_IN)
    assert not may_tag("SelfOptInPolicy", None, {})


@pytest.mark.parametrize("policy", TRAINING_POLICIES)
@pytest.mark.parametrize(
    "key", [tags.ATTEMPT, tags.LEDGER, tags.ROOT, tags.MODE, tags.VERDICT, tags.AGAIN]
)
@pytest.mark.parametrize("has", [{}, OPTED_IN], ids=["fresh", "opted-in"])
def test_a_training_job_cannot_give_itself_another_budget(
    policy: str, key: str, has: dict[str, object]
) -> None:
    assert not may_tag(policy, [key], has)
    assert not may_tag(policy, [tags.COMPLETED, key], has)


@pytest.mark.parametrize("policy", TRAINING_POLICIES)
def test_a_training_reads_the_tags_of_its_jobs_and_does_nothing_else(policy: str) -> None:
    assert allowed(STACK, policy, "sagemaker:ListTags", A_JOB, {})
    assert actions(STACK, policy) == {"sagemaker:AddTags", "sagemaker:ListTags"}
    # Whoever may describe a job reads its completion token, and could mark it as done.
    assert not allowed(STACK, policy, "sagemaker:DescribeTrainingJob", A_JOB, {})


@pytest.mark.parametrize("policy", TRAINING_POLICIES)
def test_the_rights_of_the_trainings_end_at_the_prefix_of_their_jobs(policy: str) -> None:
    has, keys = {"CompletionMarkPolicy": (OPTED_IN, [tags.COMPLETED])}.get(policy, ({}, PLACES))
    for job, may in (("vision-1", True), ("audio-1", False), ("a-vision-1", False)):
        arn = f"arn:aws:sagemaker:{PLACE}:training-job/{job}"
        assert may_tag(policy, keys, has, FULL, job) is may
        assert allowed(FULL, policy, "sagemaker:ListTags", arn, {}) is may


@pytest.mark.parametrize("policy", TRAINING_POLICIES)
def test_the_policies_for_training_roles_are_handed_out(policy: str) -> None:
    assert source()["Outputs"][f"{policy}Arn"]["Value"] == {"Ref": policy}
