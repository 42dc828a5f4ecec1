from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

from resilient_training import OneHistory

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
