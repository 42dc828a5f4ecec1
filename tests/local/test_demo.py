"""The main job on the real path: each way to end has the outcome that the design gives."""

import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
FAULTS = (
    *("gpu", "spot", "bug", "lost-event", "sigterm", "poison", "capacity", "wandb-down"),
    *("user-stop", "wandb-stop", "leak", "incident", "log-only"),
)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_lineage_ends_as_the_design_says(fault: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "local.demo", fault],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "as it must be" in ended.stdout


def test_a_lineage_comes_back_whichever_way_aws_behaves_where_nobody_knows() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "local.demo", "pending", "--doubt", "all"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "as it must be" in ended.stdout


def test_an_unknown_fault_is_refused_with_those_there_are() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "local.demo", "meteor"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "poison" in ended.stderr
    assert "Traceback" not in ended.stderr
