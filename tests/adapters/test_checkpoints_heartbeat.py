"""When somebody last wrote to the lineage's runs, however W&B writes it down."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from resilience.adapters.graphql import Bounds
from resilience.decide.decisions import Lookup
from resilience.ports import Answer
from tests.adapters.answering import Reply, reply_json
from tests.adapters.wandb_versions import REQUEST, Asked, knowing, serving, version

NIGHT = 1_769_828_400  # 2026-01-31T03:00:00Z


@pytest.fixture(scope="module")
def wandb() -> Iterator[Asked]:
    with serving(Bounds(pause_seconds=0)) as asked:
        yield asked


def newest(wandb: Asked, *shown: Mapping[str, object] | None) -> Answer:
    """What is answered where the lineage's runs, in their order, are shown so."""

    def reply(body: bytes) -> Reply:
        told = json.loads(knowing([version(1)])(body).body)
        project = told["data"]["project"]
        for place, run in enumerate(shown):
            logged = project[f"run{place}"] or project["run0"]
            project[f"run{place}"] = None if run is None else {**logged, **run}
        return reply_json(200, told)

    runs = ("night", "night-1", "night-1-algo-1")[: len(shown)]
    answer = wandb.newest(reply, request=replace(REQUEST, runs=runs))
    assert answer.lookup is Lookup.FOUND
    return answer


@pytest.mark.parametrize(
    "told",
    [
        "2026-01-31T03:00:00Z",
        "2026-01-31T03:00:00",
        "2026-01-31T03:00:00.123Z",
        "2026-01-31T04:00:00+01:00",
    ],
)
def test_a_heartbeat_is_read_in_each_form_and_is_utc(told: str, wandb: Asked) -> None:
    answer = newest(wandb, {"state": "running", "heartbeatAt": told})
    assert answer.heartbeat_at == NIGHT


@pytest.mark.parametrize("told", [None, "", "soon", 7, {}, "9" * 400])
def test_a_heartbeat_that_cannot_be_read_says_nothing(told: object, wandb: Asked) -> None:
    assert newest(wandb, {"state": "running", "heartbeatAt": told}).heartbeat_at is None


def test_a_server_that_shows_no_heartbeat_says_nothing(wandb: Asked) -> None:
    assert newest(wandb, {}).heartbeat_at is None
    assert newest(wandb, {}, None).heartbeat_at is None


@pytest.mark.parametrize("state", ["finished", "failed", "crashed", "killed", "preempted"])
def test_a_run_that_has_ended_has_no_writer(state: str, wandb: Asked) -> None:
    told = {"state": state, "heartbeatAt": "2026-01-31T03:00:00Z"}
    assert newest(wandb, told).heartbeat_at is None


@pytest.mark.parametrize("state", ["running", "preempting", "pending", "a-word-of-2030", None])
def test_a_run_in_any_other_state_may_have_one(state: str | None, wandb: Asked) -> None:
    told = {"state": state, "heartbeatAt": "2026-01-31T03:00:00Z"}
    assert newest(wandb, told).heartbeat_at == NIGHT


def test_of_several_runs_the_last_writer_counts(wandb: Asked) -> None:
    earlier = {"state": "running", "heartbeatAt": "2026-01-31T02:00:00Z"}
    later = {"state": "running", "heartbeatAt": "2026-01-31T03:00:00Z"}
    assert newest(wandb, earlier, later, None).heartbeat_at == NIGHT
