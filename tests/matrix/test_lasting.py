"""Faults that last, modes that flip back, names used again, fleets: the controller lives on."""

import pytest

from proofs.matrix.chapters import CHAPTERS
from proofs.matrix.lasting import Chapter, tell
from proofs.matrix.stage import Connections
from proofs.matrix.trace import trace


@pytest.mark.parametrize("chapter", CHAPTERS, ids=str)
def test_whatever_lasts_everything_is_taken_up_and_people_are_notified_in_measure(
    chapter: Chapter, connections: Connections
) -> None:
    told = tell(chapter, connections)
    assert told.violated == (), "\n".join([*told.violated, *trace(told.run)])
