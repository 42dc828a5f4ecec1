"""What W&B says that is no answer, from a server that says it."""

import json
import socket
from base64 import b64encode
from collections.abc import Iterator

import pytest

from resilience.adapters.graphql import Bounds, pool
from resilience.adapters.weights_and_biases import WandbCheckpoints, question
from resilience.decide.decisions import Lookup
from resilience.ports import Answer
from tests.adapters.answering import Reply, reply_json
from tests.adapters.wandb_versions import KEY, REQUEST, Asked, knowing, serving, version

UNAVAILABLE, REFUSED = Answer(Lookup.UNAVAILABLE), Answer(Lookup.REFUSED)
QUICK = Bounds(seconds=3, read_seconds=0.3, pause_seconds=0)


@pytest.fixture(scope="module")
def wandb() -> Iterator[Asked]:
    with serving(QUICK) as asked:
        yield asked


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 401, 403, 404])
def test_a_refusal_waits_for_a_person(status: int, wandb: Asked) -> None:
    assert wandb.newest(Reply(status)) == REFUSED
    assert len(wandb.server.asked) == 1


@pytest.mark.parametrize(
    "reply",
    [
        *(Reply(status) for status in (204, 400, 408, 409, 422, 429, 500, 502, 503, 504)),
        Reply(silent=True),
        Reply(cut=True),
    ],
    ids=str,
)
def test_anything_else_but_success_is_unavailable(reply: Reply, wandb: Asked) -> None:
    assert wandb.newest(reply) == UNAVAILABLE


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
        b'{"data": {"project": {"artifactCollection": {"newest": null}}}}',
        b'{"data": {"project": {"artifactCollection": null, "run0": {"outputArtifacts": null}}}}',
        b'{"errors": [{"message": "bad"}], "data": {"project": null}}',
        b"[" * 100_000,
    ],
    ids=lambda body: body[:40].decode(errors="replace"),
)
def test_a_body_that_is_not_what_was_asked_for_is_unavailable_and_never_none(
    body: bytes, wandb: Asked
) -> None:
    assert wandb.newest(Reply(200, body)) == UNAVAILABLE


ODD = [
    {"versionIndex": None},
    {"versionIndex": "x"},
    {"versionIndex": -1},
    {"versionIndex": True},
    {"versionIndex": 10**9},
    {"versionIndex": 1e400},
    {"aliases": None},
    {"aliases": [{}]},
    {"aliases": [None]},
    {"digest": None},
    {"digest": "d\nLD_PRELOAD=x"},
    {"digest": "d" * 129},
    {"artifactSequence": None},
]


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_a_version_that_cannot_be_read_hides_no_good_one(
    odd: dict[str, object], wandb: Asked
) -> None:
    answer = wandb.found(version(9) | odd, version(3))
    assert [one.version for one in answer.checkpoints] == ["v3"]


@pytest.mark.parametrize("odd", ODD[:-1], ids=str)
def test_where_no_version_can_be_read_there_are_not_none(
    odd: dict[str, object], wandb: Asked
) -> None:
    assert wandb.found(version(9) | odd) == UNAVAILABLE
    suspect = version(3, "suspect")
    assert wandb.found(version(9) | odd, suspect) == UNAVAILABLE


def test_versions_that_the_collection_lists_and_the_run_does_not_are_not_none(
    wandb: Asked,
) -> None:
    def forgetful(body: bytes) -> Reply:
        told = json.loads(knowing([version(3)])(body).body)
        told["data"]["project"]["run0"] = None
        return reply_json(200, told)

    assert wandb.newest(forgetful) == UNAVAILABLE


def test_a_project_that_is_null_is_not_an_empty_collection(wandb: Asked) -> None:
    project_gone = reply_json(200, {"data": {"project": None}})
    assert wandb.newest(project_gone) == Answer(Lookup.FOUND, project_exists=False)
    assert wandb.newest(knowing(None)) == Answer(Lookup.FOUND)
    assert wandb.found() == Answer(Lookup.FOUND)


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
    (checkpoint,) = wandb.found(version(3, metadata=metadata)).checkpoints
    assert checkpoint.step == step


@pytest.mark.parametrize("maker", [None, {}, {"name": None}, "night", 7])
def test_a_version_without_a_maker_is_nobodys(maker: object, wandb: Asked) -> None:
    answer = wandb.found(version(4, createdBy=maker), version(3))
    assert ([one.version for one in answer.checkpoints], answer.foreign) == (["v3"], 1)


def test_names_go_as_variables_and_the_key_goes_in_the_header_only(wandb: Asked) -> None:
    wandb.found()
    ((headers, body),) = wandb.server.asked
    sent = json.loads(body)
    assert sent["query"] == question(1)
    assert sent["variables"] == {
        "entity": "example-team",
        "project": "vision",
        "collection": "model-night",
        "alias": "latest",
        "whole": True,
        "named": False,
        "first": 100,
        "after": None,
        "order": "-created_at",
        "run0": "night",
    }
    given = {name.lower(): value for name, value in headers.items()}
    assert given["authorization"] == "Basic " + b64encode(f"api:{KEY}".encode()).decode()
    assert given["accept-encoding"] == "identity"
    assert KEY not in body.decode()


def test_nobody_listening_is_unavailable() -> None:
    with socket.socket() as taken, pool() as connections:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        nobody = WandbCheckpoints(connections, url, lambda: KEY, QUICK)
        assert nobody.newest(REQUEST) == UNAVAILABLE


def test_a_hiccup_is_asked_through_and_nothing_longer(wandb: Asked) -> None:
    answer = wandb.newest(Reply(503), Reply(cut=True), knowing([version(3)]))
    assert len(answer.checkpoints) == 1
    assert wandb.newest(Reply(503)) == UNAVAILABLE
    assert len(wandb.server.asked) == 3
    assert wandb.newest(Reply(429, headers={"Retry-After": "60"})) == UNAVAILABLE
    assert len(wandb.server.asked) == 1
