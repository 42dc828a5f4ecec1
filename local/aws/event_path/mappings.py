# ruff: noqa: SLF001 - private names of the pinned MiniStack are what this file is about
"""Queues to functions: partial failures, batching windows and what AWS refuses at creation.

MiniStack takes a malformed batch response for success, which loses messages, does not wait for a
batch to fill, and lets through mappings that AWS refuses.
"""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ministack.services import lambda_svc, sqs
from ministack.services.cloudformation import provisioners

from local.aws import permissions

READS = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")

Record = dict[str, Any]


class MappingRefusedError(ValueError):
    """AWS would not create this mapping."""


def install() -> None:
    _mend_batches()
    _mend_windows()
    _mend_creation()


def failed_messages(response: object, sent: Sequence[str]) -> set[str]:
    """Which of the messages a ReportBatchItemFailures response leaves on the queue.

    As AWS reads it: nothing reported is success; anything malformed (an empty or unknown
    identifier, a missing key, another shape) fails the whole batch.
    """
    if response is None:
        return set()
    if not isinstance(response, dict):
        return set(sent)
    try:
        failed = {failure["itemIdentifier"] for failure in response.get("batchItemFailures") or ()}
    except (TypeError, KeyError):
        return set(sent)
    # An identifier of no message: nobody knows which one was meant.
    return set(sent) if failed - set(sent) else failed


def _mend_batches() -> None:
    def run(
        mapping: Record,
        function: Record,
        event: Record,
        batch: Sequence[Record],
        queue_url: str,
        _name: str,
    ) -> None:
        result = lambda_svc._execute_function(function, event)
        left = _left_on_queue(mapping, result, [message["id"] for message in batch])
        done = {m["receipt_handle"] for m in batch if m["id"] not in left}
        sqs._delete_messages_for_esm(queue_url, done)
        _note(mapping, result, len(batch), len(left))

    lambda_svc._run_sqs_batch = run


def _left_on_queue(mapping: Record, result: Record, sent: Sequence[str]) -> set[str]:
    if result.get("error"):
        return set(sent)
    if "ReportBatchItemFailures" not in mapping.get("FunctionResponseTypes", []):
        return set()
    return failed_messages(_decoded(result["body"]), sent)


def _note(mapping: Record, result: Record, records: int, left: int) -> None:
    """How the last batch went, as GetEventSourceMapping tells it; a failure paces the next poll."""
    mapping["LastProcessingResult"] = f"OK - {records - left} records, {left} left on the queue"
    if result.get("error"):
        mapping["LastProcessingResult"] = "FAILED"
        until = time.time() + lambda_svc._ESM_BACKOFF_SECONDS
        lambda_svc._esm_backoff_until[mapping["UUID"]] = until


def _decoded(body: object) -> object:
    if not isinstance(body, str):
        return body
    try:
        return json.loads(body)
    except json.JSONDecodeError:
        return body


def _mend_windows() -> None:
    original = lambda_svc._sqs_esm_concurrency

    def concurrency(
        mapping: Record, function: Record, config: Record, queue: Record | None = None
    ) -> int:
        if queue is not None and not _is_due(mapping, queue, time.time()):
            return 0
        return int(original(mapping, function, config, queue))

    lambda_svc._sqs_esm_concurrency = concurrency


def _is_due(mapping: Mapping[str, Any], queue: Mapping[str, Any], now: float) -> bool:
    """Whether the batch is full, or its first message has waited for the batching window."""
    window = float(mapping.get("MaximumBatchingWindowInSeconds") or 0)
    if not window:
        return True
    waiting = [m["visible_at"] for m in queue["messages"] if m["visible_at"] <= now]
    if not waiting or len(waiting) >= int(mapping.get("BatchSize", 10)):
        return True
    return bool(now - min(waiting) >= window)


def _mend_creation() -> None:
    by_api = lambda_svc._create_esm
    by_stack = provisioners._lambda_esm_create

    def create(data: Record) -> object:
        try:
            _check(data)
        except MappingRefusedError as refused:
            code = "InvalidParameterValueException"
            return lambda_svc.error_response_json(code, str(refused), 400)
        return by_api(data)

    def create_in_stack(logical_id: str, properties: Record, stack_name: str) -> object:
        _check(properties)
        return by_stack(logical_id, properties, stack_name)

    lambda_svc._create_esm = create
    provisioners._lambda_esm_create = create_in_stack
    handlers = provisioners._RESOURCE_HANDLERS["AWS::Lambda::EventSourceMapping"]
    handlers["create"] = create_in_stack


def _check(asked: Record) -> None:
    queue_arn = str(asked.get("EventSourceArn", ""))
    record, config, _ = lambda_svc._get_func_record_for_ref(asked.get("FunctionName", ""))
    queue = sqs._queue_by_arn(queue_arn)
    if queue is None or not record or not config:
        return
    visibility = float(queue["attributes"].get("VisibilityTimeout", "30"))
    timeout = float(config.get("Timeout", 3))
    if visibility < timeout:
        raise MappingRefusedError(
            f"Queue visibility timeout: {visibility:.0f} seconds is less than "
            f"Function timeout: {timeout:.0f} seconds"
        )
    for action in READS:
        if not permissions.role_allows(config["Role"], action, queue_arn):
            raise MappingRefusedError(
                "The provided execution role does not have permissions to call "
                f"{action.partition(':')[2]} on SQS"
            )
