"""Where messages go: back to the queue, into quarantine, to a person, and to a later time."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from botocore.exceptions import ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.parsers import ResponseParserError

from resilience.decide import reporting
from resilience.decide.checkpoints import STORE_NOT_ALLOWED
from resilience.decide.decisions import Decision
from resilience.errors import Retry
from resilience.wire import events
from resilience.wire.words import stamp, step_word

LEAD_SECONDS = 60  # Scheduler is on time within a minute
_BATCH = 10
_LONGEST_SUBJECT = 100
_LONGEST_READABLE = 40
# A wait's own schedules are counted from 1. A reminder is of one verdict: one STOP that could not
# be recorded must not keep silent about the RELAUNCH that came of it.
_REMINDER = "0"


class DeadLetterQueue:
    """Fulfils ports.DeadLetters."""

    def __init__(self, sqs: Any, url: str) -> None:  # noqa: ANN401 — boto3 has no types
        self._sqs = sqs
        self._url = url

    def quarantine(self, body: str, reason: str) -> None:
        attribute = {"DataType": "String", "StringValue": reason}
        answer = _call(
            self._sqs.send_message,
            QueueUrl=self._url,
            MessageBody=body,
            MessageAttributes={"resilience.reason": attribute},
        )
        if "MessageId" not in answer:  # nothing else has the message once it is acknowledged
            raise Retry("SendMessage: no message in the answer")


class CheckQueue:
    """Fulfils ports.Queue: the sweep's way to the one path that acts."""

    def __init__(self, sqs: Any, url: str, account: str, region: str) -> None:  # noqa: ANN401 — boto3 has no types
        self._sqs = sqs
        self._url = url
        self._account = account
        self._region = region

    def ask_to_check(self, jobs: Iterable[str]) -> None:
        remaining = iter(jobs)
        while batch := list(islice(remaining, _BATCH)):
            answer = _call(
                self._sqs.send_message_batch, QueueUrl=self._url, Entries=list(self._entries(batch))
            )
            if answer.get("Failed"):
                raise Retry("SendMessageBatch: some were refused")

    def _entries(self, batch: list[str]) -> Iterator[dict[str, str]]:
        for index, job in enumerate(batch):
            body = events.check(
                job, source="resilience.sweep", account=self._account, region=self._region
            )
            yield {"Id": str(index), "MessageBody": body}


class OneShotSchedules:
    """Fulfils ports.Waits with EventBridge Scheduler; the name makes a second call harmless.

    Whether Scheduler takes a time that is past, or comes before the call does, is not documented.
    So no schedule is set for sooner than `lead_seconds` from the call: what was decided a while
    ago, such as before W&B was asked, is due then.
    """

    def __init__(  # noqa: PLR0913 — each is one thing that a schedule names
        self,
        scheduler: Any,  # noqa: ANN401 — boto3 has no types
        *,
        group: str,
        role_arn: str,
        queue_arn: str,
        account: str,
        region: str,
        now: Callable[[], int],
        lead_seconds: int = LEAD_SECONDS,
    ) -> None:
        self._scheduler = scheduler
        self._group = group
        self._role_arn = role_arn
        self._queue_arn = queue_arn
        self._account = account
        self._region = region
        self._now = now
        self._lead_seconds = lead_seconds

    def schedule(self, job: str, times: int, due: int) -> None:
        self._create(
            _schedule_name(job, str(times)), job, max(due, self._now() + self._lead_seconds)
        )

    def is_reminder_set(self, job: str, verdict: str) -> bool:
        name = _schedule_name(job, _REMINDER, verdict)
        try:
            found = self._scheduler.get_schedule(Name=name, GroupName=self._group)
        except ClientError as error:
            if error.response["Error"].get("Code") == "ResourceNotFoundException":
                return False
            raise Retry("GetSchedule") from None
        except (HTTPClientError, NoConnectionError, ResponseParserError):
            raise Retry("GetSchedule: no answer") from None
        # Whoever said 200 and named no schedule did not say that there is one.
        return bool(found.get("Name") == name)

    def remind(self, job: str, verdict: str, due: int) -> None:
        self._create(_schedule_name(job, _REMINDER, verdict), job, due)

    def _create(self, name: str, job: str, due: int) -> None:
        """Create a schedule, unless one of this name stands."""
        body = events.check(
            job, source="resilience.wait", account=self._account, region=self._region
        )
        try:
            self._scheduler.create_schedule(
                Name=name,
                GroupName=self._group,
                ScheduleExpression=f"at({_local(due)})",
                ScheduleExpressionTimezone="UTC",
                FlexibleTimeWindow={"Mode": "OFF"},
                ActionAfterCompletion="DELETE",
                Target={"Arn": self._queue_arn, "RoleArn": self._role_arn, "Input": body},
            )
        except ClientError as error:
            if error.response["Error"].get("Code") != "ConflictException":
                raise Retry("CreateSchedule") from None
        except (HTTPClientError, NoConnectionError, ResponseParserError):
            raise Retry("CreateSchedule: no answer") from None


