"""Attributes that change while a model trains: carried where they are plain, said where not."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor, nn
from typing_extensions import override

from resilient_training import SavePlan
from tests.unit.small_training import EachSave, Network, Run, Store, train

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers")


@dataclass
class Thing:
    number: int


class Changing(Network):
    """Each step sets one attribute to what `make` gives."""

    def __init__(self, make: Any) -> None:  # noqa: ANN401 - whatever a person keeps
        super().__init__()
        self.make = make
        self.kept: Any = None
        self.never_changed = Thing(0)

    @override
    def training_step(self, batch: Tensor) -> Tensor:
        self.kept = self.make(batch)
        return super().training_step(batch)


def said(make: Any, folder: Path) -> list[str]:  # noqa: ANN401 - as above
    run, plan = Run(), SavePlan(folder, every_n_steps=1)
    train(plan, Store(), run=run, make=lambda: Changing(make), checkpointer=EachSave, max_epochs=1)
    lines: list[str] = run.config.get("resilience_differs", [])
    return lines


@pytest.mark.parametrize(
    "make",
    [
        lambda batch: float(batch.sum()),
        lambda batch: [batch, {"sum": batch.sum()}],
        lambda _: nn.Linear(1, 1),
        lambda batch: batch.sum,
        lambda _: lambda: None,
        lambda _: None,
    ],
    ids=["number", "tensors", "of torch", "a method", "a function", "unchanged"],
)
def test_nothing_is_said_of_what_is_carried_or_belongs_to_a_library(
    make: Any,  # noqa: ANN401 - as above
    tmp_path: Path,
) -> None:
    assert said(make, tmp_path) == []


@pytest.mark.parametrize("make", [lambda _: Thing(1), lambda _: [Thing(1)], lambda _: {1}])
def test_what_no_checkpoint_can_hold_is_said_once(
    make: Any,  # noqa: ANN401 - as above
    tmp_path: Path,
) -> None:
    (line,) = said(make, tmp_path)
    assert line.startswith("model.kept changes while the model trains, and no checkpoint can hold")


def test_who_else_holds_a_list_sees_what_is_put_back(tmp_path: Path) -> None:
    seen: list[list[Tensor]] = []

    class Collecting(Network):
        def __init__(self) -> None:
            super().__init__()
            self.outputs: list[Tensor] = []
            seen.append(self.outputs)

        @override
        def training_step(self, batch: Tensor) -> Tensor:
            self.outputs.append(batch)
            return super().training_step(batch)

    plan, store = SavePlan(tmp_path, every_n_steps=2), Store()
    train(plan, store, make=Collecting, checkpointer=EachSave, max_epochs=1)
    train(plan, store, make=Collecting, checkpointer=EachSave, max_epochs=2)
    assert [len(one) for one in seen] == [5, 10]


def test_a_set_that_grows_in_place_is_seen_to_change(tmp_path: Path) -> None:
    class Growing(Network):
        def __init__(self) -> None:
            super().__init__()
            self.seen: set[int] = set()

        @override
        def training_step(self, batch: Tensor) -> Tensor:
            self.seen.add(len(self.seen))
            return super().training_step(batch)

    run, plan = Run(), SavePlan(tmp_path, every_n_steps=1)
    train(plan, Store(), run=run, make=Growing, checkpointer=EachSave, max_epochs=1)
    (line,) = run.config["resilience_differs"]
    assert line.startswith("model.seen changes while the model trains")
