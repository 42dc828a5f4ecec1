"""The hosts of this training job, and which of them this one is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_FILE = "input/config/resourceconfig.json"
_ALONE = "localhost"


class HostsError(Exception):
    """What SageMaker says about the hosts cannot be read, or contradicts itself."""


@dataclass(frozen=True)
class Hosts:
    """All hosts in SageMaker's order, which is that of text: algo-10 comes before algo-2.

    Raises:
        HostsError: `current` is not one of `names`, or a name is there twice.
    """

    names: tuple[str, ...]
    current: str

    def __post_init__(self) -> None:
        if self.current not in self.names:
            raise HostsError(f"this host is {self.current}, the hosts are {', '.join(self.names)}")
        if len(set(self.names)) != len(self.names):
            raise HostsError(f"a host is named twice: {', '.join(self.names)}")

    @property
    def index(self) -> int:
        return self.names.index(self.current)

    @property
    def count(self) -> int:
        return len(self.names)

    @property
    def is_first(self) -> bool:
        """Whether this host speaks for all: it commits and marks the completion."""
        return self.index == 0


def hosts_from(base: Path, environment: Mapping[str, str]) -> Hosts:
    """The hosts as SageMaker's resourceconfig.json names them; outside SageMaker there is one.

    Where there is no such file, the variables that SageMaker's own toolkits make of it are read.

    Args:
        base: /opt/ml, or the folder that stands for it.
        environment: Of this process.

    Raises:
        HostsError: the file or the variables cannot be read.
    """
    file = base / _FILE
    try:
        text = file.read_text("utf-8")
    except FileNotFoundError:
        return _from_variables(environment)
    except (OSError, UnicodeDecodeError) as error:
        raise HostsError(f"{file} cannot be read: {error}") from error
    said = _object(text, str(file))
    return _hosts(said.get("hosts"), said.get("current_host"), str(file))


def _from_variables(environment: Mapping[str, str]) -> Hosts:
    if not environment.get("SM_HOSTS"):
        return Hosts((_ALONE,), _ALONE)
    said = _object(f'{{"hosts": {environment["SM_HOSTS"]}}}', "SM_HOSTS")
    return _hosts(said["hosts"], environment.get("SM_CURRENT_HOST"), "SM_HOSTS, SM_CURRENT_HOST")


def _object(text: str, source: str) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except ValueError as error:
        raise HostsError(f"{source} is no JSON: {error}") from error
    if not isinstance(said, dict):
        raise HostsError(f"{source} is no JSON object")
    return said


def _hosts(names: object, current: object, source: str) -> Hosts:
    """Parse what a file or the variables say; `source` names them in an error."""
    is_list = isinstance(names, list) and names and all(isinstance(one, str) for one in names)
    if not is_list or not isinstance(current, str):
        raise HostsError(f"{source} does not say which hosts there are and which one this is")
    return Hosts(tuple(sorted(str(one) for one in names)), current)  # type: ignore[attr-defined]  # a list, as is_list says
