"""What a Lightning training logs by, beside and instead of the person's own loggers."""

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger, WandbLogger
from typing_extensions import override

from resilient_training import OneHistory, SavePlan
from resilient_training.history import AXIS, History
from tests.unit.small_training import Network, Run, Store, train

if TYPE_CHECKING:
    import wandb

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:.*LeafSpec")


@pytest.fixture(autouse=True)
def _signals_are_as_before() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def history_on(run: Run) -> History:
    return History(cast("wandb.Run", run))


def test_a_row_goes_through_the_history_of_all_attempts() -> None:
    run = Run()
    history = history_on(run)
    OneHistory(history).log_metrics({"loss": 0.5}, step=7)
    history.flush()
    assert run.rows == [(7, {"loss": 0.5, AXIS: 7})]
    assert history.newest_rows() == [(7, {"loss": 0.5})]


def test_a_row_without_a_step_is_left_to_wandb() -> None:
    run = Run()
    OneHistory(history_on(run)).log_metrics({"loss": 0.5})
    assert run.rows == [(-1, {"loss": 0.5})]


class Tables(Network):
    """Logs media by the logger, as people do."""

    @override
    def on_train_epoch_end(self) -> None:
        logger = self.logger
        assert isinstance(logger, WandbLogger)
        logger.log_text("words", columns=["a"], data=[["b"]], step=self.global_step)


def test_a_wandb_logger_is_replaced_and_what_it_is_called_with_arrives(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run()
    theirs = WandbLogger(project="theirs", save_dir=tmp_path, prefix="mine", log_model="all")
    caplog.set_level("INFO", "resilient_training")
    _, trainer = train(SavePlan(tmp_path / "c"), Store(), run=run, make=Tables, logger=theirs)
    (ours,) = trainer.loggers
    assert isinstance(ours, OneHistory)
    assert "WandbLogger is replaced" in caplog.text
    assert ours.save_dir == str(tmp_path)
    assert run.steps[0]["mine-train_loss"] > 0
    assert run.steps[5]["mine-words"].data == [["b"]]
    assert theirs.experiment is cast("Any", run), "whoever holds it logs to the same run"


def test_other_loggers_stay_where_they_are_and_get_their_rows(tmp_path: Path) -> None:
    run, theirs = Run(), CSVLogger(tmp_path)
    _, trainer = train(SavePlan(tmp_path / "c"), Store(), run=run, logger=theirs)
    assert trainer.logger is theirs
    assert [type(one) for one in trainer.loggers] == [CSVLogger, OneHistory]
    rows = (Path(theirs.log_dir) / "metrics.csv").read_text().splitlines()
    assert len(rows) > 15
    assert sorted(run.steps) == list(range(15))


def test_a_history_of_ones_own_is_kept(tmp_path: Path) -> None:
    run = Run()
    mine = OneHistory(history_on(run), prefix="x")
    _, trainer = train(SavePlan(tmp_path), Store(), logger=mine)
    assert trainer.loggers == [mine]
    assert run.steps[0]["x-train_loss"] > 0


class LogsPastTheEnd(Callback):
    """Asks for the run as people do: of the logger."""

    run: object = None

    @override
    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(trainer.logger, WandbLogger)
        self.run = trainer.logger.experiment


def test_the_loggers_experiment_is_the_attempts_run(tmp_path: Path) -> None:
    run, asking = Run(), LogsPastTheEnd()
    train(SavePlan(tmp_path), Store(), asking, run=run)
    assert asking.run is run
