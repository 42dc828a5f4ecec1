"""Takes messages one by one, as Lambda would hand them over, and tells how long each took.

One line of JSON on stdin is one message: {"flow": "controller" or "naive", "job", "body"}. The
answer is a line on stdout that begins with `bench `; every other line is the controller's own log.
"""

import json
import os
import sys
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3

from bench.subjects.footprint import footprint
from bench.subjects.naive import Naive
from on_training_ended import handler

Moment = tuple[float, float]  # of the clock and of the process's own CPU time
_ACCEPTED: list[Moment] = []
FUNCTION_ARN = os.environ["BENCH_FUNCTION_ARN"]


@dataclass(frozen=True)
class Context:
    """The little of Lambda's context that is looked at."""

    invoked_function_arn: str
    function_name: str = "on-training-ended"
    memory_limit_in_mb: int = 512
    aws_request_id: str = "bench"

    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def _now() -> Moment:
    return time.monotonic(), time.process_time()


def _sqs_event(job: str, body: str, queue_arn: str) -> dict[str, Any]:
    record = {
        "messageId": f"message-of-{job}",
        "receiptHandle": "handle",
        "body": body,
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "0"},
        "messageAttributes": {},
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": queue_arn.split(":")[3],
    }
    return {"Records": [record]}


@cache
def _naive() -> Naive:
    """Return the other flow, made when it is asked for, so that it warms nothing up before."""
    return Naive(FUNCTION_ARN.split(":")[3])


def _take(asked: dict[str, str], context: Context) -> dict[str, Any]:
    event = _sqs_event(asked["job"], asked["body"], os.environ["RESILIENCE_QUEUE_ARN"])
    naive = _naive() if asked["flow"] == "naive" else None
    _ACCEPTED.clear()
    began = _now()
    if naive:
        naive.handle(event)
    elif failures := handler(event, context)["batchItemFailures"]:  # type: ignore[arg-type]  # as much of a context as is used
        raise RuntimeError(f"the controller wants it again: {failures}")
    ended = _now()
    accepted = _ACCEPTED[0] if _ACCEPTED else ended
    return {
        "created": bool(_ACCEPTED),
        "wall_accepted": accepted[0] - began[0],
        "cpu_accepted": accepted[1] - began[1],
        "wall": ended[0] - began[0],
        "cpu": ended[1] - began[1],
        "process": footprint(),
    }


def main() -> None:
    boto3.setup_default_session()
    boto3.DEFAULT_SESSION.events.register(
        "after-call.sagemaker.CreateTrainingJob", lambda **_: _ACCEPTED.append(_now())
    )
    for line in sys.stdin:
        answer = _take(json.loads(line), Context(FUNCTION_ARN))
        print(f"bench {json.dumps(answer)}", flush=True)


if __name__ == "__main__":
    main()
