"""Messages of the hosts, and what a stranger may have put in their place."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_training.job import job_from
from resilient_training.run.board import Board, FolderBoard, SealedBoard
from resilient_training.run.file_list import ListedFile, Stored
from resilient_training.run.invalid_input import InvalidInputError
from resilient_training.run.messages import (
    Announcement,
    Answer,
    Arrival,
    Begun,
    Call,
    Chosen,
    Kept,
    announcement_from,
    answer_from,
    arrival_from,
    begun_from,
    call_from,
    kept_from,
)
from resilient_training.run.wiring_hosts import board_of
from tests.unit.board_contract import CONTRACT
from tests.unit.hosts_of_a_job import MemoryBoard

FILE = ListedFile("a/b", 3, "0" * 64, Stored("k", "etag", "v"))
MESSAGES = [
    (call_from, Call("00000001")),
    (arrival_from, Arrival("00000001", "algo-2", "00000002")),
    (begun_from, Begun("00000001", {"algo-2": "00000002"}, Chosen("e/p/c:v1", "d", None))),
    (begun_from, Begun("00000001", {}, None)),
    (announcement_from, Announcement("00000001", "0000000a", "step-1", {"a": 1, "b": None})),
    (answer_from, Answer("00000001", "0000000a", "algo-2", (FILE,))),
    (kept_from, Kept("00000001", 15, ("step-15",))),
]
PARSERS = [call_from, arrival_from, begun_from, announcement_from, answer_from, kept_from]


@pytest.mark.parametrize("clause", CONTRACT)
def test_the_board_of_a_shared_folder_keeps_the_contract(
    clause: Callable[[Board], None], tmp_path: Path
) -> None:
    clause(FolderBoard(tmp_path / "board"))


@pytest.mark.parametrize("clause", CONTRACT)
def test_the_board_of_the_tests_keeps_the_contract(clause: Callable[[Board], None]) -> None:
    clause(MemoryBoard())


@pytest.mark.parametrize("clause", CONTRACT)
def test_a_sealed_board_keeps_the_contract(clause: Callable[[Board], None]) -> None:
    clause(SealedBoard(MemoryBoard(), "secret", "night"))


def test_what_a_stranger_writes_to_a_sealed_board_counts_for_nothing() -> None:
    inside = MemoryBoard()
    board = SealedBoard(inside, "secret", "night")
    board.put("call.json", b"ours")
    ours = inside.get("call.json")
    assert ours is not None
    strange = (
        b"theirs",
        ours.replace(b"ours", b"more"),
        b"\xff" + ours,
        ours.removesuffix(b"s"),
    )
    for written in strange:
        inside.put("call.json", written)
        assert board.get("call.json") is None
    for other in (SealedBoard(inside, "other", "night"), SealedBoard(inside, "secret", "day")):
        other.put("call.json", b"ours")
        assert board.get("call.json") is None
    inside.put("begun.json", ours)
    assert board.get("begun.json") is None, "it was written under another name"
    inside.put("call.json", ours)
    assert board.get("call.json") == b"ours"


def test_the_hosts_of_a_job_that_has_a_token_write_to_a_sealed_board() -> None:
    inside = MemoryBoard()
    sealed = board_of(job_from({"RESILIENCE_COMPLETION_TOKEN": "secret"}), inside)
    sealed.put("call.json", b"ours")
    assert inside.get("call.json") != b"ours"
    assert board_of(job_from({}), inside) is inside


def test_a_message_in_a_shared_folder_is_there_as_a_whole(tmp_path: Path) -> None:
    board = FolderBoard(tmp_path)
    board.put("call.json", b"one")
    assert [path.name for path in tmp_path.iterdir()] == ["call.json"]


@pytest.mark.parametrize(("parse", "message"), MESSAGES)
def test_a_message_is_read_as_it_was_written(
    parse: Callable[[bytes], object],
    message: Call | Arrival | Begun | Announcement | Answer | Kept,
) -> None:
    assert parse(message.to_bytes()) == message


@pytest.mark.parametrize(
    ("parse", "message", "change"),
    [
        (announcement_from, MESSAGES[4][1], {"wanted": {"../x": 1}}),
        (announcement_from, MESSAGES[4][1], {"wanted": {"x": -1}}),
        (announcement_from, MESSAGES[4][1], {"wanted": {"x": True}}),
        (announcement_from, MESSAGES[4][1], {"folder": "../x"}),
        (announcement_from, MESSAGES[4][1], {"word": "0000000A"}),
        (answer_from, MESSAGES[5][1], {"files": [{"path": "../x"}]}),
        (begun_from, MESSAGES[3][1], {"words": {"algo-2": 5}}),
        (begun_from, MESSAGES[3][1], {"chosen": ["e/p/c:v1"]}),
        (kept_from, MESSAGES[6][1], {"names": [5]}),
        (arrival_from, MESSAGES[1][1], {"word": "x"}),
    ],
)
def test_a_message_that_would_do_harm_is_refused(
    parse: Callable[[bytes], object], message: Call, change: dict[str, object]
) -> None:
    content = json.loads(message.to_bytes()) | change
    with pytest.raises(InvalidInputError):
        parse(json.dumps(content).encode())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=6,
)
KEYS = ["round", "word", "host", "words", "chosen", "folder", "wanted", "files", "step", "names"]


@given(st.sampled_from(PARSERS), st.binary(max_size=40) | JSON.map(json.dumps).map(str.encode))
def test_whatever_is_on_the_board_is_a_message_or_is_refused(
    parse: Callable[[bytes], object], raw: bytes
) -> None:
    try:
        parse(raw)
    except InvalidInputError:
        return


@given(
    st.sampled_from(PARSERS),
    st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, JSON | st.just("0000000a"))),
)
def test_whatever_a_message_says_it_is_read_or_refused(
    parse: Callable[[bytes], object], content: dict[str, object]
) -> None:
    try:
        parse(json.dumps(content).encode())
    except InvalidInputError:
        return
