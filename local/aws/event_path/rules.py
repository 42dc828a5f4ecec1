# ruff: noqa: SLF001 - private names of the pinned MiniStack are what this file is about
"""Deliveries of EventBridge rules: permission asked, retried, and dead-lettered.

MiniStack stores a target's RetryPolicy and DeadLetterConfig and uses neither, sends to a queue
without asking its policy, and invokes a function once, outside Lambda's asynchronous retries.
"""

import contextvars
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ministack.services import cloudwatch, eventbridge

from local.aws import permissions
from local.aws.event_path import schedules, targets
from local.aws.event_path.delivery import Delivery, GivenUp, not_permitted, retry_policy

SERVICE = "events.amazonaws.com"
Record = dict[str, Any]
logger = logging.getLogger("local.event_path")


@dataclass(frozen=True)
class Route:
    rule: Mapping[str, Any]
    target: Mapping[str, Any]

    @property
    def rule_arn(self) -> str:
        return str(self.rule["Arn"])

    @property
    def target_arn(self) -> str:
        return str(self.target["Arn"])


# MiniStack's dispatchers are told the payload, but not on whose behalf.
_route: contextvars.ContextVar[Route] = contextvars.ContextVar("route")


def install() -> None:
    original = eventbridge._invoke_target

    def invoke_target(target: Record, event: Record, rule: Record, view: object = None) -> None:
        if "Target" in rule:
            schedules.fire(rule)
            return
        token = _route.set(Route(rule, target))
        try:
            original(target, event, rule, view)
        finally:
            _route.reset(token)

    eventbridge._invoke_target = invoke_target
    eventbridge._dispatch_to_sqs = _to_queue
    eventbridge._dispatch_to_lambda = _to_function


def _to_queue(spec: object, payload: str, sqs_parameters: Mapping[str, str] | None = None) -> None:
    route, queue_arn = _route.get(), str(spec)
    group = (sqs_parameters or {}).get("MessageGroupId")

    def attempt() -> None:
        targets.require_queue(queue_arn)
        if not permissions.queue_admits(queue_arn, SERVICE, route.rule_arn):
            raise not_permitted(f"{queue_arn} does not admit {route.rule_arn}")
        targets.send(queue_arn, payload, caller=SERVICE, group=group)

    _deliver(route, payload, attempt)


def _to_function(function_arn: str, payload: str) -> None:
    route = _route.get()

    def attempt() -> None:
        if not permissions.function_admits(function_arn, SERVICE, route.rule_arn):
            raise not_permitted(f"{function_arn} does not admit {route.rule_arn}")
        targets.invoke(function_arn, payload)

    _deliver(route, payload, attempt)


def _deliver(route: Route, payload: str, attempt: Callable[[], None]) -> None:
    def give_up(given_up: GivenUp) -> None:
        _count(route, "FailedInvocations")
        _dead_letter(route, payload, given_up)

    Delivery(attempt, give_up, retry_policy(route.target)).start()


def _dead_letter(route: Route, payload: str, given_up: GivenUp) -> None:
    queue_arn = (route.target.get("DeadLetterConfig") or {}).get("Arn")
    if queue_arn is None:
        return
    attributes = {
        "RULE_ARN": route.rule_arn,
        "TARGET_ARN": route.target_arn,
        **given_up.attributes(),
    }
    if not permissions.queue_admits(queue_arn, SERVICE, route.rule_arn):
        logger.error("event lost: %s does not admit %s", queue_arn, route.rule_arn)
        _count(route, "InvocationsFailedToBeSentToDlq")
        return
    targets.send(queue_arn, payload, caller=SERVICE, attributes=attributes)
    _count(route, "InvocationsSentToDlq")


def _count(route: Route, metric: str) -> None:
    cloudwatch.record_metric("AWS/Events", metric, 1, "Count", {"RuleName": route.rule["Name"]})
