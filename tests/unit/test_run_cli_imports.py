import subprocess
import sys
from pathlib import Path

import pytest

TRAINING = Path(__file__).parents[2] / "training"
RUN = sorted((TRAINING / "resilient_training" / "run").glob("[!_]*.py"))
# Each takes seconds or memory beside the training, or may be missing where the wrapper runs.
NOT_THERE = "torch", "lightning", "transformers", "accelerate"
LATE = "wandb", "boto3", "numpy"  # the last comes with wandb


def modules_after(code: str) -> set[str]:
    command = f"{code}; import sys; print(*sys.modules)"
    given = {"PYTHONPATH": str(TRAINING)}
    shown = subprocess.run(
        [sys.executable, "-c", command], env=given, check=True, capture_output=True, text=True
    )
    return set(shown.stdout.split())


def test_no_module_of_the_wrapper_imports_a_framework() -> None:
    names = ", ".join(f"resilient_training.run.{path.stem}" for path in RUN)
    assert not modules_after(f"import {names}") & set(NOT_THERE)


def test_help_and_a_dry_run_wait_for_no_client() -> None:
    assert not modules_after("import resilient_training.run.command") & {*NOT_THERE, *LATE}


def test_the_keeper_needs_nothing_but_the_standard_library() -> None:
    keeper = TRAINING / "resilient_training" / "run" / "keeper.py"
    shown = subprocess.run(
        [sys.executable, "-I", "-S", "-c", f"import runpy; runpy.run_path({str(keeper)!r})"],
        check=False,
        capture_output=True,
        text=True,
    )
    assert shown.returncode == 0, shown.stderr


@pytest.mark.parametrize("path", RUN, ids=lambda path: path.stem)
def test_every_module_says_what_it_is(path: Path) -> None:
    assert path.read_text().startswith('"""')
