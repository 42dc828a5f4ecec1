"""The main job on the real path: each way to end has the outcome that the design gives."""

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
# Each by the words after `make demo`.
DEMOS = ("incident", "poison", "wandb-stop")
# What is special to these is decided by pure code, or is a way to end a job, which has tests of its
# own; notebook 2 plays `gpu`.
LONG_DEMOS = (
    # Whichever way AWS behaves where nobody knows; with it, nothing of `capacity` is left to show.
    "pending --doubt all",
    *("sigterm", "user-stop", "log-only", "leak", "bug", "wandb-down", "lost-event"),
    *("spot", "timeout", "oom", "gpu"),
)
PATIENCE_SECONDS = 1200  # the gate runs other tests beside these, on two cores
Ended = subprocess.CompletedProcess[str]


def played(*words: str) -> Ended:
    return subprocess.run(
        [sys.executable, "-m", "local.demo", *words, "--patience", str(PATIENCE_SECONDS)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_SECONDS,
        check=False,
    )


@pytest.mark.parametrize(
    "demo", [*DEMOS, *(pytest.param(demo, marks=pytest.mark.long) for demo in LONG_DEMOS)]
)
def test_a_broken_lineage_ends_as_the_design_says(demo: str) -> None:
    ended = played(*demo.split())
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "as it must be" in ended.stdout


def test_an_unknown_fault_is_refused_with_those_there_are() -> None:
    ended = played("meteor")
    assert ended.returncode == 2
    assert "poison" in ended.stderr
    assert "Traceback" not in ended.stderr
