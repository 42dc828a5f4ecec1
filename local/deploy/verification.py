"""Trust no CREATE_COMPLETE: read every resource back and compare it with the template."""

import fnmatch
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from botocore.exceptions import ClientError

from local.deploy import live
from local.deploy.access import Access
from local.deploy.comparison import Difference, differences
from local.deploy.wanted import Resource

# What may differ, by type and property, and why that does no harm. Each is reported, every time.
TOLERATED: Mapping[str, str] = {
    "AWS::KMS::Key.PendingWindowInDays": "it counts only when the key is deleted; no API tells it",
    "AWS::SSM::Parameter.Value": "people change it between deploys, and a deploy leaves it alone",
}


@dataclass(frozen=True)
class Findings:
    dropped: tuple[str, ...]
    notes: tuple[str, ...]


def verify(access: Access, resources: Iterator[Resource]) -> Findings:
    dropped: list[str] = []
    notes: list[str] = []
    for resource in resources:
        for name, expression in resource.unresolvable.items():
            notes.append(f"{resource.name}.{name} was not compared: {expression} is unknown here")
        for difference in _differences(access, resource, notes):
            reason = _reason(resource, difference)
            (dropped if reason is None else notes).append(
                f"{difference}" if reason is None else f"{difference}: {reason}"
            )
    return Findings(tuple(dropped), tuple(notes))


def _differences(access: Access, resource: Resource, notes: list[str]) -> list[Difference]:
    try:
        found = live.read(access, resource)
    except ClientError as error:
        return [Difference(resource.name, str(error), None)]
    if found is None:
        notes.append(f"{resource.name} was not compared: no reader for {resource.kind}")
        return []
    return list(differences(resource.properties, found, resource.name))


def _reason(resource: Resource, difference: Difference) -> str | None:
    path = resource.kind + difference.path.removeprefix(resource.name)
    for pattern, reason in TOLERATED.items():
        if fnmatch.fnmatchcase(path, pattern) or path.startswith(f"{pattern}."):
            return reason
    return None
