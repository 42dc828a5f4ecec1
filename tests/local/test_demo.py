"""The main job on the real path: each way to end has the outcome that the design gives."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
# Each by the words after `make demo`.
DEMOS: tuple[str, ...] = (
    *("incident", "poison", "wandb-stop"),
    # Whichever way AWS behaves where nobody knows; with it, nothing of `capacity` is left to show.
    "pending --doubt all",
    *("sigterm", "user-stop"),
)
# `make demos` plays these too; the gate has no time for them. What is special to them is decided by
# pure code, or is a way to end a job, which has tests of its own; notebook 2 plays `gpu`.
if os.environ.get("ALL_DEMOS"):
    DEMOS += (
        *("log-only", "leak", "bug", "wandb-down", "lost-event"),
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


@pytest.mark.parametrize("demo", DEMOS)
def test_a_broken_lineage_ends_as_the_design_says(demo: str) -> None:
    ended = played(*demo.split())
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "as it must be" in ended.stdout


def test_an_unknown_fault_is_refused_with_those_there_are() -> None:
    ended = played("meteor")
    assert ended.returncode == 2
    assert "poison" in ended.stderr
    assert "Traceback" not in ended.stderr
