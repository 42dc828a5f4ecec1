# ruff: noqa: SLF001 - private names of the pinned MiniStack are what this file is about
"""EventBridge Scheduler: on time, under the schedule's own role, with its retries and dead letter.

MiniStack looks every ten seconds, sends an event of its own instead of the target's Input, asks no
role, and forgets neither that a deleted schedule had fired nor when a changed one did.
"""

import json
import logging
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from ministack.core.arn import parse_arn
from ministack.services import eventbridge, scheduler

from local.aws import permissions
from local.aws.event_path import targets
from local.aws.event_path.delivery import (
    Delivery,
    DeliveryError,
    GivenUp,
    not_permitted,
    retry_policy,
)

SERVICE = "scheduler.amazonaws.com"
TICK_SECONDS = 0.2
logger = logging.getLogger("local.event_path")

Schedule = Mapping[str, Any]


def install() -> None:
    scheduler._SCHEDULE_TICK_INTERVAL = TICK_SECONDS
    _mend_ticks()


def _mend_ticks() -> None:
    original = scheduler._tick_schedules
    seen: dict[Any, tuple[Schedule, str]] = {}

    def tick() -> None:
        present = dict(scheduler._schedules._data.items())
        for key, schedule in present.items():
            known = seen.get(key)
            now = (schedule, schedule.get("ScheduleExpression", ""))
            if known is None or known[0] is not schedule or known[1] != now[1]:
                _begin(key, now[1])
                seen[key] = now
        for key in seen.keys() - present.keys():
            del seen[key]
        original()

    scheduler._tick_schedules = tick


def _begin(key: object, expression: str) -> None:
    """A schedule that is new, or new again, has not fired."""
    scheduler._schedule_last_fired.pop(key, None)
    if eventbridge._parse_rate_seconds(expression) is not None:
        # A rate without a StartDate invokes its target at once, then at its rate.
        scheduler._schedule_last_fired[key] = 0.0


def fire(schedule: Schedule) -> None:
    target = schedule["Target"]
    payload = _payload(schedule)

    def attempt() -> None:
        _assume(schedule)
        _hand_over(target, payload)

    def give_up(given_up: GivenUp) -> None:
        _dead_letter(schedule, payload, given_up)

    Delivery(attempt, give_up, retry_policy(target)).start()


def _assume(schedule: Schedule) -> None:
    role = schedule["Target"]["RoleArn"]
    if not permissions.role_trusts(role, SERVICE, _conditions(schedule)):
        raise not_permitted(f"{role} cannot be assumed by {SERVICE}")


def _conditions(schedule: Schedule) -> dict[str, str]:
    # AWS names the group, not the schedule, when it assumes the role.
    arn = parse_arn(schedule["Arn"])
    group = f"arn:aws:scheduler:{arn.region}:{arn.account_id}:schedule-group/"
    return {
        "aws:sourceaccount": arn.account_id,
        "aws:sourcearn": group + schedule.get("GroupName", "default"),
    }


def _hand_over(target: Mapping[str, Any], payload: str) -> None:
    service = parse_arn(target["Arn"]).service
    match service:
        case "sqs":
            _send(target["RoleArn"], target["Arn"], payload, group=_group(target))
        case "lambda":
            _permit(target["RoleArn"], "lambda:InvokeFunction", target["Arn"])
            targets.invoke(target["Arn"], payload)
        case _:
            raise DeliveryError(
                "SDK_CLIENT_ERROR", f"no schedule can reach {service} here", permanent=True
            )


def _group(target: Mapping[str, Any]) -> str | None:
    group = (target.get("SqsParameters") or {}).get("MessageGroupId")
    return None if group is None else str(group)


def _send(
    role: str,
    queue_arn: str,
    body: str,
    *,
    group: str | None = None,
    attributes: Mapping[str, str] | None = None,
) -> None:
    _permit(role, "sqs:SendMessage", queue_arn)
    session = permissions.session_arn(role, "scheduler")
    targets.send(queue_arn, body, caller=session, group=group, attributes=attributes)


def _permit(role: str, action: str, resource: str) -> None:
    if not permissions.role_allows(role, action, resource):
        raise not_permitted(f"{role} may not {action} on {resource}")


def _payload(schedule: Schedule) -> str:
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    arn = parse_arn(schedule["Arn"])
    execution = str(uuid.uuid4())
    given = schedule["Target"].get("Input")
    if given is not None:
        return _filled(given, schedule["Arn"], now, execution)
    event = {
        "version": "0",
        "id": execution,
        "detail-type": "Scheduled Event",
        "source": "aws.scheduler",
        "account": arn.account_id,
        "time": now,
        "region": arn.region,
        "resources": [schedule["Arn"]],
        "detail": "{}",
    }
    return json.dumps(event)


def _filled(given: str, arn: str, now: str, execution: str) -> str:
    """Scheduler's context attributes, where the Input names them."""
    values = {
        "<aws.scheduler.schedule-arn>": arn,
        "<aws.scheduler.scheduled-time>": now,
        "<aws.scheduler.execution-id>": execution,
        "<aws.scheduler.attempt-number>": "1",
    }
    for name, value in values.items():
        given = given.replace(name, value)
    return given


def _dead_letter(schedule: Schedule, payload: str, given_up: GivenUp) -> None:
    target = schedule["Target"]
    queue_arn = (target.get("DeadLetterConfig") or {}).get("Arn")
    if queue_arn is None:
        return
    attributes = {
        "SCHEDULE_ARN": schedule["Arn"],
        "TARGET_ARN": target["Arn"],
        **given_up.attributes(),
    }
    try:
        _send(target["RoleArn"], queue_arn, payload, attributes=attributes)
    except DeliveryError as error:
        logger.error("schedule lost: %s", error)  # noqa: TRY400 - its message is the whole of it
