import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from resilient_training.checkpoints.uploads import Patience, Uploads


class Line:
    """An upload that stays under way until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()
        self.uploaded: list[str] = []

    def __call__(self, item: str) -> bool:
        self.begun.set()
        self.go.wait(10)
        self.uploaded.append(item)
        return item != "bad"


@contextmanager
def held(line: Line, **options: Any) -> Iterator[Uploads[str]]:  # noqa: ANN401 - of Uploads
    uploads = Uploads(line, precious=str.isupper, **options)
    uploads.put("first")
    assert line.begun.wait(10)
    yield uploads
    line.go.set()
    uploads.drain()


def test_uploads_happen_in_the_order_of_the_training() -> None:
    line = Line()
    with held(line) as uploads:
        assert uploads.put("second") == []
        assert uploads.put("third") == []
    assert line.uploaded == ["first", "second", "third"]


def test_a_full_queue_gives_up_the_oldest_that_waits_instead_of_stalling() -> None:
    line = Line()
    with held(line, room=1) as uploads:
        assert uploads.put("second") == []
        assert uploads.put("third") == ["second"]
        assert uploads.pending() == ["first", "third"]
    assert line.uploaded == ["first", "third"]


def test_the_best_checkpoint_is_not_overtaken_by_an_ordinary_one() -> None:
    line = Line()
    with held(line) as uploads:
        uploads.put("BEST")
        uploads.put("a")
        assert uploads.put("b") == ["a"]
    assert line.uploaded == ["first", "BEST", "b"]


def test_an_older_best_gives_way_to_a_newer_one() -> None:
    line = Line()
    with held(line, room=1) as uploads:
        uploads.put("BEST")
        assert uploads.put("BETTER") == ["BEST"]
    assert line.uploaded == ["first", "BETTER"]


def test_drained_means_that_the_last_upload_succeeded() -> None:
    line = Line()
    line.go.set()
    uploads = Uploads(line)
    assert uploads.drain()
    uploads.put("bad")
    uploads.put("good")
    assert uploads.drain()
    uploads.put("bad")
    assert not uploads.drain()


def test_an_upload_that_is_not_done_in_time_is_not_drained() -> None:
    line = Line()
    with held(line) as uploads:
        assert not uploads.drain(timeout=0)


def test_an_error_of_the_uploading_thread_is_not_lost() -> None:
    def explode(_item: str) -> bool:
        raise LookupError("a defect")

    uploads = Uploads(explode)
    uploads.put("x")
    with pytest.raises(LookupError, match="a defect"):
        uploads.drain()


SHORT = Patience(still=0.1, unseen=0.4)


def test_an_upload_that_moves_is_waited_for_however_long_it_takes() -> None:
    line, moving = Line(), itertools.count()
    with held(line, progress=lambda: next(moving), patience=SHORT) as uploads:
        threading.Timer(0.5, line.go.set).start()
        assert uploads.drain()


def test_an_upload_that_stands_still_is_not_waited_for_and_still_counts_when_it_succeeds() -> None:
    line = Line()
    with held(line, progress=lambda: 7, patience=SHORT) as uploads:
        assert not uploads.drain()
        assert uploads.pending() == ["first"], "its file is being read"
        line.go.set()
        assert uploads.drain()
        assert uploads.pending() == []


def test_an_upload_that_nobody_can_see_gets_more_time() -> None:
    line = Line()
    with held(line, progress=lambda: None, patience=SHORT) as uploads:
        begun = time.monotonic()
        assert not uploads.drain()
        assert time.monotonic() - begun >= SHORT.unseen


def test_the_next_upload_that_begins_is_a_movement_too() -> None:
    waits = iter([0.08] * 6)

    def slow(_item: str) -> bool:
        time.sleep(next(waits))
        return True

    uploads = Uploads(slow, room=9, progress=lambda: 0, patience=Patience(0.2, 0.2))
    for item in "abcdef":
        uploads.put(item)
    assert uploads.drain()


def test_the_thread_of_the_uploads_keeps_no_process_alive() -> None:
    with held(Line()):
        (thread,) = [one for one in threading.enumerate() if one.name == "checkpoint-upload"]
        assert thread.daemon
