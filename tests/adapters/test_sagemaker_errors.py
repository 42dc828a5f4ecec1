"""What SageMaker's errors mean, through the real client, from a server that gives them."""

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ConnectTimeoutError

from resilience.adapters.sagemaker import SageMakerTrainingJobs
from resilience.errors import CreateRefused, NameInUse, Retry
from tests.adapters.answering import Answering, Reply, answering, aws_error, reply_json

ARNS = "arn:aws:sagemaker:us-east-1:111122223333:training-job/"
REQUEST: dict[str, object] = {
    "TrainingJobName": "night-1-r2",
    "RoleArn": "arn:aws:iam::111122223333:role/training",
    "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/output"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    "StoppingCondition": {"MaxRuntimeInSeconds": 60},
}
NOT_FOUND = aws_error("ValidationException", "Requested resource not found.")
CREATED = reply_json(200, {"TrainingJobArn": f"{ARNS}night-1-r2"})


@contextmanager
def jobs_at(url: str, *, attempts: int = 1) -> Iterator[SageMakerTrainingJobs]:
    with client_at(url, attempts) as client:
        yield SageMakerTrainingJobs(client, ARNS)


@contextmanager
def client_at(url: str, attempts: int = 1) -> Iterator[Any]:
    client = boto3.client(
        "sagemaker",
        region_name="us-east-1",
        endpoint_url=url,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
        config=Config(
            connect_timeout=0.5,
            read_timeout=0.5,
            retries={"mode": "standard", "total_max_attempts": attempts},
        ),
    )
    try:
        yield client
    finally:
        client.close()


@dataclass(frozen=True)
class Service:
    """SageMaker as one server gives it; one client tries once, the other twice."""

    server: Answering
    jobs: SageMakerTrainingJobs
    trying_twice: SageMakerTrainingJobs


@pytest.fixture(scope="module")
def the_service() -> Iterator[Service]:
    with (
        answering(CREATED) as server,
        jobs_at(server.url) as jobs,
        jobs_at(server.url, attempts=2) as trying_twice,
    ):
        yield Service(server, jobs, trying_twice)


@pytest.fixture
def sagemaker(the_service: Service) -> Iterator[Service]:
    yield the_service
    the_service.server.reply(CREATED)


# --- create


def test_a_name_in_use_is_told_for_adjudication(sagemaker: Service) -> None:
    sagemaker.server.reply(aws_error("ResourceInUse", "Training job names must be unique"))
    with pytest.raises(NameInUse, match=r"^night-1-r2$"):
        sagemaker.jobs.create(REQUEST)


@pytest.mark.parametrize(
    "code",
    [
        "ResourceLimitExceeded",
        "ValidationException",
        "ResourceNotFound",
        "ThrottlingException",
        "AccessDeniedException",
    ],
)
def test_a_refusal_keeps_the_code_and_the_text_for_the_rules(code: str, sagemaker: Service) -> None:
    sagemaker.server.reply(aws_error(code, "because of this"))
    with pytest.raises(CreateRefused) as refused:
        sagemaker.jobs.create(REQUEST)
    assert (refused.value.code, refused.value.text) == (code, "because of this")


NO_ANSWERS = [
    pytest.param(aws_error("ExpiredTokenException", "is not authorized"), id="expired token"),
    pytest.param(aws_error("UnheardOfException", "new"), id="unheard of"),
    pytest.param(aws_error("InternalFailure", "oops", 500), id="500"),
    pytest.param(aws_error("ServiceUnavailable", "later", 503), id="503"),
    pytest.param(Reply(502, b"<html>bad gateway</html>"), id="502 of a proxy"),
    pytest.param(Reply(silent=True), id="read timeout"),
    pytest.param(Reply(cut=True), id="connection cut"),
]


@pytest.mark.parametrize("reply", NO_ANSWERS)
def test_a_create_of_unknown_effect_comes_again(reply: Reply, sagemaker: Service) -> None:
    sagemaker.server.reply(reply)
    with pytest.raises(Retry) as retry:
        sagemaker.jobs.create(REQUEST)
    assert str(retry.value).startswith("CreateTrainingJob: ")
    assert "authorized" not in str(retry.value)


def test_a_request_that_the_client_itself_finds_wrong_is_refused(sagemaker: Service) -> None:
    with pytest.raises(CreateRefused) as refused:
        sagemaker.jobs.create({**REQUEST, "RoleArn": 7})
    assert (refused.value.code, refused.value.text) == ("ParamValidation", "")


