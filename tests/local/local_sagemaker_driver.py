"""Drives training jobs whose containers are shell scripts of a line or two."""

import fcntl
import io
import json
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.aws import LocalAws

BUCKET = "artifacts"
ROLE = "training"
ENDED = ("Completed", "Failed", "Stopped")
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
DRIVERS_PORT = 7777
PATIENCE = 90.0  # of a machine that does much else besides


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(service: str) -> str:
    principal = {"Service": service}
    return policy({"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"})


@dataclass(frozen=True)
class Driver:
    aws: LocalAws

    @property
    def sagemaker(self) -> Any:  # noqa: ANN401 - botocore makes these at run time
        return self.aws.client("sagemaker")

    @property
    def s3(self) -> Any:  # noqa: ANN401 - the same
        return self.aws.client("s3")

    def role(self, name: str) -> str:
        return f"arn:aws:iam::{self.aws.account}:role/{name}"

    def arn(self, name: str) -> str:
        return f"arn:aws:sagemaker:{self.aws.region}:{self.aws.account}:training-job/{name}"

    def request(self, name: str, script: str = "true", **more: object) -> dict[str, Any]:
        return {
            "TrainingJobName": name,
            "RoleArn": self.role(ROLE),
            "AlgorithmSpecification": {
                "TrainingImage": "a-label-only",
                "TrainingInputMode": "File",
                "ContainerEntrypoint": ["sh", "-c", script],
            },
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/runs"},
            "ResourceConfig": {
                "InstanceType": "ml.m5.large",
                "InstanceCount": 1,
                "VolumeSizeInGB": 1,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 600},
            **more,
        }

    def start(self, name: str, script: str = "true", **more: object) -> str:
        self.sagemaker.create_training_job(**self.request(name, script, **more))
        return name

    def describe(self, name: str) -> dict[str, Any]:
        described: dict[str, Any] = self.sagemaker.describe_training_job(TrainingJobName=name)
        return described

    def until(self, name: str, *, secondary: str | None = None) -> dict[str, Any]:
        """Wait for an end, or for a secondary status."""
        for _ in ticks():
            job = self.describe(name)
            if job["SecondaryStatus"] == secondary or job["TrainingJobStatus"] in ENDED:
                return job
        raise AssertionError(f"{name} is still {job['SecondaryStatus']}")

    def run(self, name: str, script: str = "true", **more: object) -> dict[str, Any]:
        return self.until(self.start(name, script, **more))

    def log(self, name: str, host: str = "algo-1") -> str:
        """Return what a host has said so far, as the file in the job's directory has it."""
        folder = Path(self.overview(name)["directories"][0]).parent
        file = folder / ("log.txt" if host == "algo-1" else f"log-{host}.txt")
        return file.read_text() if file.is_file() else ""

    def until_said(self, name: str, word: str, host: str = "algo-1") -> None:
        for _ in ticks():
            if self.overview(name)["directories"] and word in self.log(name, host):
                return
        raise AssertionError(f"{host} of {name} never said {word!r}")

    def overview(self, name: str) -> dict[str, Any]:
        jobs: list[dict[str, Any]] = self.aws.jobs()["jobs"]
        return next(job for job in jobs if job["name"] == name)

    def statuses(self, job: dict[str, Any]) -> list[str]:
        return [one["Status"] for one in job["SecondaryStatusTransitions"]]


def ticks() -> Iterator[None]:
    """Look again and again, for as long as patience lasts."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        yield
        time.sleep(0.02)


@contextmanager
def port_of_the_drivers() -> Iterator[int]:
    """Hold the port of SageMaker's own drivers: whoever's job it is, it is this machine's."""
    lock = Path(tempfile.gettempdir()) / f"port-{DRIVERS_PORT}.lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield DRIVERS_PORT


def refused(call: Any, **arguments: Any) -> tuple[str, str]:  # noqa: ANN401 - a client's method
    with pytest.raises(ClientError) as refusal:
        call(**arguments)
    error = refusal.value.response["Error"]
    return error["Code"], error["Message"]


def archive(driver: Driver, uri: str) -> dict[str, str]:
    """Read every file of a `.tar.gz` in S3."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    content = driver.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        files = [member for member in tar.getmembers() if member.isfile()]
        read = {file.name: tar.extractfile(file) for file in files}
        return {name: file.read().decode() for name, file in read.items() if file}


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


@contextmanager
def sagemaker_in(folder: Path, *options: str) -> Iterator[Driver]:
    """Serve AWS with one bucket and one role that jobs may have."""
    with LocalAws.start(folder, options) as aws:
        iam = aws.client("iam")
        iam.create_role(RoleName=ROLE, AssumeRolePolicyDocument=trust("sagemaker.amazonaws.com"))
        iam.put_role_policy(RoleName=ROLE, PolicyName="all", PolicyDocument=policy(EVERYTHING))
        aws.client("s3").create_bucket(Bucket=BUCKET)
        yield Driver(aws)
