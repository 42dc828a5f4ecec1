"""What `sam package` does: the code into a bucket, and its address into a copy of the template."""

import hashlib
import io
import zipfile
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

from botocore.client import BaseClient
from botocore.exceptions import ClientError
from samtranslator.yaml_helper import yaml_parse

from local.deploy.access import Access
from local.deploy.errors import DeployError

# One moment for every member, so that the same code gives the same zip and the same key.
EPOCH = (1980, 1, 1, 0, 0, 0)
FUNCTION = "AWS::Serverless::Function"


def parse_template(template: Path) -> dict[str, Any]:
    try:
        parsed = yaml_parse(template.read_text())
    except OSError as error:
        raise DeployError(f"cannot read the template: {error}") from error
    if not isinstance(parsed, dict) or "Resources" not in parsed:
        raise DeployError(f"{template} is not a template: it has no Resources")
    return parsed


def packaged(parsed: Mapping[str, Any], code_uri: str) -> dict[str, Any]:
    """The template with the address of the code in the place of every local CodeUri."""
    resources = {
        name: _with_code(resource, code_uri) if resource.get("Type") == FUNCTION else resource
        for name, resource in parsed["Resources"].items()
    }
    _refuse_several_directories(parsed)
    template = {**parsed, "Resources": resources}
    shared = parsed.get("Globals", {}).get("Function", {})
    if _is_local(shared.get("CodeUri")):
        template["Globals"] = {**parsed["Globals"], "Function": {**shared, "CodeUri": code_uri}}
    return template


def _with_code(resource: Mapping[str, Any], code_uri: str) -> dict[str, Any]:
    properties = resource.get("Properties", {})
    if not _is_local(properties.get("CodeUri")):
        return dict(resource)
    return {**resource, "Properties": {**properties, "CodeUri": code_uri}}


def _is_local(code_uri: object) -> bool:
    return isinstance(code_uri, str) and not code_uri.startswith("s3://")


def _refuse_several_directories(parsed: Mapping[str, Any]) -> None:
    functions = [r for r in parsed["Resources"].values() if r.get("Type") == FUNCTION]
    named = [parsed.get("Globals", {}).get("Function", {}).get("CodeUri")]
    named += [function.get("Properties", {}).get("CodeUri") for function in functions]
    directories = sorted({code_uri for code_uri in named if _is_local(code_uri)})
    if len(directories) > 1:
        raise DeployError(f"one build directory cannot stand for several: {directories}")


def zipped(code: Path) -> bytes:
    if not code.is_dir():
        raise DeployError(f"{code} is not a directory: build the functions first (make build)")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for member in _members(code):
            archive.writestr(_entry(code, member), member.read_bytes())
    return content.getvalue()


def _members(code: Path) -> Iterator[Path]:
    return (path for path in sorted(code.rglob("*")) if path.is_file())


def _entry(code: Path, member: Path) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(member.relative_to(code).as_posix(), EPOCH)
    entry.external_attr = (member.stat().st_mode & 0o777) << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def upload(access: Access, content: bytes, suffix: str) -> tuple[str, str]:
    """Bucket and key of the content, named by its digest."""
    bucket = f"deployments-{access.account()}-{access.region}"
    key = f"{hashlib.sha256(content).hexdigest()}{suffix}"
    client = access.client("s3")
    _ensure_bucket(client, bucket, access.region)
    if not _is_there(client, bucket, key):
        client.put_object(Bucket=bucket, Key=key, Body=content)
    return bucket, key


def _ensure_bucket(client: BaseClient, bucket: str, region: str) -> None:
    # us-east-1 is the one region that must not be named.
    where = {} if region == "us-east-1" else {"LocationConstraint": region}
    settings = {"CreateBucketConfiguration": where} if where else {}
    try:
        client.create_bucket(Bucket=bucket, **settings)
    except client.exceptions.BucketAlreadyOwnedByYou:
        return
    client.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )


def _is_there(client: BaseClient, bucket: str, key: str) -> bool:
    try:
        client.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.NOT_FOUND:
            return False
        raise
    return True
