"""A right that only some need is there for those who ask for it, and no wider than they need."""

import pytest

from tests.template.policies import allowed, documents, statements
from tests.template.stack import ACCOUNT, EVERYTHING, REGION, Stack, stack, with_everything

STACK, FULL = stack(), with_everything()
OF_FUNCTIONS = ("OnTrainingEndedRole", "SweepRole")
PLACE = f"{REGION}:{ACCOUNT}"
SECRET = f"arn:aws:secretsmanager:{PLACE}:secret:resilience/wandb-api-key"


def through(service: str) -> dict[str, object]:
    """What KMS sees of a request that a service makes in the caller's name."""
    return {"kms:ViaService": f"{service}.{REGION}.amazonaws.com"}


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


@pytest.mark.parametrize("action", ["logs:DescribeLogStreams", "logs:GetLogEvents"])
def test_the_logs_of_trainings_are_read_where_the_stack_reads_them_and_no_other_log_is(
    action: str,
) -> None:
    """AWS asks about a group, with or without a stream; the local AWS, about a group."""
    none = stack(ReadJobLogs="no")
    group = f"arn:aws:logs:{PLACE}:log-group:/aws/sagemaker/TrainingJobs"
    for named in (group, f"{group}:log-stream:", f"{group}:log-stream:a-job/algo-1-1769828400"):
        assert allowed(STACK, "OnTrainingEndedRole", action, named, {})
        assert not allowed(none, "OnTrainingEndedRole", action, named, {})
        assert not allowed(STACK, "SweepRole", action, named, {})
    for other in (f"{group}2", f"{group}2:log-stream:a", group.replace("Training", "Processing")):
        assert not allowed(STACK, "OnTrainingEndedRole", action, other, {})
    assert _rights(STACK) - _rights(none) == {("OnTrainingEndedRole", "ReadTheJobsLog")}
    assert _rights(none) <= _rights(STACK)


OPTIONAL_RIGHTS = {
    ("SubnetIds", "SecurityGroupIds"): {
        (role, sid) for role in OF_FUNCTIONS for sid in ("JoinTheVpc", "SeeTheVpc")
    },
    ("SecretKeyArn",): {("OnTrainingEndedRole", "DecryptTheWandbKey")},
    ("WandbCaParameter",): {("OnTrainingEndedRole", "ReadTheCertificates")},
}


@pytest.mark.parametrize("option", OPTIONAL_RIGHTS)
def test_an_option_gives_the_right_that_it_needs_and_no_other(option: tuple[str, ...]) -> None:
    given = stack(**{parameter: EVERYTHING[parameter] for parameter in option})
    assert _rights(given) - _rights(STACK) == OPTIONAL_RIGHTS[option]
    assert _rights(STACK) <= _rights(given)


def _rights(of: Stack) -> set[tuple[str, str]]:
    return {
        (holder, str(statement.get("Sid", statement["Action"])))
        for holder, policies in documents(of).items()
        for statement in statements(policies)
    }
