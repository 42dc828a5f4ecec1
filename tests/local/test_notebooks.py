"""The notebooks, run from top to bottom by the command that ships them."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.unit.notebook_output import shown

REPOSITORY = Path(__file__).parents[2]
NAMES = ("1-local-training", "2-sagemaker-training-job")


def started(path: Path, into: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local.notebooks", str(path), "--into", str(into)]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Future[str]]]:
    """What each shows, run beside the shipped one; both at once, for they wait for trainings."""
    into = tmp_path_factory.mktemp("notebooks")

    def run(name: str) -> str:
        ended = started(Path("notebooks") / f"{name}.ipynb", into)
        assert ended.returncode == 0, ended.stderr
        return shown(into / f"{name}.ipynb")

    with ThreadPoolExecutor(len(NAMES)) as pool:
        yield {name: pool.submit(run, name) for name in NAMES}


def test_the_first_trains_and_resumes_exactly_on_this_machine(
    outputs: Mapping[str, Future[str]],
) -> None:
    output = outputs["1-local-training"].result()
    assert "real MNIST" in output or "scikit-learn's digits" in output
    assert "ended with -9" in output
    resumed = re.search(r"resuming from v\d at step (\d+)", output)
    assert resumed
    assert int(resumed[1]) >= 30
    assert "bit-identical" in output
    assert "each step once, all equal to those of the undisturbed run" in output
    assert "nothing is left running" in output


def test_the_second_breaks_a_training_job_and_sees_it_come_back(
    outputs: Mapping[str, Future[str]],
) -> None:
    output = outputs["2-sagemaker-training-job"].result()
    assert "Failed: InternalServerError" in output
    assert "Failed, RELAUNCH resumed_from_checkpoint" in output
    assert "-r2: Completed, IGNORE completed" in output
    assert "checkpoints by 2 jobs" in output
    assert "nothing is left running" in output


def test_a_notebook_that_fails_says_where_and_exits_1(tmp_path: Path) -> None:
    broken = tmp_path / "broken.ipynb"
    cell: dict[str, object] = {
        "cell_type": "code",
        "id": "a",
        "source": "1 / 0",
        "metadata": {},
        "outputs": [],
        "execution_count": None,
    }
    content = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    broken.write_text(json.dumps(content), encoding="utf-8")
    ended = started(broken, tmp_path)
    assert ended.returncode == 1
    assert "broken.ipynb: An error occurred" in ended.stderr
    assert "ZeroDivisionError: division by zero" in ended.stderr
    assert "\x1b" not in ended.stderr