METRICS = [{"Name": "loss", "Regex": "loss=(.*)"}]
WITH_METRICS = REQUEST | {
    "AlgorithmSpecification": {
        "TrainingImage": "image",
        "TrainingInputMode": "File",
        "MetricDefinitions": METRICS,
    }
}
OVERRIDDEN = aws_error(
    "ValidationException",
    "You can't override the metric definitions for Amazon SageMaker algorithms.",
)


def _algorithms(sagemaker: Service) -> list[dict[str, object]]:
    asked = [json.loads(body) for _, body in sagemaker.server.asked]
    return [one["AlgorithmSpecification"] for one in asked]


def test_metrics_that_sagemaker_takes_are_sent(sagemaker: Service) -> None:
    sagemaker.server.reply(CREATED)
    sagemaker.jobs.create(WITH_METRICS)
    assert [one["MetricDefinitions"] for one in _algorithms(sagemaker)] == [METRICS]


def test_metrics_that_sagemaker_does_not_take_back_are_left_out(sagemaker: Service) -> None:
    sagemaker.server.reply(OVERRIDDEN, CREATED)
    sagemaker.jobs.create(WITH_METRICS)
    _, second = _algorithms(sagemaker)
    assert second == REQUEST["AlgorithmSpecification"]


def test_a_create_that_is_refused_without_metrics_as_well_is_refused(sagemaker: Service) -> None:
    sagemaker.server.reply(OVERRIDDEN, aws_error("ResourceLimitExceeded", "no more"))
    with pytest.raises(CreateRefused) as refused:
        sagemaker.jobs.create(WITH_METRICS)
    assert refused.value.code == "ResourceLimitExceeded"
    sagemaker.server.reply(OVERRIDDEN)
    with pytest.raises(CreateRefused):
        sagemaker.jobs.create(REQUEST)
    assert len(sagemaker.server.asked) == 1


def test_a_create_that_succeeded_unheard_is_found_out_when_it_is_sent_again(
    sagemaker: Service,
) -> None:
    in_use = aws_error("ResourceInUse", "Training job names must be unique")
    sagemaker.server.reply(Reply(cut=True), in_use)
    with pytest.raises(NameInUse):
        sagemaker.trying_twice.create(REQUEST)
    (_, first), (_, second) = sagemaker.server.asked
    assert first == second


def test_a_throttled_create_is_sent_again_before_it_is_given_up(sagemaker: Service) -> None:
    sagemaker.server.reply(aws_error("ThrottlingException", "Rate exceeded"), CREATED)
    sagemaker.trying_twice.create(REQUEST)
    assert len(sagemaker.server.asked) == 2


# --- everything else


CALLS: dict[str, Callable[[SageMakerTrainingJobs], object]] = {
    "describe": lambda jobs: jobs.describe("night-1"),
    "tags": lambda jobs: jobs.tags("night-1"),
    "add_tags": lambda jobs: jobs.add_tags(f"{ARNS}night-1", {"resilience:verdict": "STOP"}),
    "opted_in": lambda jobs: list(jobs.opted_in(since=0)),
    "waiting": lambda jobs: list(jobs.waiting()),
    "again": lambda jobs: list(jobs.again()),
    "failed": lambda jobs: list(jobs.failed(since=0)),
    "named": lambda jobs: list(jobs.named(["night-1"])),
}


@pytest.mark.parametrize("call", [pytest.param(call, id=name) for name, call in CALLS.items()])
@pytest.mark.parametrize(
    "reply",
    [
        *NO_ANSWERS,
        pytest.param(aws_error("ThrottlingException", "Rate exceeded"), id="throttled"),
        pytest.param(aws_error("ValidationException", "is not authorized"), id="not valid"),
    ],
)
def test_a_question_without_an_answer_is_asked_again_later(
    reply: Reply, call: Callable[[SageMakerTrainingJobs], object], sagemaker: Service
) -> None:
    sagemaker.server.reply(reply)
    with pytest.raises(Retry) as retry:
        call(sagemaker.jobs)
    assert "authorized" not in str(retry.value)


@pytest.mark.parametrize(
    "reply",
    [
        NOT_FOUND,
        aws_error("ResourceNotFound", "no such job"),
        aws_error("ResourceNotFoundException", "no such job"),
        aws_error("ValidationException", "Could not find training job night-1"),
        aws_error("ValidationException", "The training job does not exist"),
    ],
)
@pytest.mark.parametrize("name", ["describe", "tags", "add_tags"])
def test_a_job_that_the_service_does_not_know_is_none(
    reply: Reply, name: str, sagemaker: Service
) -> None:
    sagemaker.server.reply(reply)
    assert CALLS[name](sagemaker.jobs) is None


