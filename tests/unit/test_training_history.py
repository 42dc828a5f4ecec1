from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import wandb

from resilient_training import history as history_module
from resilient_training.arrived import WandbServer
from resilient_training.history import AXIS, History

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass
class Run:
    """A W&B run: one open row, which a later step or a log without a step closes."""

    resumed: bool = False
    starting_step: int = 0
    open: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    axes: dict[str, str | None] = field(default_factory=dict)
    _local_step: int = -1

    def __post_init__(self) -> None:
        self._local_step = max(self._local_step, self.starting_step)

    def log(
        self, row: dict[str, Any], step: int | None = None, *, commit: bool | None = None
    ) -> None:
        if step is not None and step < self._local_step:
            return  # W&B drops it
        if step is not None and step > self._local_step:
            self.close()
            self._local_step = step
        self.open |= row
        if commit or (step is None and commit is None):
            self.close()
            self._local_step += 1

    def close(self) -> None:
        if self.open:
            self.rows.append({**self.open, "_step": self._local_step})
        self.open = {}

    def define_metric(
        self, name: str, step_metric: str | None = None, *, step_sync: bool | None = None
    ) -> None:
        assert step_sync is None or step_metric
        self.axes[name] = step_metric


def history_on(run: Run) -> History:
    return History(cast("wandb.Run", run))


def has(
    monkeypatch: pytest.MonkeyPatch, names: "Mapping[int, set[str]]"
) -> "list[tuple[str, int]]":
    """Let the server have these metrics by step; gives what it is asked for."""
    asked: list[tuple[str, int]] = []

    def answer(_run: object, axis: str, since: int) -> dict[int, frozenset[str]]:
        asked.append((axis, since))
        return {step: frozenset(found) for step, found in names.items() if step >= since}

    monkeypatch.setattr(WandbServer, "names_since", answer)
    return asked


def logged(history: History) -> list[tuple[int, dict[str, Any]]]:
    history.flush()
    run = cast("Run", history.run)
    run.close()
    rows = [{key: value for key, value in row.items() if key != "_step"} for row in run.rows]
    return [(row.pop(AXIS), row) for row in rows]


def test_the_step_of_a_row_is_wandbs_own_step_and_the_axis() -> None:
    run = Run()
    history = history_on(run)
    history.log({"loss": 0.5}, 7)
    history.flush()
    run.close()
    assert run.rows == [{"loss": 0.5, AXIS: 7, "_step": 7}]
    assert run.axes == {AXIS: None, "*": AXIS}


def test_rows_of_one_step_are_one_row() -> None:
    run = Run()
    history = history_on(run)
    history.log({"loss": 0.5}, 7)
    history.log({"val_loss": 0.6}, 7)
    assert logged(history) == [(7, {"loss": 0.5, "val_loss": 0.6})]


def test_a_row_that_a_stop_breaks_off_before_its_validation_is_one_row_of_the_resumed_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stopped = history_on(Run())
    stopped.log({"loss": 0.4}, 6)
    stopped.log({"loss": 0.5}, 7)
    assert [row for row in cast("Run", stopped.run).rows if row[AXIS] == 7] == []
    has(monkeypatch, {6: {"loss"}})
    history = history_on(Run(resumed=True, starting_step=7))
    history.restore(stopped.newest_rows())
    history.log({"val_loss": 0.6}, 7)
    assert logged(history) == [(7, {"loss": 0.5, "val_loss": 0.6})]


def test_rows_arrive_whatever_else_calls_wandb_log() -> None:
    run = Run()
    history = history_on(run)
    for step in range(6):
        history.log({"loss": float(step)}, step)
        run.log({"mine": 1})
        run.log({"mine": 2})
    history.flush()
    rows = [(row[AXIS], row["loss"]) for row in [*run.rows, run.open] if "loss" in row]
    assert rows == [(step, float(step)) for step in range(6)]


@pytest.mark.parametrize(("others", "said"), [(0, 0), (2, 1)])
def test_that_others_log_beside_the_attempt_is_said(others: int, said: int) -> None:
    lines: set[str] = set()
    run = Run()
    history = History(cast("wandb.Run", run), differs=lines.add)
    for step in range(4):
        history.log({"loss": 1.0}, step)
        for _ in range(others):
            run.log({"mine": 1})
    history.flush()
    assert len(lines) == said


def test_what_the_server_has_is_not_logged_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = has(monkeypatch, {8: {"loss", AXIS}, 9: {"loss", "deep.inner", "deep", AXIS}})
    run = Run(resumed=True, starting_step=10)
    history = history_on(run)
    for step in (8, 9, 10, 11):
        history.log({"loss": 1.0, "deep": {"inner": 1.0}}, step)
    assert logged(history) == [
        (8, {"deep": {"inner": 1.0}}),
        (10, {"loss": 1.0, "deep": {"inner": 1.0}}),
        (11, {"loss": 1.0, "deep": {"inner": 1.0}}),
    ]
    assert asked == [(AXIS, 8)], "once"


def test_a_new_run_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = has(monkeypatch, {})
    history_on(Run()).log({"loss": 1.0}, 3)
    assert asked == []


