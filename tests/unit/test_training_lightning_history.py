from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from resilient_training import OneHistory, SavePlan
from tests.unit.small_training import EPOCHS, STEPS_PER_EPOCH, KillAt, Killed, Store, train

if TYPE_CHECKING:
    import wandb


@dataclass
class HistoryOfRun:
    """A W&B run of which the server has the rows below `starting_step`."""

    starting_step: int = 0
    dir: str = "."
    rows: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    axes: dict[str, str | None] = field(default_factory=dict)

    def log(self, row: dict[str, float], step: int) -> None:
        self.rows.append((step, row))

    def define_metric(
        self, name: str, step_metric: str | None = None, *, step_sync: bool | None = None
    ) -> None:
        assert step_sync is None or step_metric
        self.axes[name] = step_metric


def history_on(run: HistoryOfRun) -> OneHistory:
    return OneHistory(cast("wandb.Run", run))


def test_the_step_of_a_row_is_wandbs_own_step_and_the_axis() -> None:
    run = HistoryOfRun()
    history_on(run).log_metrics({"loss": 0.5}, step=7)
    assert run.rows == [(7, {"loss": 0.5, "trainer/global_step": 7})]
    assert run.axes == {"trainer/global_step": None, "*": "trainer/global_step"}


def test_a_row_that_the_server_has_is_not_logged_again() -> None:
    run = HistoryOfRun(starting_step=10)
    history = history_on(run)
    for step in (8, 9, 10, 11):
        history.log_metrics({"loss": 1.0}, step=step)
    assert [step for step, _ in run.rows] == [10, 11]


def test_rows_that_a_kill_took_come_back_out_of_the_checkpoint() -> None:
    before = history_on(HistoryOfRun())
    for step in range(5):
        before.log_metrics({"loss": float(step)}, step=step)
    resumed = HistoryOfRun(starting_step=3)
    after = history_on(resumed)
    after.log_again(before.newest_rows())
    after.log_metrics({"loss": 5.0}, step=5)
    assert [(step, row["loss"]) for step, row in resumed.rows] == [(3, 3.0), (4, 4.0), (5, 5.0)]
    assert [step for step, _ in after.newest_rows()] == [0, 1, 2, 3, 4, 5]


def test_a_checkpoint_carries_a_bounded_number_of_rows(tmp_path: Path) -> None:
    history = history_on(HistoryOfRun(dir=str(tmp_path)))
    for step in range(2000):
        history.log_metrics({"loss": 0.0}, step=step)
    assert [step for step, _ in history.newest_rows()] == list(range(1500, 2000))


@pytest.mark.parametrize("log_every", [1, 2, 4])
@pytest.mark.parametrize("killed_at", range(2, EPOCHS * STEPS_PER_EPOCH, 3))
def test_rows_of_a_killed_and_a_resumed_training_are_those_of_one(
    tmp_path: Path, killed_at: int, log_every: int
) -> None:
    options: dict[str, Any] = {"log_every_n_steps": log_every}
    whole = HistoryOfRun(dir=str(tmp_path))
    train(SavePlan(tmp_path / "whole"), Store(), logger=history_on(whole), **options)

    store, plan = Store(), SavePlan(tmp_path / "broken", every_n_steps=2)
    before = HistoryOfRun(dir=str(tmp_path))
    with pytest.raises(Killed):
        train(plan, store, KillAt(killed_at), logger=history_on(before), **options)
    arrived = before.rows[: len(before.rows) // 2]  # the rest was in the SDK's buffer
    after = HistoryOfRun(arrived[-1][0] + 1 if arrived else 0, dir=str(tmp_path))
    train(plan, store, logger=history_on(after), **options)
    assert _of_steps([*arrived, *after.rows]) == _of_steps(whole.rows)


def _of_steps(rows: list[tuple[int, dict[str, float]]]) -> dict[int, dict[str, float]]:
    """As W&B has it: all that is logged of a step is one row."""
    merged: dict[int, dict[str, float]] = {}
    for step, row in rows:
        merged.setdefault(step, {}).update(row)
    return merged
