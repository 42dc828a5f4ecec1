"""Training jobs in memory and through the adapter on the local AWS do the same."""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import pytest

from local.doubts import ALGORITHM_REGISTRY, KNOWN, flipped
from local.in_memory import Clock, InMemorySageMaker, InMemoryWorld
from local.replaying import deployment
from resilience.controller import recover
from resilience.decide.decisions import CheckpointRequest, Decision, Reason, Verdict
from resilience.errors import CreateRefused, NameInUse
from resilience.fleet.jobs import Pages
from resilience.wire import tags
from resilience.wire.events import Hint
from tests.adapters.local_jobs import DOUBTED, JobsInMemory, LocalJobs, Service

OPTED_IN = {
    "WANDB_ENTITY": "example-team",
    "WANDB_PROJECT": "vision",
    "WANDB_CHECKPOINT_NAME": "model-night",
}


WANTED = CheckpointRequest(entity="example-team", project="vision", collection="model-night")


@pytest.fixture(
    params=["in memory", "local aws", "in memory, every doubt", "local aws, every doubt"]
)
def service(request: pytest.FixtureRequest) -> Service:
    doubted = "doubt" in request.param
    if request.param.startswith("local aws"):
        name = "doubted_jobs" if doubted else "local_jobs"
        found: LocalJobs = request.getfixturevalue(name)
        return found
    doubts = flipped(DOUBTED) if doubted else KNOWN
    return JobsInMemory(InMemorySageMaker(Clock(int(time.time())), doubts=doubts))


def created(service: Service, own: Mapping[str, str] = OPTED_IN, **more: object) -> str:
    request = service.request(own, **more)
    service.jobs.create(request)
    return str(request["TrainingJobName"])


def test_a_job_that_is_not_there_is_none(service: Service) -> None:
    assert service.jobs.describe("no-such-job") is None
    assert service.jobs.tags("no-such-job") is None


def test_a_created_job_is_in_progress_and_shows_all_that_it_was_created_with(
    service: Service,
) -> None:
    request = service.request(
        OPTED_IN,
        Environment={"WANDB_RUN_ID": "night"},
        HyperParameters={"epochs": "20"},
        RetryStrategy={"MaximumRetryAttempts": 2},
    )
    service.jobs.create(request)
    job = service.jobs.describe(request["TrainingJobName"])
    assert job is not None
    assert job.described["TrainingJobStatus"] == "InProgress"
    shown = {name: job.described.get(name) for name in request if name != "Tags"}
    assert shown == {name: value for name, value in request.items() if name != "Tags"}
    assert job.arn.endswith(f":training-job/{request['TrainingJobName']}")
    assert "Tags" not in job.described


def test_its_tags_are_there_from_the_start_over_all_pages(service: Service) -> None:
    own = OPTED_IN | {f"team:label-{number}": str(number) for number in range(5)}
    assert service.jobs.tags(created(service, own)) == own


def test_a_name_is_used_once_and_the_first_job_stays_as_it_is(service: Service) -> None:
    name = created(service)
    again = service.request({"owner": "another"}) | {"TrainingJobName": name}
    with pytest.raises(NameInUse):
        service.jobs.create(again)
    assert service.jobs.tags(name) == OPTED_IN


def test_of_many_creates_at_once_one_succeeds(service: Service) -> None:
    request = service.request(OPTED_IN)

    def create(_: int) -> bool:
        try:
            service.jobs.create(request)
        except NameInUse:
            return False
        return True

    with ThreadPoolExecutor(4) as executor:
        assert sum(executor.map(create, range(4))) == 1


