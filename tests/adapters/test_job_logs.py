"""The ends of job logs: the same in memory and as the local AWS writes and serves them."""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import boto3
import pytest
from botocore.config import Config

from local.in_memory import InMemoryJobLogs
from resilience.adapters.job_logs import LOG_CALLS, LOG_GROUP, CloudWatchJobLogs
from resilience.failures import classify_log
from resilience.ports import JobLogs
from tests.adapters.answering import Answering, Reply, answering, aws_error, reply_json
from tests.adapters.local_jobs import LocalJobs

_PATIENCE_SECONDS = 20.0
_numbers = itertools.count(1)


class Service(Protocol):
    """Job logs, and how something comes to be in them."""

    @property
    def logs(self) -> JobLogs: ...

    def write(self, job: str, *texts: str, host: int = 1, started: int = 0) -> None: ...


@dataclass(frozen=True)
class InMemory:
    logs: InMemoryJobLogs

    def write(self, job: str, *texts: str, host: int = 1, started: int = 0) -> None:
        self.logs.write(job, *texts, host=host, started=started)


@dataclass(frozen=True)
class OnLocalAws:
    logs: CloudWatchJobLogs
    client: Any

    def write(self, job: str, *texts: str, host: int = 1, started: int = 0) -> None:
        names = {"logGroupName": LOG_GROUP, "logStreamName": f"{job}/algo-{host}-{started:010}"}
        for make, name in (
            (self.client.create_log_group, {"logGroupName": LOG_GROUP}),
            (self.client.create_log_stream, names),
        ):
            try:
                make(**name)
            except self.client.exceptions.ResourceAlreadyExistsException:
                continue
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": text} for text in texts]
        self.client.put_log_events(**names, logEvents=events)


@pytest.fixture(params=["in memory", "local aws"])
def service(request: pytest.FixtureRequest) -> Service:
    if request.param == "in memory":
        return InMemory(InMemoryJobLogs(lambda: int(time.time())))
    jobs: LocalJobs = request.getfixturevalue("local_jobs")
    client = jobs.aws.client("logs")
    return OnLocalAws(CloudWatchJobLogs(lambda: client, time.monotonic), client)


@pytest.fixture
def job() -> str:
    return f"logged-{next(_numbers)}"


def said(service: Service, job: str, hosts: int = 1) -> list[list[str]]:
    return [[line.text for line in tail] for tail in service.logs.tails(job, hosts)]


def test_what_each_host_said_last_is_read_in_order(service: Service, job: str) -> None:
    service.write(job, "one", "two")
    service.write(job, "three")
    service.write(job, "other", host=2)
    assert said(service, job, hosts=2) == [["one", "two", "three"], ["other"]]


def test_lines_come_with_the_time_at_which_they_were_said(service: Service, job: str) -> None:
    service.write(job, "one")
    ((line,),) = service.logs.tails(job, 1)
    assert abs(line.at / 1000 - time.time()) < 10


def test_a_job_without_a_log_has_none(service: Service, job: str) -> None:
    service.write(f"{job}-r2", "somebody else's")
    assert said(service, job) == []


def test_the_log_of_host_ten_is_not_the_log_of_host_one(service: Service, job: str) -> None:
    service.write(job, "ten", host=10)
    assert said(service, job) == []
    assert said(service, job, hosts=10) == [["ten"]]


def test_of_a_container_that_started_again_the_last_start_is_read(
    service: Service, job: str
) -> None:
    service.write(job, "again", started=2_000_000_000)
    service.write(job, "before", started=1_900_000_000)
    assert said(service, job) == [["again"]]


def test_of_many_hosts_the_first_and_the_last_are_read(service: Service, job: str) -> None:
    for host in range(1, 13):
        service.write(job, str(host), host=host)
    assert said(service, job, hosts=12) == [[str(n)] for n in (1, 2, 3, 4, 9, 10, 11, 12)]


def test_of_a_long_log_the_end_is_read(service: Service, job: str) -> None:
    service.write(job, *map(str, range(1000)))
    ((*_, last),) = read = said(service, job)
    assert (len(read[0]), last) == (400, "999")


def test_a_training_on_the_local_sagemaker_leaves_what_the_adapter_reads(
    local_jobs: LocalJobs,
) -> None:
    script = "echo 'RuntimeError: CUDA error: uncorrectable ECC error encountered' >&2; exit 1"
    request = local_jobs.request({})
    request["AlgorithmSpecification"]["ContainerEntrypoint"] = ["sh", "-c", script]
    local_jobs.jobs.create(request)
    name = request["TrainingJobName"]
    described = until_failed(local_jobs, name)
    assert described["FailureReason"] == "AlgorithmError: , exit code: 1"
    client = local_jobs.aws.client("logs")
    found = classify_log(CloudWatchJobLogs(lambda: client, time.monotonic).tails(name, 1))
    assert found is not None
    assert found.rule == "gpu_memory_error"


