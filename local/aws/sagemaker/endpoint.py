"""SageMaker's place in MiniStack: requests in JSON 1.1 in, answers and errors out."""

import asyncio
import json
import logging
from typing import Any

from ministack import app
from ministack.core import router
from ministack.core.responses import get_account_id

from local.aws.sagemaker.access import Caller
from local.aws.sagemaker.control import ControlPlane
from local.aws.sagemaker.errors import AwsError, throttled, unsupported_here
from local.aws.sagemaker.jobs import Place
from local.aws.sagemaker.operations import OPERATIONS, Call
from local.aws.sagemaker.shapes import checked

TARGET = "SageMaker."
JSON = "application/x-amz-json-1.1"
log = logging.getLogger(__name__)

Response = tuple[int, dict[str, str], bytes]


def install(control: ControlPlane) -> None:
    """Register SageMaker among MiniStack's services."""

    async def handle(
        _method: str, _path: str, headers: dict[str, str], body: bytes, query: dict[str, list[str]]
    ) -> Response:
        region = router.extract_region(headers, query)
        caller = Caller(
            router.extract_access_key_id(headers, query), Place(get_account_id(), region)
        )
        return await answer(control, caller, headers.get("x-amz-target", ""), body)

    app.SERVICE_HANDLERS["sagemaker"] = handle
    router.SERVICE_PATTERNS["sagemaker"] = {"target_prefixes": [TARGET]}


async def answer(control: ControlPlane, caller: Caller, target: str, body: bytes) -> Response:
    operation = target.removeprefix(TARGET)
    try:
        return (
            200,
            {"Content-Type": JSON},
            json.dumps(await _called(control, caller, operation, body)).encode(),
        )
    except AwsError as error:
        content = {"__type": error.code, "message": error.message}
        headers = {"Content-Type": JSON, "x-amzn-errortype": error.code}
        return error.status, headers, json.dumps(content).encode()


async def _called(
    control: ControlPlane, caller: Caller, operation: str, body: bytes
) -> dict[str, Any]:
    control.calls[operation] += 1
    perform = OPERATIONS.get(operation)
    if perform is None:
        raise unsupported_here(f"the operation {operation}")
    document = _document(body)
    name = str(document.get("TrainingJobName", "")) or str(document.get("ResourceArn", ""))
    name = name.rpartition("/")[2]
    slow = control.faults.take("slow", name, operation)
    if slow:
        await asyncio.sleep(slow.value)
    if control.faults.take("throttle", name, operation):
        raise throttled()
    return perform(Call(control, caller, checked(operation, document)))


def _document(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise AwsError("SerializationException", "The request body is not a JSON object.")
    return document
