"""A training job has ended, somebody says: decide what becomes of it."""

import os
from typing import Any

from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
from aws_lambda_powertools.utilities.typing import LambdaContext

from resilience import wiring
from resilience.intake import take_batch


def handler(event: dict[str, Any], _: LambdaContext) -> PartialItemFailureResponse:
    """Take each message of the batch on its own: one that must come again holds up no other."""
    return take_batch(event, wiring.start())


if "AWS_LAMBDA_INITIALIZATION_TYPE" in os.environ:
    # While it starts, Lambda gives a function a whole CPU, and not the fraction that its memory
    # buys. And a setting that is missing ends it here, by name, before it takes a message.
    wiring.start()
