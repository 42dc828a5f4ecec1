"""Faults on request, so that tests can see what clients do about them."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

from local.wandb_server.json_value import Json

KINDS = (
    "unavailable",
    "rate_limited",
    "slow",
    "trickle",
    "malformed",
    "commit_conflict",
    "unauthorized",
)

_PIECE = 16_384


class InvalidFaultError(ValueError):
    """A fault that this server cannot make; the message says why."""


@dataclass(frozen=True)
class Fault:
    """What to do to which requests.

    kind: one of KINDS.
    count: to how many requests; None is any number.
    until: moment (time.monotonic) at which it ends; None is never.
    delay: seconds by which "slow" holds a request back.
    bytes_per_second: how fast "trickle" takes an upload in; 0 is not at all, until faults are
        cleared.
    retry_after: seconds that "rate_limited" asks the client to wait.
    user_agent_contains, path_contains, operation: only requests that match all that is given.
    """

    kind: str
    count: int | None = None
    until: float | None = None
    delay: float = 5.0
    bytes_per_second: int = 100_000
    retry_after: int = 1
    user_agent_contains: str = ""
    path_contains: str = ""
    operation: str = ""

    def concerns(self, traffic: "Traffic", now: float) -> bool:
        if self.until is not None and now >= self.until:
            return False
        if self.kind == "commit_conflict" and "commitArtifact" not in traffic.fields:
            return False
        return (
            self.user_agent_contains in traffic.user_agent
            and self.path_contains in traffic.path
            and self.operation in {"", traffic.operation}
        )


@dataclass(frozen=True)
class Traffic:
    """What is known of a request before it is served."""

    path: str
    user_agent: str
    operation: str = ""
    fields: tuple[str, ...] = ()


def parse_fault(given: Json, now: float) -> Fault:
    if not isinstance(given, dict) or given.get("kind") not in KINDS:
        raise InvalidFaultError(f"kind must be one of {', '.join(KINDS)}")
    unknown = given.keys() - {*Fault.__dataclass_fields__, "seconds"} | given.keys() & {"until"}
    if unknown:
        raise InvalidFaultError(f"unknown members: {', '.join(sorted(unknown))}")
    settings = dict(given)
    seconds = settings.pop("seconds", None)
    return Fault(**settings, until=None if seconds is None else now + seconds)


@dataclass
class Faults:
    """The faults in force, the oldest first, and how often each kind of request has come."""

    active: list[tuple[Fault, int]] = field(default_factory=list)
    requests: Counter[str] = field(default_factory=Counter)
    _cleared: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, given: Json) -> None:
        fault = parse_fault(given, time.monotonic())
        self.active.append((fault, 0))

    def clear(self) -> None:
        """End all faults; requests that are held back go on."""
        self.active.clear()
        self._cleared.set()
        self._cleared = asyncio.Event()

    async def hold(self, seconds: float | None) -> None:
        """Wait that long (None: for ever), or until the faults are cleared."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._cleared.wait(), seconds)

    async def trickle(
        self, chunks: AsyncIterable[bytes], bytes_per_second: int
    ) -> AsyncIterator[bytes]:
        """Hand on what comes in no faster than that; a client's socket fills up, as on a line.

        Once the faults are cleared, the rest comes as fast as it can.
        """
        cleared = self._cleared
        async for chunk in chunks:
            for start in range(0, len(chunk), _PIECE):
                piece = chunk[start : start + _PIECE]
                if not cleared.is_set():
                    await self.hold(len(piece) / bytes_per_second if bytes_per_second else None)
                yield piece

    def meet(self, traffic: Traffic) -> Fault | None:
        """Count the request, and answer the fault it is to suffer, if any."""
        self.requests[traffic.operation or _route(traffic.path)] += 1
        now = time.monotonic()
        for position, (fault, used) in enumerate(self.active):
            if (fault.count is None or used < fault.count) and fault.concerns(traffic, now):
                self.active[position] = (fault, used + 1)
                return fault
        return None


def _route(path: str) -> str:
    """Requests that are not GraphQL are counted by what they are, not by whose."""
    for mark in ("file_stream", "_storage", "files"):
        if mark in path:
            return mark
    return path
