"""Functions, and what invokes them."""

import base64
import hashlib
import json
from typing import Any

from local.deploy.access import Access
from local.deploy.live.reading import Reader
from local.deploy.wanted import Resource


def _function(access: Access, resource: Resource) -> dict[str, Any]:
    client = access.client("lambda")
    found = client.get_function(FunctionName=resource.physical_id)
    tags = found.get("Tags", {})
    reserved = client.get_function_concurrency(FunctionName=resource.physical_id)
    return {
        **found["Configuration"],
        "Code": _code(access, resource, found["Configuration"]["CodeSha256"]),
        "ReservedConcurrentExecutions": reserved.get("ReservedConcurrentExecutions"),
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }


def _code(access: Access, resource: Resource, sha256: str) -> dict[str, str]:
    """The address that was asked for, if what lies there is what runs; else what runs."""
    asked = resource.properties["Code"]
    if "S3Bucket" not in asked:
        return {"CodeSha256": sha256}
    stored = access.client("s3").get_object(Bucket=asked["S3Bucket"], Key=asked["S3Key"])
    with stored["Body"] as body:
        digest = _digest(body.read())
    return dict(asked) if digest == sha256 else {"CodeSha256": sha256}


def _digest(content: bytes) -> str:

    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def _mapping(access: Access, resource: Resource) -> dict[str, Any]:
    client = access.client("lambda")
    found = client.get_event_source_mapping(UUID=resource.physical_id)
    asked = str(resource.properties.get("FunctionName", ""))
    arn = found["FunctionArn"]
    name = arn if asked.startswith("arn:") else arn.split(":function:", 1)[1]
    return {**found, "FunctionName": name, "Enabled": found["State"].startswith("Enabl")}


def _invoke_config(access: Access, resource: Resource) -> dict[str, Any]:
    asked = resource.properties
    name, qualifier = asked["FunctionName"], asked["Qualifier"]
    found = access.client("lambda").get_function_event_invoke_config(
        FunctionName=name, Qualifier=qualifier
    )
    return {**found, "FunctionName": name, "Qualifier": qualifier}


def _permission(access: Access, resource: Resource) -> dict[str, Any]:
    asked = resource.properties
    found = access.client("lambda").get_policy(FunctionName=asked["FunctionName"])
    for statement in json.loads(found["Policy"])["Statement"]:
        granted = _granted(statement)
        if all(granted.get(key) == asked.get(key) for key in ("Principal", "SourceArn")):
            return {**granted, "FunctionName": asked["FunctionName"]}
    return {}


def _granted(statement: dict[str, Any]) -> dict[str, Any]:
    condition = statement.get("Condition", {})
    principal = statement.get("Principal", {})
    return {
        "Action": statement.get("Action"),
        "Principal": principal.get("Service") if isinstance(principal, dict) else principal,
        "SourceArn": condition.get("ArnLike", {}).get("AWS:SourceArn"),
        "SourceAccount": condition.get("StringEquals", {}).get("AWS:SourceAccount"),
    }


def _log_group(access: Access, resource: Resource) -> dict[str, Any]:
    client = access.client("logs")
    named = client.describe_log_groups(logGroupNamePrefix=resource.physical_id)["logGroups"]
    found = next(group for group in named if group["logGroupName"] == resource.physical_id)
    return {
        "LogGroupName": found["logGroupName"],
        "RetentionInDays": found.get("retentionInDays"),
        "KmsKeyId": found.get("kmsKeyId"),
        "LogGroupClass": found.get("logGroupClass"),
    }


READERS: dict[str, Reader] = {
    "AWS::Lambda::Function": _function,
    "AWS::Lambda::EventSourceMapping": _mapping,
    "AWS::Lambda::EventInvokeConfig": _invoke_config,
    "AWS::Lambda::Permission": _permission,
    "AWS::Logs::LogGroup": _log_group,
}
