"""Every statement of the template, one by one: what is wide is on a list with its reason."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import pytest

from resilience.wire import tags
from tests.template.granted import called_by
from tests.template.policies import actions, allowed, as_list, documents
from tests.template.stack import (
    ACCOUNT,
    EVERYTHING,
    REGION,
    TRAINING_ROLE,
    every_value,
    stack,
    with_everything,
)

# Each statement is looked at in the stack as it comes and in the one with every option.
STACK, FULL = stack(), with_everything()
STACKS = {"default": STACK, "everything": FULL}
PLACE = f"{REGION}:{ACCOUNT}"
JOBS = f"arn:aws:sagemaker:{PLACE}:training-job/*"
PLANS = f"arn:aws:sagemaker:{PLACE}:training-plan/*"
CAPACITIES = f"arn:aws:sagemaker:{PLACE}:reserved-capacity/*"

# Each function's role: its entry, and what Lambda and other services do with it beside the code.
ROLES_OF_FUNCTIONS = {
    "OnTrainingEndedRole": (
        "on_training_ended",
        {
            "logs:CreateLogStream",  # Lambda writes the log
            "logs:PutLogEvents",
            "sqs:ReceiveMessage",  # Lambda's poller takes from the queue
            "sqs:DeleteMessage",
            "sqs:GetQueueAttributes",
            "iam:PassRole",  # CreateTrainingJob and CreateSchedule hand a role over
            "kms:GenerateDataKey",  # SNS encrypts in the publisher's name
            "kms:Decrypt",
        },
    ),
    "SweepRole": (
        "sweep",
        {
            "logs:CreateLogStream",
            "logs:PutLogEvents",
            "kms:GenerateDataKey",
            "kms:Decrypt",
        },
    ),
}
# A right that only an option of the stack gives, to what the option names: test_optional_rights.
BY_OPTION = {"ssm:GetParameter"}
# Roles that services take to deliver, and no code of ours.
ROLES_OF_DELIVERIES = {
    "SweepScheduleRole": {"lambda:InvokeFunction", "sqs:SendMessage"},
    "WaitScheduleRole": {"sqs:SendMessage"},
}
# Resources with a star or a question mark in them: the only ones, each with its reason.
WILD = {
    "*": "neither Search nor what Lambda asks EC2 to describe takes a narrower resource",
    JOBS: "which jobs will fail is not known; what may be done with them hangs on the tags",
    PLANS: "a parent's plan is in its request, which is the successor's as well",
    CAPACITIES: "the same",
    f"arn:aws:scheduler:{PLACE}:schedule/WaitSchedules/*": "one per wait, in a group of ours",
    f"arn:aws:secretsmanager:{PLACE}:secret:resilience/wandb-api-key-??????": "AWS adds them",
    f"arn:aws:logs:{PLACE}:log-group:/aws/sagemaker/TrainingJobs:log-stream:*": "any job may fail",
    f"arn:aws:logs:{PLACE}:log-group:OnTrainingEndedLogs:*": "the streams of its own group",
    f"arn:aws:logs:{PLACE}:log-group:SweepLogs:*": "the streams of its own group",
}
# In a VPC; and the only resources that may be another account's: it may share its subnets with us.
NETWORKS = {
    f"arn:aws:ec2:{REGION}:*:{kind}/*" for kind in ("network-interface", "security-group", "subnet")
}
PREFIXED = JOBS.replace("*", f"{EVERYTHING['TrainingJobPrefix']}*")
# What may only be granted under a condition, and the condition: there is no other.
VERDICT_ONLY = {
    "Null": {"aws:TagKeys": "false"},
    "ForAllValues:StringEquals": {"aws:TagKeys": sorted(tags.OF_THE_DECIDED | {tags.ANSWERED})},
}
SNS_ALONE = {"StringLike": {"kms:ViaService": f"sns.{REGION}.*"}}
GUARDED: dict[tuple[str, str], list[Any]] = {
    ("OnTrainingEndedRole", "sagemaker:CreateTrainingJob"): [
        {
            "Null": {
                f"aws:RequestTag/{key}": "false" for key in (tags.ROOT, tags.PARENT, tags.ATTEMPT)
            }
        },
        None,  # of plans alone: test_all_that_is_created_without_a_condition_is_a_share_of_a_plan
    ],
    ("OnTrainingEndedRole", "kms:Decrypt"): [SNS_ALONE],
    ("SweepRole", "kms:Decrypt"): [SNS_ALONE],
    ("CompletionMarkPolicy", "sagemaker:AddTags"): [
        {
            "Null": {"aws:TagKeys": "false", "aws:ResourceTag/WANDB_PROJECT": "false"},
            "ForAllValues:StringEquals": {"aws:TagKeys": [tags.COMPLETED]},
        }
    ],
    ("SelfOptInPolicy", "sagemaker:AddTags"): [
        {
            "Null": {"aws:TagKeys": "false", "aws:ResourceTag/WANDB_PROJECT": "true"},
            "ForAllValues:StringEquals": {
                "aws:TagKeys": sorted(
                    (
                        tags.ENTITY,
                        tags.PROJECT,
                        tags.CHECKPOINT_NAME,
                        tags.CHECKPOINT_TAG,
                        tags.RUN_ID,
                        tags.COMPLETED,
                    )
                )
            },
        }
    ],
    ("OnTrainingEndedRole", "sagemaker:AddTags"): [
        {"StringEquals": {"sagemaker:TaggingAction": "CreateTrainingJob"}},
        VERDICT_ONLY,
    ],
    ("OnTrainingEndedRole", "iam:PassRole"): [
        {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        {"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}},
    ],
}


@dataclass(frozen=True)
class Granted:
    """One statement of a policy that gives rights to an identity."""

    of: str
    holder: str
    statement: Mapping[str, Any]

    def __str__(self) -> str:
        sid = self.statement.get("Sid", self.statement["Action"])
        return f"{self.of}-{self.holder}-{sid}"

    @property
    def actions(self) -> list[str]:
        return as_list(self.statement["Action"])

    @property
    def resources(self) -> list[str]:
        return as_list(self.statement["Resource"])


def granted(of: str = "default") -> Iterator[Granted]:
    for holder, policies in documents(STACKS[of]).items():
        for policy in policies:
            yield from (Granted(of, holder, statement) for statement in policy["Statement"])


def granted_anywhere() -> Iterator[Granted]:
    for of in STACKS:
        yield from granted(of)


def resource_policies() -> Iterator[tuple[str, Mapping[str, Any]]]:
    for kind in ("AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy"):
        for name, policy in STACK.of_type(kind).items():
            yield from ((name, statement) for statement in policy["PolicyDocument"]["Statement"])
    for name, key in STACK.of_type("AWS::KMS::Key").items():
        yield from ((name, statement) for statement in key["KeyPolicy"]["Statement"])


def is_wild(text: str) -> bool:
    return "*" in text or "?" in text


def is_ours(arn: str) -> bool:
    """Of this account and region, or an IAM role, which has no region."""
    parts = arn.split(":")
    return parts[:2] == ["arn", "aws"] and parts[4] == ACCOUNT and parts[3] in {REGION, ""}


@pytest.mark.parametrize("one", [*granted_anywhere()], ids=str)
def test_a_statement_says_what_it_allows_and_not_what_it_leaves_out(one: Granted) -> None:
    assert one.statement["Effect"] == "Allow"
    assert one.statement.keys() <= {"Sid", "Effect", "Action", "Resource", "Condition"}


@pytest.mark.parametrize("one", [*granted_anywhere()], ids=str)
def test_a_statement_names_each_action_in_full(one: Granted) -> None:
    assert not [action for action in one.actions if is_wild(action)]


@pytest.mark.parametrize("one", [*granted_anywhere()], ids=str)
def test_a_statement_is_about_what_is_ours_and_wild_only_by_the_list(one: Granted) -> None:
    wild = {resource for resource in one.resources if is_wild(resource)}
    assert wild <= WILD.keys() | NETWORKS | {PREFIXED}
    assert all(is_ours(resource) for resource in {*one.resources} - NETWORKS - {"*"})


def test_the_list_of_wild_resources_is_no_longer_than_it_must_be() -> None:
    found = {resource for one in granted() for resource in one.resources if is_wild(resource)}
    assert found == WILD.keys()


def test_all_resources_are_for_search_alone() -> None:
    assert [one.actions for one in granted() if "*" in one.resources] == [["sagemaker:Search"]]


def test_in_a_vpc_what_is_not_ours_is_for_lambdas_own_network_interfaces() -> None:
    wide = [
        one
        for one in granted("everything")
        if (NETWORKS | {"*"}) & {*one.resources} and one.actions != ["sagemaker:Search"]
    ]
    assert {one.holder for one in wide} == ROLES_OF_FUNCTIONS.keys()
    for one in wide:
        assert {action.partition(":")[0] for action in one.actions} == {"ec2"}
        assert one.statement["Condition"] == {"Null": {"lambda:SourceFunctionArn": "true"}}


def test_all_that_is_created_without_a_condition_is_a_share_of_a_plan() -> None:
    for one in granted_anywhere():
        if "sagemaker:CreateTrainingJob" in one.actions and "Condition" not in one.statement:
            assert one.resources == [PLANS, CAPACITIES]


@pytest.mark.parametrize(("holder", "action"), GUARDED)
def test_what_is_dangerous_is_granted_only_under_its_condition(holder: str, action: str) -> None:
    found = [
        one.statement.get("Condition")
        for one in granted()
        if one.holder == holder and action in one.actions
    ]
    assert [_sorted(condition) for condition in found] == GUARDED[holder, action]


def _sorted(condition: Any) -> Any:  # noqa: ANN401 - a condition is nested as it likes
    """Lists in a condition are sets."""
    if isinstance(condition, dict):
        return {key: _sorted(value) for key, value in condition.items()}
    return sorted(condition) if isinstance(condition, list) else condition


def test_nothing_dangerous_is_granted_to_anybody_else() -> None:
    dangerous = {action for _, action in GUARDED}
    found = {(one.holder, action) for one in granted() for action in one.actions}
    others = {(holder, action) for holder, action in found if action in dangerous} - GUARDED.keys()
    assert not others


def test_no_condition_is_met_by_a_request_that_says_nothing() -> None:
    for one in granted_anywhere():
        condition = one.statement.get("Condition", {})
        assert not [operator for operator in condition if operator.endswith("IfExists")]
        for operator, keys in condition.items():
            if operator.startswith("ForAllValues:"):
                assert dict.fromkeys(keys, "false").items() <= condition["Null"].items()


@pytest.mark.parametrize("role", ROLES_OF_FUNCTIONS)
def test_each_function_may_do_what_its_own_code_calls_and_nothing_else(role: str) -> None:
    entry, by_others = ROLES_OF_FUNCTIONS[role]
    given = actions(STACK, role)
    # The failed runs of the sweep are Lambda's to send, with the right that the code has as well.
    assert given - by_others == called_by(entry) - BY_OPTION
    assert by_others <= given


@pytest.mark.parametrize("role", ROLES_OF_DELIVERIES)
def test_a_delivery_may_be_made_and_nothing_else(role: str) -> None:
    assert actions(STACK, role) == ROLES_OF_DELIVERIES[role]


def test_these_are_all_the_roles_and_each_serves_one() -> None:
    roles = STACK.of_type("AWS::IAM::Role")
    assert roles.keys() == ROLES_OF_FUNCTIONS.keys() | ROLES_OF_DELIVERIES.keys()
    used = Counter(
        STACK.named(function["Role"])
        for function in STACK.of_type("AWS::Lambda::Function").values()
    )
    assert used == Counter(ROLES_OF_FUNCTIONS.keys())


def test_rights_come_from_no_other_place() -> None:
    """No policy of AWS's own, no door for others to the functions or the topic."""
    for role in STACK.of_type("AWS::IAM::Role").values():
        assert "ManagedPolicyArns" not in role
    opening = {
        "AWS::Lambda::Permission",
        "AWS::Lambda::Url",
        "AWS::SecretsManager::ResourcePolicy",
        "AWS::Logs::ResourcePolicy",
        "AWS::IAM::Policy",
        "AWS::IAM::User",
        "AWS::IAM::Group",
    }
    assert not opening & {resource["Type"] for resource in STACK.resources.values()}


