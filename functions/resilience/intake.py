"""One message in, one outcome out: parsed, recovered or set aside, and told of in one log line."""

from concurrent.futures import Executor
from dataclasses import dataclass

from resilience import telemetry
from resilience.controller import recover
from resilience.decide.decisions import Decision, Reason
from resilience.ports import DeadLetters, World
from resilience.settings import Settings
from resilience.wire import events
from resilience.wire.events import Malformed, NotForUs


@dataclass(frozen=True, slots=True)
class Intake:
    """The controller in one account and region."""

    world: World
    dead_letters: DeadLetters
    settings: Settings
    executor: Executor
    account: str
    region: str


def take(body: str, intake: Intake) -> Decision | NotForUs:
    """Take one message; raises Retry where it must come again. Returns when all is durable."""
    message = events.parse(body, account=intake.account, region=intake.region)
    if isinstance(message, Malformed):
        intake.dead_letters.quarantine(body, f"{Reason.MESSAGE_MALFORMED}: {message.detail}")
        telemetry.quarantined(message)
        return NotForUs(Reason.MESSAGE_MALFORMED)
    if isinstance(message, NotForUs):
        telemetry.passed_by(message.reason, hint=None)
        return message
    outcome = recover(message, intake.world, intake.settings, intake.executor)
    if isinstance(outcome, NotForUs):
        telemetry.passed_by(outcome.reason, hint=message)
    else:
        telemetry.judged(outcome, hint=message)
    return outcome
