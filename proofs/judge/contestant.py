"""What is put before the oracle: the real controller and sweep, or a variant of them."""

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Protocol

from local.in_memory import InMemoryWorld
from local.replaying import deployment
from resilience import controller
from resilience.decide.decisions import Decision, Mode, Policy
from resilience.fleet import sweeping
from resilience.fleet.jobs import Fleet
from resilience.ports import World
from resilience.settings import Settings, SweepSettings
from resilience.wire.events import Hint, NotForUs


class Recover(Protocol):
    def __call__(
        self, hint: Hint, world: World, settings: Settings, executor: Executor, /
    ) -> Decision | NotForUs: ...


# As template.yaml gives them.


def _sweep(fleet: Fleet, settings: SweepSettings, now: int) -> sweeping.Swept:
    return sweeping.sweep(fleet, settings, now, lambda: 60.0)


SWEEP = SweepSettings(
    mode=Mode.ACT,
    mode_parameter="/resilience/mode",
    breaker_parameter="/resilience/breaker",
    allowed_projects=("example-team/*",),
    queue_url="https://sqs.invalid/training-ended",
    grace_seconds=180,
    lookback_seconds=1_296_000,
    topic_arn="arn:aws:sns:us-east-1:111122223333:notifications",
    breaker_failures=25,
    breaker_window_seconds=900,
)


def _as_it_is(world: World) -> World:
    return world


@dataclass(frozen=True, slots=True)
class Contestant:
    """`seen` may hide a piece of evidence from the controller: an ablation without a patch."""

    name: str = "as it is"
    policy: Policy = field(default_factory=Policy)
    recover: Recover = controller.recover
    sweep: Callable[[Fleet, SweepSettings, int], sweeping.Swept] = _sweep
    sweep_settings: SweepSettings = SWEEP
    sweeps: bool = True
    seen: Callable[[World], World] = _as_it_is

    def settings(self, world: InMemoryWorld) -> Settings:
        return replace(deployment.of(world, {}), policy=self.policy)
