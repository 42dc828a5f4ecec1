"""Checkpoints in memory and through the adapter on the local W&B do the same, and as the SDK."""

import itertools
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, cast

import pytest

from local.in_memory import InMemoryWandb
from local.wandb_server import LocalWandb
from resilience.adapters import graphql, weights_and_biases
from resilience.adapters.weights_and_biases import WandbCheckpoints
from resilience.decide.decisions import Checkpoint, CheckpointRequest, Lookup, Upload
from resilience.decide.stores import parse
from resilience.ports import Answer, Checkpoints
from tests.adapters.sdk_scripts import (
    BEGIN,
    BY_REFERENCE,
    BY_THE_SDK,
    COMMIT,
    FINISH,
    HUGGING_FACE,
    LOG_TABLES,
    START_UPLOAD,
)
from tests.local.test_wandb_server.sdk_client import Client, keep_warm

COLLECTION = "model-night"
_numbers = itertools.count(1)


class Wandb(Protocol):
    """A W&B, with what a training does to it."""

    @property
    def checkpoints(self) -> Checkpoints: ...

    @property
    def request(self) -> CheckpointRequest:
        """Asks for one collection, of a project that no other test has."""
        ...

    def commit(
        self, *steps: int | None, run: str, collection: str = COLLECTION, job: str | None = None
    ) -> None: ...

    def begin(self, run: str) -> None:
        """Have a client that writes to the run, and does not end."""
        ...

    def finish(self, run: str) -> None: ...


@dataclass(frozen=True)
class LocalServer:
    client: Client
    checkpoints: WandbCheckpoints
    request: CheckpointRequest

    def commit(
        self, *steps: int | None, run: str, collection: str = COLLECTION, job: str | None = None
    ) -> None:
        self.ask(COMMIT, run=run, collection=collection, steps=steps, aliases=[], job=job)

    def begin(self, run: str) -> None:
        self.ask(BEGIN, run=run)

    def finish(self, run: str) -> None:
        assert self.ask(FINISH) == run

    def ask(self, script: str, **given: object) -> object:
        place = {"entity": self.request.entity, "project": self.request.project}
        return self.client.ask(script, **{"collection": COLLECTION, **place, **given})


@dataclass(frozen=True)
class InMemory:
    checkpoints: InMemoryWandb
    request: CheckpointRequest

    def commit(
        self, *steps: int | None, run: str, collection: str = COLLECTION, job: str | None = None
    ) -> None:
        there = CheckpointRequest(
            entity=self.request.entity, project=self.request.project, collection=collection
        )
        for step in steps:
            self.checkpoints.commit(there, step=step, run=run, job=job)

    def begin(self, run: str) -> None:
        self.checkpoints.beat(self.request, run, int(time.time()))

    def finish(self, run: str) -> None:
        self.checkpoints.beat(self.request, run, None)


