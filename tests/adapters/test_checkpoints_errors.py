"""What W&B says that is no answer, from a server that says it."""

import json
import secrets
import socket
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import urllib3

from on_training_ended import _WANDB_RETRIES
from resilience.adapters.weights_and_biases import QUERY, WandbCheckpoints
from resilience.decisions import CheckpointRequest, Lookup
from resilience.ports import Answer
from tests.adapters.answering import Answering, Reply, answering, reply_json

REQUEST = CheckpointRequest(
    entity="example-team", project="vision", collection="model-night", runs=("night",)
)
KEY = secrets.token_hex(20)
NODE: dict[str, Any] = {
    "state": "COMMITTED",
    "digest": "abc",
    "versionIndex": 3,
    "aliases": [{"alias": "latest"}],
    "metadata": '{"step": 400}',
    "createdBy": {"name": "night"},
}


def found(*nodes: object) -> Reply:
    edges = [{"node": node} for node in nodes]
    collection = {"artifacts": {"edges": edges}}
    return reply_json(200, {"data": {"project": {"artifactCollection": collection}}})


@dataclass(frozen=True)
class Asked:
    server: Answering
    checkpoints: WandbCheckpoints

    def newest(self, *replies: Reply) -> Answer:
        self.server.reply(*replies)
        return self.checkpoints.newest(REQUEST)


@pytest.fixture(scope="module")
def wandb() -> Iterator[Asked]:
    timeout = urllib3.Timeout(connect=0.5, read=0.5)
    with (
        answering(Reply()) as server,
        urllib3.PoolManager(timeout=timeout, retries=False) as pool,
    ):
        yield Asked(server, WandbCheckpoints(pool, server.url, lambda: KEY))


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refusal_waits_for_a_person(status: int, wandb: Asked) -> None:
    assert wandb.newest(Reply(status)) == Answer(Lookup.REFUSED)


@pytest.mark.parametrize(
    "reply",
    [
        *(Reply(status) for status in (204, 302, 400, 408, 409, 422, 429, 500, 502, 503, 504)),
        Reply(silent=True),
        Reply(cut=True),
    ],
    ids=str,
)
def test_anything_else_but_success_is_unavailable(reply: Reply, wandb: Asked) -> None:
    assert wandb.newest(reply) == Answer(Lookup.UNAVAILABLE)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"<html>",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"7",
        b'{"data": null}',
        b'{"data": {}}',
        b'{"data": {"project": []}}',
        b'{"data": {"project": {}}}',
        b'{"data": {"project": {"artifactCollection": {"artifacts": null}}}}',
        b'{"errors": [{"message": "bad"}], "data": {"project": null}}',
        b"[" * 100_000,
    ],
    ids=lambda body: body[:40].decode(errors="replace"),
)
def test_a_body_that_is_not_what_was_asked_for_is_unavailable_and_never_none(
    body: bytes, wandb: Asked
) -> None:
    assert wandb.newest(Reply(200, body)) == Answer(Lookup.UNAVAILABLE)


@pytest.mark.parametrize(
    "broken",
    [
        {"versionIndex": None},
        {"versionIndex": "x"},
        {"versionIndex": 1e400},
        {"aliases": None},
        {"aliases": [{}]},
    ],
    ids=str,
)
def test_one_version_that_cannot_be_read_makes_the_whole_answer_none(
    broken: dict[str, object], wandb: Asked
) -> None:
    assert wandb.newest(found(NODE, NODE | broken)) == Answer(Lookup.UNAVAILABLE)


def test_a_project_that_is_null_is_not_an_empty_collection(wandb: Asked) -> None:
    project_gone = reply_json(200, {"data": {"project": None}})
    collection_gone = reply_json(200, {"data": {"project": {"artifactCollection": None}}})
    assert wandb.newest(project_gone) == Answer(Lookup.FOUND, project_exists=False)
    assert wandb.newest(collection_gone) == Answer(Lookup.FOUND, collection_exists=False)


