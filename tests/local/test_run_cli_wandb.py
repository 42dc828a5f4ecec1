"""What the wrapper can see of the lineage's run in W&B, by the local server and the real SDK."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.demo.browser import press
from local.wandb_server import LocalWandb
from resilient_training.run.ports import AwayError, RunSeen
from resilient_training.run.run_of_lineage import RunOfLineage, Server, server_from
from tests.local.training_process import PATIENCE, own_environment

# Logs a row, then waits for a line, whatever the SDK does to it meanwhile.
TRAINING = """
import sys, wandb
run = wandb.init(project="p", id="lineage", settings=wandb.Settings(stop_fn=lambda: None))
run.log({"loss": 1})
print("logged", flush=True)
sys.stdin.readline()
run.finish(exit_code=1)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalWandb]:
    with LocalWandb.start(tmp_path_factory.mktemp("wandb")) as running:
        yield running


def lineage(server: LocalWandb, run: str = "lineage", entity: str | None = None) -> RunOfLineage:
    place = server_from({"WANDB_BASE_URL": server.url, "WANDB_API_KEY": server.api_key})
    assert place is not None
    return RunOfLineage(place, entity, "p", run)


def test_a_stop_is_seen_beside_the_runs_own_client_and_stays_until_the_run_is_taken_up_again(
    server: LocalWandb, tmp_path: Path
) -> None:
    environment = {**own_environment(), **server.environment(tmp_path)}
    for attempt in (1, 2):
        with subprocess.Popen(
            [sys.executable, "-c", TRAINING],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as training:
            assert training.stdout is not None
            assert training.stdout.readline() == "logged\n"
            for entity in (None, "local"):
                seen = lineage(server, entity=entity).look()
                assert seen is not None
                assert (seen.stopped, seen.running) == (False, True)
            press(f"{server.url}/local/p/runs/lineage", "Stop run")
            stopped = lineage(server).look()
            assert stopped is not None
            assert (stopped.stopped, stopped.running) == (True, True)
            training.communicate("end\n", PATIENCE)
        # Both attempts' rows: a row that is new is one more than was there before.
        assert lineage(server).look() == RunSeen(stopped=True, running=False, rows=attempt)


def test_a_run_that_is_not_there_yet_is_none(server: LocalWandb) -> None:
    assert lineage(server, "another").look() is None


def test_a_wandb_that_does_not_answer_or_refuses_is_away(server: LocalWandb) -> None:
    key = "0" * 40
    for place in (Server(server.url, key), Server("http://127.0.0.1:9", key)):
        with pytest.raises(AwayError) as away:
            RunOfLineage(place, None, "p", "lineage").look()
        assert key not in str(away.value)
    server.fault("unavailable", count=1, path_contains="/graphql")
    with pytest.raises(AwayError):
        lineage(server).look()
    server.clear_faults()


# As people write it: the SDK interrupts the script when somebody stops the run.
AS_WRITTEN = """
import time, wandb
run = wandb.init()
run.log({"loss": 1})
print(run.id, flush=True)
time.sleep(600)
"""
WRAPPER = """
import sys
from resilient_training.run.command import main
from resilient_training.run.limits import Limits
sys.exit(main(sys.argv[1:], limits=Limits(look=LOOK)))
"""


@pytest.mark.parametrize("look", [0.2, 600.0])
def test_a_training_that_a_person_stopped_ends_66_whether_the_wrapper_or_the_sdk_hears_it_first(
    look: float, server: LocalWandb, tmp_path: Path
) -> None:
    (tmp_path / "ml" / "output").mkdir(parents=True)
    environment = {
        **own_environment(),
        **server.environment(tmp_path),
        "WANDB_PROJECT": "p",
        "WANDB_RUN_ID": f"stopped-{look:g}",
        "SAGEMAKER_BASE_DIR": str(tmp_path / "ml"),
        "PYTHONPATH": str(Path(__file__).parents[2] / "training"),
    }
    wrapper = [sys.executable, "-c", WRAPPER.replace("LOOK", str(look)), "--checkpoints", "out"]
    with subprocess.Popen(
        [*wrapper, "--", sys.executable, "-c", AS_WRITTEN],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == f"stopped-{look:g}"
        press(f"{server.url}/local/p/runs/stopped-{look:g}", "Stop run")
        assert process.wait(PATIENCE) == 66
    assert (tmp_path / "ml" / "output" / "failure").read_text() == "StoppedByUser: in W&B"


def test_a_pinned_version_is_never_left_out_because_w_and_b_is_offline(
    server: LocalWandb, tmp_path: Path
) -> None:
    """The controller chose where to begin: a start from the beginning would be nobody's choice."""
    environment = {
        **own_environment(),
        **server.environment(tmp_path),
        "PYTHONPATH": str(Path(__file__).parents[2] / "training"),
        "WANDB_MODE": "offline",
        "WANDB_RUN_ID": "offline",
        "RESILIENCE_CHECKPOINT": "local/p/model-offline:v3",
    }
    words = ["-m", "resilient_training.run", "--checkpoints", "out", "--", "echo", "it has begun"]
    ended = subprocess.run(
        [sys.executable, *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert (ended.returncode, ended.stdout) == (65, "")
    assert "CheckpointLoadError: v3: " in ended.stderr
