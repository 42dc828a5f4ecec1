import logging
from pathlib import Path

import pytest
from lightning.pytorch.utilities.exceptions import SIGTERMException

from resilient_training import CheckpointLoadError, Ending
from resilient_training.ending import failure_text


def end_with(error: BaseException, folder: Path) -> int:
    with pytest.raises(SystemExit) as left, Ending(folder / "failure"):
        raise error
    assert isinstance(left.value.code, int)
    return left.value.code


def test_a_checkpoint_that_cannot_be_loaded_ends_with_65_and_says_which(tmp_path: Path) -> None:
    assert end_with(CheckpointLoadError("v7", "no zip archive"), tmp_path) == 65
    assert (tmp_path / "failure").read_text() == "CheckpointLoadError: v7: no zip archive"


def test_any_other_exception_ends_with_1_and_its_type_and_message(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert end_with(ZeroDivisionError("division by zero"), tmp_path) == 1
    assert (tmp_path / "failure").read_text() == "ZeroDivisionError: division by zero"
    assert "Traceback" in caplog.text


def test_sigterm_ends_with_143_and_leaves_no_failure_file(tmp_path: Path) -> None:
    assert end_with(SIGTERMException(), tmp_path) == 143
    assert not (tmp_path / "failure").exists()


def test_an_exit_of_somebody_elses_keeps_its_code(tmp_path: Path) -> None:
    assert end_with(SystemExit(2), tmp_path) == 2
    assert not (tmp_path / "failure").exists()


def test_an_end_without_an_error_is_left_alone(tmp_path: Path) -> None:
    with Ending(tmp_path / "failure"):
        logging.getLogger(__name__).debug("all is well")
    assert list(tmp_path.iterdir()) == []


def test_outside_sagemaker_no_failure_file_is_written(tmp_path: Path) -> None:
    assert end_with(ValueError("x"), tmp_path / "not-there") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_failure_text_is_cut_where_sagemaker_cuts_it() -> None:
    assert len(failure_text(ValueError("x" * 5000))) == 1024
