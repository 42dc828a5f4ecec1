"""What one relaunch may cost: optional, and refused by IAM itself."""

from collections.abc import Mapping
from typing import Any

import pytest

from resilience.wire import tags
from tests.template.policies import documents, may_create, statements
from tests.template.stack import EVERYTHING, stack, with_everything

STACK, FULL = stack(), with_everything()
OURS = {tags.ROOT: "a-job", tags.PARENT: "a-job", tags.ATTEMPT: "2"}
WITHIN: dict[str, object] = {
    "sagemaker:InstanceTypes": ["ml.g5.2xlarge", "ml.m5.large"],
    "sagemaker:MaxRuntimeInSeconds": "86400",
    "sagemaker:VpcSubnets": ["subnet-2a"],
}


def test_without_ceilings_a_successor_may_be_of_any_size() -> None:
    assert may_create(STACK, OURS, WITHIN | {"sagemaker:InstanceTypes": ["ml.p5.48xlarge"]})
    assert may_create(STACK, OURS, {})


def test_a_successor_within_the_ceilings_may_be_created() -> None:
    assert may_create(FULL, OURS, WITHIN)


@pytest.mark.parametrize(
    "beyond",
    [
        {"sagemaker:InstanceTypes": ["ml.p5.48xlarge"]},
        {"sagemaker:InstanceTypes": ["ml.g5.2xlarge", "ml.p5.48xlarge"]},
        {"sagemaker:InstanceTypes": None},
        {"sagemaker:MaxRuntimeInSeconds": "86401"},
        {"sagemaker:MaxRuntimeInSeconds": None},
        {"sagemaker:VpcSubnets": ["subnet-2a", "subnet-3a"]},
        {"sagemaker:VpcSubnets": None},
    ],
)
def test_a_successor_beyond_a_ceiling_is_refused_by_iam_itself(beyond: dict[str, object]) -> None:
    assert not may_create(FULL, OURS, WITHIN | beyond)


@pytest.mark.parametrize("missing", sorted(OURS))
def test_with_ceilings_too_no_job_may_be_created_that_would_not_be_counted(missing: str) -> None:
    assert not may_create(FULL, {k: v for k, v in OURS.items() if k != missing}, WITHIN)


@pytest.mark.parametrize(
    ("parameter", "key"),
    [
        ("AllowedInstanceTypes", "sagemaker:InstanceTypes"),
        ("MaxRuntimeSeconds", "sagemaker:MaxRuntimeInSeconds"),
        ("AllowedSubnetIds", "sagemaker:VpcSubnets"),
    ],
)
def test_each_ceiling_stands_without_the_others(parameter: str, key: str) -> None:
    one = stack(**{parameter: EVERYTHING[parameter]})
    assert may_create(one, OURS, {key: WITHIN[key]})
    assert not may_create(one, OURS, {})


CEILINGS = ("AllowedInstanceTypes", "MaxRuntimeSeconds", "AllowedSubnetIds")


@pytest.mark.parametrize("parameter", CEILINGS)
def test_a_ceiling_adds_a_condition_to_one_statement_and_takes_none_away(parameter: str) -> None:
    changed = documents(stack(**{parameter: EVERYTHING[parameter]}))
    for holder, policies in documents(STACK).items():
        for before, after in zip(statements(policies), statements(changed[holder]), strict=True):
            assert _unguarded(before) == _unguarded(after)
            guards, more_guards = _guards(before), _guards(after)
            assert guards <= more_guards
            limited = guards != more_guards
            assert limited == (before.get("Sid") == "CreateOnlyCountedSuccessors")


def _guards(statement: Mapping[str, Any]) -> set[tuple[str, str, str]]:
    return {
        (operator, key, str(value))
        for operator, keys in statement.get("Condition", {}).items()
        for key, value in keys.items()
    }


def _unguarded(statement: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in statement.items() if key != "Condition"}
