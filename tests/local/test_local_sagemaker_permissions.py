"""IAM is asked before SageMaker does anything, and refuses in its own words."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.local.local_sagemaker_driver import ROLE, Driver, policy, refused, sagemaker_in, trust


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with sagemaker_in(tmp_path_factory.mktemp("aws")) as driver:
        yield driver


def user(local: Driver, name: str, *statements: dict[str, Any]) -> Any:  # noqa: ANN401 - a client
    iam = local.aws.client("iam")
    iam.create_user(UserName=name)
    if statements:
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy(*statements))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return local.aws.session_client("sagemaker", key["AccessKeyId"], key["SecretAccessKey"])


def allow(*actions: str, resource: str = "*", **condition: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement


PASS = allow("iam:PassRole", StringEquals={"iam:PassedToService": "sagemaker.amazonaws.com"})


@pytest.mark.parametrize(
    ("name", "statements", "action"),
    [
        ("nothing", [], "sagemaker:CreateTrainingJob"),
        ("no-tags", [allow("sagemaker:CreateTrainingJob"), PASS], "sagemaker:AddTags"),
        ("no-pass", [allow("sagemaker:*")], "iam:PassRole"),
        ("wrong-tag", [allow("sagemaker:CreateTrainingJob",
                             StringEquals={"aws:RequestTag/team": "speech"}), PASS],
         "sagemaker:CreateTrainingJob"),
        ("wrong-service", [allow("sagemaker:*"), allow("iam:PassRole",
                           StringEquals={"iam:PassedToService": "lambda.amazonaws.com"})],
         "iam:PassRole"),
    ],
)  # fmt: skip
def test_who_lacks_a_permission_is_told_which(
    local: Driver, name: str, statements: list[dict[str, Any]], action: str
) -> None:
    client = user(local, name, *statements)
    request = local.request(f"by-{name}", Tags=[{"Key": "team", "Value": "vision"}])
    code, message = refused(client.create_training_job, **request)
    client.close()
    assert code == "AccessDeniedException"
    assert message.startswith(
        f"User: arn:aws:iam::{local.aws.account}:user/{name} is not authorized to perform: "
        f"{action} on resource: "
    )


def test_permissions_by_tag_and_passed_role_suffice(local: Driver) -> None:
    tagged = {"aws:RequestTag/team": "vision"}
    client = user(
        local,
        "enough",
        allow("sagemaker:CreateTrainingJob", "sagemaker:AddTags", StringEquals=tagged),
        allow("sagemaker:StopTrainingJob", StringEquals={"aws:ResourceTag/team": "vision"}),
        {**PASS, "Resource": local.role(ROLE)},
    )
    request = local.request("by-enough", "sleep 60", Tags=[{"Key": "team", "Value": "vision"}])
    client.create_training_job(**request)
    client.stop_training_job(TrainingJobName="by-enough")
    client.close()
    assert local.until("by-enough")["SecondaryStatus"] == "Stopped"


def test_a_role_that_does_not_trust_sagemaker_is_refused(local: Driver) -> None:
    local.aws.client("iam").create_role(
        RoleName="of-lambda", AssumeRolePolicyDocument=trust("lambda.amazonaws.com")
    )
    request = local.request("mistrusted", RoleArn=local.role("of-lambda"))
    code, message = refused(local.sagemaker.create_training_job, **request)
    assert code == "ValidationException"
    assert "allows principal 'sagemaker.amazonaws.com' to assume the role" in message
