"""The end of a training job's own log, as CloudWatch Logs has it: bounded in calls, size and time.

SageMaker writes one stream for each host and each start of its container:
`<job>/algo-<host>-<epoch seconds>` in the log group /aws/sagemaker/TrainingJobs.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.parsers import ResponseParserError

from resilience.failures import Line, Tail

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
# A call that is begun within three seconds ends within five; none is sent twice.
LOG_CALLS = Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 1})
_BEGIN_WITHIN_SECONDS = 3.0
# The first hosts and the last: a job of many hosts names them all alike, and some are enough.
_FIRST, _LAST = 4, 4
_MOST_EVENTS = 400  # of one host; the reader takes less, and an answer has 1 MB at most
# A page may be empty while there is more: the service promises no other.
_MOST_PAGES = 2
_NO_ANSWER = (ClientError, HTTPClientError, NoConnectionError, ResponseParserError)


class CloudWatchJobLogs:
    """Fulfils ports.JobLogs. It connects when it is first asked, which most decisions never do."""

    def __init__(self, connect: Callable[[], Any], clock: Callable[[], float]) -> None:
        self._connect = connect
        self._clock = clock

    @cached_property
    def _logs(self) -> Any:  # noqa: ANN401 — boto3 has no types
        return self._connect()

    def tails(self, job: str, hosts: int) -> tuple[Tail, ...]:
        """Read until the time is over, or CloudWatch refuses: what was read by then counts."""
        return tuple(tail for tail in self._each(job, hosts) if tail)

    def _each(self, job: str, hosts: int) -> Iterator[Tail]:
        until = self._clock() + _BEGIN_WITHIN_SECONDS
        try:
            for host in _chosen(hosts):
                if self._clock() < until:
                    yield self._tail(f"{job}/algo-{host}-", until)
        except _NO_ANSWER:
            return

    def _tail(self, prefix: str, until: float) -> Tail:
        stream = self._newest_stream(prefix)
        return self._end(stream, until) if stream else ()

    def _newest_stream(self, prefix: str) -> str | None:
        """A host whose container started again has several; their names end in the time."""
        page = self._logs.describe_log_streams(
            logGroupName=LOG_GROUP, logStreamNamePrefix=prefix, descending=True, limit=1
        )
        return next((str(one["logStreamName"]) for one in page.get("logStreams", ())), None)

    def _end(self, stream: str, until: float) -> Tail:
        more: dict[str, str] = {}
        for _ in range(_MOST_PAGES):
            if self._clock() >= until:
                return ()
            page = self._logs.get_log_events(
                logGroupName=LOG_GROUP,
                logStreamName=stream,
                startFromHead=False,
                limit=_MOST_EVENTS,
                **more,
            )
            events, token = page.get("events", ()), page.get("nextBackwardToken")
            if events or token is None:
                return tuple(line for event in events for line in _lines(event))
            more = {"nextToken": token}
        return ()


def _lines(event: Mapping[str, Any]) -> Iterator[Line]:
    """A progress bar writes many lines over one another, and they come as one event."""
    return (Line(event["timestamp"], text) for text in event["message"].splitlines())


def _chosen(hosts: int) -> Iterator[int]:
    numbers = range(1, hosts + 1)
    return (n for n in numbers if n <= _FIRST or n > hosts - _LAST)