@pytest.mark.parametrize(
    ("metadata", "step"),
    [
        ('{"step": 400}', 400),
        ({"step": 400}, 400),
        ('{"step": "400"}', 400),
        ('{"step": 400.0}', 400),
        ('{"step": 0}', 0),
        ('{"original_filename": "epoch=3-step=400.ckpt"}', 400),
        ('{"step": null}', None),
        ('{"step": -1}', None),
        ('{"step": 400.5}', None),
        ('{"step": true}', None),
        ('{"step": "4e2"}', None),
        ('{"step": NaN}', None),
        ('{"step": 1e400}', None),
        ("not JSON", None),
        ("[]", None),
        (None, None),
    ],
    ids=str,
)
def test_a_step_is_what_the_metadata_says_or_unknown(
    metadata: object, step: int | None, wandb: Asked
) -> None:
    (checkpoint,) = wandb.newest(found(NODE | {"metadata": metadata})).checkpoints
    assert checkpoint.step == step


@pytest.mark.parametrize("maker", [None, {}, {"name": None}])
def test_a_version_without_a_maker_is_nobodys(maker: object, wandb: Asked) -> None:
    answer = wandb.newest(found(NODE | {"createdBy": maker}))
    assert (answer.checkpoints, answer.foreign) == ((), 1)


def test_a_pending_version_is_not_committed_even_if_the_server_shows_it(wandb: Asked) -> None:
    (checkpoint,) = wandb.newest(found(NODE | {"state": "PENDING"})).checkpoints
    assert not checkpoint.committed


def test_a_full_page_without_the_latest_version_is_not_the_newest_page(wandb: Asked) -> None:
    def page(*, latest: bool) -> Reply:
        others = [NODE | {"versionIndex": one, "aliases": []} for one in range(99)]
        last = NODE | {"versionIndex": 99, "aliases": [{"alias": "latest"}] if latest else []}
        return found(*others, last)

    assert len(wandb.newest(page(latest=True)).checkpoints) == 100
    assert wandb.newest(page(latest=False)) == Answer(Lookup.UNAVAILABLE)


def test_names_go_as_variables_and_the_key_goes_in_the_header_only(wandb: Asked) -> None:
    wandb.newest(found())
    ((headers, body),) = wandb.server.asked
    sent = json.loads(body)
    assert sent["query"] == QUERY
    assert sent["variables"] == {
        "entity": "example-team",
        "project": "vision",
        "collection": "model-night",
        "filters": '{"state": "COMMITTED"}',
        "first": 100,
    }
    given = {name.lower(): value for name, value in headers.items()}
    assert given["authorization"] == "Basic " + b64encode(f"api:{KEY}".encode()).decode()
    assert KEY not in body.decode()


def test_nobody_listening_is_unavailable() -> None:
    with socket.socket() as taken, urllib3.PoolManager(timeout=1, retries=False) as pool:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        nobody = WandbCheckpoints(pool, url, lambda: KEY)
        assert nobody.newest(REQUEST) == Answer(Lookup.UNAVAILABLE)


def test_the_functions_own_retries_outlast_a_hiccup_and_nothing_longer() -> None:
    with (
        answering(Reply(503), Reply(cut=True), found(NODE)) as server,
        urllib3.PoolManager(timeout=1, retries=_WANDB_RETRIES) as pool,
    ):
        checkpoints = WandbCheckpoints(pool, server.url, lambda: KEY)
        assert len(checkpoints.newest(REQUEST).checkpoints) == 1
        server.reply(Reply(503))
        assert checkpoints.newest(REQUEST) == Answer(Lookup.UNAVAILABLE)
        assert len(server.asked) == 3
        server.reply(Reply(429, headers={"Retry-After": "60"}))
        assert checkpoints.newest(REQUEST) == Answer(Lookup.UNAVAILABLE)
        assert len(server.asked) == 1
