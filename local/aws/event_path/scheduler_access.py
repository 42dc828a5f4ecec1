"""Who may make a schedule: its group is part of its ARN, and its role must be passed.

MiniStack checks every schedule as one of the default group and does not ask for iam:PassRole.
"""

import json
import time
from collections.abc import Mapping
from typing import Any

from ministack import app
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import error_response_json, get_region
from ministack.core.router import extract_access_key_id
from ministack.services import scheduler

from local.doubts import PAST_SECONDS, Doubts

Query = Mapping[str, str | list[str]]

SERVICE = "scheduler.amazonaws.com"


def install(doubts: Doubts) -> None:
    _mend_resource()
    _mend_pass_role()
    if doubts.past_schedules_refused:
        _refuse_the_past()


def _mend_resource() -> None:
    original = iam_actions.extract_resource_arn

    def extract(  # noqa: PLR0913, PLR0917 - MiniStack's signature
        service: str, method: str, path: str, headers: object, body: bytes, query: Query, *rest: str
    ) -> str:
        arn = str(original(service, method, path, headers, body, query, *rest))
        if service != "scheduler" or ":schedule/default/" not in arn:
            return arn
        group = _parsed(body).get("GroupName") or _first(query, "groupName") or "default"
        return arn.replace(":schedule/default/", f":schedule/{group}/")

    iam_actions.extract_resource_arn = extract


def _first(query: Query, name: str) -> str | None:
    value = query.get(name)
    return value if isinstance(value, str) else next(iter(value or ()), None)


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _mend_pass_role() -> None:
    original = scheduler.handle_request

    async def handle(method: str, path: str, headers: object, body: bytes, query: Query) -> object:
        makes = method in ("POST", "PUT") and path.startswith("/schedules/")
        role = (_parsed(body).get("Target") or {}).get("RoleArn") if makes else None
        if role and app.AUTH and not _may_pass(role, headers, query):
            caller = iam_evaluator.request_caller_arn(headers, query)
            message = (
                f"User: {caller} is not authorized to perform: iam:PassRole on resource: {role}"
            )
            return error_response_json("AccessDeniedException", message, 403)
        return await original(method, path, headers, body, query)

    scheduler.handle_request = handle


def _refuse_the_past() -> None:
    """Take no time that is past, or that is past before one can say so (local.doubts)."""
    original = scheduler._create_schedule  # noqa: SLF001 - the pin is exact

    def create(name: str, body: dict[str, Any]) -> object:
        at = scheduler._at_time_epoch(body.get("ScheduleExpression", ""))  # noqa: SLF001 - the same
        if at is not None and at < time.time() + PAST_SECONDS:
            message = "Invalid Schedule Expression: the time must be in the future."
            return error_response_json("ValidationException", message, 400)
        return original(name, body)

    scheduler._create_schedule = create  # noqa: SLF001 - the same


def _may_pass(role: str, headers: object, query: Query) -> bool:
    caller = extract_access_key_id(headers, query)
    context = {"iam:PassedToService": SERVICE}
    denied = iam_evaluator.enforce(caller, "iam:PassRole", "iam", get_region(), role, context)
    return denied is None
