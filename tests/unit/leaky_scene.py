"""An ended job with a canary wherever its owner, its failure, an event or W&B could put a secret.

The whole function runs: its entry, its real clients, Powertools' own output.
"""

import json
import logging
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, partial
from io import StringIO
from typing import Any, cast
from urllib.parse import unquote_plus

import boto3
import pytest
import urllib3
from aws_lambda_powertools.utilities.batch import BatchProcessor

import on_training_ended
import sweep
from local.in_memory import InMemoryWorld
from local.replaying.event import captured
from resilience import intake, telemetry, wiring
from resilience.wire import events, tags
from tests.template.stack import stack
from tests.unit.recovery_world import ENVIRONMENT, GPU, JOB, TAGS, described_job, trained
from tests.unit.wired_world import Wire


@cache
def deployed(function: str) -> dict[str, str]:
    """The environment that template.yaml gives the function."""
    made = stack(
        AllowedEntityProjects="example-team/*",
        TrainingRoleArns="arn:aws:iam::111122223333:role/TrainingRole",
    )
    variables = made.properties(function)["Environment"]["Variables"]
    there = {"RESILIENCE_QUEUE_ARN": "arn:aws:sqs:us-east-1:111122223333:ended"}
    return {name: str(value) for name, value in variables.items()} | there


def _function_arn() -> str:
    return f"arn:aws:lambda:us-east-1:111122223333:function:f-{secrets.token_hex(8)}"


@dataclass(frozen=True)
class _Context:
    """The little of a Lambda context that is read."""

    invoked_function_arn: str = field(default_factory=_function_arn)
    function_name: str = "f"
    memory_limit_in_mb: int = 512
    aws_request_id: str = "a-request"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


@dataclass
class Scene:
    """A job that has ended, with a canary wherever its owner, its text or W&B could put one."""

    canary: str
    world: InMemoryWorld
    wire: Wire
    context: Any
    log: str = ""
    answer: object = None

    def job(self, tags: Mapping[str, str] = TAGS, **more: object) -> None:
        own = {"owner": self.canary, f"note-{self.canary}": "a-value", "team": f"a {self.canary}"}
        self.world.sagemaker.put(
            JOB, described_job(self.world) | _filled(self.canary) | more, {**own, **tags}
        )

    def never_trained(self) -> None:
        """Have the job as it is, but for its start."""
        job = described_job(self.world)
        del job["TrainingStartTime"]
        self.world.sagemaker.put(JOB, job, self.world.sagemaker.tags(JOB))

    def end(self, reason: str = GPU, status: str = "Failed", secondary: str = "Failed") -> None:
        self.world.sagemaker.end(JOB, status, secondary, f"{reason}\n--key {self.canary}")

    @property
    def reason(self) -> object:
        """The reason in the last line of the log; None where there is no line."""
        lines = [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]
        return next((line["reason"] for line in reversed(lines) if "reason" in line), None)

    def told(self) -> str:
        """All that anybody but the successor and its owner gets to see."""
        sent = [
            unquote_plus(one.body)
            for one in self.wire.sent
            if one.operation not in {"CreateTrainingJob", "SendMessage"}
        ]
        letters = [json.loads(body) for body in self.wire.bodies("SendMessage")]
        attributes = [letter.get("MessageAttributes") for letter in letters]
        own = self.world.sagemaker.tags(JOB) or {}
        created = [tags.read(one["Tags"]) or {} for one in self.world.sagemaker.requests]
        ours = [one.items() - own.items() for one in created]
        return "\n".join([self.log, repr(self.answer), repr(attributes), repr(ours), *sent])


def _filled(canary: str) -> dict[str, object]:
    bucket = {"S3DataType": "S3Prefix", "S3Uri": f"s3://bucket/{canary}"}
    return {
        "Environment": ENVIRONMENT
        | {"WANDB_API_KEY": canary, f"NAME_{canary}": "x", "TEXT": f"a\n{canary}"},
        "HyperParameters": {"token": canary, canary: "x"},
        "InputDataConfig": [{"ChannelName": "train", "DataSource": {"S3DataSource": bucket}}],
        "OutputDataConfig": {"S3OutputPath": f"s3://bucket/{canary}"},
        "SecondaryStatusTransitions": [
            {"Status": "Starting", "StartTime": 0, "StatusMessage": f"Failed: {canary}"}
        ],
    }


@contextmanager
def deployed_scene(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """The functions as deployed, on a wire; a scene's own ARN keeps their caches apart."""
    for name, value in (deployed("Sweep") | deployed("OnTrainingEnded")).items():
        monkeypatch.setenv(name, value)
    canary, world = f"canary{secrets.token_hex(16)}", trained()
    world.clock.now = int(time.time())  # the function has a clock of its own
    wire = Wire(world, whisper=canary, wandb_key=f"{secrets.token_hex(20)}{canary}")
    monkeypatch.setattr(boto3, "client", wire.client)
    monkeypatch.setattr(urllib3, "PoolManager", wire.pool)
    # Louder than deployed: each failure with its whole traceback, as Powertools tells it.
    loud = partial(BatchProcessor, logger=cast("logging.Logger", telemetry.logger))
    monkeypatch.setattr(intake, "BatchProcessor", loud)
    made = Scene(canary, world, wire, _Context())
    made.job()
    yield made
    wiring.start().executor.shutdown()
    wiring.start.cache_clear()


@contextmanager
def everything_logged() -> Iterator[StringIO]:
    """Powertools' log and metrics, and whatever Lambda's own root handler would write."""
    with captured() as written:
        root, handler = logging.getLogger(), logging.StreamHandler(written)
        handler.setLevel(logging.INFO)
        level = root.level
        root.addHandler(handler)
        root.setLevel(logging.INFO)
        try:
            yield written
        finally:
            root.removeHandler(handler)
            root.setLevel(level)


def run(scene: Scene, body: str | None = None) -> None:
    """Take one message, as Lambda would hand it over."""
    world = scene.world
    asked = events.check(JOB, source="resilience.sweep", account=world.account, region=world.region)
    record = {"messageId": "m", "body": asked if body is None else body, "eventSource": "aws:sqs"}
    with everything_logged() as written:
        scene.answer = on_training_ended.handler({"Records": [record]}, scene.context)
    scene.log = written.getvalue()


def run_sweep(scene: Scene) -> None:
    with everything_logged() as written:
        scene.answer = sweep.handler({scene.canary: scene.canary}, scene.context)
    scene.log = written.getvalue()


def event(scene: Scene, **more: object) -> str:
    """What SageMaker says of the job, with the canary in every field that takes one."""
    canary = scene.canary
    detail = _filled(canary) | {
        "TrainingJobName": JOB,
        "TrainingJobStatus": "Failed",
        "SecondaryStatus": canary,
        "FailureReason": canary,
        "Tags": TAGS | {"owner": canary},
        canary: canary,
    }
    envelope = {
        "version": canary,
        "id": canary,
        "detail-type": "SageMaker Training Job State Change",
        "source": "aws.sagemaker",
        "account": scene.world.account,
        "region": scene.world.region,
        "time": canary,
        "resources": [canary],
        "detail": detail,
        canary: canary,
    }
    return json.dumps(envelope | more)
