"""What every board of messages does, however it keeps them."""

from collections.abc import Callable

from resilient_training.run.board import Board, read
from resilient_training.run.messages import Call, call_from


def a_message_is_there_from_when_it_was_put(board: Board) -> None:
    assert board.get("call.json") is None
    assert board.get("0000000a/algo-2.json") is None
    board.put("0000000a/algo-2.json", b"one")
    assert board.get("0000000a/algo-2.json") == b"one"
    assert board.get("call.json") is None


def a_message_replaces_the_one_before_it(board: Board) -> None:
    board.put("call.json", b"a longer one")
    board.put("call.json", b"two")
    assert board.get("call.json") == b"two"


def what_no_host_of_ours_wrote_is_passed_over(board: Board) -> None:
    assert read(board, "call.json", call_from) is None
    for strange in (b"", b"\xff", b"[]", b'{"round": 5}', b'{"round": "../x"}', b"[" * 100_000):
        board.put("call.json", strange)
        assert read(board, "call.json", call_from) is None
    board.put("call.json", Call("00000001").to_bytes())
    assert read(board, "call.json", call_from) == Call("00000001")


CONTRACT: list[Callable[[Board], None]] = [
    a_message_is_there_from_when_it_was_put,
    a_message_replaces_the_one_before_it,
    what_no_host_of_ours_wrote_is_passed_over,
]
