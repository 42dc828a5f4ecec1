"""Whether a checkpoint is complete: by what its framework writes last, and by each file's end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resilient_training.run.completeness import Candidate, Elsewhere
from resilient_training.run.flaws import flaws_of
from resilient_training.run.listing import listing_of
from resilient_training.run.rules import RULES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from resilient_training.run.completeness import Ranks
    from resilient_training.run.layout import Layout
    from resilient_training.run.listing import Listing


@dataclass(frozen=True)
class Complete:
    """All is there that this host's disk should hold.

    `elsewhere` names what the checkpoint needs and other hosts' disks hold, with the exact size in
    bytes where the checkpoint says it. It is empty where one disk has all.
    """

    elsewhere: Mapping[str, int | None]


@dataclass(frozen=True)
class Incomplete:
    """`reason` is for a log line, such as 'trainer_state.json is missing'."""

    reason: str


def completeness_of(
    checkpoint: Path, layout: Layout, ranks: Ranks, listing: Listing | None = None
) -> Complete | Incomplete:
    """What the layout's rule says of a folder, or of a file that is a checkpoint by itself.

    Args:
        checkpoint: The folder or file, in its parent: pointers beside it are looked at.
        layout: The framework's.
        ranks: The processes that each write something.
        listing: What is in it, where that is known already.
    """
    try:
        found = listing_of(checkpoint) if listing is None else listing
        return _decide(Candidate(checkpoint, layout, found, ranks))
    except FileNotFoundError as error:
        return Incomplete(f"{error.filename} was deleted while it was looked at")


def _decide(candidate: Candidate) -> Complete | Incomplete:
    elsewhere: dict[str, int | None] = {}
    for findings in (RULES[candidate.layout.rule], flaws_of):
        for finding in findings(candidate):
            if not isinstance(finding, Elsewhere):
                return Incomplete(finding)
            elsewhere[finding.path] = finding.size
    return Complete(elsewhere)
