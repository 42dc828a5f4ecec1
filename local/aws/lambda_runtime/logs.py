# ruff: noqa: SLF001 - private names of the pinned MiniStack are what this file is about
"""A function's log, in the group and with the platform lines that Lambda writes."""

import json
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from ministack.services import cloudwatch_logs

from local.aws import metrics, permissions
from local.aws.lambda_runtime import interpreter
from local.aws.lambda_runtime.outcomes import Ended, LogLine
from local.aws.lambda_runtime.spec import FunctionSpec


def stream_name(spec: FunctionSpec, now: datetime) -> str:
    # A group of the user's own may be shared, so the function's name joins the stream's.
    shared = spec.log_group != f"/aws/lambda/{spec.name}"
    prefix = spec.name if shared else ""
    return f"{now:%Y/%m/%d}/{prefix}[{spec.version}]{secrets.token_hex(16)}"


def lines(spec: FunctionSpec, request_id: str, ended: Ended) -> list[LogLine]:
    """Everything one invocation leaves in the log, in order."""
    now = time.time_ns() // 1_000_000
    first = ended.lines[0].milliseconds if ended.lines else now
    before = [LogLine(first, text) for text in _opening(spec, request_id, ended, first)]
    after = [LogLine(now, text) for text in _closing(spec, request_id, ended)]
    return [*before, *ended.lines, *after]


def _opening(spec: FunctionSpec, request_id: str, ended: Ended, milliseconds: int) -> list[str]:
    cold = ended.init_seconds is not None
    if spec.logs_json:
        return _json_opening(spec, request_id, milliseconds / 1000, cold=cold)
    start = f"START RequestId: {request_id} Version: {spec.version}"
    return [f"INIT_START Runtime Version: {_runtime(spec)}", start] if cold else [start]


def _json_opening(spec: FunctionSpec, request_id: str, epoch: float, *, cold: bool) -> list[str]:
    start = {"requestId": request_id, "version": spec.version}
    init = {"initializationType": "on-demand", "phase": "init", "runtimeVersion": _runtime(spec)}
    before = [_record("platform.initStart", init, epoch)] if cold else []
    return [*before, _record("platform.start", start, epoch)]


def _runtime(spec: FunctionSpec) -> str:
    """The Python that really runs, and the one that was asked for where it is another."""
    here = interpreter.name()
    return here if here == spec.runtime else f"{here} in the place of {spec.runtime}"


def _closing(spec: FunctionSpec, request_id: str, ended: Ended) -> list[str]:
    if spec.logs_json:
        return [_record("platform.report", _metrics(spec, request_id, ended), time.time())]
    report = [
        f"REPORT RequestId: {request_id}",
        f"Duration: {ended.seconds * 1000:.2f} ms",
        f"Billed Duration: {_billed(ended)} ms",
        f"Memory Size: {spec.memory_mb} MB",
        f"Max Memory Used: {ended.peak_mb} MB",
    ]
    if ended.init_seconds is not None:
        report.append(f"Init Duration: {ended.init_seconds * 1000:.2f} ms")
    if ended.status is not None:
        report.append(f"Status: {ended.status}")
    return [
        *_last_words(request_id, ended),
        f"END RequestId: {request_id}",
        "\t".join(report),
    ]


def _last_words(request_id: str, ended: Ended) -> list[str]:
    """The line the platform writes for a process that could not speak for itself."""
    error = ended.error or {}
    message = str(error.get("errorMessage", ""))
    match error.get("errorType"):
        case "Sandbox.Timedout":
            return [f"{_stamp(time.time())} {request_id} {message.partition('Error: ')[2]}"]
        case "Runtime.ExitError":
            return [f"{message}\nRuntime.ExitError"]
        case _:
            return []


def _metrics(spec: FunctionSpec, request_id: str, ended: Ended) -> dict[str, object]:
    metrics = {
        "durationMs": round(ended.seconds * 1000, 3),
        "billedDurationMs": _billed(ended),
        "memorySizeMB": spec.memory_mb,
        "maxMemoryUsedMB": ended.peak_mb,
    }
    if ended.init_seconds is not None:
        metrics["initDurationMs"] = round(ended.init_seconds * 1000, 3)
    status = ended.status or ("error" if ended.error else "success")
    return {"requestId": request_id, "metrics": metrics, "status": status}


def _billed(ended: Ended) -> int:
    return int(ended.seconds * 1000) + 1


def _record(kind: str, record: Mapping[str, object], epoch: float) -> str:
    return json.dumps({"time": _stamp(epoch), "type": kind, "record": record})


def _stamp(epoch: float) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def write(spec: FunctionSpec, stream: str, events: list[LogLine]) -> None:
    """Deliver the lines if the function's role may; as on AWS they are lost if it may not."""
    group_arn = f"arn:aws:logs:{spec.region}:{spec.account}:log-group:{spec.log_group}"
    stream_arn = f"{group_arn}:log-stream:{stream}"
    for action in ("logs:CreateLogStream", "logs:PutLogEvents"):
        if not permissions.role_allows(spec.role, action, stream_arn):
            return
    group = cloudwatch_logs._log_groups.get(spec.log_group)
    if group is None:
        if not permissions.role_allows(spec.role, "logs:CreateLogGroup", group_arn):
            return
        cloudwatch_logs._create_log_group({"logGroupName": spec.log_group})
    _append(spec.log_group, stream, events)


def _append(group: str, stream: str, events: list[LogLine]) -> None:
    if stream not in cloudwatch_logs._log_groups[group]["streams"]:
        cloudwatch_logs._create_log_stream({"logGroupName": group, "logStreamName": stream})
    batch = [{"timestamp": line.milliseconds, "message": line.text} for line in events]
    metrics.record_lines([line.text for line in events])
    cloudwatch_logs._put_log_events(
        {"logGroupName": group, "logStreamName": stream, "logEvents": batch}
    )
