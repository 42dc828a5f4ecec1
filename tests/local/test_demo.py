"""The main job on the real path: each way to end has the outcome that the design gives."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from local.demo.scenarios import SCENARIOS
from tests.local.training_process import own_environment

REPOSITORY = Path(__file__).parents[2]
# Each by the words after `make demo`.
DEMOS = ("poison", "wandb-stop")
# What is special to these is decided by pure code, or is a way to end a job, which has tests of its
# own; notebook 2 plays `gpu`.
LONG_DEMOS = (
    "incident",
    # Whichever way AWS behaves where nobody knows; with it, nothing of `capacity` is left to show.
    "pending --doubt all",
    *("sigterm", "user-stop", "log-only", "leak", "bug", "wandb-down", "lost-event"),
    *("spot", "timeout", "oom", "gpu"),
    # Two minutes each: eight processes load torch, on two cores.
    *("host-lost", "host-frozen"),
)
TWO_HOSTS = REPOSITORY / "local" / "demo" / "scripts" / "two_hosts.py"
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
def test_a_broken_lineage_ends_as_the_design_says(demo: str, tmp_path: Path) -> None:
    ended = played(*demo.split())
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "as it must be" in ended.stdout
    if SCENARIOS[demo.split(maxsplit=1)[0]].command:
        assert weights_in(ended.stdout) == unbroken_weights(tmp_path)


def weights_in(text: str) -> str:
    (digest,) = re.findall(r"weights ([0-9a-f]{64})", text)
    return str(digest)


def unbroken_weights(folder: Path) -> str:
    """Of the same training with nothing of this project around it, in one go on one machine."""
    words = shlex.split(SCENARIOS["host-frozen"].command)
    options = words[words.index("two_hosts.py") + 1 :]
    options[options.index("--output_dir") + 1] = str(folder / "out")
    options[options.index("--seconds_per_step") + 1] = "0"
    torchrun = [str(Path(sys.executable).parent / "torchrun"), "--nproc_per_node=2"]
    ended = subprocess.run(
        [*torchrun, "--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0", str(TWO_HOSTS), *options],
        cwd=folder,
        env=own_environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return weights_in(ended.stdout)


def test_an_unknown_fault_is_refused_with_those_there_are() -> None:
    ended = played("meteor")
    assert ended.returncode == 2
    assert "poison" in ended.stderr
    assert "Traceback" not in ended.stderr
