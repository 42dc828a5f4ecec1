# ruff: noqa: SLF001 - private names of the pinned MiniStack are what this file is about
"""Whether a role may do something, and whether a resource lets an AWS service in.

MiniStack decides this for requests that arrive over HTTP; what it does on its own behalf (a rule
that delivers, a schedule that fires, a function that starts) asks here.
"""

import json
from collections.abc import Mapping
from typing import Any

from ministack import app
from ministack.core import iam_evaluator
from ministack.core.arn import parse_arn
from ministack.services import iam, lambda_svc, sqs

Conditions = Mapping[str, str]


def role_trusts(role_arn: str, service: str, conditions: Conditions) -> bool:
    """Whether the service may assume the role: it exists and its trust policy names the service."""
    role = _role(role_arn)
    if role is None:
        return False
    policy = json.loads(role.get("AssumeRolePolicyDocument") or "{}")
    # A trust policy names no resource: the role itself is it.
    statements = [{**statement, "Resource": "*"} for statement in _statements(policy)]
    context = _service_context("sts:AssumeRole", role_arn, conditions)
    return _admits({"Statement": statements}, context, service)


def role_allows(
    role_arn: str, action: str, resource_arn: str, conditions: Conditions | None = None
) -> bool:
    """Whether the role's own policies, within its boundary, allow the action."""
    if not app.AUTH:
        return True
    account, name = parse_arn(role_arn).account_id, role_arn.rsplit("/", 1)[-1]
    context = iam_evaluator.EvalContext(
        principal_arn=session_arn(role_arn, "service"),
        principal_type="AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=resource_arn,
        region=parse_arn(resource_arn).region,
        service_context=dict(conditions or {}),
    )
    policies = iam_evaluator._gather_role_policies(name, account)
    limits = iam_evaluator._permissions_boundary(iam._roles, name, account)
    return bool(iam_evaluator.evaluate(context, policies, *limits).decision == "Allow")


def session_arn(role_arn: str, session: str) -> str:
    """Who a service is once it has assumed the role."""
    account, name = parse_arn(role_arn).account_id, role_arn.rsplit("/", 1)[-1]
    return f"arn:aws:sts::{account}:assumed-role/{name}/{session}"


def role_of(session: str) -> str:
    """The role that a session, named by its ARN, has assumed."""
    account, name = parse_arn(session).account_id, session.split("/")[1]
    return f"arn:aws:iam::{account}:role/{name}"


def queue_admits(queue_arn: str, service: str, source_arn: str) -> bool:
    """Whether the queue's policy lets the service send on behalf of the source."""
    account = parse_arn(source_arn).account_id
    return bool(sqs.queue_policy_allows(queue_arn, service, source_arn, account))


def function_admits(function_arn: str, service: str, source_arn: str) -> bool:
    """Whether the function's policy (AddPermission) lets the service invoke it for the source."""
    if not app.AUTH:
        return True
    found = lambda_svc.function_policy_for_arn(function_arn)
    account = parse_arn(source_arn).account_id
    conditions = {"aws:sourcearn": source_arn, "aws:sourceaccount": account}
    context = _service_context("lambda:InvokeFunction", function_arn, conditions)
    return found is not None and _admits(found[0], context, service)


def _role(role_arn: str) -> dict[str, Any] | None:
    if ":role/" not in role_arn:
        return None
    account, name = parse_arn(role_arn).account_id, role_arn.rsplit("/", 1)[-1]
    found: dict[str, Any] | None = iam._roles.get_scoped(account, None, name)
    return found


def _statements(policy: Mapping[str, Any]) -> list[dict[str, Any]]:
    statements = policy.get("Statement") or []
    return [statements] if isinstance(statements, dict) else list(statements)


def _service_context(
    action: str, resource_arn: str, conditions: Conditions
) -> iam_evaluator.EvalContext:
    return iam_evaluator.EvalContext(
        principal_arn="*",
        principal_type="Service",
        principal_account="",
        action=action,
        resource_arn=resource_arn,
        region=parse_arn(resource_arn).region,
        service_context=dict(conditions),
    )


def _admits(policy: Mapping[str, Any], context: iam_evaluator.EvalContext, service: str) -> bool:
    decided = iam_evaluator.evaluate_resource_policy(policy, context, service=service)
    return bool(decided.decision == "Allow")
