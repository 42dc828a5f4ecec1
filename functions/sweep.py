"""Every few minutes: find the ended jobs whose event never came, and the waits that are overdue."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from resilience import telemetry, wiring
from resilience.fleet.sweeping import sweep


def handler(_event: dict[str, Any], context: LambdaContext) -> dict[str, object]:
    """Sweep once; what it found is logged in one line and put on the queue."""
    fleet, own = wiring.start_sweep(context.invoked_function_arn)
    swept = sweep(fleet, own, wiring.now(), lambda: context.get_remaining_time_in_millis() / 1000)
    return telemetry.swept(swept)
