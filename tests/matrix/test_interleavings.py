"""Two workers at once, in every order that changes hands at most twice."""

import pytest

from proofs.matrix.interleavings import MEETINGS, Meeting, orders
from proofs.matrix.stage import Connections


@pytest.mark.parametrize("meeting", MEETINGS, ids=str)
def test_whichever_way_two_workers_meet_nothing_is_violated(
    meeting: Meeting, connections: Connections
) -> None:
    found = list(orders(meeting, connections))
    assert len(found) > 20
    assert [(turns, violated) for turns, violated in found if violated] == []