@pytest.fixture(scope="module")
def sdk(
    local_wandb: LocalWandb, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[subprocess.Popen[str]]:
    with keep_warm(local_wandb, tmp_path_factory.mktemp("sdk")) as process:
        yield process


@pytest.fixture
def local_server(
    local_wandb: LocalWandb, sdk: subprocess.Popen[str], tmp_path: Path
) -> Iterator[LocalServer]:
    viewer = local_wandb.graphql("query { viewer { entity } }")["viewer"]
    with graphql.pool() as pool:
        yield LocalServer(
            Client(local_wandb, tmp_path, sdk),
            WandbCheckpoints(pool, local_wandb.url, lambda: local_wandb.api_key),
            _request(viewer["entity"]),
        )


def _request(entity: str) -> CheckpointRequest:
    project = f"project-{next(_numbers)}"
    return CheckpointRequest(
        entity=entity, project=project, collection=COLLECTION, runs=("night", "morning")
    )


@pytest.fixture(params=["in memory", "local server"])
def wandb(request: pytest.FixtureRequest) -> Wandb:
    if request.param == "local server":
        found: LocalServer = request.getfixturevalue("local_server")
        return found
    return InMemory(InMemoryWandb(), _request("example-team"))


def seen(wandb: Wandb) -> list[tuple[str, int | None, str | None]]:
    answer = wandb.checkpoints.newest(wandb.request)
    assert answer.lookup is Lookup.FOUND
    return [(one.version, one.step, one.run) for one in answer.checkpoints]


def test_a_project_that_is_not_there_is_told_apart_from_an_empty_one(wandb: Wandb) -> None:
    assert wandb.checkpoints.newest(wandb.request) == Answer(Lookup.FOUND, project_exists=False)
    wandb.commit(1, run="other", collection="model-other")
    assert wandb.checkpoints.newest(wandb.request) == Answer(Lookup.FOUND)


def test_versions_come_newest_first_with_their_steps_and_runs(wandb: Wandb) -> None:
    wandb.commit(100, 200, run="night")
    wandb.commit(50, run="morning")
    assert seen(wandb) == [("v2", 50, "morning"), ("v1", 200, "night"), ("v0", 100, "night")]


def test_versions_of_other_runs_are_counted_and_do_not_count(wandb: Wandb) -> None:
    wandb.commit(100, run="night")
    wandb.commit(900, 901, run="other")
    assert seen(wandb) == [("v0", 100, "night")]
    assert wandb.checkpoints.newest(wandb.request).foreign == 2
    unnamed = replace(wandb.request, runs=())
    assert wandb.checkpoints.newest(unnamed).checkpoints == ()


def test_checkpoints_of_the_runs_in_another_collection_are_named(wandb: Wandb) -> None:
    wandb.commit(100, run="other", collection="model-other")
    wandb.commit(100, 200, run="night", collection="model-renamed")
    answer = wandb.checkpoints.newest(wandb.request)
    assert answer.checkpoints == ()
    assert answer.elsewhere == ("model-renamed",)
    wandb.commit(50, run="night")
    assert seen(wandb) == [("v0", 50, "night")]


def test_the_newest_version_is_the_latest_and_the_only_one(wandb: Wandb) -> None:
    wandb.commit(100, 200, run="night")
    newest, older = wandb.checkpoints.newest(wandb.request).checkpoints
    assert ("latest" in newest.aliases, "latest" in older.aliases) == (True, False)
    assert newest.committed
    assert newest.digest != older.digest


def test_a_version_without_a_step_has_an_unknown_one(wandb: Wandb) -> None:
    wandb.commit(None, run="night")
    assert seen(wandb) == [("v0", None, "night")]


def test_a_run_has_a_heartbeat_until_its_client_says_that_it_ends(wandb: Wandb) -> None:
    wandb.begin("night")
    beat = wandb.checkpoints.newest(wandb.request).heartbeat_at
    assert beat is not None
    assert abs(beat - time.time()) < 60
    assert wandb.checkpoints.newest(replace(wandb.request, runs=("other",))).heartbeat_at is None
    wandb.finish("night")
    assert wandb.checkpoints.newest(wandb.request).heartbeat_at is None


def test_a_version_names_the_training_job_that_made_it_or_none(wandb: Wandb) -> None:
    wandb.commit(100, run="night", job="night-1")
    wandb.commit(200, run="night", job="night-1-r2")
    wandb.commit(300, run="night")
    found = wandb.checkpoints.newest(wandb.request).checkpoints
    assert [(one.version, one.job) for one in found] == [
        ("v2", None),
        ("v1", "night-1-r2"),
        ("v0", "night-1"),
    ]


def test_a_checkpoint_by_reference_says_who_logged_it_for_whom_and_where_its_bytes_lie(
    local_server: LocalServer, local_wandb: LocalWandb
) -> None:
    store = "s3://example-checkpoints/vision/"
    local_server.ask(BY_REFERENCE, run="night", store=store)
    runs = ("night", "night-checkpoints")
    before = Counter(local_wandb.requests())
    answer = local_server.checkpoints.newest(replace(local_server.request, runs=runs))
    (found,) = answer.checkpoints
    assert (found.run, found.store, found.hashed) == ("night-checkpoints", parse(store), True)
    assert answer.heartbeat_at is None
    assert Counter(local_wandb.requests()) - before == {"ResilienceCheckpoints": 1}


def test_a_version_whose_commit_failed_is_pending_and_not_shown(
    local_server: LocalServer, local_wandb: LocalWandb
) -> None:
    local_server.commit(100, run="night")
    local_wandb.fault("commit_conflict", count=1)
    local_server.ask(START_UPLOAD, run="night")
    assert seen(local_server) == [("v0", 100, "night")]
    (upload,) = local_server.checkpoints.newest(local_server.request).pending
    assert upload == Upload(1)


def test_what_hugging_face_logs_at_the_start_and_at_the_end_is_no_checkpoint(
    local_server: LocalServer,
) -> None:
    local_server.ask(HUGGING_FACE, run="night")
    assert seen(local_server) == [("v1", 30, "night")]


def test_a_wanted_alias_is_found_by_its_name(local_server: LocalServer) -> None:
    local_server.ask(COMMIT, run="night", steps=[100], aliases=["best"])
    local_server.commit(200, 300, run="night")
    wanted = replace(local_server.request, alias="best")
    (best,) = [
        one for one in local_server.checkpoints.newest(wanted).checkpoints if "best" in one.aliases
    ]
    assert best.step == 100
    gone = replace(local_server.request, alias="gone")
    assert len(local_server.checkpoints.newest(gone).checkpoints) == 3


def test_the_pages_of_a_run_that_logs_more_than_checkpoints_are_read_on(
    local_server: LocalServer, local_wandb: LocalWandb, monkeypatch: pytest.MonkeyPatch
) -> None:
    local_server.commit(100, run="night")
    local_server.ask(LOG_TABLES, run="night", count=5)
    monkeypatch.setattr(weights_and_biases, "_PAGE", 2)
    before = Counter(local_wandb.requests())
    assert seen(local_server) == [("v0", 100, "night")]
    assert Counter(local_wandb.requests()) - before == {"ResilienceCheckpoints": 3}


def test_one_request_says_what_the_sdk_says_in_many(
    local_server: LocalServer, local_wandb: LocalWandb
) -> None:
    local_server.ask(COMMIT, run="night", steps=[100, 200], aliases=["best"])
    local_server.ask(COMMIT, run="morning", steps=[300], aliases=[])
    before = Counter(local_wandb.requests())
    answer = local_server.checkpoints.newest(local_server.request)
    assert Counter(local_wandb.requests()) - before == {"ResilienceCheckpoints": 1}
    told = cast("list[dict[str, object]]", local_server.ask(BY_THE_SDK))
    assert [_as_the_sdk_has_it(one) for one in answer.checkpoints] == told
    assert [one["version"] for one in told] == ["v2", "v1", "v0"]


def _as_the_sdk_has_it(checkpoint: Checkpoint) -> dict[str, object]:
    return {
        "version": checkpoint.version,
        "step": checkpoint.step,
        "digest": checkpoint.digest,
        "aliases": sorted(one for one in checkpoint.aliases if one != checkpoint.version),
        "state": "COMMITTED" if checkpoint.committed else "PENDING",
        "run": checkpoint.run,
    }


def test_a_wrong_key_is_a_refusal(local_server: LocalServer, local_wandb: LocalWandb) -> None:
    with graphql.pool() as pool:
        stranger = WandbCheckpoints(pool, local_wandb.url, lambda: "wrong" * 10)
        assert stranger.newest(local_server.request) == Answer(Lookup.REFUSED)


@pytest.mark.parametrize(
    ("kind", "lookup"),
    [
        ("unavailable", Lookup.UNAVAILABLE),
        ("rate_limited", Lookup.UNAVAILABLE),
        ("malformed", Lookup.UNAVAILABLE),
        ("unauthorized", Lookup.REFUSED),
    ],
)
def test_what_the_server_suffers_is_never_taken_for_an_answer(
    kind: str, lookup: Lookup, local_server: LocalServer, local_wandb: LocalWandb
) -> None:
    local_wandb.fault(kind, count=3, operation="ResilienceCheckpoints")
    assert local_server.checkpoints.newest(local_server.request) == Answer(lookup)
    local_wandb.clear_faults()
    assert local_server.checkpoints.newest(local_server.request).lookup is Lookup.FOUND
