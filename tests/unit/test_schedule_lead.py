"""How far ahead a schedule is set at the least, by the stack's own back-off."""

import pytest

from resilience import settings
from resilience.wiring import lead_seconds
from tests.unit.test_settings import GIVEN


@pytest.mark.parametrize(
    ("base", "lead"), [("1", 10), ("3", 10), ("30", 30), ("60", 60), ("3600", 60)]
)
def test_a_schedule_is_set_a_minute_ahead_or_seconds_where_the_stack_waits_in_seconds(
    base: str, lead: int
) -> None:
    own = GIVEN | {"RESILIENCE_BACKOFF_BASE_SECONDS": base}
    assert lead_seconds(settings.of_on_training_ended(own)) == lead
