"""How long the wrapper waits for what."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """In seconds. SageMaker kills 120 s after its SIGTERM; the first three have to fit.

    Attributes:
        leader: For the command after SIGTERM; torchrun kills its workers after 60 s.
        sigterm: From SIGTERM to the end of the last commit.
        close_late: After SIGTERM, to finish the run of W&B.
        close: For the same, and for the completion mark, at any other end.
        still: How long a last commit may stand still where no SIGTERM came.
        still_lost: The same where another host died or went silent: it would have answered.
        peer: How long a host that only lost a peer waits, so that the other's text comes first.
        away: For W&B and the store at the start, where the command may begin without them.
        away_needed: The same where it may not.
        look: Between two questions whether a person stopped the run.
        last_look: For the last of them.
        unkillable: From the kill of a command until the wrapper goes on without it.
        tick: Between two rounds of the loop.
    """

    leader: float = 65.0
    sigterm: float = 105.0
    close_late: float = 10.0
    close: float = 60.0
    still: float = 300.0
    still_lost: float = 30.0
    peer: float = 10.0
    away: float = 120.0
    away_needed: float = 600.0
    look: float = 15.0
    last_look: float = 10.0
    unkillable: float = 20.0
    tick: float = 0.1
