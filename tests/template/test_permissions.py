"""Each role may do what its code does, and nothing else."""

import re
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest

from resilience.decide.decisions import Verdict
from resilience.wire import tags
from tests.template.policies import actions, allowed, as_list, documents, may_create
from tests.template.stack import (
    ACCOUNT,
    REGION,
    ROOT,
    TRAINING_ROLE,
    stack,
)

STACK = stack()
ROLES = documents(STACK)
OF_FUNCTIONS = ("OnTrainingEndedRole", "SweepRole")
PLACE = f"{REGION}:{ACCOUNT}"
JOB = f"arn:aws:sagemaker:{PLACE}:training-job/a-job"
SECRET = f"arn:aws:secretsmanager:{PLACE}:secret:resilience/wandb-api-key"
SWITCH = f"arn:aws:ssm:{PLACE}:parameter/resilience/resilience/mode"
BREAKER = f"arn:aws:ssm:{PLACE}:parameter/resilience/resilience/breaker"
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
    "_logs": "logs",
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


def test_a_successor_with_its_lineage_may_be_created() -> None:
    assert may_create(STACK, OURS | {"team": "vision", tags.LEDGER: "new"}, {})


@pytest.mark.parametrize("missing", sorted(OURS))
def test_a_job_that_would_not_be_counted_may_not_be_created(missing: str) -> None:
    assert not may_create(STACK, {k: v for k, v in OURS.items() if k != missing}, {})
    assert not may_create(STACK, {}, {})


@pytest.mark.parametrize("kind", ["training-plan/a-plan", "reserved-capacity/a1b2c3"])
def test_a_successor_may_run_on_the_training_plan_of_its_parent(kind: str) -> None:
    plan = f"arn:aws:sagemaker:{PLACE}:{kind}"
    assert may_create(STACK, OURS, {}, plan)
    assert may_create(STACK, {}, {}, plan), "SageMaker gives a plan no tags of the request"
    assert not on_training_ended("sagemaker:DescribeTrainingPlan", plan)
    assert not may_create(STACK, OURS, {}, f"arn:aws:sagemaker:{PLACE}:endpoint/an-endpoint")


def add_tags(keys: list[str] | None, **context: object) -> bool:
    tagged = {"aws:TagKeys": keys} | {k.replace("__", ":"): v for k, v in context.items()}
    return allowed(STACK, "OnTrainingEndedRole", "sagemaker:AddTags", JOB, tagged)


def test_a_successor_may_carry_any_tag_from_the_start() -> None:
    creating = {"sagemaker__TaggingAction": "CreateTrainingJob"}
    assert add_tags([*OURS, "team", "WANDB_PROJECT"], **creating)
    assert not add_tags([*OURS, "team"], sagemaker__TaggingAction="CreateEndpoint")


def verdict_keys() -> set[str]:
    """What the code can write on a decided job, found by reading what writes it."""
    written = (ROOT / "functions/resilience/wire/verdict_tags.py").read_text()
    body = written.split("def of_verdict", 1)[1].split("\ndef ", 1)[0]
    names = set(re.findall(r"\b([A-Z]{3,})\b", body)) - set(Verdict)
    return {getattr(tags, name) for name in names}


def test_a_judged_job_may_get_every_tag_of_a_verdict() -> None:
    assert {tags.VERDICT, tags.REASON, tags.SUCCESSOR, tags.DUE} <= verdict_keys()
    assert add_tags(sorted(verdict_keys()))


@pytest.mark.parametrize(
    "key",
    sorted(FORWARD | {tags.MODE, tags.AGAIN, tags.COMPLETED, tags.PROJECT, "team"}),
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
        ("ssm:GetParameters", SWITCH),
        ("ssm:GetParameters", BREAKER),
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
        ("ssm:GetParameters", f"arn:aws:ssm:{PLACE}:parameter/resilience/other"),
        ("ssm:PutParameter", SWITCH),
        ("ssm:PutParameter", BREAKER),
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
