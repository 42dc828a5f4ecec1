"""Takes one element of the protocol out of the controller, for as long as the patch lasts."""

from dataclasses import replace
from itertools import count

import pytest

import resilience.fleet.sweeping
from resilience import controller
from resilience.decide import naming
from resilience.decide.decisions import Succession
from resilience.wire import tags, verdict_tags


def names_that_count(patch: pytest.MonkeyPatch) -> None:
    numbers = count(2)
    patch.setattr(naming, "successor_name", lambda root, _: f"{root}-{next(numbers)}")


def no_adjudication(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(
        controller, "_verified", lambda facts, _: replace(facts, succession=Succession.FOREIGN)
    )


def no_sweep(patch: pytest.MonkeyPatch) -> None:
    nothing = resilience.fleet.sweeping.Swept((), ())
    patch.setattr("proofs.matrix.stage.sweep", lambda *_: nothing)


def no_reading_of_verdicts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(verdict_tags, "recorded", lambda _: None)


def no_reading_of_modes(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(tags, "mode", lambda _, of_the_stack: of_the_stack)
