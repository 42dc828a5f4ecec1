"""Who may do what: MiniStack's IAM evaluator, asked as SageMaker asks IAM."""

import json
from dataclasses import dataclass
from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.services import iam

from local.aws.sagemaker.errors import AwsError, validation
from local.aws.sagemaker.jobs import Place

SERVICE = "sagemaker.amazonaws.com"


@dataclass(frozen=True)
class Caller:
    """The signer of a request, already authenticated by MiniStack."""

    access_key: str
    place: Place

    def must_be_allowed(
        self, action: str, resource: str, conditions: dict[str, Any] | None = None
    ) -> None:
        refusal = iam_evaluator.enforce(
            self.access_key,
            action,
            action.partition(":")[0],
            self.place.region,
            resource_arn=resource,
            service_context=conditions,
        )
        if refusal is None:
            return
        if isinstance(refusal, iam_evaluator.AuthError):
            raise AwsError(refusal.code, refusal.message)
        denied = refusal.decision == "Deny"
        message = iam_actions.identity_denial_message(
            action, refusal.principal_arn, resource, denied
        )
        raise AwsError("AccessDeniedException", message)


def tag_conditions(tags: list[dict[str, str]]) -> dict[str, Any]:
    if not tags:
        return {}
    named = {f"aws:RequestTag/{tag['Key']}": tag["Value"] for tag in tags}
    return {**named, "aws:TagKeys": [tag["Key"] for tag in tags]}


def may_create(caller: Caller, arn: str, request: dict[str, Any]) -> None:
    tags = request.get("Tags", [])
    conditions = {**tag_conditions(tags), **_asked_for(request)}
    for resource in (arn, *_plans(request)):
        caller.must_be_allowed("sagemaker:CreateTrainingJob", resource, conditions)
    if tags:
        tagging = {**tag_conditions(tags), "sagemaker:TaggingAction": "CreateTrainingJob"}
        caller.must_be_allowed("sagemaker:AddTags", arn, tagging)
    passed = {"iam:PassedToService": SERVICE, "iam:AssociatedResourceArn": arn}
    caller.must_be_allowed("iam:PassRole", request["RoleArn"], passed)


def _asked_for(request: dict[str, Any]) -> dict[str, Any]:
    """SageMaker's own condition keys; a member that is not asked for has none."""
    resources = request.get("ResourceConfig", {})
    groups = [*resources.get("InstanceGroups", []), *resources.get("InstancePreferences", [])]
    types = [one["InstanceType"] for one in (resources, *groups) if one.get("InstanceType")]
    values = {
        "sagemaker:InstanceTypes": types or None,
        "sagemaker:MaxRuntimeInSeconds": request.get("StoppingCondition", {}).get(
            "MaxRuntimeInSeconds"
        ),
        "sagemaker:VpcSubnets": request.get("VpcConfig", {}).get("Subnets"),
        "sagemaker:NetworkIsolation": str(request.get("EnableNetworkIsolation", False)).lower(),
    }
    return {key: value for key, value in values.items() if value is not None}


def _plans(request: dict[str, Any]) -> list[str]:
    """The training plans that the job runs on: IAM is asked for each beside the job."""
    resources = request.get("ResourceConfig", {})
    plan = resources.get("TrainingPlanArn")
    preferred = [
        one.get("TrainingPlanArns", []) for one in resources.get("InstancePreferences", [])
    ]
    return [*([plan] if plan else []), *(arn for arns in preferred for arn in arns)]


def role_must_trust_sagemaker(caller: Caller, role_arn: str) -> None:
    """Refuse, as AWS does, a role that is not there or that SageMaker may not assume."""
    account, name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
    if account != caller.place.account:
        raise validation("RoleArn: Cross-account pass role is not allowed.")
    role = iam._roles.get_scoped(account, None, name)  # noqa: SLF001 - the pin is exact
    if role is None or role["Arn"] != role_arn or not _trusts_sagemaker(role):
        raise validation(
            f"Could not assume role {role_arn}. Please ensure that the role exists and allows "
            f"principal '{SERVICE}' to assume the role."
        )


def _trusts_sagemaker(role: dict[str, Any]) -> bool:
    document = role["AssumeRolePolicyDocument"]
    trust = json.loads(document) if isinstance(document, str) else document
    statements = _as_list(trust.get("Statement"))
    return any(
        one.get("Effect") == "Allow"
        and "sts:AssumeRole" in _as_list(one.get("Action"))
        and isinstance(one.get("Principal"), dict)
        and SERVICE in _as_list(one["Principal"].get("Service"))
        for one in statements
    )


def _as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
