"""Each role may do what its code does, and nothing else."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import botocore.session
import pytest

from resilience import tags
from resilience.decisions import Verdict
from tests.template.policies import actions, allowed, as_list, documents
from tests.template.stack import (
    ACCOUNT,
    EVERYTHING,
    REGION,
    ROOT,
    TRAINING_ROLE,
    Stack,
    source,
    stack,
    with_everything,
)

STACK = stack()
FULL = with_everything()
ROLES = documents(STACK)
OF_FUNCTIONS = ("OnTrainingEndedRole", "SweepRole")
PLACE = f"{REGION}:{ACCOUNT}"
JOB = f"arn:aws:sagemaker:{PLACE}:training-job/a-job"
SECRET = f"arn:aws:secretsmanager:{PLACE}:secret:resilience/wandb-api-key"
SWITCH = f"arn:aws:ssm:{PLACE}:parameter/resilience/resilience/mode"
FORWARD = {tags.ROOT, tags.PARENT, tags.ATTEMPT, tags.LEDGER, tags.REJECTED} | {
    tags.CHECKPOINT,
    tags.CHECKPOINT_STEP,
}
OURS = {tags.ROOT: "a-job", tags.PARENT: "a-job", tags.ATTEMPT: "2"}

# The only statements on every resource, each with its reason.
ON_EVERYTHING = {("SweepRole", "sagemaker:Search"): "Search takes no narrower resource"}
# What Lambda does with a function's role on its own account, not by a call in the code.
BY_LAMBDA_ITSELF = {
    "logs:CreateLogStream",
    "logs:PutLogEvents",
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
}
# What other services do with it: hand a role over, encrypt for a topic.
BY_OTHER_SERVICES = {"iam:PassRole", "kms:GenerateDataKey", "kms:Decrypt"}
CLIENTS = {
    "_client": "sagemaker",
    "_sqs": "sqs",
    "_scheduler": "scheduler",
    "_sns": "sns",
    "_ssm": "ssm",
}
PROVIDERS = {"SecretsProvider": "secretsmanager:GetSecretValue"}


def statements() -> Iterator[tuple[str, dict[str, Any]]]:
    for role, policies in ROLES.items():
        for policy in policies:
            for statement in policy["Statement"]:
                yield role, statement


def called_by_the_code() -> set[str]:
    """The actions behind the calls of functions/, read off the adapters."""
    adapters = (ROOT / "functions" / "resilience" / "adapters").glob("*.py")
    code = "".join(adapter.read_text() for adapter in adapters)
    session = botocore.session.get_session()
    calls = set()
    for holder, service in CLIENTS.items():
        operations = session.get_service_model(service).operation_names
        by_method = {botocore.xform_name(operation): operation for operation in operations}
        methods = set(re.findall(rf"self\.{holder}\.(\w+)", code)) - {"meta"}
        calls |= {f"{service}:{by_method[method]}" for method in methods}
    calls |= {action for provider, action in PROVIDERS.items() if provider in code}
    # A batch is authorised as what it is a batch of.
    return {call.removesuffix("Batch") for call in calls}


def test_the_functions_may_make_every_call_that_the_code_makes_and_no_other() -> None:
    given = {action for role in OF_FUNCTIONS for action in actions(STACK, role)}
    assert given - BY_LAMBDA_ITSELF - BY_OTHER_SERVICES == called_by_the_code()


def test_no_statement_is_about_everything_unless_it_is_on_the_list() -> None:
    found = {
        (role, action)
        for role, statement in statements()
        if "*" in as_list(statement["Resource"])
        for action in as_list(statement["Action"])
    }
    assert found == set(ON_EVERYTHING)


def test_every_action_is_named_in_full() -> None:
    wild = [s for _, s in statements() if any("*" in action for action in as_list(s["Action"]))]
    assert not wild


def test_every_role_is_for_one_service() -> None:
    for role in STACK.of_type("AWS::IAM::Role").values():
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert isinstance(statement["Principal"]["Service"], str)
        assert statement["Action"] == "sts:AssumeRole"


@pytest.mark.parametrize(
    ("role", "group"),
    [("WaitScheduleRole", "WaitSchedules"), ("SweepScheduleRole", "default")],
)
def test_the_scheduler_takes_a_role_only_for_schedules_of_our_group(role: str, group: str) -> None:
    (statement,) = STACK.properties(role)["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Condition"] == {
        "StringEquals": {
            "aws:SourceAccount": ACCOUNT,
            "aws:SourceArn": f"arn:aws:scheduler:{PLACE}:schedule-group/{group}",
        }
    }


def test_a_role_is_passed_only_by_name_and_only_to_one_service() -> None:
    passed = {
        tuple(as_list(s["Resource"])): s["Condition"]
        for _, s in statements()
        if "iam:PassRole" in as_list(s["Action"])
    }
    to = "iam:PassedToService"
    assert passed == {
        (TRAINING_ROLE,): {"StringEquals": {to: "sagemaker.amazonaws.com"}},
        (STACK.arn("WaitScheduleRole"),): {"StringEquals": {to: "scheduler.amazonaws.com"}},
    }


def on_training_ended(action: str, resource: str, **context: object) -> bool:
    named = {key.replace("__", ":"): value for key, value in context.items()}
    return allowed(STACK, "OnTrainingEndedRole", action, resource, named)


def through(service: str) -> dict[str, object]:
    """What KMS sees of a request that a service makes in the caller's name."""
    return {"kms:ViaService": f"{service}.{REGION}.amazonaws.com"}