ALLOWED_TO_BE_WIDE = {
    ("TrainingEndedQueuePolicy", "OnlyOverTls"): "a denial, of everybody and everything",
    ("DeadLetterQueuePolicy", "OnlyOverTls"): "the same",
    ("UndeliveredQueuePolicy", "OnlyOverTls"): "the same",
    ("NotificationsPolicy", "OnlyOverTls"): "the same",
    ("NotificationsKey", "TheAccountAdministers"): "or nobody could ever change the key",
    ("NotificationsKey", "AlarmsPublish"): "in a key's policy `*` is that key",
}


@pytest.mark.parametrize(
    "statement",
    [s for holder, s in resource_policies() if (holder, s["Sid"]) not in ALLOWED_TO_BE_WIDE],
    ids=lambda statement: statement["Sid"],
)
def test_a_policy_on_a_resource_lets_in_one_service_for_one_of_ours(
    statement: Mapping[str, Any],
) -> None:
    assert statement["Effect"] == "Allow"
    assert statement["Principal"].keys() == {"Service"}
    assert not is_wild(statement["Principal"]["Service"])
    assert not [action for action in as_list(statement["Action"]) if is_wild(action)]
    sources = [
        arn
        for named in every_value(statement["Condition"], "aws:SourceArn")
        for arn in as_list(named)
    ]
    assert sources
    assert all(STACK.named(arn) for arn in sources)


