"""The hosts of a job: so many of one type, or groups of several types."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from launching.account import LaunchError

if TYPE_CHECKING:
    from collections.abc import Sequence

_GROUP = re.compile(r"(?P<name>[A-Za-z0-9_-]{1,64})=(?P<type>ml\.[a-z0-9.-]+):(?P<count>[1-9]\d*)")
# CreateTrainingJob: "InstanceGroups: Array Members: Minimum number of 0 items. Maximum of 5".
_MOST_GROUPS = 5


@dataclass(frozen=True)
class Group:
    """Hosts of one type in a job that has several types."""

    name: str
    instance_type: str
    count: int


def groups_from(texts: Sequence[str]) -> tuple[Group, ...]:
    """Read `NAME=TYPE:COUNT`.

    Raises:
        LaunchError: one of them is not written so, or there are too many, or two of one name.
    """
    groups = tuple(_group(text) for text in texts)
    if len(groups) > _MOST_GROUPS:
        raise LaunchError(f"SageMaker takes {_MOST_GROUPS} instance groups at most")
    if len({group.name for group in groups}) != len(groups):
        raise LaunchError("--instance-group: two groups have one name")
    return groups


def _group(text: str) -> Group:
    found = _GROUP.fullmatch(text)
    if found is None:
        raise LaunchError(f"--instance-group {text!r}: write NAME=TYPE:COUNT, a=ml.g5.xlarge:2")
    return Group(found["name"], found["type"], int(found["count"]))
