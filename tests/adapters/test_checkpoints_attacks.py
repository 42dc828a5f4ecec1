"""A W&B that is hostile, or broken as if it were: what a lookup takes is bounded."""

import gzip
import json
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from resilience.adapters.graphql import Bounds, pool
from resilience.adapters.weights_and_biases import WandbCheckpoints
from resilience.decide.decisions import Lookup
from resilience.ports import Answer
from tests.adapters.answering import Reply, answering
from tests.adapters.wandb_versions import REQUEST, Asked, knowing, serving, version

MIB = 1024 * 1024
UNAVAILABLE, REFUSED = Answer(Lookup.UNAVAILABLE), Answer(Lookup.REFUSED)
HASTY = Bounds(seconds=1, read_seconds=0.5, pause_seconds=0)


@pytest.fixture(scope="module")
def wandb() -> Iterator[Asked]:
    with serving(Bounds(pause_seconds=0)) as asked:
        yield asked


@pytest.fixture(scope="module")
def hasty() -> Iterator[Asked]:
    with serving(HASTY) as asked:
        yield asked


@contextmanager
def within_memory(most: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=b'{"data": ' + b" " * 1000, drip=0.1),
        Reply(body=b"7\r\n" * 1000, headers={"Transfer-Encoding": "chunked"}, drip=0.1),
        Reply(drip_headers=True, drip=0.1),
        Reply(silent=True),
        Reply(status=503),
    ],
    ids=["body", "chunks", "headers", "silent", "busy"],
)
def test_however_slowly_a_server_answers_a_lookup_ends_in_time(reply: Reply, hasty: Asked) -> None:
    began = time.monotonic()
    assert hasty.newest(reply) == UNAVAILABLE
    assert time.monotonic() - began < HASTY.seconds + 5


def test_a_server_that_dripped_is_asked_on_a_connection_of_its_own_afterwards(
    hasty: Asked,
) -> None:
    assert hasty.newest(Reply(body=b" " * 1000, drip=0.1)) == UNAVAILABLE
    assert len(hasty.found(version(3)).checkpoints) == 1


def test_an_answer_of_600_mb_is_not_read(wandb: Asked) -> None:
    with within_memory(24 * MIB):  # the server is in this process as well
        assert wandb.newest(Reply(body=b" " * MIB, times=600)) == UNAVAILABLE


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "x-gzip, gzip"])
def test_an_answer_that_would_unpack_to_a_gigabyte_is_not_unpacked(
    encoding: str, wandb: Asked
) -> None:
    bomb = b"".join([gzip.compress(b" " * 16 * MIB)] * 64)
    with within_memory(8 * MIB):
        packed = Reply(body=bomb, headers={"Content-Encoding": encoding})
        assert wandb.newest(packed) == UNAVAILABLE


def test_versions_with_two_megabytes_of_metadata_each_are_read_in_smaller_pages(
    wandb: Asked,
) -> None:
    filler = "x" * (2 * MIB - 100)
    heavy = [
        version(number, metadata=json.dumps({"step": number, "note": filler}))
        for number in range(12, 0, -1)
    ]
    answer = wandb.found(*heavy)
    assert [one.step for one in answer.checkpoints] == [12]
    assert [sent["first"] for sent in wandb.sent()] == [100, 10, 1]


def test_where_one_version_alone_is_too_large_there_is_no_answer(wandb: Asked) -> None:
    heavy = version(3, metadata=json.dumps({"step": 3, "note": "x" * 7 * MIB}))
    assert wandb.found(heavy) == UNAVAILABLE


def test_the_worst_json_of_an_answer_fits_the_functions_memory(wandb: Asked) -> None:
    nest = b'{"a":{"a":{}}},'
    body = b"[" + nest * ((4 * MIB - 100) // len(nest)) + b"0]"
    with within_memory(140 * MIB):
        assert wandb.newest(Reply(body=body)) == UNAVAILABLE


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_takes_the_key_to_no_other_host(status: int, wandb: Asked) -> None:
    with answering(knowing([version(3)])) as elsewhere:
        moved = Reply(status, headers={"Location": f"{elsewhere.url}/graphql"})
        assert wandb.newest(moved) == REFUSED
        assert elsewhere.asked == []


def test_a_redirect_to_the_same_host_is_not_followed_either(wandb: Asked) -> None:
    moved = Reply(302, headers={"Location": "/login"})
    assert wandb.newest(moved, knowing([version(3)])) == REFUSED
    assert len(wandb.server.asked) == 1


@pytest.mark.parametrize(
    "key",
    [
        "",
        " ",
        "kлюч",
        "kéy",
        "a b",
        "a\nX-Injected: yes",
        "a\r",
        "a\x00b",
        "a\tb",
        "“key”",
        "k" * 2000,
    ],
    ids=ascii,
)
def test_a_key_that_no_header_can_carry_waits_for_a_person(key: str) -> None:
    with answering(knowing([version(3)])) as server, pool() as connections:
        checkpoints = WandbCheckpoints(
            connections, server.url, lambda: f"x{key}x" if key.strip() else key
        )
        assert checkpoints.newest(REQUEST) == REFUSED
        assert server.asked == []


def test_the_newline_after_a_key_that_was_stored_from_a_file_is_not_part_of_it(
    wandb: Asked,
) -> None:
    with pool() as connections:
        wandb.server.reply(knowing([version(3)]))
        stored = WandbCheckpoints(connections, wandb.server.url, lambda: "a-key\n")
        assert len(stored.newest(REQUEST).checkpoints) == 1
