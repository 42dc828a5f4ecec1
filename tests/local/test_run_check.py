"""`resilient-run --check` as a user calls it, on small trainings that save by themselves."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.local.training_process import PATIENCE, own_environment

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(__file__).parent / "scripts"
TRAINING = [sys.executable, str(SCRIPTS / "train_and_save.py")]


def checking(folder: Path, *words: str) -> "subprocess.Popen[str]":
    """Start a check whose command keeps its checkpoints in `out`."""
    return subprocess.Popen(
        [sys.executable, "-m", "resilient_training.run", "--check", *words],
        cwd=folder,
        env={**own_environment(), "PYTHONPATH": str(ROOT / "training")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def checked(folder: Path, *words: str) -> tuple[int, str, str]:
    """The exit code, the report, and what was said meanwhile."""
    with checking(folder, *words) as process:
        report, said = process.communicate(timeout=PATIENCE)
    return process.returncode, report, said


def of_training(folder: Path, flaw: str) -> tuple[int, dict[str, Any], str]:
    """As `checked`, with the report as JSON; the check leaves nothing behind."""
    code, report, said = checked(
        folder, "--json", "--checkpoints", "out", "--", *TRAINING, "out", flaw
    )
    assert list(folder.iterdir()) == [], said
    return code, json.loads(report), said


def findings(record: dict[str, Any]) -> dict[str, str]:
    return {one["name"]: f"{one['mark']}: {one['text']}" for one in record["findings"]}


def test_a_training_that_resumes_exactly_is_the_same(tmp_path: Path) -> None:
    code, record, said = of_training(tmp_path, "exact")
    assert (code, record["verdict"]) == (0, "same"), said
    found = findings(record)
    assert f"{record['layout']}, because of step-" in found["layout"]
    assert found["begin"].startswith(f"ok: at step {record['step'] + 1}; its log says")
    assert found["next one"].startswith("ok: ")
    assert (record["files"], record["bytes"] > 1000) == (2, True)
    assert len(record["losses"]) >= 2


@pytest.mark.long
def test_a_training_that_forgets_to_resume_has_lost_its_work(tmp_path: Path) -> None:
    code, record, said = of_training(tmp_path, "forgets")
    assert (code, record["verdict"]) == (1, "lost"), said
    assert findings(record)["begin"].startswith("bad: at step 1 again; its log does not speak of")


@pytest.mark.long
def test_a_training_that_does_not_save_its_optimizer_is_silently_different(tmp_path: Path) -> None:
    code, record, said = of_training(tmp_path, "no-optimizer")
    assert (code, record["verdict"]) == (1, "silent"), said
    assert "the state of the optimizer" in findings(record)["losses"]


@pytest.mark.long
def test_a_checkpoint_that_cannot_be_loaded_is_lost_and_the_error_is_shown(tmp_path: Path) -> None:
    code, record, said = of_training(tmp_path, "unloadable")
    assert (code, record["verdict"]) == (1, "lost"), said
    assert "it ended with 1: RuntimeError: Error(s) in loading" in findings(record)["load"]
    assert "this is exit code 65" in findings(record)["load"]


@pytest.mark.long
def test_a_training_that_ends_before_it_saves_cannot_be_checked_and_what_to_do_is_said(
    tmp_path: Path,
) -> None:
    code, record, said = of_training(tmp_path, "one-step")
    assert (code, record["verdict"]) == (3, "unknown")
    assert "ended with 0 before a checkpoint was complete" in record["why"]
    assert "have it save more often" in record["why"]
    assert "Traceback" not in said


def test_a_folder_with_checkpoints_in_it_is_refused_and_stays_as_it_is(tmp_path: Path) -> None:
    mine = tmp_path / "out" / "step-7" / "weights"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    code, report, said = checked(tmp_path, "--checkpoints", "out", "--", "touch", "out/x")
    assert (code, report) == (3, "")
    assert "out is not empty (step-7)" in said
    assert (mine.read_text(), [path.name for path in tmp_path.iterdir()]) == ("mine", ["out"])


def test_a_check_that_is_stopped_kills_its_training_and_leaves_nothing(tmp_path: Path) -> None:
    endless = "import os, time; print('pid', os.getpid()); time.sleep(10**6)"
    with checking(tmp_path, "--checkpoints", "out", "--", sys.executable, "-c", endless) as process:
        assert process.stderr is not None
        pid = next(line.split()[1] for line in process.stderr if line.startswith("pid "))
        process.send_signal(signal.SIGTERM)
        report, said = process.communicate(timeout=PATIENCE)
    assert (process.returncode, report) == (3, "")
    assert "somebody stopped the check" in said
    assert not Path("/proc", pid).exists()
    assert list(tmp_path.iterdir()) == []


def test_a_training_of_which_nothing_is_heard_cannot_be_checked(tmp_path: Path) -> None:
    code, report, said = checked(
        tmp_path, "--checkpoints=out", "--stalled-after=0.02", "--", "sleep", "1000000"
    )
    assert (code, report) == (3, "")
    assert "nothing was heard for --stalled-after" in said


@pytest.mark.long
def test_transformers_trainer_under_torchrun_comes_back_the_same(tmp_path: Path) -> None:
    torchrun = [str(Path(sys.executable).with_name("torchrun")), "--nproc_per_node=2"]
    script = str(SCRIPTS / "train_with_trainer.py")
    often = ["--save_steps=8", "--logging_steps=1", "--num_train_epochs=200", "--use_cpu"]
    code, report, said = checked(
        tmp_path, "--", *torchrun, script, f"--output_dir={tmp_path / 'out'}", *often
    )
    assert code == 0, report + said
    assert "huggingface, because of checkpoint-" in report
    assert f"--resume_from_checkpoint {tmp_path / 'out'}/checkpoint-" in report
    assert "\x1b" not in report
