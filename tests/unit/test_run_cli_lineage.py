from typing import Any

import pytest

from resilient_training.job import job_from
from resilient_training.run.host_setup import lineage_from
from resilient_training.run.lineage_watch import StopOfLineage
from resilient_training.run.ports import AwayError, RunSeen
from resilient_training.run.run_of_lineage import RunOfLineage, Server, run_in, server_from

SERVER = Server("https://api.wandb.ai", "secret")
STOPPED = RunSeen(stopped=True, running=True, rows=3)
LEFT = RunSeen(stopped=True, running=False, rows=3)
RUNNING = RunSeen(stopped=False, running=True, rows=3)


def seen(*looks: RunSeen | None) -> list[bool]:
    """What each look says; the first one is taken before the command starts."""
    watch = StopOfLineage()
    return [watch.see(look, command_runs=number > 0) for number, look in enumerate(looks)]


def test_a_stop_of_a_run_that_was_seen_running_is_a_persons() -> None:
    assert seen(RUNNING, STOPPED) == [False, True]
    assert seen(None, RUNNING, LEFT) == [False, False, True]
    assert seen(None, STOPPED) == [False, True]


def test_a_stop_of_an_earlier_attempt_ends_no_later_one() -> None:
    assert seen(LEFT, LEFT, LEFT) == [False, False, False]
    assert seen(STOPPED, STOPPED) == [False, False]


def test_once_the_training_has_taken_the_run_up_again_a_new_stop_counts() -> None:
    assert seen(LEFT, RUNNING, STOPPED) == [False, False, True]


def test_where_wandb_answers_late_only_a_run_that_runs_is_stopped_now() -> None:
    late = StopOfLineage()
    assert late.see(STOPPED, command_runs=True)
    late = StopOfLineage()
    assert not late.see(LEFT, command_runs=True)


def answer(run: object) -> dict[str, Any]:
    return {"data": {"project": {"run": run}}}


def test_wandbs_answer_is_read() -> None:
    full = {"stopped": True, "state": "running", "historyLineCount": 7}
    assert run_in(answer(full)) == RunSeen(stopped=True, running=True, rows=7)
    partly = {"stopped": None, "state": "killed", "historyLineCount": None}
    assert run_in(answer(partly)) == RunSeen(stopped=False, running=False, rows=None)
    lie = {"stopped": False, "state": "finished", "historyLineCount": True}
    assert run_in(answer(lie)) == RunSeen(stopped=False, running=False, rows=None)


def test_a_run_or_a_project_that_is_not_there_is_none() -> None:
    assert run_in(answer(None)) is None
    assert run_in({"data": {"project": None}}) is None


@pytest.mark.parametrize(
    "said",
    [
        None,
        [],
        {},
        {"data": None},
        answer({"stopped": True}),
        answer("x"),
        {"errors": [{"message": "permission denied"}]},
        {"errors": "x"},
    ],
)
def test_an_answer_that_shows_no_run_is_wandb_being_away_and_no_verdict(said: object) -> None:
    with pytest.raises(AwayError):
        run_in(said)


def test_the_server_is_the_one_that_the_sdk_would_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETRC", "/nowhere")
    monkeypatch.setenv("HOME", "/nowhere")
    key = {"WANDB_API_KEY": "secret"}
    assert server_from(key) == Server("https://api.wandb.ai", "secret")
    own = {**key, "WANDB_BASE_URL": "http://127.0.0.1:8080/"}
    assert server_from(own) == Server("http://127.0.0.1:8080", "secret")
    assert server_from({}) is None
    assert server_from({**key, "WANDB_MODE": "offline"}) is None
    assert server_from({**key, "WANDB_BASE_URL": "file:///etc"}) is None
    assert "secret" not in repr(server_from(key))


def test_the_lineages_run_is_looked_for_where_the_launch_says_that_checkpoints_are() -> None:
    environment = {"WANDB_API_KEY": "secret", "WANDB_ENTITY": "e", "WANDB_PROJECT": "p"}
    found = lineage_from(environment, job_from(environment), "x")
    assert found == RunOfLineage(SERVER, "e", "p", "x")
    launched = {**environment, "RESILIENCE_COLLECTION": "team/other/model-x"}
    found = lineage_from(launched, job_from(launched), "x")
    assert found == RunOfLineage(SERVER, "team", "other", "x")


def test_a_run_whose_place_nobody_knows_is_not_looked_for() -> None:
    environment = {"WANDB_API_KEY": "secret"}
    assert lineage_from(environment, job_from(environment), "x") is None
    placed = {**environment, "WANDB_PROJECT": "p"}
    assert lineage_from(placed, job_from(placed), None) is None
