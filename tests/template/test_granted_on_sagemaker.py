"""The template's policies where SageMaker itself asks IAM: the local one, with jobs that exist."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from resilience.wire import tags
from tests.local.local_sagemaker_driver import Driver, policy, sagemaker_in
from tests.template.policies import documents
from tests.template.stack import ACCOUNT, REGION, Stack, stack, with_everything

PLACES = {tags.ENTITY: "my-team", tags.PROJECT: "digits", tags.CHECKPOINT_NAME: "model-r1"}
LINEAGE = {tags.ROOT: "a", tags.PARENT: "a", tags.ATTEMPT: "2"}
PASS = {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"}


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with sagemaker_in(tmp_path_factory.mktemp("aws")) as driver:
        yield driver


@pytest.fixture
def holders(local: Driver) -> Iterator["Holders"]:
    made = Holders(local)
    yield made
    made.close()


class Holders:
    """Users of the local AWS who hold what a role of the template holds."""

    def __init__(self, local: Driver) -> None:
        self._local = local
        self._clients: list[Any] = []

    def of(self, holder: str, of: Stack, *more: dict[str, Any]) -> Any:  # noqa: ANN401 - a client
        iam = self._local.aws.client("iam")
        name = f"user-{len(iam.list_users()['Users'])}"
        iam.create_user(UserName=name)
        here = f"{self._local.aws.region}:{self._local.aws.account}"
        (document,) = documents(of)[holder]
        text = json.dumps(document).replace(f"{REGION}:{ACCOUNT}", here)
        iam.put_user_policy(UserName=name, PolicyName="theirs", PolicyDocument=text)
        if more:
            iam.put_user_policy(UserName=name, PolicyName="more", PolicyDocument=policy(*more))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        client = self._local.aws.session_client(
            "sagemaker", key["AccessKeyId"], key["SecretAccessKey"]
        )
        self._clients.append(client)
        return client

    def close(self) -> None:
        for client in self._clients:
            client.close()


def listed(own: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in own.items()]


def job(local: Driver, name: str, own: dict[str, str]) -> str:
    local.start(name, Tags=listed(own))
    return local.arn(name)


def may_tag(client: Any, arn: str, **own: str) -> bool:  # noqa: ANN401 - a client
    named = {key.replace("__", ":"): value for key, value in own.items()}
    try:
        client.add_tags(ResourceArn=arn, Tags=listed(named))
    except ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDeniedException"  # noqa: PT017 - a no
        return False
    return True


def test_the_mark_of_the_end_goes_on_a_job_that_is_opted_in_and_moves_no_checkpoint(
    local: Driver, holders: Holders
) -> None:
    container = holders.of("CompletionMarkPolicy", stack())
    mine, stranger = job(local, "opted-in", PLACES), job(local, "not-opted-in", {"team": "a"})
    assert may_tag(container, mine, resilience__completed="no")
    assert container.list_tags(ResourceArn=mine)["Tags"]
    assert not may_tag(container, stranger, resilience__completed="no")
    assert not may_tag(container, mine, WANDB_CHECKPOINT_NAME="model-of-mine")
    assert not may_tag(container, mine, resilience__completed="no", resilience__verdict="WAIT")


def test_the_opt_in_goes_on_a_job_that_is_not_and_redirects_none_that_is(
    local: Driver, holders: Holders
) -> None:
    container = holders.of("SelfOptInPolicy", stack())
    fresh, theirs = job(local, "fresh", {"team": "a"}), job(local, "theirs", PLACES)
    assert not may_tag(container, theirs, WANDB_CHECKPOINT_NAME="model-of-mine")
    assert not may_tag(container, theirs, WANDB_PROJECT="of-mine")
    assert may_tag(container, fresh, **PLACES)
    assert not may_tag(container, fresh, **PLACES), "it is opted in now"


def test_the_policies_for_trainings_end_at_the_prefix(local: Driver, holders: Holders) -> None:
    container = holders.of("SelfOptInPolicy", with_everything())
    assert may_tag(container, job(local, "vision-1", {}), **PLACES)
    assert not may_tag(container, job(local, "audio-1", {}), **PLACES)


def may_create(local: Driver, client: Any, name: str, **changes: object) -> bool:  # noqa: ANN401 - a client
    request = {**local.request(name), "Tags": listed(LINEAGE), **changes}
    try:
        client.create_training_job(**request)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDeniedException"  # noqa: PT017 - a no
        return False
    return True


def resources(local: Driver, **changes: object) -> dict[str, Any]:
    return {**local.request("any")["ResourceConfig"], **changes}


def test_a_successor_runs_on_the_training_plan_of_its_parent(
    local: Driver, holders: Holders
) -> None:
    plan = local.arn("any").replace("training-job/any", "training-plan/p5")
    on_the_plan = resources(local, TrainingPlanArn=plan)
    controller = holders.of("OnTrainingEndedRole", stack(), PASS)
    assert may_create(local, controller, "planned", ResourceConfig=on_the_plan)
    assert not may_create(local, controller, "uncounted", ResourceConfig=on_the_plan, Tags=[])


def test_iam_itself_refuses_a_successor_beyond_a_ceiling(local: Driver, holders: Holders) -> None:
    controller = holders.of("OnTrainingEndedRole", with_everything(), PASS)
    network = {"Subnets": ["subnet-2a"], "SecurityGroupIds": ["sg-1a"]}
    elsewhere = {"Subnets": ["subnet-3a"], "SecurityGroupIds": ["sg-1a"]}
    big = resources(local, InstanceType="ml.p5.48xlarge")
    long = {"MaxRuntimeInSeconds": 86_401}
    assert may_create(local, controller, "within", VpcConfig=network)
    assert not may_create(local, controller, "elsewhere", VpcConfig=elsewhere)
    assert not may_create(local, controller, "nowhere")
    assert not may_create(local, controller, "big", VpcConfig=network, ResourceConfig=big)
    assert not may_create(local, controller, "long", VpcConfig=network, StoppingCondition=long)
