"""The API's manners: names, tags, pages, search, permissions and events."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.client import HTTPConnection
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.local.local_sagemaker_driver import (
    ROLE,
    Driver,
    policy,
    sagemaker_in,
    ticks,
    trust,
)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with sagemaker_in(tmp_path_factory.mktemp("aws"), "--page-limit", "3") as driver:
        yield driver


@pytest.fixture(scope="module")
def finished(local: Driver) -> str:
    local.run("finished", Tags=[{"Key": "team", "Value": "vision"}])
    return "finished"


def refused(call: Any, **arguments: Any) -> tuple[str, str]:  # noqa: ANN401 - a client's method
    with pytest.raises(ClientError) as refusal:
        call(**arguments)
    error = refusal.value.response["Error"]
    return error["Code"], error["Message"]


def test_a_name_is_used_once(local: Driver, finished: str) -> None:
    code, message = refused(local.sagemaker.create_training_job, **local.request(finished))
    assert code == "ResourceInUse"
    assert message == (
        "Training job names must be unique within an AWS account and region, " + local.arn(finished)
    )


def test_a_name_is_free_in_another_region(local: Driver, finished: str) -> None:
    abroad = boto3.client(
        "sagemaker",
        region_name="eu-west-1",
        endpoint_url=local.aws.endpoint,
        aws_access_key_id=local.aws.access_key,
        aws_secret_access_key=local.aws.secret_key,
    )
    assert "not found" in refused(abroad.describe_training_job, TrainingJobName=finished)[1]
    arn = abroad.create_training_job(**local.request(finished))["TrainingJobArn"]
    assert ":eu-west-1:" in arn
    abroad.close()


def test_deleting_a_job_frees_its_name(local: Driver) -> None:
    local.run("reborn")
    local.sagemaker.delete_training_job(TrainingJobName="reborn")
    assert refused(local.sagemaker.describe_training_job, TrainingJobName="reborn") == (
        "ValidationException",
        "Requested resource not found.",
    )
    assert local.run("reborn")["TrainingJobStatus"] == "Completed"


def test_a_running_job_is_not_deleted(local: Driver) -> None:
    local.start("busy", "sleep 600")
    assert refused(local.sagemaker.delete_training_job, TrainingJobName="busy")[0] == (
        "ResourceInUse"
    )
    local.sagemaker.stop_training_job(TrainingJobName="busy")
    local.until("busy")


def test_stopping_a_job_that_is_over_is_refused(local: Driver, finished: str) -> None:
    assert refused(local.sagemaker.stop_training_job, TrainingJobName=finished) == (
        "ValidationException",
        "The request was rejected because the training job is in status Completed.",
    )


def test_describe_returns_every_member_as_it_was_sent(local: Driver) -> None:
    request = local.request(
        "echoed",
        Environment={"A": "1"},
        HyperParameters={"lr": "0.1"},
        RetryStrategy={"MaximumRetryAttempts": 2},
        CheckpointConfig={"S3Uri": "s3://artifacts/c", "LocalPath": "/opt/ml/checkpoints"},
        EnableNetworkIsolation=True,
        EnableManagedSpotTraining=True,
        StoppingCondition={"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 90},
        VpcConfig={"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]},
        ExperimentConfig={"TrialName": "t"},
        RemoteDebugConfig={"EnableRemoteDebug": False},
        TensorBoardOutputConfig={"S3OutputPath": "s3://artifacts/tb"},
    )
    local.sagemaker.create_training_job(**request)
    job = local.until("echoed")
    assert {name: job[name] for name in request} == request


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"TrainingJobName": "n" * 80}, "at 'trainingJobName' failed to satisfy constraint: "),
        ({"TrainingJobName": "n" * 80}, "Member must have length less than or equal to 63"),
        ({"TrainingJobName": "with_underscore"}, "Member must satisfy regular expression pattern"),
        ({"VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": [f"s-{n}" for n in range(17)]}},
         "at 'vpcConfig.subnets' failed"),
        ({"Tags": [{"Key": "k", "Value": "v" * 300}]}, "at 'tags.1.member.value' failed"),
        ({"Tags": [{"Key": "aws:k", "Value": "v"}]}, "Tag keys cannot start with 'aws:'"),
        ({"Tags": [{"Key": "k;", "Value": "v"}]}, "at 'tags.1.member.key' failed"),
        ({"Tags": [{"Key": f"k{n}", "Value": ""} for n in range(51)]}, "less than or equal to 50"),
        ({"Environment": {"A": "v" * 513}}, "Map value must satisfy constraint"),
        ({"Environment": {f"A{n}": "" for n in range(101)}}, "less than or equal to 100"),
        ({"HyperParameters": {"a": "v" * 2501}}, "Map value must satisfy constraint"),
        ({"RetryStrategy": {"MaximumRetryAttempts": 31}}, "value less than or equal to 30"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 90}},
         "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining"),
        ({"EnableManagedSpotTraining": True}, "Invalid MaxWaitTimeInSeconds. It must be present"),
        ({"RoleArn": "arn:aws:iam::123456789012:role/nobody"}, "Could not assume role"),
        ({"ResourceConfig": {"InstanceType": "ml.z9.large", "InstanceCount": 1,
                             "VolumeSizeInGB": 1}}, "Member must satisfy enum value set"),
    ],
)  # fmt: skip
def test_a_request_that_aws_refuses_is_refused(
    local: Driver, change: dict[str, Any], told: str
) -> None:
    code, message = refused(
        local.sagemaker.create_training_job, **{**local.request("refused"), **change}
    )
    assert code == "ValidationException"
    assert told in message


def test_all_faults_of_a_request_are_told_at_once(local: Driver) -> None:
    change = {"TrainingJobName": "_", "Tags": [{"Key": "k;", "Value": ""}]}
    _, message = refused(
        local.sagemaker.create_training_job, **{**local.request("refused"), **change}
    )
    assert message.startswith("2 validation errors detected: ")


def test_an_empty_vpc_config_is_refused(local: Driver) -> None:
    client = local.sagemaker
    client.meta.events.register_first(
        "before-call.sagemaker.CreateTrainingJob", empty_vpc_config, unique_id="empty"
    )
    try:
        code, message = refused(client.create_training_job, **local.request("empty-vpc"))
    finally:
        client.meta.events.unregister("before-call.sagemaker.CreateTrainingJob", unique_id="empty")
    assert code == "ValidationException"
    assert "Value null at 'vpcConfig.securityGroupIds'" in message


def empty_vpc_config(params: dict[str, Any], **_: object) -> None:
    """Send what botocore would not."""
    params["body"] = json.dumps({**json.loads(params["body"]), "VpcConfig": {}}).encode()


def test_tags_are_added_replaced_and_deleted(local: Driver) -> None:
    local.run("tagged", Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    arn = local.arn("tagged")
    local.sagemaker.add_tags(
        ResourceArn=arn, Tags=[{"Key": "b", "Value": "3"}, {"Key": "resilience:x", "Value": "ä +"}]
    )
    local.sagemaker.delete_tags(ResourceArn=arn, TagKeys=["a", "unknown"])
    tags = local.sagemaker.list_tags(ResourceArn=arn)["Tags"]
    assert tags == [{"Key": "b", "Value": "3"}, {"Key": "resilience:x", "Value": "ä +"}]


def test_a_job_never_has_more_than_fifty_tags(local: Driver) -> None:
    local.run("full", Tags=[{"Key": f"k{n}", "Value": ""} for n in range(50)])
    arn = local.arn("full")
    local.sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "k1", "Value": "again"}])
    code, _ = refused(
        local.sagemaker.add_tags, ResourceArn=arn, Tags=[{"Key": "one-more", "Value": ""}]
    )
    assert code == "ValidationException"


def test_tags_come_in_pages(local: Driver) -> None:
    local.run("paged", Tags=[{"Key": f"k{n}", "Value": ""} for n in range(7)])
    pages = list(
        local.sagemaker.get_paginator("list_tags").paginate(ResourceArn=local.arn("paged"))
    )
    assert [len(page["Tags"]) for page in pages] == [3, 3, 1]


def test_a_page_may_be_empty_because_status_is_filtered_after_paging(local: Driver) -> None:
    local.run("list-0", "exit 1")
    for number in range(1, 5):
        local.run(f"list-{number}")
    pages = list(
        local.sagemaker.get_paginator("list_training_jobs").paginate(
            NameContains="list-", StatusEquals="Failed"
        )
    )
    found = [[job["TrainingJobName"] for job in page["TrainingJobSummaries"]] for page in pages]
    assert found == [[], ["list-0"]]


def test_jobs_are_listed_by_their_time(local: Driver) -> None:
    moment = local.run("timely")["CreationTime"]

    def listed(**condition: datetime) -> list[str]:
        answer = local.sagemaker.list_training_jobs(NameContains="timely", **condition)
        return [job["TrainingJobName"] for job in answer["TrainingJobSummaries"]]

    hour = timedelta(hours=1)
    assert listed(CreationTimeAfter=moment - hour) == ["timely"]
    assert listed(CreationTimeAfter=moment + hour) == []
    assert listed(CreationTimeBefore=moment - hour) == []
    assert listed(LastModifiedTimeBefore=moment + hour) == ["timely"]


def search(local: Driver, *filters: dict[str, str]) -> list[str]:
    pages = local.sagemaker.get_paginator("search").paginate(
        Resource="TrainingJob",
        SearchExpression={"Filters": list(filters)},
        SortBy="TrainingJobName",
        SortOrder="Ascending",
    )
    return [one["TrainingJob"]["TrainingJobName"] for page in pages for one in page["Results"]]


def test_search_finds_by_tag_status_and_time(local: Driver) -> None:
    for number in range(4):
        local.run(f"wanted-{number}", Tags=[{"Key": "resilience:root", "Value": "wanted"}])
    local.run("wanted-failed", "exit 1", Tags=[{"Key": "resilience:root", "Value": "wanted"}])
    root = {"Name": "Tags.resilience:root", "Operator": "Equals", "Value": "wanted"}
    completed = {"Name": "TrainingJobStatus", "Operator": "Equals", "Value": "Completed"}
    names = [f"wanted-{number}" for number in range(4)]
    assert search(local, root) == ["wanted-0", "wanted-1", "wanted-2", "wanted-3", "wanted-failed"]
    assert search(local, root, completed) == names
    since = local.describe("wanted-2")["CreationTime"].isoformat()
    later = {"Name": "CreationTime", "Operator": "GreaterThanOrEqualTo", "Value": since}
    assert search(local, root, completed, later) == names[2:]
    without = {"Name": "Tags.resilience:verdict", "Operator": "NotExists"}
    assert search(local, root, completed, without) == names
    assert search(local, {"Name": "TrainingJobName", "Operator": "Contains", "Value": "ted-f"}) == [
        "wanted-failed"
    ]


def test_search_returns_tags_with_each_job(local: Driver, finished: str) -> None:
    answer = local.sagemaker.search(
        Resource="TrainingJob",
        SearchExpression={"Filters": [{"Name": "TrainingJobName", "Value": finished}]},
    )
    (found,) = answer["Results"]
    assert found["TrainingJob"]["Tags"] == [{"Key": "team", "Value": "vision"}]


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


@pytest.fixture(scope="module")
def queue(local: Driver) -> str:
    """Receive every event of SageMaker's, through a rule of the real pattern."""
    sqs, events = local.aws.client("sqs"), local.aws.client("events")
    url: str = sqs.create_queue(QueueName="events")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
        "QueueArn"
    ]
    send = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
    }
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy(send)})
    pattern = {
        "source": ["aws.sagemaker"],
        "detail-type": ["SageMaker Training Job State Change"],
    }
    events.put_rule(Name="jobs", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="jobs", Targets=[{"Id": "queue", "Arn": arn}])
    return url


