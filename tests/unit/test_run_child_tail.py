from resilient_training.run.tail import Tail


def tail_of(*chunks: bytes) -> list[str]:
    tail = Tail()
    for chunk in chunks:
        tail.add(chunk)
    return tail.lines


def test_lines_are_put_together_from_whatever_chunks_they_come_in() -> None:
    assert tail_of(b"one\ntw", b"o\nthr", b"ee") == ["one", "two", "three"]


def test_of_a_progress_bar_the_last_state_stays() -> None:
    assert tail_of(b"10%|#  |\r50%|## |\r", b"90%|###|\r\n", b"done\n") == ["90%|###|", "done"]


def test_a_bar_that_redraws_itself_for_days_pushes_no_error_out() -> None:
    tail = Tail()
    tail.add(b"ValueError: first\n")
    for step in range(20_000):
        tail.add(b"\rstep %d of many" % step)
    assert tail.lines == ["ValueError: first", "step 19999 of many"]


def test_a_flood_of_lines_and_lines_without_an_end_take_no_more_than_their_place() -> None:
    tail = Tail()
    for number in range(5_000):
        tail.add(b"%d\n" % number)
    tail.add(b"x" * 10_000_000)
    assert len(tail.lines) == 1001
    assert tail.lines[-2] == "4999"
    assert len(tail.lines[-1]) == 2000


def test_bytes_that_are_no_text_are_kept_as_what_can_be_read() -> None:
    assert tail_of(b"\xff\xfe ok\n") == ["\ufffd\ufffd ok"]