def may_pass(role: str, service: str) -> bool:
    to = f"{service}.amazonaws.com"
    return on_training_ended("iam:PassRole", role, iam__PassedToService=to)


def test_a_training_role_goes_to_sagemaker_and_ours_to_the_scheduler() -> None:
    assert may_pass(TRAINING_ROLE, "sagemaker")
    assert may_pass(STACK.arn("WaitScheduleRole"), "scheduler")


def test_no_other_role_goes_anywhere_and_these_go_nowhere_else() -> None:
    assert not may_pass(f"arn:aws:iam::{ACCOUNT}:role/admin", "sagemaker")
    assert not may_pass(TRAINING_ROLE, "lambda")
    assert not may_pass(STACK.arn("WaitScheduleRole"), "sagemaker")
    assert not on_training_ended("iam:PassRole", TRAINING_ROLE)


def create(
    request_tags: dict[str, str],
    of: Stack = STACK,
    asked: Mapping[str, object] | None = None,
    resource: str = JOB,
) -> bool:
    keys: dict[str, object] = {f"aws:RequestTag/{key}": v for key, v in request_tags.items()}
    context = keys | {"aws:TagKeys": sorted(request_tags) or None} | dict(asked or {})
    return allowed(of, "OnTrainingEndedRole", "sagemaker:CreateTrainingJob", resource, context)


def test_a_successor_with_its_lineage_may_be_created() -> None:
    assert create(OURS | {"team": "vision", tags.LEDGER: "no-progress=0"})


@pytest.mark.parametrize("missing", sorted(OURS))
def test_a_job_that_would_not_be_counted_may_not_be_created(missing: str) -> None:
    assert not create({key: value for key, value in OURS.items() if key != missing})
    assert not create({})


@pytest.mark.parametrize("kind", ["training-plan/a-plan", "reserved-capacity/a1b2c3"])
def test_a_successor_may_run_on_the_training_plan_of_its_parent(kind: str) -> None:
    plan = f"arn:aws:sagemaker:{PLACE}:{kind}"
    assert create(OURS, resource=plan)
    assert create({}, resource=plan), "SageMaker gives a plan no tags of the request"
    assert not on_training_ended("sagemaker:DescribeTrainingPlan", plan)
    assert not create(OURS, resource=f"arn:aws:sagemaker:{PLACE}:endpoint/an-endpoint")


