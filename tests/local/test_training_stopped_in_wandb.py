"""Trainings of each kind, by the real SDK, that a person stops with the button on W&B's page."""

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from local.demo.browser import NoSuchButtonError, press
from local.wandb_server import LocalWandb
from tests.local.example_process import example
from tests.local.training_process import Training

# `make demo FAULT=wandb-stop` is in the gate, and what each kind of training does is a unit test.
pytestmark = pytest.mark.long
# The name of each training's run, and its project. `make demo FAULT=wandb-stop`, in the gate too,
# stops a Lightning training of one process.
PROJECTS = {"plain": "plain", "huggingface": "huggingface", "two": "two-processes"}
_RUN = """query($project: String!, $run: String!) {
  project(entityName: "local", name: $project) { run(name: $run) { state exitcode history
    outputArtifacts(first: 1000) { edges { node { state versionIndex metadata } } } } } }"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalWandb]:
    with LocalWandb.start(tmp_path_factory.mktemp("wandb")) as running:
        yield running


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trainings")


def environment(server: LocalWandb, home: Path, run: str) -> dict[str, str]:
    base = home / run / "ml"
    (base / "output").mkdir(parents=True, exist_ok=True)
    places = {"WANDB_RUN_ID": run, "WANDB_RESUME": "allow", "SAGEMAKER_BASE_DIR": str(base)}
    return {**server.environment(home / run), **places}


def page(server: LocalWandb, run: str) -> str:
    return f"{server.url}/local/{PROJECTS[run]}/runs/{run}"


def read(server: LocalWandb, run: str) -> dict[str, Any]:
    found: dict[str, Any] = server.graphql(_RUN, project=PROJECTS[run], run=run)["project"]["run"]
    return found


def committed_steps(server: LocalWandb, run: str) -> list[int]:
    nodes = [edge["node"] for edge in read(server, run)["outputArtifacts"]["edges"]]
    newest_last = sorted(nodes, key=lambda node: node["versionIndex"])
    return [json.loads(one["metadata"])["step"] for one in newest_last]


@contextmanager
def started(run: str, server: LocalWandb, home: Path) -> Iterator[Training]:
    """Slow enough: the SDK posts every 15 s, and looks every 15 s at what was answered."""
    where, folder = environment(server, home, run), home / run
    script = {"plain": "plain.py", "two": "two_processes.py"}.get(run, "huggingface.py")
    # The shortest one, by its steps, is to outlast both of the SDK's intervals.
    with example(script, folder, where, "4" if run == "two" else "2.5") as one:
        yield one


@pytest.fixture(scope="module")
def stopped(server: LocalWandb, home: Path) -> Iterator[dict[str, Training]]:
    """One training of each kind, all stopped in the middle by the button and at their end."""
    trainings = {}
    with ExitStack() as running:
        for run in PROJECTS:
            trainings[run] = running.enter_context(started(run, server, home))
            trainings[run].until_said("is committed")
            press(page(server, run), "Stop run")
        trainings["two"].until_said("a person stopped the run in W&B")
        # Longer than Lightning leaves rank 0 alone with a child that has ended.
        server.fault("slow", operation="CommitArtifact", count=1, delay=9.0)
        for one in trainings.values():
            one.end()
        yield trainings


@pytest.mark.parametrize("run", PROJECTS)
def test_a_stop_in_wandb_saves_commits_and_ends_as_the_contract_says(
    run: str, server: LocalWandb, home: Path, stopped: dict[str, Training]
) -> None:
    log = stopped[run].log
    assert stopped[run].end() == 66, log
    step = committed_steps(server, run)[-1]
    failure = (home / run / "ml" / "output" / "failure").read_text()
    assert failure == f"StoppedByUser: in W&B, at step {step}"
    assert f"stopped by a person in W&B at step {step}" in log
    assert "Traceback" not in log
    found = read(server, run)
    assert (found["state"], found["exitcode"]) == ("killed", 66)


@pytest.mark.parametrize("run", PROJECTS)
def test_a_run_that_has_ended_offers_no_button(
    run: str, server: LocalWandb, stopped: dict[str, Training]
) -> None:
    assert stopped[run].end() == 66
    with pytest.raises(NoSuchButtonError):
        press(page(server, run), "Stop run")


def test_whoever_goes_on_by_hand_goes_on_from_the_stop(
    server: LocalWandb, home: Path, stopped: dict[str, Training]
) -> None:
    assert stopped["plain"].end() == 66
    step = committed_steps(server, "plain")[-1]
    with example("plain.py", home / "plain", environment(server, home, "plain")) as again:
        assert again.end() == 0, again.log
    assert f"at step {step}" in again.log
    steps = [json.loads(row)["_step"] for row in read(server, "plain")["history"]]
    assert steps == list(range(1, 33))


def test_ctrl_c_at_a_terminal_still_is_ctrl_c(server: LocalWandb, home: Path) -> None:
    where = environment(server, home, "interrupted")
    with example("plain.py", home / "interrupted", where, "0.4") as one:
        one.until_said("is committed")
        one.process.send_signal(signal.SIGINT)
        assert one.end() in {130, -signal.SIGINT}
    assert "KeyboardInterrupt" in one.log
    assert not (home / "interrupted" / "ml" / "output" / "failure").exists()