def told(local: Driver, queue: str, name: str, until: int) -> list[dict[str, Any]]:
    """Receive until that many events of the job have come, and then what is left."""
    sqs = local.aws.client("sqs")
    found: list[dict[str, Any]] = []
    for _ in ticks():
        answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        messages = answer.get("Messages", [])
        for message in messages:
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
            event = json.loads(message["Body"])
            if event["detail"]["TrainingJobName"] == name:
                found.append(event)
        if len(found) >= until and not messages:
            return found
    raise AssertionError(f"{len(found)} events of {name}")


def test_every_change_is_told_and_the_last_one_twice(local: Driver, queue: str) -> None:
    local.run("told", "exit 1", Environment={"SECRET": "s"}, Tags=[{"Key": "a", "Value": "b"}])
    events = told(local, queue, "told", 7)
    assert [event["detail"]["SecondaryStatus"] for event in events] == [
        "Starting",
        "Pending",
        "Downloading",
        "Training",
        "Uploading",
        "Failed",
        "Failed",
    ]
    assert len({event["id"] for event in events}) == 7


def test_an_event_has_the_real_shape(local: Driver, queue: str) -> None:
    job = local.run(
        "shape",
        "exit 1",
        Environment={"SECRET": "s"},
        HyperParameters={"lr": "1"},
        RetryStrategy={"MaximumRetryAttempts": 1},
        CheckpointConfig={"S3Uri": "s3://artifacts/c"},
        Tags=[{"Key": "team", "Value": "vision"}],
    )
    events = told(local, queue, "shape", 7)
    event, detail = events[-1], events[-1]["detail"]
    assert event["source"] == "aws.sagemaker"
    assert event["resources"] == [local.arn("shape")]
    assert detail["Tags"] == {"team": "vision"}
    assert detail["FailureReason"] == job["FailureReason"]
    assert detail["CreationTime"] == int(job["CreationTime"].timestamp() * 1000)
    assert detail["SecondaryStatusTransitions"][-1]["Status"] == "Failed"
    assert not {"Environment", "CheckpointConfig", "RetryStrategy"} & set(detail)
    assert "FailureReason" not in events[0]["detail"]
    assert "s" not in json.dumps(event).split('"')


def test_events_can_be_lost_or_repeated(local: Driver, queue: str) -> None:
    local.aws.fault("drop_events", "silent")
    local.aws.fault("duplicate_events", "loud", copies=3)
    local.run("silent")
    local.run("loud")
    assert len(told(local, queue, "loud", 18)) == 18
    local.aws.clear_faults()
    with pytest.raises(AssertionError, match="0 events of silent"):
        told_now(local, queue, "silent")


def told_now(local: Driver, queue: str, name: str) -> None:
    waiting = local.aws.client("sqs").get_queue_attributes(
        QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"]
    )["Attributes"]["ApproximateNumberOfMessages"]
    assert int(waiting) > 0, f"0 events of {name}"


def test_the_admin_path_turns_a_browser_away(local: Driver) -> None:
    connection = HTTPConnection(local.aws.endpoint.removeprefix("http://"), timeout=5)
    connection.request("GET", "/_local/sagemaker/jobs", headers={"Origin": "https://example.com"})
    status = connection.getresponse().status
    connection.close()
    assert status == 403