WITHIN: dict[str, object] = {
    "sagemaker:InstanceTypes": ["ml.g5.2xlarge", "ml.m5.large"],
    "sagemaker:MaxRuntimeInSeconds": "86400",
    "sagemaker:VpcSubnets": ["subnet-2a"],
}


def test_without_ceilings_a_successor_may_be_of_any_size() -> None:
    assert create(OURS, asked=WITHIN | {"sagemaker:InstanceTypes": ["ml.p5.48xlarge"]})
    assert create(OURS)


def test_a_successor_within_the_ceilings_may_be_created() -> None:
    assert create(OURS, FULL, WITHIN)


@pytest.mark.parametrize(
    "beyond",
    [
        {"sagemaker:InstanceTypes": ["ml.p5.48xlarge"]},
        {"sagemaker:InstanceTypes": ["ml.g5.2xlarge", "ml.p5.48xlarge"]},
        {"sagemaker:InstanceTypes": None},
        {"sagemaker:MaxRuntimeInSeconds": "86401"},
        {"sagemaker:MaxRuntimeInSeconds": None},
        {"sagemaker:VpcSubnets": ["subnet-2a", "subnet-3a"]},
        {"sagemaker:VpcSubnets": None},
    ],
)
def test_a_successor_beyond_a_ceiling_is_refused_by_iam_itself(beyond: dict[str, object]) -> None:
    assert not create(OURS, FULL, WITHIN | beyond)


@pytest.mark.parametrize("missing", sorted(OURS))
def test_with_ceilings_too_no_job_may_be_created_that_would_not_be_counted(missing: str) -> None:
    assert not create({k: v for k, v in OURS.items() if k != missing}, FULL, WITHIN)


@pytest.mark.parametrize(
    ("parameter", "key"),
    [
        ("AllowedInstanceTypes", "sagemaker:InstanceTypes"),
        ("MaxRuntimeSeconds", "sagemaker:MaxRuntimeInSeconds"),
        ("AllowedSubnetIds", "sagemaker:VpcSubnets"),
    ],
)
def test_each_ceiling_stands_without_the_others(parameter: str, key: str) -> None:
    one = stack(**{parameter: EVERYTHING[parameter]})
    assert create(OURS, one, {key: WITHIN[key]})
    assert not create(OURS, one)


def add_tags(keys: list[str] | None, **context: object) -> bool:
    tagged = {"aws:TagKeys": keys} | {k.replace("__", ":"): v for k, v in context.items()}
    return allowed(STACK, "OnTrainingEndedRole", "sagemaker:AddTags", JOB, tagged)


def test_a_successor_may_carry_any_tag_from_the_start() -> None:
    creating = {"sagemaker__TaggingAction": "CreateTrainingJob"}
    assert add_tags([*OURS, "team", "WANDB_PROJECT"], **creating)
    assert not add_tags([*OURS, "team"], sagemaker__TaggingAction="CreateEndpoint")


def verdict_keys() -> set[str]:
    """What the code can write on a judged job, found by reading what writes it."""
    written = (ROOT / "functions/resilience/tags.py").read_text()
    body = written.split("def of_verdict", 1)[1].split("\ndef ", 1)[0]
    names = set(re.findall(r"\b([A-Z]{3,})\b", body)) - set(Verdict)
    return {getattr(tags, name) for name in names}


def test_a_judged_job_may_get_every_tag_of_a_verdict() -> None:
    assert {tags.VERDICT, tags.REASON, tags.SUCCESSOR, tags.DUE} <= verdict_keys()
    assert add_tags(sorted(verdict_keys()))


@pytest.mark.parametrize(
    "key",
    sorted(FORWARD | {tags.MODE, tags.COMPLETED, tags.PROJECT, "team"}),
)
def test_a_judged_job_keeps_its_ledger_and_what_people_set(key: str) -> None:
    assert not add_tags([key])
    assert not add_tags([tags.VERDICT, key])


