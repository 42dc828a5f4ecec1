"""What an end is evidence against: one row for each failure class, and none left out."""

import pytest

from resilience.decide.decisions import Reason
from resilience.decide.starts import refusal_of_the_start, why_not_started
from resilience.failures import Blame, FailureClass, row

OUTSIDE, PERSON, LIMIT, PROGRAM = Blame
# Of an attempt that trained; of one that never did: why it waits, and why it stops for good.
ROWS: dict[FailureClass, tuple[Blame, Reason, Reason | None]] = {
    FailureClass.INFRASTRUCTURE: (OUTSIDE, Reason.NOT_STARTED, None),
    FailureClass.CAPACITY: (OUTSIDE, Reason.CAPACITY_UNAVAILABLE, None),
    FailureClass.INTERRUPTED: (OUTSIDE, Reason.CAPACITY_UNAVAILABLE, None),
    FailureClass.QUOTA: (OUTSIDE, Reason.QUOTA_REACHED, None),
    FailureClass.TIMEOUT: (LIMIT, Reason.NOT_STARTED, None),
    FailureClass.INCOMPLETE: (LIMIT, Reason.NOT_STARTED, None),
    FailureClass.USER_CODE: (PROGRAM, Reason.NOT_STARTED, None),
    FailureClass.OUT_OF_MEMORY: (PROGRAM, Reason.NOT_STARTED, None),
    FailureClass.UNKNOWN: (PROGRAM, Reason.NOT_STARTED, None),
    FailureClass.STOPPED_BY_USER: (PROGRAM, Reason.NOT_STARTED, None),
    FailureClass.DATA: (PROGRAM, Reason.START_REFUSED, Reason.CONFIGURATION_INVALID),
    FailureClass.PERMISSION: (PERSON, Reason.START_REFUSED, Reason.PERMISSION_DENIED),
    FailureClass.CONFIGURATION: (PROGRAM, Reason.START_REFUSED, Reason.CONFIGURATION_INVALID),
}


@pytest.mark.parametrize("failure_class", FailureClass)
def test_each_class_blames_waits_and_stops_as_the_table_says(failure_class: FailureClass) -> None:
    blame, waits, stops = ROWS[failure_class]
    assert row(failure_class).blame is blame
    assert why_not_started(failure_class) is waits
    assert refusal_of_the_start(failure_class) is stops


def test_only_what_aws_refuses_to_start_stops_for_good() -> None:
    """A wait that a person must end is the one whose first start stops."""
    for _, waits, stops in ROWS.values():
        assert (waits is Reason.START_REFUSED) is (stops is not None)


def test_a_class_that_does_not_exist_has_no_row() -> None:
    for table in (row, why_not_started):
        with pytest.raises(AssertionError):
            table("a_new_class")  # type: ignore[arg-type]  # the very mistake
