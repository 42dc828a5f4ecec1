"""Writes down each job it is told of: the effect by which a delivery is seen from outside.

Without a package of anyone, and signed by hand, so that the stack needs no build.
"""

import contextlib
import hashlib
import hmac
import http.client
import json
import logging
import os
from datetime import UTC, datetime
from typing import Any


def handler(event: dict[str, Any], context: Any) -> dict[str, list[str]]:  # noqa: ANN401 - Lambda's
    for record in event.get("Records", []):
        detail = json.loads(record["body"])["detail"]
        seen = {"job": detail["TrainingJobName"], "greeting": os.environ["GREETING"]}
        write_down(json.dumps(seen))
        logging.getLogger().info(context.aws_request_id)
    return {"batchItemFailures": []}


def write_down(value: str) -> None:
    parameter = {"Name": os.environ["SEEN"], "Value": value, "Overwrite": True}
    call("ssm", "AmazonSSM.PutParameter", parameter)


def call(service: str, target: str, arguments: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    """One request of the JSON protocol, signed with the role's session (Signature Version 4)."""
    host = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    body = json.dumps(arguments)
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "host": host,
        "x-amz-date": now,
        "x-amz-security-token": os.environ["AWS_SESSION_TOKEN"],
        "x-amz-target": target,
    }
    headers["authorization"] = authorization(service, now, headers, body)
    connection = http.client.HTTPConnection(host)
    connection.request("POST", "/", body, headers)
    with contextlib.closing(connection), connection.getresponse() as answer:
        return json.load(answer)


def authorization(service: str, now: str, headers: dict[str, str], body: str) -> str:
    names = ";".join(headers)
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    canonical = f"POST\n/\n\n{lines}\n{names}\n{digest(body)}"
    scope = f"{now[:8]}/{os.environ['AWS_REGION']}/{service}/aws4_request"
    key = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
    for part in scope.split("/"):
        key = keyed(key, part)
    signature = keyed(key, f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{digest(canonical)}").hex()
    access_key = os.environ["AWS_ACCESS_KEY_ID"]
    return (
        f"AWS4-HMAC-SHA256 Credential={access_key}/{scope}, "
        f"SignedHeaders={names}, Signature={signature}"
    )


def keyed(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
