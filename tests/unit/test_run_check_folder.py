"""The folder of a check, and what a check refuses before it starts anything."""

import subprocess
import sys
from pathlib import Path

import pytest

from resilient_training.run.check.command import check
from resilient_training.run.check.folder import NotCheckedError, borrowed, empty
from resilient_training.run.options import UsageError, asks_for_check, options_from

TRAINING = Path(__file__).parents[2] / "training"
MODULES = sorted((TRAINING / "resilient_training" / "run" / "check").glob("[!_]*.py"))


def test_a_folder_that_is_missing_is_missing_again_afterwards(tmp_path: Path) -> None:
    parent = tmp_path / "a" / "b" / "out"
    with borrowed(parent) as own:
        (parent / "step-1").mkdir()
        (parent / "step-1" / "weights").touch()
        (own / "x").touch()
        empty(parent, keep=own)
        assert [path for path in parent.iterdir() if path != own] == []
        (parent / "log").touch()
    assert list(tmp_path.iterdir()) == []


def test_what_lies_in_a_folder_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "out" / "step-7").mkdir(parents=True)
    with (
        pytest.raises(NotCheckedError, match=r"is not empty \(step-7\)"),
        borrowed(tmp_path / "out"),
    ):
        raise AssertionError("unreachable")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "step-7"]


def test_a_link_in_the_folder_is_removed_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine").touch()
    with borrowed(tmp_path / "out"):
        (tmp_path / "out" / "data").symlink_to(tmp_path / "data")
    assert (tmp_path / "data" / "mine").exists()


def test_a_check_is_asked_for_before_the_command_only() -> None:
    assert asks_for_check(["--check", "--", "train"])
    assert not asks_for_check(["--", "train", "--check"])
    given = ["--json", "--checkpoints", "o", "--", "train"]
    assert options_from(["--check", *given], (), None).check
    with pytest.raises(UsageError, match="--json is for --check"):
        options_from(given, (), None)
    with pytest.raises(UsageError, match="not with --dry-run"):
        options_from(["--check", "--dry-run", "--checkpoints", "o", "--", "train"], (), None)


def refused(arguments: str, caught: pytest.CaptureFixture[str], base: Path) -> str:
    assert check(arguments.split(), {}, base) == 3
    return caught.readouterr().err


def test_wrong_arguments_are_no_verdict(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--checkpoints DIR is missing" in refused("--check -- train", capsys, tmp_path)


def test_a_script_with_our_callbacks_has_a_check_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "train.py"
    script.write_text("from resilient_training import resilient\nwith resilient('x') as a: pass")
    said = refused(f"--check --checkpoints {tmp_path}/out -- python {script}", capsys, tmp_path)
    assert "python -m resilient_training.check" in said
    assert not (tmp_path / "out").exists()


def test_no_module_of_the_check_imports_a_framework() -> None:
    names = ", ".join(f"resilient_training.run.check.{path.stem}" for path in MODULES)
    shown = subprocess.run(
        [sys.executable, "-c", f"import {names}; import sys; print(*sys.modules)"],
        env={"PYTHONPATH": str(TRAINING)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert not set(shown.stdout.split()) & {"torch", "lightning", "transformers", "accelerate"}
