"""The API's manners: names, requests, tags, pages and search."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.client import HTTPConnection
from typing import Any

import boto3
import pytest

from tests.local.local_sagemaker_driver import Driver, refused, sagemaker_in


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with sagemaker_in(tmp_path_factory.mktemp("aws"), "--page-limit", "3") as driver:
        yield driver


@pytest.fixture(scope="module")
def finished(local: Driver) -> str:
    local.run("finished", Tags=[{"Key": "team", "Value": "vision"}])
    return "finished"


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


def test_the_admin_path_turns_a_browser_away(local: Driver) -> None:
    connection = HTTPConnection(local.aws.endpoint.removeprefix("http://"), timeout=5)
    connection.request("GET", "/_local/sagemaker/jobs", headers={"Origin": "https://example.com"})
    status = connection.getresponse().status
    connection.close()
    assert status == 403
