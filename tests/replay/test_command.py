"""`python -m local.replay`, as a person calls it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent.parent
GPU = "events/training-failed.gpu-ecc.json"


def command(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "local.replay", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def told() -> str:
    run = command(GPU)
    assert (run.returncode, run.stderr) == (0, "")
    return run.stdout


def test_a_replay_tells_the_decision_and_what_the_successor_carries(told: str) -> None:
    rows = {" ".join(line.split()) for line in told.splitlines()}
    assert {
        "verdict RELAUNCH",
        "reason resumed_from_checkpoint",
        "failure class infrastructure",
        "progress advanced",
        "checkpoint v3 at step 400",
        "created night-1-r2",
        "tag resilience:parent=night-1",
        "environment RESILIENCE_CHECKPOINT=example-team/vision/model-night-1:v3",
        "next night-1-r2 continues; nothing to do",
    } <= rows


def test_a_replay_ends_with_the_line_that_the_function_would_log(told: str) -> None:
    line = json.loads(told.splitlines()[-1])
    assert line["message"] == "training job decided"
    assert line["service"] == "resilience"
    assert line["facts"]["job"] == "night-1"


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("exit-code-only", "its own log was read for the cause"),
        ("exit-code-only-log-unreadable", "its own log could not be read"),
        ("fleet-breaker-is-open", "fleet breaker open, for infrastructure"),
    ],
)
def test_a_replay_tells_what_the_decision_was_taken_from(name: str, row: str) -> None:
    run = command(f"events/training-failed.{name}.json")
    assert row in {" ".join(line.split()) for line in run.stdout.splitlines()}


def test_json_prints_the_record_only() -> None:
    record = json.loads(command(GPU, "--json").stdout)
    assert (record["verdict"], record["created"][0]["name"]) == ("RELAUNCH", "night-1-r2")


def test_a_logged_line_is_decided_the_same_again(told: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("START\n2026-01-31T03:00:00Z " + told.splitlines()[-1] + "\nEND\n")
    run = command("--log", str(log))
    assert (run.returncode, run.stdout) == (0, "night-1: same\n")


def test_a_line_that_somebody_changed_is_told_with_its_difference(told: str) -> None:
    line = json.loads(told.splitlines()[-1])
    run = command("--log", json.dumps(line | {"verdict": "STOP"}))
    assert run.returncode == 1
    assert {'- "verdict": "STOP",', '+ "verdict": "RELAUNCH",'} <= set(run.stdout.splitlines())


def test_changed_facts_give_another_decision(told: str) -> None:
    line = json.loads(told.splitlines()[-1])
    line["facts"]["started"] = False
    run = command("--log", json.dumps(line))
    assert run.returncode == 1
    assert '+ "reason": "not_started",' in run.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["events/no-such.json"], "replay: events/no-such.json: No such file or directory"),
        (["events"], "replay: events: Is a directory"),
        (["--log", "no-such.log"], "replay: no-such.log: neither a log line nor a readable file"),
        (["--log", '{"message":"other"}'], "replay: no canonical line"),
        (["--log", '{"facts":{}}'], "replay: not facts of this version: facts.job: "),
    ],
)
def test_a_mistake_is_told_in_one_line(arguments: list[str], complaint: str) -> None:
    run = command(*arguments)
    assert run.returncode == 2
    assert run.stderr.startswith(complaint)
    assert run.stderr.count("\n") == 1