def test_what_is_wide_on_a_resource_is_a_denial_or_the_account_or_bound_to_it() -> None:
    wide = {
        (holder, s["Sid"]): s
        for holder, s in resource_policies()
        if (holder, s["Sid"]) in ALLOWED_TO_BE_WIDE
    }
    assert wide.keys() == ALLOWED_TO_BE_WIDE.keys()
    denials = [statement for (_, sid), statement in wide.items() if sid == "OnlyOverTls"]
    assert {statement["Effect"] for statement in denials} == {"Deny"}
    account = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    assert wide["NotificationsKey", "TheAccountAdministers"]["Principal"] == account
    bound = {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    assert wide["NotificationsKey", "AlarmsPublish"]["Condition"] == bound


@pytest.mark.parametrize(
    "given",
    [
        {"AllowedImages": "*"},
        {"AllowedEntityProjects": "*/*"},
        {"Mode": "observe", "MaxJobs": 1000, "BreakerFailures": 10_000},
        {"NotificationEmail": "oncall@example.com", "WandbBaseUrl": "https://my.wandb.io"},
        {"MaxAgeDays": 365, "SecurityGroupIds": "sg-1a"},
    ],
)
def test_no_other_parameter_gives_a_right(given: dict[str, str]) -> None:
    assert documents(stack(**given)) == documents(STACK)


def test_naming_a_role_gives_the_right_to_that_role_alone() -> None:
    other = f"arn:aws:iam::{ACCOUNT}:role/other"
    both = stack(TrainingRoleArns=f"{TRAINING_ROLE},{other}")
    to = {"iam:PassedToService": "sagemaker.amazonaws.com"}
    for role, may in ((TRAINING_ROLE, True), (other, True), (f"{other}s", False)):
        assert allowed(both, "OnTrainingEndedRole", "iam:PassRole", role, to) is may


@pytest.mark.parametrize("name", ["mode", "breaker"])
def test_the_sweep_may_read_its_two_switches_and_no_other_parameter(name: str) -> None:
    parameter = f"arn:aws:ssm:{PLACE}:parameter"
    for place, may in (("resilience", True), ("other", False)):
        switch = f"{parameter}/resilience/{place}/{name}"
        assert allowed(STACK, "SweepRole", "ssm:GetParameters", switch, {}) is may
        assert not allowed(STACK, "SweepRole", "ssm:GetParameters", f"{switch}s", {})
    assert not allowed(FULL, "SweepRole", "ssm:GetParameters", f"{parameter}/wandb/ca", {})


def test_the_sweep_moves_the_breaker_and_never_the_mode() -> None:
    switches = f"arn:aws:ssm:{PLACE}:parameter/resilience/resilience"
    assert allowed(STACK, "SweepRole", "ssm:PutParameter", f"{switches}/breaker", {})
    assert not allowed(STACK, "SweepRole", "ssm:PutParameter", f"{switches}/mode", {})
    other = f"arn:aws:ssm:{PLACE}:parameter/resilience/other/breaker"
    assert not allowed(STACK, "SweepRole", "ssm:PutParameter", other, {})


@pytest.mark.parametrize(
    "text", ["s3:*", "arn:aws:iam::111122223333:role/*", "arn:aws:sqs:*:111122223333:q"]
)
def test_what_is_wide_is_seen_to_be_wide(text: str) -> None:
    assert is_wild(text)
    assert not [known for known in WILD if known != "*" and fnmatchcase(text, known)]


@pytest.mark.parametrize(
    "arn", ["arn:aws:sqs:*:111122223333:q", "arn:aws:sqs:eu-west-1:*:q", "arn:aws:s3:::bucket"]
)
def test_what_is_not_ours_is_seen_not_to_be(arn: str) -> None:
    assert not is_ours(arn)