class Topic:
    """Fulfils ports.Notifications and fleet.Alert over SNS.

    Nothing that a job wrote itself is in the text.
    """

    def __init__(self, sns: Any, arn: str) -> None:  # noqa: ANN401 — boto3 has no types
        self._sns = sns
        self._arn = arn

    def publish(self, decision: Decision) -> None:
        self.notify(f"{decision.verdict} {decision.facts.job}", message(decision))

    def notify(self, subject: str, text: str) -> None:
        _call(
            self._sns.publish,
            TopicArn=self._arn,
            Subject=subject[:_LONGEST_SUBJECT],
            Message=text,
        )


def message(decision: Decision) -> str:
    """What a person reads: what happened, why, and what comes next."""
    facts, successor = decision.facts, decision.successor
    attempt = facts.lineage.attempt if facts.lineage else "unknown"
    lines = [
        f"job: {facts.job} (attempt {attempt})",
        f"ended: {facts.status} / {facts.secondary_status}",
        f"failure class: {facts.failure_class} (rule {facts.failure_rule})",
        f"verdict: {decision.verdict}",
        f"reason: {decision.reason} {decision.detail}".rstrip(),
        f"next: {reporting.what_comes_next(decision)}",
    ]
    if successor is not None and successor.checkpoint is not None:
        checkpoint = successor.checkpoint
        lines.append(f"checkpoint: {checkpoint.version} at step {step_word(checkpoint.step)}")
    lines += _better_ones_elsewhere(decision)
    lines.append(f"look: aws sagemaker describe-training-job --training-job-name {facts.job}")
    return "\n".join(lines)


def _better_ones_elsewhere(decision: Decision) -> Iterator[str]:
    """What a person could allow; the other faults are nobody's to lift, or were a person's word."""
    newer = [version for version, fault in decision.passed_over if fault == STORE_NOT_ALLOWED]
    if newer and decision.successor is not None:
        more = f" and {len(newer) - 1} more" if newer[1:] else ""
        yield f"passed over: {newer[0]}{more}; docs/runbook.md#{STORE_NOT_ALLOWED}"


def _schedule_name(job: str, times: str, *of: str) -> str:
    """At most 64 characters, the same for the same wait or reminder of the same job."""
    digest = hashlib.sha256("/".join((job, times, *of)).encode()).hexdigest()[:12]
    return f"{job[:_LONGEST_READABLE]}-{times}-{digest}"


def _local(instant: int) -> str:
    return stamp(instant).removesuffix("Z")


def _call(call: Any, **arguments: Any) -> Any:  # noqa: ANN401 — boto3 has no types
    try:
        return call(**arguments)
    except ClientError as error:
        raise Retry(f"{error.operation_name}: {error.response['Error'].get('Code')}") from None
    except (HTTPClientError, NoConnectionError, ResponseParserError):
        raise Retry("no answer") from None
