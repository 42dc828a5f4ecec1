"""One message in, one outcome out: parsed, recovered or quarantined, and logged in one line."""

from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any

from aws_lambda_powertools.utilities.batch import (
    BatchProcessor,
    EventType,
    process_partial_response,
)
from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

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


def take_batch(event: dict[str, Any], intake: Intake) -> PartialItemFailureResponse:
    """Take the messages of an SQS event one by one; name those that must come again."""
    return process_partial_response(
        event=event,
        record_handler=partial(_take_record, intake=intake),
        processor=BatchProcessor(
            EventType.SQS,
            raise_on_entire_batch_failure=False,
            logger=telemetry.logger,  # type: ignore[arg-type]  # it hands all to logging's
        ),
    )


def _take_record(record: SQSRecord, intake: Intake) -> None:
    take(record.body, intake)


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
        telemetry.decided(outcome, hint=message)
    return outcome
