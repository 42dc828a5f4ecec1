"""What an answer of GetParameters, or a PutParameter, says of the stack's mode and breaker."""

from collections.abc import Mapping
from typing import Any

from proofs.matrix.account import BREAKER, MODE
from resilience.decide.breaker import Breaker
from resilience.wire.switches import breaker_of


def mode_in(answer: Mapping[str, Any]) -> str:
    """The word that somebody has set; none leaves the ceiling, which is `act` here."""
    return str(_found(answer).get(MODE, {"Value": "act"})["Value"])


def breaker_in(answer: Mapping[str, Any]) -> Breaker:
    one = _found(answer).get(BREAKER)
    return Breaker() if one is None else breaker_of(one["Value"], int(one["LastModifiedDate"]))


def breaker_set(asked: Mapping[str, Any], at: int) -> Breaker:
    """The state that a PutParameter writes."""
    return breaker_of(asked["Value"], at)


def _found(answer: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    return {one["Name"]: one for one in answer["Parameters"]}
