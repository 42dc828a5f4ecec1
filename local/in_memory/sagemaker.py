"""SageMaker's training jobs, in memory."""

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from functools import cache
from threading import Lock
from typing import Any

import botocore.session
from botocore.exceptions import ParamValidationError
from botocore.validate import ParamValidator

from local.doubts import KNOWN, TAGS_LAG_SECONDS, Doubts, echoed, refusal
from local.in_memory.clock import ACCOUNT, REGION, Clock
from local.in_memory.limits import broken_limit
from resilience.errors import CreateRefused, NameInUse, ResilienceError, Retry
from resilience.fleet.jobs import Pages, SeenJob
from resilience.ports import Job
from resilience.relaunch import Request, Shape, without_injected
from resilience.wire import tags as tag_names

_ENDED = ("Failed", "Stopped", "Completed")
_MOST_TAGS = 50
# What Describe shows of a job whether or not its launcher said it.
_ALWAYS_SHOWN = {
    "EnableNetworkIsolation": False,
    "EnableInterContainerTrafficEncryption": False,
    "EnableManagedSpotTraining": False,
}
_STARTING: dict[str, object] = {
    "TrainingJobStatus": "InProgress",
    "SecondaryStatus": "Starting",
    "SecondaryStatusTransitions": [],
}


@cache
def create_shape() -> Any:  # noqa: ANN401 — botocore has no types
    """The input of CreateTrainingJob by botocore's own model; no client is needed for it."""
    model = botocore.session.get_session().get_service_model("sagemaker")
    return model.operation_model("CreateTrainingJob").input_shape