UNHEARD_OF = [
    pytest.param(aws_error("ValidationException", "Invalid ARN"), id="another text"),
    pytest.param(aws_error("AccessDeniedException", "secret words"), id="denied"),
    pytest.param(aws_error("UnknownResource", "secret words"), id="another code"),
]


@pytest.mark.parametrize("reply", UNHEARD_OF)
def test_whatever_list_tags_says_of_a_job_that_describe_does_not_know_it_has_no_tags(
    reply: Reply, sagemaker: Service
) -> None:
    sagemaker.server.reply(reply, NOT_FOUND)
    assert sagemaker.jobs.tags("night-1") is None
    assert len(sagemaker.server.asked) == 2


@pytest.mark.parametrize("reply", UNHEARD_OF)
def test_a_refusal_of_list_tags_for_a_job_that_is_there_comes_again(
    reply: Reply, sagemaker: Service
) -> None:
    there = reply_json(200, {"TrainingJobArn": f"{ARNS}night-1", "TrainingJobStatus": "Failed"})
    sagemaker.server.reply(reply, there)
    with pytest.raises(Retry) as retry:
        sagemaker.jobs.tags("night-1")
    assert "secret" not in str(retry.value)


def test_list_tags_without_an_answer_is_no_occasion_to_ask_for_the_job(sagemaker: Service) -> None:
    sagemaker.server.reply(Reply(cut=True), NOT_FOUND)
    with pytest.raises(Retry):
        sagemaker.jobs.tags("night-1")
    assert len(sagemaker.server.asked) == 1


def test_a_search_that_is_refused_is_not_an_empty_one(sagemaker: Service) -> None:
    for refusal in (NOT_FOUND, aws_error("ResourceNotFound", "no such property")):
        sagemaker.server.reply(refusal)
        with pytest.raises(Retry):
            list(sagemaker.jobs.waiting())


def test_tags_that_vanish_between_two_pages_are_those_of_no_job(sagemaker: Service) -> None:
    page = reply_json(200, {"Tags": [{"Key": "a", "Value": "b"}], "NextToken": "more"})
    sagemaker.server.reply(page, NOT_FOUND)
    assert sagemaker.jobs.tags("night-1") is None


def found(*names: str, token: str | None = None) -> Reply:
    """A page of a search."""
    results = [{"TrainingJob": {"TrainingJobName": name}} for name in names]
    return reply_json(200, {"Results": results} | ({"NextToken": token} if token else {}))


def test_pages_of_a_search_are_followed_even_when_one_is_empty(sagemaker: Service) -> None:
    pages = [found("a", token="1"), found(token="2"), found("b"), found()]
    sagemaker.server.reply(*pages)
    seen = chain.from_iterable(sagemaker.jobs.opted_in(since=0))
    assert [job.name for job in seen] == ["a", "b"]


def test_a_page_of_a_search_is_asked_for_when_it_is_taken(sagemaker: Service) -> None:
    sagemaker.server.reply(found("a", token="more"))
    pages = sagemaker.jobs.failed(since=0)
    assert [len(next(pages)) for _ in range(3)] == [1, 1, 1]
    assert len(sagemaker.server.asked) == 3


def test_no_search_asks_for_a_tag_that_is_not_there(sagemaker: Service) -> None:
    for call in ("opted_in", "waiting", "again", "failed", "named"):
        sagemaker.server.reply(found())
        CALLS[call](sagemaker.jobs)
        assert sagemaker.server.asked
        assert not any(b"NotExists" in body for _, body in sagemaker.server.asked)


def test_many_names_are_asked_for_in_as_few_searches_as_the_filters_allow(
    sagemaker: Service,
) -> None:
    sagemaker.server.reply(found())
    assert list(sagemaker.jobs.named([f"night-{number}" for number in range(41)])) == []
    bodies = [json.loads(body)["SearchExpression"] for _, body in sagemaker.server.asked]
    assert [len(one["Filters"]) for one in bodies] == [20, 20, 1]
    assert {one["Operator"] for one in bodies} == {"Or"}


def test_nobody_listening_means_again_later() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and never listening
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with jobs_at(url) as jobs, pytest.raises(Retry):
            jobs.describe("night-1")


def test_a_connection_that_takes_too_long_means_again_later() -> None:
    with answering(CREATED) as server, client_at(server.url) as client:

        def time_out(**_: object) -> None:
            raise ConnectTimeoutError(endpoint_url=server.url)

        client.meta.events.register("before-send.sagemaker", time_out)
        with pytest.raises(Retry):
            SageMakerTrainingJobs(client, ARNS).create(REQUEST)
        assert server.asked == []