def test_a_request_to_tag_that_names_no_tag_is_not_let_in_by_for_all() -> None:
    assert not add_tags(None)


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("sagemaker:DescribeTrainingJob", JOB),
        ("sagemaker:ListTags", JOB),
        ("secretsmanager:GetSecretValue", f"{SECRET}-AbCdEf"),
        ("ssm:GetParameter", SWITCH),
        ("scheduler:CreateSchedule", f"arn:aws:scheduler:{PLACE}:schedule/WaitSchedules/a"),
        ("scheduler:GetSchedule", f"arn:aws:scheduler:{PLACE}:schedule/WaitSchedules/a"),
        ("sqs:ReceiveMessage", STACK.arn("TrainingEndedQueue")),
        ("sqs:SendMessage", STACK.arn("DeadLetterQueue")),
        ("sns:Publish", STACK.arn("Notifications")),
    ],
)
def test_the_function_that_relaunches_may_do_its_work(action: str, resource: str) -> None:
    assert on_training_ended(action, resource)


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("sagemaker:StopTrainingJob", JOB),
        ("sagemaker:DeleteTrainingJob", JOB),
        ("sagemaker:DeleteTags", JOB),
        ("sagemaker:ListTags", f"arn:aws:sagemaker:{PLACE}:endpoint/an-endpoint"),
        ("secretsmanager:GetSecretValue", f"{SECRET}-other-AbCdEf"),
        ("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:{PLACE}:secret:other-AbCdEf"),
        ("ssm:GetParameter", f"arn:aws:ssm:{PLACE}:parameter/resilience/other"),
        ("ssm:PutParameter", SWITCH),
        ("scheduler:CreateSchedule", f"arn:aws:scheduler:{PLACE}:schedule/default/a"),
        ("scheduler:DeleteSchedule", f"arn:aws:scheduler:{PLACE}:schedule/WaitSchedules/a"),
        ("sqs:SendMessage", STACK.arn("TrainingEndedQueue")),
        ("sqs:ReceiveMessage", STACK.arn("DeadLetterQueue")),
        ("sns:Subscribe", STACK.arn("Notifications")),
        ("kms:Decrypt", f"arn:aws:kms:{PLACE}:key/other"),
        ("kms:Decrypt", STACK.arn("NotificationsKey")),
        ("ec2:CreateNetworkInterface", "*"),
    ],
)
def test_the_function_that_relaunches_may_do_nothing_else(action: str, resource: str) -> None:
    assert not on_training_ended(action, resource)


@pytest.mark.parametrize("action", ["CreateTrainingJob", "AddTags", "StopTrainingJob"])
def test_the_sweep_changes_no_job(action: str) -> None:
    assert not allowed(STACK, "SweepRole", f"sagemaker:{action}", JOB, {})


@pytest.mark.parametrize("queue", STACK.of_type("AWS::SQS::Queue"))
def test_the_end_of_a_wait_can_only_be_put_on_the_queue(queue: str) -> None:
    may = allowed(STACK, "WaitScheduleRole", "sqs:SendMessage", STACK.arn(queue), {})
    assert may is (queue == "TrainingEndedQueue")
    assert actions(STACK, "WaitScheduleRole") == {"sqs:SendMessage"}


def test_the_log_of_each_function_is_its_own() -> None:
    for role in OF_FUNCTIONS:
        group = role.replace("Role", "Logs")
        stream = STACK.arn(group).removesuffix("*") + "log-stream:a"
        other = f"arn:aws:logs:{PLACE}:log-group:another:log-stream:a"
        assert allowed(STACK, role, "logs:PutLogEvents", stream, {})
        assert not allowed(STACK, role, "logs:PutLogEvents", other, {})


