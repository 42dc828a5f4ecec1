# ruff: noqa: SLF001 - private names of the pinned MiniStack are what this file is about
"""Handing an event to a queue or a function of this AWS, as the service that MiniStack plays."""

import contextvars
import json
from collections.abc import Mapping
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.arn import parse_arn
from ministack.services import lambda_svc, sqs

from local.aws.event_path.delivery import DeliveryError, no_resource, not_permitted


def send(
    queue_arn: str,
    body: str,
    *,
    caller: str,
    attributes: Mapping[str, str] | None = None,
    group: str | None = None,
) -> None:
    """Put the message on the queue as the caller (its ARN), whom the queue's policy may refuse."""
    require_queue(queue_arn)
    queue = parse_arn(queue_arn)
    request: dict[str, Any] = {
        "QueueUrl": sqs._queue_url_for_account(queue.account_id, queue.resource),
        "MessageBody": body,
        "MessageAttributes": _message_attributes(attributes or {}),
    }
    if group is not None:
        request["MessageGroupId"] = group
    contextvars.copy_context().run(_send_as, caller, request)


def require_queue(queue_arn: str) -> None:
    if sqs._queue_by_arn(queue_arn) is None:
        raise no_resource(f"queue {queue_arn} does not exist")


def _send_as(caller: str, request: dict[str, Any]) -> None:
    iam_evaluator._request_caller_arn.set(caller)
    try:
        sqs._act_send_message(request, "")
    except sqs._Err as error:
        if error.code == "AccessDenied":
            raise not_permitted(str(error.message)) from error
        permanent = error.code in ("InvalidParameterValue", "InvalidMessageContents")
        raise DeliveryError("SDK_CLIENT_ERROR", str(error.message), permanent=permanent) from error


def _message_attributes(attributes: Mapping[str, str]) -> dict[str, dict[str, str]]:
    return {
        name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
    }


def invoke(function_arn: str, payload: str) -> None:
    """Leave the event with Lambda, which retries and hands over failures on its own account."""
    record, config, _name = lambda_svc._get_func_record_for_ref(function_arn)
    if not record or not config:
        raise no_resource(f"function {function_arn} does not exist")
    try:
        event = json.loads(payload)
    except json.JSONDecodeError as error:
        raise DeliveryError("SDK_CLIENT_ERROR", str(error), permanent=True) from error
    lambda_svc.invoke_async_with_retry(
        lambda_svc._execution_record_for_config(record, config), event
    )