def until_failed(jobs: LocalJobs, name: str) -> Any:  # noqa: ANN401 — as Describe has it
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < deadline:
        job = jobs.jobs.describe(name)
        if job is not None and job.described["TrainingJobStatus"] == "Failed":
            return job.described
        time.sleep(0.05)
    raise AssertionError(f"{name} does not fail")


STREAM = reply_json(200, {"logStreams": [{"logStreamName": "job/algo-1-1769828400"}]})
TOKENS = {"nextBackwardToken": "b/1", "nextForwardToken": "f/1"}
EVENTS = reply_json(200, {"events": [{"timestamp": 7, "message": "a line"}], **TOKENS})
EMPTY = reply_json(200, {"events": [], **TOKENS})


@pytest.fixture
def cloudwatch() -> Iterator[Answering]:
    with answering(Reply()) as told:
        yield told


def logs_of(told: Answering, clock: Callable[[], float] = time.monotonic) -> CloudWatchJobLogs:
    def connect() -> Any:  # noqa: ANN401 — boto3 has no types
        return boto3.client(
            "logs",
            region_name="eu-west-1",
            endpoint_url=told.url,
            aws_access_key_id="nobody",
            aws_secret_access_key="nothing",
            config=LOG_CALLS.merge(Config(parameter_validation=True)),
        )

    return CloudWatchJobLogs(connect, clock)


REFUSALS = {
    "denied": aws_error("AccessDeniedException", "a secret"),
    "throttled": aws_error("ThrottlingException", "a secret"),
    "no such group": aws_error("ResourceNotFoundException", "a secret"),
    "broken": aws_error("InternalFailure", "a secret", status=500),
    "cut": Reply(cut=True),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_whatever_cloudwatch_refuses_nothing_is_raised_and_nothing_is_sent_twice(
    refusal: str, cloudwatch: Answering
) -> None:
    cloudwatch.reply(REFUSALS[refusal])
    assert logs_of(cloudwatch).tails("job", 8) == ()
    assert len(cloudwatch.asked) == 1
    cloudwatch.reply(STREAM, REFUSALS[refusal])
    assert logs_of(cloudwatch).tails("job", 8) == ()
    assert len(cloudwatch.asked) == 2


@pytest.mark.parametrize("body", [b"{ a secret", b"", b'{"logStreams": null}'])
def test_an_answer_that_cannot_be_read_is_no_log(body: bytes, cloudwatch: Answering) -> None:
    cloudwatch.reply(Reply(body=body))
    assert logs_of(cloudwatch).tails("job", 8) == ()
    cloudwatch.reply(STREAM, Reply(body=body))
    assert logs_of(cloudwatch).tails("job", 1) == ()


def test_what_was_read_before_a_refusal_counts(cloudwatch: Answering) -> None:
    cloudwatch.reply(STREAM, EVENTS, REFUSALS["throttled"])
    (tail,) = logs_of(cloudwatch).tails("job", 8)
    assert [line.text for line in tail] == ["a line"]


def test_an_empty_page_is_not_taken_for_an_empty_log(cloudwatch: Answering) -> None:
    cloudwatch.reply(STREAM, EMPTY, EVENTS)
    assert len(logs_of(cloudwatch).tails("job", 1)) == 1
    cloudwatch.reply(STREAM, EMPTY)
    assert logs_of(cloudwatch).tails("job", 1) == ()
    assert len(cloudwatch.asked) == 3, "it does not page for ever"


def test_a_service_that_says_nothing_costs_seconds_and_no_decision(cloudwatch: Answering) -> None:
    cloudwatch.reply(STREAM, Reply(silent=True))
    began = time.monotonic()
    assert logs_of(cloudwatch).tails("job", 8) == ()
    assert time.monotonic() - began < 5


def test_no_call_is_begun_after_three_seconds(cloudwatch: Answering) -> None:
    cloudwatch.reply(STREAM, EVENTS, STREAM, EVENTS)
    seconds = itertools.count()  # each look at the clock takes one
    assert len(logs_of(cloudwatch, lambda: float(next(seconds))).tails("job", 8)) == 1
    assert len(cloudwatch.asked) == 2


def test_a_log_that_is_not_asked_makes_no_connection(cloudwatch: Answering) -> None:
    def connect() -> Any:  # noqa: ANN401 — boto3 has no types
        raise AssertionError("no decision has asked for a log")

    CloudWatchJobLogs(connect, time.monotonic)
    assert cloudwatch.asked == []
