"""What a training's role may do, by the evaluator that the local AWS enforces with."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import boto3
import pytest
from ministack.core.iam_evaluator import EvalContext, evaluate, parse_policy_document

from launching.account import Account
from launching.role import Needs, ensure_role, execution_policy, self_opt_in_policy
from tests.template import stack as template
from tests.unit.small_launch import ACCOUNT, account

NEEDS = Needs(home="bucket/prefix", secret="team/key")
JOB = "arn:aws:sagemaker:eu-west-1:123456789012:training-job"
KEY = "arn:aws:kms:eu-west-1:123456789012:key/1"
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:team/key-AbCdEf"
OPTED_IN = {"aws:resourcetag/WANDB_PROJECT": "digits"}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with account() as session:
        yield session


def allowed(
    policy: Mapping[str, Any], action: str, resource: str, context: Mapping[str, object]
) -> bool:
    request = EvalContext(
        principal_arn="arn:aws:sts::123456789012:assumed-role/training/job",
        principal_type="AssumedRole",
        principal_account="123456789012",
        action=action,
        resource_arn=resource,
        region="eu-west-1",
        service_context={"aws:tagkeys": None} | {key.lower(): one for key, one in context.items()},
    )
    return bool(evaluate(request, [parse_policy_document(policy)]).decision == "Allow")


def may(action: str, resource: str, needs: Needs = NEEDS, **context: object) -> bool:
    return allowed(execution_policy(ACCOUNT, needs), action, resource, context)


def may_tag(policy: Mapping[str, Any], *keys: str, job: str, bears: Mapping[str, str]) -> bool:
    context = {"aws:TagKeys": list(keys) or None, **bears}
    return allowed(policy, "sagemaker:AddTags", f"{JOB}/{job}", context)


def test_a_training_marks_its_end_only_on_a_job_that_is_opted_in() -> None:
    policy = execution_policy(ACCOUNT, NEEDS)
    assert may_tag(policy, "resilience:completed", job="a", bears=OPTED_IN)
    assert not may_tag(policy, "resilience:completed", job="a", bears={})
    assert not may_tag(policy, job="a", bears=OPTED_IN)


@pytest.mark.parametrize(
    "key",
    [
        *("WANDB_ENTITY", "WANDB_PROJECT", "WANDB_CHECKPOINT_NAME", "WANDB_RUN_ID"),
        *("resilience:verdict", "resilience:attempt", "resilience:ledger", "resilience:mode"),
    ],
)
def test_a_training_changes_nothing_that_says_where_an_opted_in_job_resumes(key: str) -> None:
    for policy in (execution_policy(ACCOUNT, NEEDS), self_opt_in_policy(ACCOUNT, NEEDS)):
        assert not may_tag(policy, key, job="a", bears=OPTED_IN)
        assert not may_tag(policy, "resilience:completed", key, job="a", bears=OPTED_IN)


def test_a_training_opts_itself_in_only_where_nobody_has() -> None:
    policy = self_opt_in_policy(ACCOUNT, NEEDS)
    keys = ("WANDB_ENTITY", "WANDB_PROJECT", "WANDB_CHECKPOINT_NAME", "resilience:completed")
    assert may_tag(policy, *keys, job="a", bears={})
    assert not may_tag(policy, *keys, job="a", bears=OPTED_IN)
    assert not may_tag(policy, *keys, "resilience:attempt", job="a", bears={})


def test_the_stacks_policies_for_other_training_roles_give_the_very_same_rights() -> None:
    place = Account("aws", template.ACCOUNT, template.REGION)
    policies = template.stack(TrainingJobPrefix="vision-").of_type("AWS::IAM::ManagedPolicy")
    needs = replace(NEEDS, job_prefix="vision-")
    every = statements(execution_policy(place, needs))
    opt_in = statements(self_opt_in_policy(place, needs))
    marks = statements(policies["CompletionMarkPolicy"]["PolicyDocument"])
    assert marks == [one for one in every if "sagemaker:" in one["Action"][0]]
    theirs = statements(policies["SelfOptInPolicy"]["PolicyDocument"])
    assert theirs == [*opt_in, *(one for one in marks if one["Action"] == ["sagemaker:ListTags"])]


def statements(policy: Mapping[str, Any]) -> list[dict[str, Any]]:
    """With lists where a policy may have a word, in one order, and without names."""
    found = []
    for statement in policy["Statement"]:
        plain = {key: value for key, value in statement.items() if key != "Sid"}
        keys = plain.get("Condition", {}).get("ForAllValues:StringEquals", {})
        ordered = {"ForAllValues:StringEquals": {key: sorted(keys[key]) for key in keys}}
        actions = [plain["Action"]] if isinstance(plain["Action"], str) else plain["Action"]
        condition = {"Condition": plain["Condition"] | ordered} if keys else {}
        found.append({**plain, "Action": actions, **condition})
    return found


def test_a_job_prefix_keeps_the_role_off_other_jobs() -> None:
    vision = replace(NEEDS, job_prefix="vision-")
    for policy, bears in (
        (execution_policy(ACCOUNT, vision), OPTED_IN),
        (self_opt_in_policy(ACCOUNT, vision), {}),
    ):
        assert may_tag(policy, "resilience:completed", job="vision-1", bears=bears)
        assert not may_tag(policy, "resilience:completed", job="speech-1", bears=bears)
    assert may("sagemaker:ListTags", f"{JOB}/vision-1", vision)
    assert not may("sagemaker:ListTags", f"{JOB}/speech-1", vision)


def test_a_training_cannot_describe_a_job_so_it_learns_no_other_jobs_token() -> None:
    for name in ("a", "vision-1"):
        assert not may("sagemaker:DescribeTrainingJob", f"{JOB}/{name}")


@pytest.mark.parametrize("folder", ["code", "sm_drivers", "data", "resilience"])
def test_what_trainings_run_is_read_and_never_written(folder: str) -> None:
    place = f"arn:aws:s3:::bucket/prefix/{folder}/0123/train.py"
    assert may("s3:GetObject", place)
    assert not may("s3:PutObject", place)


@pytest.mark.parametrize("folder", ["output", "checkpoints"])
def test_outputs_and_checkpoints_are_written(folder: str) -> None:
    assert may("s3:PutObject", f"arn:aws:s3:::bucket/prefix/{folder}/job/x")
    assert not may("s3:PutObject", f"arn:aws:s3:::bucket/other/{folder}/job/x")
    assert not may("s3:DeleteObject", f"arn:aws:s3:::bucket/prefix/{folder}/job/x")


def test_a_store_is_written_and_read_version_by_version_and_nothing_is_deleted_there() -> None:
    needs = replace(NEEDS, store="s3://checkpoints/team")
    place = "arn:aws:s3:::checkpoints/team/root/a1/0f/checkpoint-1/x"
    for action in ("PutObject", "GetObject", "GetObjectVersion"):
        assert may(f"s3:{action}", place, needs)
        assert not may(f"s3:{action}", "arn:aws:s3:::checkpoints/teams/x", needs)
        assert not may(f"s3:{action}", place)
    assert not may("s3:DeleteObject", place, needs)
    assert not may("s3:DeleteObjectVersion", place, needs)


def test_hosts_can_see_that_a_message_is_not_there_yet() -> None:
    """Without the right to list a bucket S3 says `access denied` of what is not there."""
    assert may("s3:ListBucket", "arn:aws:s3:::other", replace(NEEDS, store="s3://other/x"))
    assert may("s3:ListBucket", "arn:aws:s3:::bucket", replace(NEEDS, store="s3://bucket/x"))


def test_sagemaker_may_ask_for_the_bucket_without_a_prefix() -> None:
    assert may("s3:ListBucket", "arn:aws:s3:::bucket")
    assert not may("s3:ListBucket", "arn:aws:s3:::another")


def test_a_secret_under_aws_own_key_needs_no_right_to_decrypt() -> None:
    assert may("secretsmanager:GetSecretValue", SECRET)
    assert not may("secretsmanager:GetSecretValue", SECRET.replace("team/key", "team/keys"))
    assert "kms:" not in json.dumps(execution_policy(ACCOUNT, NEEDS))


def test_a_key_of_the_customer_decrypts_that_secret_and_nothing_else() -> None:
    needs = replace(NEEDS, secret_key=KEY)
    asked = {
        "kms:ViaService": "secretsmanager.eu-west-1.amazonaws.com",
        "kms:EncryptionContext:SecretARN": SECRET,
    }
    assert may("kms:Decrypt", KEY, needs, **asked)
    assert not may("kms:Decrypt", KEY, needs)
    assert not may("kms:Decrypt", KEY, needs, **{**asked, "kms:ViaService": "s3.amazonaws.com"})
    other = {**asked, "kms:EncryptionContext:SecretARN": SECRET.replace("team", "other")}
    assert not may("kms:Decrypt", KEY, needs, **other)
    assert not may("kms:Decrypt", KEY.replace("/1", "/2"), needs, **asked)


def test_the_role_reaches_nothing_outside_its_own_place() -> None:
    policy = execution_policy(ACCOUNT, replace(NEEDS, secret_key=KEY))
    everywhere = [s["Action"] for s in policy["Statement"] if s["Resource"] == "*"]
    assert everywhere == [["ecr:GetAuthorizationToken"], ["cloudwatch:PutMetricData"]]
    assert not any("*" in action for s in policy["Statement"] for action in s["Action"])


@pytest.mark.parametrize(
    ("place", "registry"),
    [
        (ACCOUNT, "763104351884"),
        (replace(ACCOUNT, region="af-south-1"), "626614931356"),
        (Account("aws-cn", "123456789012", "cn-north-1"), "727897471807"),
        (Account("aws-us-gov", "123456789012", "us-gov-east-1"), "446045086412"),
    ],
)
def test_aws_containers_are_pulled_from_the_registry_of_the_region(
    place: Account, registry: str
) -> None:
    policy = execution_policy(place, NEEDS)
    (pull,) = [s for s in policy["Statement"] if "ecr:BatchGetImage" in s["Action"]]
    assert pull["Resource"] == [
        f"arn:{place.partition}:ecr:{place.region}:{owner}:repository/*"
        for owner in (registry, "123456789012")
    ]


def test_a_role_is_made_once_and_brought_up_to_date_after(aws: boto3.Session) -> None:
    iam = aws.client("iam")
    first = ensure_role(iam, ACCOUNT, Needs(home="b/old", secret="s"), name="training")
    second = ensure_role(iam, ACCOUNT, Needs(home="b/new", secret="s"), name="training")
    assert first == second
    policy = iam.get_role_policy(RoleName="training", PolicyName="training")["PolicyDocument"]
    assert "b/new/output/*" in json.dumps(policy)
    assert "b/old/" not in json.dumps(policy)


def test_the_right_to_self_opt_in_comes_with_the_first_launch_that_needs_it(
    aws: boto3.Session,
) -> None:
    iam = aws.client("iam")
    ensure_role(iam, ACCOUNT, NEEDS, name="training")
    assert iam.list_role_policies(RoleName="training")["PolicyNames"] == ["training"]
    ensure_role(iam, ACCOUNT, replace(NEEDS, self_opt_in=True), name="training")
    ensure_role(iam, ACCOUNT, NEEDS, name="training")
    names = iam.list_role_policies(RoleName="training")["PolicyNames"]
    assert sorted(names) == ["self-opt-in", "training"]
