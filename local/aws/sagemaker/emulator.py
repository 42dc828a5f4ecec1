"""The doors into MiniStack that SageMaker's own threads use: its events and its log service.

MiniStack's stores belong to its event loop. Everything here hands its work to that loop, so that it
never meets a request half-way, and returns at once; the order of the calls is kept.
"""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import cloudwatch_logs, eventbridge

from local.aws.sagemaker.jobs import Place

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
DETAIL_TYPE = "SageMaker Training Job State Change"


@dataclass(frozen=True)
class Emulator:
    loop: asyncio.AbstractEventLoop

    def emit(self, place: Place, arn: str, detail: dict[str, Any], copies: int) -> None:
        entry = {
            "Source": "aws.sagemaker",
            "DetailType": DETAIL_TYPE,
            "Resources": [arn],
            "Detail": json.dumps(detail),
        }

        def put() -> None:
            for _ in range(copies):
                # The public PutEvents refuses `aws.*` sources; this is MiniStack's own emitter.
                eventbridge._put_events({"Entries": [entry]}, allow_aws_source=True)  # noqa: SLF001

        self._do(place, put)

    def write_log(self, place: Place, stream: str, lines: list[str]) -> None:
        now = int(time.time() * 1000)
        events = [{"timestamp": now, "message": line} for line in lines]

        def put() -> None:
            where = {"logGroupName": LOG_GROUP, "logStreamName": stream}
            logs = cloudwatch_logs
            logs._create_log_group(where)  # noqa: SLF001 - refuses what exists, which is fine
            logs._create_log_stream(where)  # noqa: SLF001 - the same
            logs._put_log_events({**where, "logEvents": events})  # noqa: SLF001 - the pin is exact

        self._do(place, put)

    def _do(self, place: Place, work: Callable[[], None]) -> None:
        def scoped() -> None:
            with request_scope(place.account, place.region):
                work()

        self.loop.call_soon_threadsafe(scoped)
