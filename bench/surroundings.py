"""The local AWS and W&B with the controller deployed, and as many failed jobs as are wanted."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local.stack import ENTITY, REPOSITORY, ROLE, LocalStack, local_stack

PROJECT, RUN = "bench", "night"
COLLECTION = f"model-{RUN}"
VERSIONS = 10
INTERNAL = "InternalServerError: We encountered an internal error. Please try again."
_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "sagemaker.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}
CONTROLLER, SWEEP = "OnTrainingEnded", "Sweep"
# The sweep comes when it is called, and the breaker not at all: all jobs here fail.
_PARAMETERS = {
    "SweepSchedule": "rate(59 minutes)",
    "SweepGraceSeconds": "0",
    "BreakerFailures": "10000",
}
_FOR_ALL = 10**9
_POLL_SECONDS = 0.1
TAGS = {
    "WANDB_ENTITY": ENTITY,
    "WANDB_PROJECT": PROJECT,
    "WANDB_CHECKPOINT_NAME": COLLECTION,
    "WANDB_RUN_ID": RUN,
    "resilience:completed": "no",
    "team": "vision",
    "cost-centre": "4711",
}

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Function:
    arn: str
    variables: Mapping[str, str]  # as the template gives them


@dataclass(frozen=True, slots=True)
class Surroundings:
    stack: LocalStack
    functions: Mapping[str, Function]

    def failed_jobs(
        self, prefix: str, count: int, more_tags: Mapping[str, str] | None = None
    ) -> list[str]:
        """Have jobs that failed by an internal error, before an instance was there; their names."""
        names = [f"{prefix}-{number:04}" for number in range(count)]
        sagemaker, tags = self.stack.client("sagemaker"), TAGS | dict(more_tags or {})
        for name in names:
            sagemaker.create_training_job(**self._request(name, tags))
        wanted = set(names)
        while wanted & {job["name"] for job in self.running()}:
            time.sleep(_POLL_SECONDS)
        return names

    def running(self) -> list[dict[str, Any]]:
        over = {"Completed", "Failed", "Stopped"}
        return [job for job in self.stack.aws.jobs()["jobs"] if job["status"] not in over]

    def arn(self, job: str) -> str:
        aws = self.stack.aws
        return f"arn:aws:sagemaker:{aws.region}:{aws.account}:training-job/{job}"

    def event(self, job: str, tags: Mapping[str, str] | None = TAGS) -> str:
        """Return the state change as EventBridge puts it on the queue."""
        aws, arn = self.stack.aws, self.arn(job)
        detail = {
            "TrainingJobName": job,
            "TrainingJobArn": arn,
            "TrainingJobStatus": "Failed",
            "SecondaryStatus": "Failed",
            "FailureReason": INTERNAL,
            **({"Tags": dict(tags)} if tags is not None else {}),
        }
        envelope = {
            "version": "0",
            "id": f"event-of-{job}",
            "detail-type": "SageMaker Training Job State Change",
            "source": "aws.sagemaker",
            "account": aws.account,
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "region": aws.region,
            "resources": [arn],
            "detail": detail,
        }
        return json.dumps(envelope)

    def environment(
        self, function: str = CONTROLLER, aws_url: str = "", wandb_url: str = ""
    ) -> dict[str, str]:
        """Return a function's process environment, by way of other addresses where some are given.

        The user is the local AWS's root: only Lambda may take on the function's role.
        """
        return {
            "PATH": os.environ["PATH"],
            **self.functions[function].variables,
            **self.stack.aws.environment(),
            "AWS_ENDPOINT_URL": aws_url or self.stack.aws.endpoint,
            "WANDB_BASE_URL": wandb_url or self.stack.wandb.url,
            "AWS_LAMBDA_FUNCTION_NAME": function,
            "BENCH_FUNCTION_ARN": self.functions[function].arn,
        }

    def _request(self, name: str, tags: Mapping[str, str]) -> dict[str, Any]:
        account, region = self.stack.aws.account, self.stack.aws.region
        channel = {"S3DataType": "S3Prefix", "S3Uri": "s3://bench/digits"}
        return {
            "TrainingJobName": name,
            "RoleArn": f"arn:aws:iam::{account}:role/{ROLE}",
            "AlgorithmSpecification": {
                "TrainingImage": f"{account}.dkr.ecr.{region}.amazonaws.com/training:1",
                "TrainingInputMode": "File",
            },
            "HyperParameters": {"epochs": "20", "learning-rate": "0.001", "batch-size": "64"},
            "Environment": {"NCCL_DEBUG": "WARN", "WANDB_BASE_URL": self.stack.wandb.url},
            "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": channel}}],
            "OutputDataConfig": {"S3OutputPath": "s3://bench/output"},
            "ResourceConfig": {
                "InstanceType": "ml.g5.2xlarge",
                "InstanceCount": 1,
                "VolumeSizeInGB": 100,
            },
            "StoppingCondition": {"MaxRuntimeInSeconds": 86_400},
            "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        }


@contextmanager
def surroundings(say: Say) -> Iterator[Surroundings]:
    """Start, deploy and fill the stack; every job in it fails at once, and tells nobody.

    The controller that is deployed would race the one that is measured, so events are dropped.
    """
    home = REPOSITORY / ".local"
    home.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir=home) as folder,
        local_stack(Path(folder), say, _PARAMETERS) as stack,
    ):
        stack.client("iam").create_role(RoleName=ROLE, AssumeRolePolicyDocument=json.dumps(_TRUST))
        stack.aws.fault("drop_events")
        stack.aws.fault("capacity", count=_FOR_ALL, reason=INTERNAL)
        say(f"committing {VERSIONS} checkpoints by the wandb SDK")
        _commit_checkpoints(stack, Path(folder))
        yield Surroundings(stack, {name: _function(stack, name) for name in (CONTROLLER, SWEEP)})


def _function(stack: LocalStack, name: str) -> Function:
    found = stack.client("lambda").get_function_configuration(FunctionName=stack.resource(name))
    return Function(found["FunctionArn"], found["Environment"]["Variables"])


def _commit_checkpoints(stack: LocalStack, folder: Path) -> None:
    environment = {
        **os.environ,
        **stack.wandb.environment(folder / "wandb-files"),
        "WANDB_ENTITY": ENTITY,
    }
    command = [sys.executable, "-m", "bench.subjects.commit_checkpoints"]
    subprocess.run(
        [*command, PROJECT, RUN, str(VERSIONS)],
        cwd=REPOSITORY,
        env=environment,
        check=True,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for us, who then end it
    )