@pytest.mark.parametrize(
    "broken",
    [
        {"TrainingJobName": "-night"},
        {"TrainingJobName": "n" * 64},
        {"Tags": [{"Key": f"key-{number}", "Value": ""} for number in range(51)]},
        {"Tags": [{"Key": "aws:owner", "Value": "x"}]},
        {"Tags": [{"Key": "owner", "Value": "x" * 257}]},
        {"Environment": {"LONG": "x" * 513}},
        {"Environment": {f"NAME_{number}": "x" for number in range(101)}},
        {"HyperParameters": {"long": "x" * 2501}},
    ],
    ids=lambda broken: next(iter(broken)),
)
def test_what_botocore_lets_pass_the_service_refuses(
    service: Service, broken: dict[str, object]
) -> None:
    with pytest.raises(CreateRefused) as refused:
        service.jobs.create(service.request(OPTED_IN) | broken)
    assert refused.value.code == "ValidationException"


def test_tags_are_added_and_overwritten(service: Service) -> None:
    name = created(service)
    job = service.jobs.describe(name)
    assert job is not None
    service.jobs.add_tags(job.arn, {tags.VERDICT: "WAIT", tags.DUE: "2026-01-31T03:00:00Z"})
    service.jobs.add_tags(job.arn, {tags.VERDICT: "RELAUNCH"})
    assert service.jobs.tags(name) == OPTED_IN | {
        tags.VERDICT: "RELAUNCH",
        tags.DUE: "2026-01-31T03:00:00Z",
    }


def test_to_tag_a_job_that_is_gone_does_nothing(service: Service) -> None:
    job = service.jobs.describe(created(service))
    assert job is not None
    service.jobs.add_tags(f"{job.arn}-gone", {tags.VERDICT: "STOP"})
    assert service.jobs.tags(f"{job.described['TrainingJobName']}-gone") is None


def test_the_request_shape_is_that_of_create_training_job(service: Service) -> None:
    shape = service.jobs.request_shape()
    assert {"TrainingJobName", "Environment", "Tags"} <= set(shape.members)


def test_the_sweep_finds_what_has_ended_and_opted_in_and_nothing_else(service: Service) -> None:
    running, other = created(service), service.failed({"owner": "another"})
    first, second, third = (service.failed(OPTED_IN) for _ in range(3))
    ours = {running, other, first, second, third}
    since = int(time.time()) - 600
    assert names(service.jobs.opted_in(since=since)) & ours == {first, second, third}
    assert names(service.jobs.opted_in(since=since + 1200)) & ours == set()


def names(pages: Pages) -> set[str]:
    return {job.name for page in pages for job in page}


def test_a_search_shows_what_the_sweep_decides_by(service: Service) -> None:
    name, now = service.failed(OPTED_IN, Environment={"MINE": "kept"}), int(time.time())
    (seen,) = service.jobs.named([name])
    assert (seen.name, seen.status) == (name, "Failed")
    assert (seen.tags, seen.environment) == (OPTED_IN, {"MINE": "kept"})
    assert seen.started
    assert seen.ended_at is not None
    assert abs(seen.ended_at - now) < 60


def test_the_sweep_finds_waits_with_their_due_times(service: Service) -> None:
    name = service.failed(OPTED_IN)
    assert name not in names(service.jobs.waiting())
    job = service.jobs.describe(name)
    assert job is not None
    service.jobs.add_tags(job.arn, {tags.VERDICT: "WAIT", tags.DUE: "2026-01-31T03:00:00Z"})
    waiting = chain.from_iterable(service.jobs.waiting())
    due = {job.name: job.tags[tags.DUE] for job in waiting}
    assert due[name] == "2026-01-31T03:00:00Z"


def test_the_sweep_finds_jobs_that_a_person_wants_decided_on_again(service: Service) -> None:
    asked, other = service.failed(OPTED_IN), service.failed(OPTED_IN)
    job = service.jobs.describe(asked)
    assert job is not None
    service.jobs.add_tags(job.arn, {tags.AGAIN: "please"})
    assert names(service.jobs.again()) & {asked, other} == {asked}


def test_failed_jobs_that_are_opted_in_are_found_and_no_others(service: Service) -> None:
    ours, other = service.failed(OPTED_IN), service.failed({})
    running = created(service, OPTED_IN)
    now = int(time.time())
    found = names(service.jobs.failed(since=now - 600))
    assert found & {ours, other, running} == {ours}
    assert ours not in names(service.jobs.failed(since=now + 60))


