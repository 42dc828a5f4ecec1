"""Roles, policies and keys."""

from typing import Any

from botocore.client import BaseClient

from local.deploy.access import Access
from local.deploy.live.reading import Reader
from local.deploy.wanted import Resource


def _role(access: Access, resource: Resource) -> dict[str, Any]:
    client = access.client("iam")
    name = resource.physical_id
    role = client.get_role(RoleName=name)["Role"]
    attached = client.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    boundary = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    return {
        **role,
        "PermissionsBoundary": boundary,
        "Policies": [_inline(client, name, p) for p in _inline_names(client, name)],
        "ManagedPolicyArns": [policy["PolicyArn"] for policy in attached],
    }


def _inline_names(client: BaseClient, role: str) -> list[str]:
    return list(client.list_role_policies(RoleName=role)["PolicyNames"])


def _inline(client: BaseClient, role: str, policy: str) -> dict[str, Any]:
    found = client.get_role_policy(RoleName=role, PolicyName=policy)
    return {"PolicyName": policy, "PolicyDocument": found["PolicyDocument"]}


def _managed_policy(access: Access, resource: Resource) -> dict[str, Any]:
    client = access.client("iam")
    arn = resource.physical_id
    policy = client.get_policy(PolicyArn=arn)["Policy"]
    version = client.get_policy_version(PolicyArn=arn, VersionId=policy["DefaultVersionId"])
    entities = client.list_entities_for_policy(PolicyArn=arn)
    return {
        "ManagedPolicyName": policy["PolicyName"],
        "Description": policy.get("Description"),
        "Path": policy.get("Path"),
        "PolicyDocument": version["PolicyVersion"]["Document"],
        "Roles": [role["RoleName"] for role in entities["PolicyRoles"]],
    }


def _key(access: Access, resource: Resource) -> dict[str, Any]:
    client = access.client("kms")
    key_id = resource.physical_id
    metadata = client.describe_key(KeyId=key_id)["KeyMetadata"]
    policy = client.get_key_policy(KeyId=key_id, PolicyName="default")["Policy"]
    rotated = client.get_key_rotation_status(KeyId=key_id)["KeyRotationEnabled"]
    return {**metadata, "KeyPolicy": policy, "EnableKeyRotation": rotated}


def _parameter(access: Access, resource: Resource) -> dict[str, Any]:
    client = access.client("ssm")
    name = resource.physical_id
    value = client.get_parameter(Name=name)["Parameter"]
    named = [{"Key": "Name", "Option": "Equals", "Values": [name]}]
    described = client.describe_parameters(ParameterFilters=named)["Parameters"]
    return {**(described[0] if described else {}), **value}


READERS: dict[str, Reader] = {
    "AWS::IAM::Role": _role,
    "AWS::IAM::ManagedPolicy": _managed_policy,
    "AWS::KMS::Key": _key,
    "AWS::SSM::Parameter": _parameter,
}