class InMemorySageMaker:
    """Fulfils ports.TrainingJobs and fleet.EndedJobs."""

    def __init__(
        self,
        clock: Clock,
        account: str = ACCOUNT,
        region: str = REGION,
        doubts: Doubts = KNOWN,
    ) -> None:
        self._clock = clock
        self._doubts = doubts
        self._arn_prefix = f"arn:aws:sagemaker:{region}:{account}:training-job/"
        self._jobs: dict[str, dict[str, Any]] = {}
        self._tags: dict[str, dict[str, str]] = {}
        self._refusals: list[ResilienceError] = []
        self._lock = Lock()
        self.requests: list[Request] = []  # that were accepted, in their order

    def describe(self, name: str) -> Job | None:
        described = self._jobs.get(name)
        if described is None:
            return None
        return Job(self.arn(name), echoed(deepcopy(described), self._doubts))

    def tags(self, name: str) -> dict[str, str] | None:
        if name not in self._jobs:
            return None
        age = self._clock() - self._jobs[name]["CreationTime"].timestamp()
        return {} if self._doubts.tags_lag and age < TAGS_LAG_SECONDS else dict(self._tags[name])

    def create(self, request: Request) -> None:
        try:
            self._create(request)
        except CreateRefused as refused:
            smaller = without_injected(request, refused.text)
            if smaller is None:
                raise
            self._create(smaller)

    def _create(self, request: Request) -> None:
        report = ParamValidator().validate(request, create_shape())
        if report.has_errors():
            raise ParamValidationError(report=report.generate_report())
        broken = broken_limit(request) or refusal(request, self._doubts)
        if broken is not None:
            raise CreateRefused("ValidationException", broken)
        name = str(request["TrainingJobName"])
        with self._lock:
            if name in self._jobs:
                raise NameInUse(name)
            if self._refusals:
                raise self._refusals.pop(0)
            self.requests.append(deepcopy(request))
            described = _ALWAYS_SHOWN | request | _STARTING
            self.put(name, described, tag_names.read(request.get("Tags")))

    def add_tags(self, arn: str, tags: Mapping[str, str]) -> None:
        name = arn.removeprefix(self._arn_prefix)
        if name not in self._jobs:
            return
        added = {**self._tags[name], **tags}
        if len(added) > _MOST_TAGS:
            raise Retry("AddTags: ValidationException")
        self._tags[name] = added
        if self._doubts.add_tags_modifies:
            self._jobs[name]["LastModifiedTime"] = datetime.fromtimestamp(self._clock(), UTC)

    def request_shape(self) -> Shape:
        shape: Shape = create_shape()
        return shape

    def opted_in(self, *, since: int) -> Pages:
        yield tuple(self._seen(name) for name in self._opted_in_and_ended(since))

    def waiting(self) -> Pages:
        jobs = (self._seen(name) for name in self._opted_in_and_ended())
        yield tuple(job for job in jobs if job.tags.get(tag_names.VERDICT) == "WAIT")

    def again(self) -> Pages:
        jobs = (self._seen(name) for name in self._modified(0))
        yield tuple(job for job in jobs if job.status in _ENDED and tag_names.AGAIN in job.tags)

    def failed(self, *, since: int) -> Pages:
        jobs = (self._seen(name) for name in self._opted_in_and_ended(since))
        yield tuple(job for job in jobs if job.status == "Failed")

    def named(self, names: Sequence[str]) -> Iterator[SeenJob]:
        return (self._seen(name) for name in names if name in self._jobs)

    def arn(self, name: str) -> str:
        return self._arn_prefix + name

    def names(self) -> tuple[str, ...]:
        """All jobs, in the order of their creation."""
        return tuple(self._jobs)

    def put(
        self, name: str, described: Mapping[str, object], tags: Mapping[str, str] | None = None
    ) -> None:
        """Have a job that looks so; its times are now unless `described` says otherwise."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        job = {"CreationTime": now, "LastModifiedTime": now} | deepcopy(dict(described))
        job.pop("Tags", None)
        self._tags[name] = dict(tags or {})
        self._jobs[name] = job | {"TrainingJobName": name, "TrainingJobArn": self.arn(name)}

    def begin(self, name: str) -> None:
        """Have a job come by its instances now."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        training = {"SecondaryStatus": "Training", "TrainingStartTime": now}
        self._jobs[name] |= training | {"LastModifiedTime": now}

    def end(
        self, name: str, status: str, secondary_status: str, failure_reason: str | None = None
    ) -> None:
        """Have a job end now."""
        now = datetime.fromtimestamp(self._clock(), UTC)
        self._jobs[name] |= {
            "TrainingJobStatus": status,
            "SecondaryStatus": secondary_status,
            "LastModifiedTime": now,
            "TrainingEndTime": now,
            **({"FailureReason": failure_reason} if failure_reason is not None else {}),
        }

    def show(self, name: str, members: Mapping[str, object]) -> None:
        """Have Describe show these members of a job."""
        self._jobs[name] |= deepcopy(dict(members))

    def delete(self, name: str) -> None:
        """DeleteTrainingJob frees the name for another job."""
        del self._jobs[name], self._tags[name]

    def refuse_create(self, *errors: ResilienceError) -> None:
        """Have the next creates answered so, one each."""
        self._refusals.extend(errors)

    def _opted_in_and_ended(self, since: int = 0) -> Iterator[str]:
        for name in self._modified(since):
            opted_in = tag_names.CHECKPOINT_NAME in self._tags[name]
            if opted_in and self._jobs[name]["TrainingJobStatus"] in _ENDED:
                yield name

    def _modified(self, since: int) -> Iterator[str]:
        for name, job in list(self._jobs.items()):
            if job["LastModifiedTime"].timestamp() >= since:
                yield name

    def _seen(self, name: str) -> SeenJob:
        job = self._jobs[name]
        started: datetime | None = job.get("TrainingStartTime")
        ended: datetime = job.get("TrainingEndTime", job["LastModifiedTime"])
        return SeenJob(
            name=name,
            status=job["TrainingJobStatus"],
            tags=dict(self._tags[name]),
            environment=dict(job.get("Environment", {})),
            ended_at=int(ended.timestamp()),
            started_at=int(started.timestamp()) if started else None,
            described=dict(job),
        )
