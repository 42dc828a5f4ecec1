"""A queue message, parsed at the edge. What it says of a job is a hint and nothing more."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from resilience.decide.decisions import Reason
from resilience.wire import tags

DETAIL_TYPE = "SageMaker Training Job State Change"
CHECK_DETAIL_TYPE = (
    "Resilience Training Job Check"  # ours: from the sweep and from a WAIT's schedule
)
SWEEP, WAIT = "resilience.sweep", "resilience.wait"
_SOURCES = {
    DETAIL_TYPE: ("aws.sagemaker",),
    CHECK_DETAIL_TYPE: (SWEEP, WAIT),
}
# What goes into the log must be an identifier, whoever managed to send the message: EventBridge's
# are UUIDs, ours name source and job.
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_ARN = re.compile(
    r"arn:aws[a-z-]*:sagemaker:(?P<region>[a-z0-9-]+):(?P<account>\d{12}):training-job/(?P<name>.+)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """Somebody says that something happened to this job."""

    job: str
    source: str
    event_id: str
    status: str | None = None
    tags: Mapping[str, str] | None = None  # None: the event has none, which says nothing


@dataclass(frozen=True, slots=True)
class NotForUs:
    """Well-formed, and none of our business."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Malformed:
    """Nobody can act on this; a person must look at it."""

    detail: str


def parse(body: str, *, account: str, region: str) -> Hint | NotForUs | Malformed:
    """Read one message body, meant for the controller in this account and region."""
    try:
        envelope = json.loads(body)
    except (ValueError, RecursionError):
        return Malformed("not JSON")
    if not isinstance(envelope, dict) or not isinstance(envelope.get("detail-type"), str):
        return Malformed("not an EventBridge envelope")
    if envelope.get("source") not in _SOURCES.get(envelope["detail-type"], ()):
        return NotForUs(Reason.OTHER_DETAIL_TYPE)
    return _parse_ours(envelope, account=account, region=region)


def _parse_ours(
    envelope: Mapping[str, object], *, account: str, region: str
) -> Hint | NotForUs | Malformed:
    detail = envelope.get("detail")
    if not isinstance(detail, dict):
        return Malformed("detail is not an object")
    name, arn = detail.get("TrainingJobName"), _ARN.fullmatch(str(detail.get("TrainingJobArn")))
    if envelope.get("account") != account or (arn and arn["account"] != account):
        return NotForUs(Reason.OTHER_ACCOUNT)
    if envelope.get("region") != region or (arn and arn["region"] != region):
        return NotForUs(Reason.OTHER_REGION)
    # Where the two differ, as in the documented sample, the ARN is the identity.
    job = arn["name"] if arn else name
    if not isinstance(job, str) or not _NAME.fullmatch(job):
        return Malformed("no valid TrainingJobName")
    status, source = detail.get("TrainingJobStatus"), str(envelope["source"])
    return Hint(
        job=job,
        source=source,
        event_id=_event_id(envelope.get("id"), _our_id(source, job)),
        status=status if isinstance(status, str) else None,
        tags=tags.read(detail.get("Tags")),
    )


def _event_id(given: object, ours: str) -> str:
    known = isinstance(given, str) and (given == ours or _ID.fullmatch(given))
    return str(given) if known else "unknown"


def _our_id(source: str, job: str) -> str:
    return f"{source}:{job}"


def check(job: str, *, source: str, account: str, region: str) -> str:
    """Write the message by which the sweep or a schedule asks to look at a job."""
    return json.dumps(
        {
            "version": "0",
            "id": _our_id(source, job),
            "detail-type": CHECK_DETAIL_TYPE,
            "source": source,
            "account": account,
            "region": region,
            "detail": {"TrainingJobName": job},
        }
    )