def test_jobs_are_found_by_their_names_however_many_and_what_is_gone_is_left_out(
    service: Service,
) -> None:
    there = [created(service) for _ in range(2)]
    asked = [there[0], *(f"gone-{number}" for number in range(40)), there[1]]
    assert {job.name for job in service.jobs.named(asked)} == set(there)


def test_a_failed_job_is_continued_with_everything_that_it_had(service: Service) -> None:
    name = service.failed(
        OPTED_IN,
        Environment={"MINE": "kept"},
        HyperParameters={"epochs": "20", "sagemaker_job_name": '"night"'},
    )
    world = InMemoryWorld(Clock(int(time.time())))
    world.wandb.commit(WANTED, step=100, run="night")
    decision = recovered(service, world, name)
    assert (decision.verdict, decision.reason) == (
        Verdict.RELAUNCH,
        Reason.RESUMED_FROM_CHECKPOINT,
    )
    successor, parent = service.jobs.describe(f"{name}-r2"), service.jobs.describe(name)
    assert successor is not None
    assert parent is not None
    same = {"AlgorithmSpecification", "ResourceConfig", "StoppingCondition", "OutputDataConfig"}
    assert {one: successor.described[one] for one in same} == {
        one: parent.described[one] for one in same
    }
    environment = successor.described["Environment"]
    assert isinstance(environment, dict)
    assert environment["MINE"] == "kept"
    assert environment["RESILIENCE_CHECKPOINT"] == "example-team/vision/model-night:v0"
    assert (service.jobs.tags(name) or {})[tags.SUCCESSOR] == f"{name}-r2"
    assert recovered(service, world, name).reason is Reason.ALREADY_DECIDED


GROUP = {"InstanceGroupName": "all", "InstanceType": "ml.m5.large", "InstanceCount": 1}


def test_a_job_in_which_the_doubts_show_is_continued_as_it_was_asked_for(service: Service) -> None:
    """Several kinds of instances, SageMaker's own algorithm, and a tag that Studio sets."""
    usual = service.request({})["AlgorithmSpecification"]
    name = service.failed(
        OPTED_IN,
        ResourceConfig={"InstanceGroups": [GROUP], "VolumeSizeInGB": 1},
        AlgorithmSpecification={
            **usual,
            "TrainingImage": f"{ALGORITHM_REGISTRY}us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1",
            "ContainerEntrypoint": ["sh", "-c", "exit 1"],
        },
    )
    parent = service.jobs.describe(name)
    assert parent is not None
    service.jobs.add_tags(parent.arn, {"sagemaker:domain-arn": "arn:aws:sagemaker:::domain/d-1"})
    world = InMemoryWorld(Clock(int(time.time())))
    world.wandb.commit(WANTED, step=100, run="night")
    assert recovered(service, world, name).verdict is Verdict.RELAUNCH
    successor = service.jobs.describe(f"{name}-r2")
    assert successor is not None
    for member in ("ResourceConfig", "AlgorithmSpecification"):
        assert successor.described[member] == parent.described[member]
    assert "sagemaker:domain-arn" not in (service.jobs.tags(f"{name}-r2") or {})


def recovered(service: Service, world: InMemoryWorld, name: str) -> Decision:
    ports = world.ports()
    world_there = type(ports)(
        jobs=service.jobs,
        checkpoints=ports.checkpoints,
        waits=ports.waits,
        notifications=ports.notifications,
        switches=ports.switches,
        now=ports.now,
    )
    anything = {"RESILIENCE_ALLOWED_IMAGES": "*", "RESILIENCE_TRAINING_ROLES": _role(service, name)}
    hint = Hint(job=name, source="resilience.sweep", event_id="a-check")
    with ThreadPoolExecutor(3) as executor:
        outcome = recover(hint, world_there, deployment.of(world, anything), executor)
    assert isinstance(outcome, Decision)
    return outcome


def _role(service: Service, name: str) -> str:
    job = service.jobs.describe(name)
    assert job is not None
    return str(job.described["RoleArn"])
