"""What a check hears of a training, and how long it waits."""

import logging
import os
from pathlib import Path

import pytest

from resilient_training.job import Pin, job_from
from resilient_training.run.check.heard import Heard
from resilient_training.run.check.kept import FolderDelivery, FolderVersions, Kept
from resilient_training.run.check.one_run import Progress, Ran
from resilient_training.run.check.patience import Patience
from resilient_training.run.file_list import FileList, ListedFile

FILES = FileList("step-2", "dcp", "0123abcd", (ListedFile("a", 1, "0" * 64),))
KEPT = Kept("step-2", 2, FILES, written_at=100.0, pin=Pin("a/b/c", "v0", None, 2))


class Training:
    """A training that prints what the test has it print, at the time that the test gives."""

    def __init__(self, folder: Path, *notes: str) -> None:
        self.clock = 0.0
        self.shown: list[bytes] = []
        self.heard = Heard(folder, "output", self.shown.append, lambda: self.clock)
        self.delivery = FolderDelivery(FolderVersions(folder, job_from({})), 1)
        self.progress = Progress(0.0, self.heard, self.delivery, lambda: list(notes))

    def prints(self, text: str, stream: int = 0) -> None:
        os.write(self.heard.targets[stream], text.encode())

    def at(self, seconds: float) -> Progress:
        self.clock = seconds
        self.progress.look(seconds, 0)
        return self.progress


def test_a_line_counts_when_it_has_ended_be_it_by_a_carriage_return(tmp_path: Path) -> None:
    training = Training(tmp_path)
    training.prints("step 1 loss 0.5\rstep 2 lo")
    assert [loss.text for loss in training.at(1).heard.losses] == ["0.5"]
    training.prints("ss 0.25")
    assert len(training.at(2).heard.losses) == 1
    training.heard.close()
    assert [(loss.text, loss.at) for loss in training.heard.losses] == [("0.5", 1), ("0.25", 2)]
    assert b"".join(training.shown) == b"step 1 loss 0.5\rstep 2 loss 0.25"


def test_the_log_says_that_it_resumed_before_it_prints_a_loss(tmp_path: Path) -> None:
    training = Training(tmp_path)
    training.prints("UserWarning: loading a checkpoint is slow\n", 1)
    training.prints("Resuming from step-20\nstep 21 loss 0.5\ncontinuing\n")
    assert training.at(1).heard.told == ["Resuming from step-20"]


def test_the_first_run_goes_on_until_some_losses_came_after_the_checkpoint(tmp_path: Path) -> None:
    training, enough = Training(tmp_path), Patience(tmp_path).of_run(1)
    training.prints("loss 9\n" * 20)
    assert not enough(training.at(99))
    training.delivery.kept = KEPT
    assert not enough(training.at(101))
    training.prints("loss 9\n" * 5)
    assert enough(training.at(102))


def test_who_prints_no_loss_until_the_checkpoint_prints_none(tmp_path: Path) -> None:
    training, enough = Training(tmp_path), Patience(tmp_path).of_run(1)
    training.delivery.kept = KEPT
    assert not enough(training.at(101))
    assert not enough(training.at(110))
    assert enough(training.at(111))


def test_the_second_run_goes_on_until_its_next_checkpoint_for_a_time(tmp_path: Path) -> None:
    patience = Patience(tmp_path)
    training, first, second = Training(tmp_path), patience.of_run(1), patience.of_run(2)
    training.prints("loss 9\n" * 20)
    training.delivery.kept = KEPT
    assert not first(training.at(10))
    assert not second(training.at(80))
    assert second(training.at(90))
    training.delivery.complete.append("step-4")
    assert second(training.at(20))


def test_what_is_waited_for_is_said_less_and_less_often(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "resilient_training")
    training = Training(tmp_path, "checkpoint-2 is not complete: scheduler.pt is missing")
    enough = Patience(tmp_path).of_run(1)
    said = []
    for seconds in range(0, 130, 10):
        assert not enough(training.at(seconds))
        said.append(len(caplog.messages))
    assert said == [0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3]
    assert f"complete checkpoint in {tmp_path}: checkpoint-2 is not complete" in caplog.text
    assert "have it save more often" in caplog.text


def test_why_there_was_no_checkpoint_is_said_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    patience, progress = Patience(tmp_path / "out"), Training(tmp_path).at(1)
    assert "there is nothing in it; have it save" in patience.without_checkpoint(Ran(progress, 0))
    (tmp_path / "out" / "weights.pt").touch()
    said = Patience(tmp_path / "out", "dcp").without_checkpoint(Ran(progress, 0))
    assert "layout dcp, because of --layout; in it are weights.pt; have it save" in said
    failed = patience.without_checkpoint(Ran(progress, 1, "ValueError: no data"))
    assert failed == "the training failed before its first checkpoint: ValueError: no data"
