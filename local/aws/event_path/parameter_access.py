"""Who may read several parameters in one call: IAM is asked for each of them.

MiniStack asks once, for the resource `*`, which no narrow policy allows.
"""

import json
from collections.abc import Mapping
from typing import Any

from ministack import app
from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import error_response_json, get_account_id, get_region
from ministack.core.router import extract_access_key_id
from ministack.services import ssm

Query = Mapping[str, str | list[str]]
_ACTION = "ssm:GetParameters"


def install() -> None:
    _ask_for_the_first()
    _ask_for_the_others()


def _ask_for_the_first() -> None:
    original = iam_actions.extract_resource_arn

    def extract(service: str, method: str, path: str, headers: Any, body: bytes, *rest: Any) -> str:  # noqa: ANN401 - MiniStack's signature
        names = _names(headers, body) if service == "ssm" else []
        if names:
            return _arn(names[0])
        return str(original(service, method, path, headers, body, *rest))

    iam_actions.extract_resource_arn = extract


def _ask_for_the_others() -> None:
    original = ssm.handle_request

    async def handle(method: str, path: str, headers: Any, body: bytes, query: Query) -> object:  # noqa: ANN401 - the same
        others = _names(headers, body)[1:] if app.AUTH else []
        for arn in map(_arn, others):
            key = extract_access_key_id(headers, query)
            if iam_evaluator.enforce(key, _ACTION, "ssm", get_region(), arn) is not None:
                caller = iam_evaluator.request_caller_arn(headers, query)
                text = f"User: {caller} is not authorized to perform: {_ACTION} on resource: {arn}"
                return error_response_json("AccessDeniedException", text, 400)
        return await original(method, path, headers, body, query)

    ssm.handle_request = handle


def _names(headers: Mapping[str, str], body: bytes) -> list[str]:
    """The parameters that a GetParameters names; of any other call none."""
    target = next((v for k, v in headers.items() if k.lower() == "x-amz-target"), "")
    if not target.endswith(".GetParameters"):
        return []
    try:
        asked = json.loads(body or b"{}")
    except ValueError:
        return []
    names = asked.get("Names") if isinstance(asked, dict) else None
    return [str(name) for name in names] if isinstance(names, list) else []


def _arn(name: str) -> str:
    return f"arn:aws:ssm:{get_region()}:{get_account_id()}:parameter/{name.lstrip('/')}"
