"""Deploys the template as it is, through CloudFormation, and proves that all of it arrived.

`deploy` works on the AWS of this machine as on the real one: it uses public APIs alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from local.deploy import package, verification, wanted
from local.deploy.access import Access
from local.deploy.errors import DeployError
from local.deploy.stack import Stack

__all__ = ["Access", "DeployError", "Deployed", "deploy"]


@dataclass(frozen=True)
class Deployed:
    """What came of it: the stack's outputs, whether anything changed, and what to know."""

    outputs: Mapping[str, str]
    changed: bool
    notes: tuple[str, ...]


def deploy(
    access: Access,
    *,
    template: Path,
    code: Path,
    parameters: Mapping[str, str],
    stack_name: str,
) -> Deployed:
    """Bring the stack to the template with the built functions in `code`.

    Raises DeployError with the failing resource's reason, or with every property that was asked
    for and is not there.
    """
    parsed = package.parse_template(template)
    bucket, key = package.upload(access, package.zipped(code), ".zip")
    addressed = package.packaged(parsed, f"s3://{bucket}/{key}")
    stack = Stack(access, stack_name)
    changed = stack.deploy(addressed, parameters)
    asked = wanted.resources(wanted.transformed(addressed, access), parameters, stack)
    findings = verification.verify(access, asked)
    if findings.dropped:
        raise DeployError(f"stack {stack_name} is incomplete: " + "; ".join(findings.dropped))
    return Deployed(stack.outputs(), changed, findings.notes)