@pytest.mark.parametrize("role", OF_FUNCTIONS)
@pytest.mark.parametrize("action", ["kms:GenerateDataKey", "kms:Decrypt"])
def test_the_key_of_the_notifications_serves_sns_alone(role: str, action: str) -> None:
    key = STACK.arn("NotificationsKey")
    assert allowed(STACK, role, action, key, through("sns"))
    assert not allowed(STACK, role, action, key, through("secretsmanager"))
    assert not allowed(STACK, role, action, key, {})


def test_the_key_of_the_secret_serves_secrets_manager_for_that_secret_alone() -> None:
    key = EVERYTHING["SecretKeyArn"]

    def decrypts(of: Stack, service: str, secret: str) -> bool:
        about = through(service) | {"kms:EncryptionContext:SecretARN": secret}
        return allowed(of, "OnTrainingEndedRole", "kms:Decrypt", key, about)

    assert decrypts(FULL, "secretsmanager", f"{SECRET}-AbCdEf")
    assert not decrypts(FULL, "secretsmanager", f"{SECRET}-other-AbCdEf")
    assert not decrypts(FULL, "s3", f"{SECRET}-AbCdEf")
    assert not decrypts(STACK, "secretsmanager", f"{SECRET}-AbCdEf"), "no key is named"
    assert not allowed(FULL, "SweepRole", "kms:Decrypt", key, through("secretsmanager"))


@pytest.mark.parametrize("role", OF_FUNCTIONS)
def test_lambda_may_put_a_function_into_its_vpc_and_the_functions_code_may_not(role: str) -> None:
    of_the_code = {"lambda:SourceFunctionArn": STACK.arn("Sweep")}
    shared = f"arn:aws:ec2:{REGION}:999999999999:subnet/subnet-1a"
    own = f"arn:aws:ec2:{PLACE}:network-interface/eni-1a"
    for action, resource in (
        ("CreateNetworkInterface", shared),
        ("DeleteNetworkInterface", own),
        ("DescribeSubnets", "*"),
    ):
        assert allowed(FULL, role, f"ec2:{action}", resource, {})
        assert not allowed(FULL, role, f"ec2:{action}", resource, of_the_code)
        assert not allowed(STACK, role, f"ec2:{action}", resource, {}), "no subnet is named"
    assert not allowed(FULL, role, "ec2:RunInstances", own, {})


def test_the_certificates_are_read_from_the_named_parameter_by_the_function_that_asks_wandb() -> (
    None
):
    certificates = f"arn:aws:ssm:{PLACE}:parameter/wandb/ca"
    assert allowed(FULL, "OnTrainingEndedRole", "ssm:GetParameter", certificates, {})
    assert not allowed(FULL, "OnTrainingEndedRole", "ssm:PutParameter", certificates, {})
    assert not allowed(FULL, "SweepRole", "ssm:GetParameter", certificates, {})
    assert not allowed(STACK, "OnTrainingEndedRole", "ssm:GetParameter", certificates, {})


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
@pytest.mark.parametrize("key", [tags.ATTEMPT, tags.LEDGER, tags.ROOT, tags.MODE, tags.VERDICT])
@pytest.mark.parametrize("has", [{}, OPTED_IN], ids=["fresh", "opted-in"])
def test_a_training_job_cannot_give_itself_another_budget(
    policy: str, key: str, has: dict[str, object]
) -> None:
    assert not may_tag(policy, [key], has)
    assert not may_tag(policy, [tags.COMPLETED, key], has)


@pytest.mark.parametrize("policy", TRAINING_POLICIES)
def test_a_training_reads_the_tags_of_its_jobs_and_does_nothing_else(policy: str) -> None:
    assert allowed(STACK, policy, "sagemaker:ListTags", JOB, {})
    assert actions(STACK, policy) == {"sagemaker:AddTags", "sagemaker:ListTags"}
    # Whoever may describe a job reads its completion token, and could mark it as done.
    assert not allowed(STACK, policy, "sagemaker:DescribeTrainingJob", JOB, {})


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
