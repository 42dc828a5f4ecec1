"""All hosts begin together, with the same version: one round is one life of all of them.

    first host   -> calls a round, drawn at its start
    other hosts  -> arrive in it, each with a word drawn at its start
    first host   -> begins the round with these words and the version that all restore

A message of an earlier life of any host has another round or another word, and counts for nothing.
Without this, hosts that were restarted could restore different versions, and one that was not
could add its old files to a checkpoint of the others' new life.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from resilient_training.run.board import read
from resilient_training.run.messages import (
    Arrival,
    Begun,
    Call,
    Chosen,
    arrival_from,
    begun_from,
    call_from,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resilient_training.run.board import Board

CALL = "call.json"
BEGUN = "begun.json"


@dataclass(frozen=True)
class Calling:
    """The first host, until its round begins."""

    board: Board
    others: tuple[str, ...]
    round: str

    def call(self) -> None:
        """Ask the others to arrive. Raises StoreError, OSError: the board does not take it."""
        self.board.put(CALL, Call(self.round).to_bytes())

    def arrivals(self) -> dict[str, str]:
        """The words of the hosts that have arrived in this round.

        Raises:
            StoreError, OSError: the board does not answer.
        """
        found = (read(self.board, arrival_name(host), arrival_from) for host in self.others)
        return {one.host: one.word for one in found if one is not None and self._is_of(one)}

    def _is_of(self, arrival: Arrival) -> bool:
        return arrival.round == self.round and arrival.host in self.others

    def missing(self, arrivals: Mapping[str, str]) -> list[str]:
        return [host for host in self.others if host not in arrivals]

    def begin(self, arrivals: Mapping[str, str], chosen: Chosen | None) -> None:
        """Begin the round, once no host is missing.

        Raises:
            ValueError: a host is missing.
            StoreError, OSError: the board does not take it.
        """
        if missing := self.missing(arrivals):
            raise ValueError(f"not here yet: {', '.join(missing)}")
        self.board.put(BEGUN, Begun(self.round, arrivals, chosen).to_bytes())


class Arriving:
    """A host beside the first one, until it is in a round. `word` is drawn at each start."""

    def __init__(self, board: Board, host: str, word: str) -> None:
        self._board = board
        self._host = host
        self._word = word
        self._arrived_in: str | None = None

    def look(self) -> Begun | None:
        """The round that has begun with this host in this life; None: not yet.

        Raises:
            StoreError, OSError: the board does not answer.
        """
        call = read(self._board, CALL, call_from)
        if call is not None and call.round != self._arrived_in:
            arrival = Arrival(call.round, self._host, self._word)
            self._board.put(arrival_name(self._host), arrival.to_bytes())
            self._arrived_in = call.round
        begun = read(self._board, BEGUN, begun_from)
        return begun if begun is not None and self._is_in(begun) else None

    def _is_in(self, begun: Begun) -> bool:
        # The word alone would do: nobody else has it. The round is that of the newest call.
        return begun.round == self._arrived_in and begun.words.get(self._host) == self._word


def arrival_name(host: str) -> str:
    return f"arrived/{host}.json"
