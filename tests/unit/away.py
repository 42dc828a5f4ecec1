"""Services some of whose calls get no answer."""

from dataclasses import replace
from typing import Any

from local.in_memory import InMemoryWorld
from resilience.errors import Retry
from resilience.ports import World


class Away:
    """A port some of whose calls get no answer."""

    def __init__(self, port: object, calls: tuple[str, ...]) -> None:
        self._port = port
        self._calls = calls

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 — whatever the port has
        return self.no_answer if name in self._calls else getattr(self._port, name)

    def no_answer(self, *_: object) -> None:
        raise Retry("no answer")


def without(world: InMemoryWorld, *calls: str) -> World:
    real = world.ports()
    return replace(
        real,
        jobs=Away(real.jobs, calls),
        waits=Away(real.waits, calls),
        notifications=Away(real.notifications, calls),
    )