def test_rows_that_a_kill_took_come_back_out_of_the_checkpoint(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = history_on(Run())
    for step in range(5):
        before.log({"loss": float(step)}, step)
    asked = has(monkeypatch, {0: {"loss"}, 1: {"loss"}, 2: {"loss"}})
    resumed = Run(resumed=True, starting_step=3)
    after = history_on(resumed)
    after.restore(before.newest_rows())
    after.log({"loss": 5.0}, 5)
    assert logged(after) == [(step, {"loss": float(step)}) for step in (3, 4, 5)]
    assert [step for step, _ in after.newest_rows()] == [0, 1, 2, 3, 4, 5]
    assert asked == [(AXIS, 0)]


def test_steps_that_are_trained_once_more_are_not_logged_twice_where_wandbs_step_ran_ahead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With two more rows per step, W&B's own step is three times that of the training."""
    has(monkeypatch, {step: {"loss"} for step in range(8)})
    run = Run(resumed=True, starting_step=24)
    history = history_on(run)
    history.restore([(4, {"loss": 4.0}), (5, {"loss": 5.0})])
    for step in range(6, 10):
        history.log({"loss": float(step)}, step)
    assert logged(history) == [(8, {"loss": 8.0}), (9, {"loss": 9.0})]


def test_rows_older_than_the_checkpoints_are_taken_as_arrived(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Hugging Face's state holds the whole log, the checkpoint the newest 500 rows."""
    has(monkeypatch, {})
    run = Run(resumed=True, starting_step=0)
    history = history_on(run)
    history.restore([(100, {"loss": 1.0})])
    history.log({"loss": 1.0}, 50)
    assert logged(history) == [(100, {"loss": 1.0})]


def test_a_server_that_cannot_be_asked_is_taken_to_have_all_up_to_its_last_step(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("no such run")

    monkeypatch.setattr(WandbServer, "names_since", refuse)
    run = Run(resumed=True, starting_step=10)
    history = history_on(run)
    for step in (9, 10):
        history.log({"loss": 1.0}, step)
    assert logged(history) == [(10, {"loss": 1.0})]
    assert "(no such run): those below step 10 are not logged again" in caplog.text


def test_a_checkpoint_carries_a_bounded_number_of_rows() -> None:
    history = history_on(Run())
    for step in range(2000):
        history.log({"loss": 0.0}, step)
    assert [step for step, _ in history.newest_rows()] == list(range(1500, 2000))


IMAGE = wandb.Html("<p>an image</p>")


def test_media_are_logged_and_no_checkpoint_holds_them() -> None:
    run = Run()
    history = history_on(run)
    history.log({"image": IMAGE, "loss": 0.5}, 3)
    history.log({"image": IMAGE}, 4)
    assert history.newest_rows() == [(3, {"loss": 0.5})]
    assert logged(history) == [(3, {"image": IMAGE, "loss": 0.5}), (4, {"image": IMAGE})]


@dataclass
class Arriving:
    """What the server has, one more W&B step each time that it is asked."""

    step: int
    asked: int = 0

    def __call__(self) -> int:
        self.asked += 1
        self.step += 1
        return self.step


@pytest.fixture
def arriving(monkeypatch: pytest.MonkeyPatch) -> "Callable[[int], Arriving]":
    def begin(step: int) -> Arriving:
        made = Arriving(step)
        monkeypatch.setattr(WandbServer, "last_step", made)
        monkeypatch.setattr(history_module, "_POLL_SECONDS", 0.01)
        return made

    return begin


def test_a_checkpoint_waits_until_the_media_before_it_are_in_wandb(
    arriving: "Callable[[int], Arriving]",
) -> None:
    server, run = arriving(1), Run()
    history = history_on(run)
    history.log({"image": IMAGE}, 5)
    assert history.wait_until_stored(), "no checkpoint relies on it"
    history.newest_rows()
    assert not run.open, "what is open does not leave the SDK"
    assert history.wait_until_stored()
    assert server.step == 5
    assert history.wait_until_stored()
    assert server.asked == 4, "nothing new to wait for"


def test_without_media_nobody_waits_and_no_row_is_closed(
    arriving: "Callable[[int], Arriving]",
) -> None:
    server, run = arriving(-1), Run()
    history = history_on(run)
    history.log({"loss": 1.0}, 5)
    history.log({"loss": 1.0}, 6)
    history.newest_rows()
    assert history.wait_until_stored()
    assert (server.asked, bool(run.open)) == (0, True)


def test_media_that_do_not_arrive_are_said(
    arriving: "Callable[[int], Arriving]", caplog: pytest.LogCaptureFixture
) -> None:
    arriving(-100)
    history = history_on(Run())
    history.log({"image": IMAGE}, 5)
    history.newest_rows()
    assert not history.wait_until_stored(seconds=0.05)
    assert "a kill now loses them" in caplog.text


def test_a_row_of_media_that_somebody_else_closed_is_left_alone(
    arriving: "Callable[[int], Arriving]",
) -> None:
    arriving(5)
    run = Run()
    history = history_on(run)
    history.log({"image": IMAGE}, 5)
    history.flush()
    run.log({"mine": 1})
    run.log({"mine": 2}, commit=False)
    history.newest_rows()
    assert run.open == {"mine": 2}


def test_an_offline_run_logs_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_SILENT", "true")
    with wandb.init(mode="disabled", dir=tmp_path) as run:
        history = History(run)
        history.log({"loss": 1.0}, 3)
        assert history.newest_rows() == [(3, {"loss": 1.0})]
