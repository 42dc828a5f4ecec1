"""Training jobs on the local AWS and in memory, each with what makes them run and fail."""

import itertools
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from local.aws import LocalAws
from local.doubts import NAMES
from local.in_memory import InMemorySageMaker
from resilience.adapters.sagemaker import SageMakerTrainingJobs
from resilience.fleet.jobs import EndedJobs
from resilience.ports import TrainingJobs
from resilience.relaunch import Request

ROLE, BUCKET = "training", "models"
# Every open belief about AWS the other way, but for tags that come late: most tests read them at
# once, and one test is about that.
DOUBTED = tuple(name for name in NAMES if name != "tags-lag")
_PATIENCE_SECONDS = 20.0
_ANYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
_SAGEMAKER_MAY = {
    "Effect": "Allow",
    "Principal": {"Service": "sagemaker.amazonaws.com"},
    "Action": "sts:AssumeRole",
}
_numbers = itertools.count(1)


class Jobs(TrainingJobs, EndedJobs, Protocol):
    """Both ports, which one adapter fulfils."""


class Service(Protocol):
    """A SageMaker, with what a test does to it past the ports."""

    @property
    def jobs(self) -> Jobs: ...

    def request(self, tags: Mapping[str, str], **more: object) -> dict[str, Any]:
        """A request for a job of a new name that trains until it is stopped."""
        ...

    def failed(self, tags: Mapping[str, str], **more: object) -> str:
        """The name of a new job that has failed."""
        ...


def _request(
    script: str, role: str, tags: Mapping[str, str], more: Mapping[str, object]
) -> Request:
    return {
        "TrainingJobName": f"job-{next(_numbers)}",
        "RoleArn": role,
        "AlgorithmSpecification": {
            "TrainingImage": "a-label-only",
            "TrainingInputMode": "File",
            "ContainerEntrypoint": ["sh", "-c", script],
        },
        "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/runs"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        **more,
    }


@dataclass(frozen=True)
class LocalJobs:
    """The adapter on the local AWS, where a job is a process."""

    aws: LocalAws
    jobs: SageMakerTrainingJobs
    role: str

    def request(self, tags: Mapping[str, str], **more: object) -> dict[str, Any]:
        return _request("exec sleep 30", self.role, tags, more)

    def failed(self, tags: Mapping[str, str], **more: object) -> str:
        request = _request("exit 1", self.role, tags, more)
        name = str(request["TrainingJobName"])
        self.jobs.create(request)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            job = self.jobs.describe(name)
            if job is not None and job.described["TrainingJobStatus"] == "Failed":
                return name
            time.sleep(0.05)
        raise AssertionError(f"{name} does not fail")


def prepared(aws: LocalAws) -> LocalJobs:
    """Have a role that jobs may run as, and a bucket for what they make."""
    iam = aws.client("iam")
    trust = json.dumps({"Version": "2012-10-17", "Statement": [_SAGEMAKER_MAY]})
    iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=trust)
    anything = json.dumps({"Version": "2012-10-17", "Statement": [_ANYTHING]})
    iam.put_role_policy(RoleName=ROLE, PolicyName="anything", PolicyDocument=anything)
    aws.client("s3").create_bucket(Bucket=BUCKET)
    arns = f"arn:aws:sagemaker:{aws.region}:{aws.account}:training-job/"
    role = f"arn:aws:iam::{aws.account}:role/{ROLE}"
    return LocalJobs(aws, SageMakerTrainingJobs(aws.client("sagemaker"), arns), role)


@dataclass(frozen=True)
class JobsInMemory:
    """The fake, where a job fails when it is told to."""

    jobs: InMemorySageMaker
    role: str = "arn:aws:iam::111122223333:role/training"

    def request(self, tags: Mapping[str, str], **more: object) -> dict[str, Any]:
        return _request("exec sleep 30", self.role, tags, more)

    def failed(self, tags: Mapping[str, str], **more: object) -> str:
        request = _request("exit 1", self.role, tags, more)
        self.jobs.create(request)
        name = str(request["TrainingJobName"])
        self.jobs.begin(name)
        self.jobs.end(name, "Failed", "Failed", "AlgorithmError: Exit Code: 1")
        return name
