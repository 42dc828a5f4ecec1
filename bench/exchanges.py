"""Requests as the network saw them, and how many of them had to wait for one another."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

CREATE = "CreateTrainingJob"
# Where each of AWS's protocols, and GraphQL, names the operation.
_NAMES = (
    re.compile(rb"x-amz-target: *[A-Za-z0-9_.]*?\.?([A-Za-z]+)\r\n", re.IGNORECASE),
    re.compile(rb" /service/\w+/operation/(\w+) "),
    re.compile(rb"(?:^|[&\n])Action=(\w+)", re.MULTILINE),
    re.compile(rb"^[A-Z]+ (/\S*)"),
)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer; moments are of CLOCK_MONOTONIC, which all processes share."""

    name: str
    began: float
    ended: float


def name_of(request: bytes) -> str:
    """Name the operation that the beginning of an HTTP request asks for."""
    found = (pattern.search(request) for pattern in _NAMES)
    return next((match[1].decode() for match in found if match), "unknown")


def waves(exchanges: Iterable[Exchange]) -> int:
    """How many exchanges, at least, came one after the other: the largest set without overlap."""
    count, free_at = 0, float("-inf")
    for one in sorted(exchanges, key=lambda exchange: exchange.ended):
        if one.began >= free_at:
            count, free_at = count + 1, one.ended
    return count


def until(name: str, exchanges: Iterable[Exchange]) -> list[Exchange]:
    """Return what happened up to the first answer to `name`, that one included."""
    ordered = sorted(exchanges, key=lambda exchange: exchange.began)
    end = next((one.ended for one in ordered if one.name == name), float("inf"))
    return [one for one in ordered if one.began < end]
