# ruff: noqa: SLF001 - private names of the pinned MiniStack are what this file is about
"""Puts the real runtime in the place of MiniStack's (private names of ministack 1.5.33)."""

import json
import os
from collections.abc import Callable
from typing import Any

from ministack.services import lambda_svc

from local.aws.lambda_runtime import spec
from local.aws.lambda_runtime.functions import Functions, Report

Record = dict[str, Any]
# Marks a result whose log lines are already in CloudWatch Logs.
OWN_LOGS = "runtime"


def install(endpoint: Callable[[], str] | None = None) -> Functions:
    """Run Python functions on the Runtime API from now on.

    `endpoint` gives the address of this AWS when a function starts; by default the port that
    MiniStack was told to serve on.
    """
    functions = Functions(endpoint or _served_here)
    _replace_execution(functions)
    _replace_logs()
    _replace_metrics()
    _follow_changes(functions)
    return functions


def _served_here() -> str:
    port = os.environ.get("GATEWAY_PORT") or os.environ.get("EDGE_PORT") or "4566"
    return f"http://127.0.0.1:{port}"


def _replace_execution(functions: Functions) -> None:
    original = lambda_svc._execute_function_warm

    def execute(record: Record, event: object, request_id: str) -> Record:
        config = record.get("config") or record
        if not str(config.get("Runtime", "")).startswith("python"):
            result: Record = original(record, event, request_id)
            return result
        asked = spec.from_record(record)
        report = functions.invoke(asked, request_id, event, config["FunctionArn"])
        _record_metrics(asked.name, report)
        return _result(report)

    lambda_svc._execute_function_warm = execute


def _result(report: Report) -> Record:
    result: Record = {"log": report.log, "log_source": OWN_LOGS}
    if report.ended.error is not None:
        return {**result, "body": report.ended.error, "error": True, "function_error": "Unhandled"}
    return {**result, "body": json.loads(report.ended.payload or b"null")}


def _replace_logs() -> None:
    original = lambda_svc._emit_lambda_logs

    def emit(*args: object, log_source: str | None = None, **kwargs: object) -> None:
        if log_source != OWN_LOGS:
            original(*args, log_source=log_source, **kwargs)

    lambda_svc._emit_lambda_logs = emit


_emit_metrics = lambda_svc._emit_lambda_metrics


def _record_metrics(name: str, report: Report) -> None:
    milliseconds, failed = report.ended.seconds * 1000, report.ended.error is not None
    _emit_metrics(name, duration_ms=milliseconds, error=failed, throttle=False)


def _replace_metrics() -> None:
    """Count executions where they happen.

    MiniStack counts API calls: an invocation by a queue is in no metric, an asynchronous one is
    always a success, and no alarm on errors can fire.
    """

    def emit(name: str, duration_ms: float, error: bool, throttle: bool) -> None:  # noqa: FBT001 - MiniStack's signature
        if throttle:
            _emit_metrics(name, duration_ms=duration_ms, error=error, throttle=throttle)

    lambda_svc._emit_lambda_metrics = emit


def _follow_changes(functions: Functions) -> None:
    """Changed and deleted functions give up their warm processes."""
    original = lambda_svc.invalidate_worker

    def invalidate(func_name: str, *args: object, **kwargs: object) -> None:
        original(func_name, *args, **kwargs)
        functions.pool.retire(func_name)

    lambda_svc.invalidate_worker = invalidate
