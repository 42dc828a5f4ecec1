"""What a role of the stack may do, by the evaluator that the local AWS enforces with."""

from collections.abc import Mapping
from typing import Any

from ministack.core.iam_evaluator import EvalContext, evaluate, parse_policy_document

from tests.template.stack import ACCOUNT, REGION, Stack

A_JOB = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/a-job"


def documents(stack: Stack) -> dict[str, list[dict[str, Any]]]:
    """Every policy that gives rights to an identity, by the role or policy that holds it."""
    roles = {
        name: [policy["PolicyDocument"] for policy in role["Policies"]]
        for name, role in stack.of_type("AWS::IAM::Role").items()
    }
    managed = stack.of_type("AWS::IAM::ManagedPolicy")
    return roles | {name: [policy["PolicyDocument"]] for name, policy in managed.items()}


def as_list(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def actions(stack: Stack, role: str) -> set[str]:
    return {
        action
        for document in documents(stack)[role]
        for statement in document["Statement"]
        for action in as_list(statement["Action"])
    }


def allowed(
    stack: Stack, role: str, action: str, resource: str, context: Mapping[str, object]
) -> bool:
    """Whether the role may do this to that, under these condition keys."""
    request = EvalContext(
        principal_arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/{role}/session",
        principal_type="AssumedRole",
        principal_account=ACCOUNT,
        action=action,
        resource_arn=resource,
        region=REGION,
        service_context={"aws:tagkeys": None} | {k.lower(): v for k, v in context.items()},
    )
    parsed = [parse_policy_document(document) for document in documents(stack)[role]]
    return bool(evaluate(request, parsed).decision == "Allow")


def statements(policies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [statement for policy in policies for statement in policy["Statement"]]


def may_create(
    of: Stack, tags: Mapping[str, str], asked: Mapping[str, object], resource: str = A_JOB
) -> bool:
    """Whether the controller may create this with these tags, under what the request asks for."""
    context: dict[str, object] = {f"aws:RequestTag/{key}": value for key, value in tags.items()}
    context |= {"aws:TagKeys": sorted(tags) or None} | dict(asked)
    return allowed(of, "OnTrainingEndedRole", "sagemaker:CreateTrainingJob", resource, context)
