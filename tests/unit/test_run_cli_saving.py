"""The outbox, with checkpoints that only have names and a W&B that answers when the test says."""

import logging
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from resilient_training.run.outbox import Outbox
from resilient_training.run.ports import Committed, NotCommitted, Snapshot

PATIENCE = 60.0


@dataclass
class Named:
    name: str
    step: int | None = None
    removed: bool = False
    layout: str = "folders"
    folder: Path = Path("/nowhere")
    files: Mapping[str, int] = field(default_factory=dict)
    elsewhere: Mapping[str, int | None] = field(default_factory=dict)

    def change(self) -> str | None:
        return None

    def remove(self) -> None:
        assert not self.removed
        self.removed = True


@dataclass
class Answers:
    """Each commit waits for its answer; `asked` are the names, in order."""

    asked: list[str] = field(default_factory=list)
    answers: list[Committed | NotCommitted | Exception] = field(default_factory=list)
    _given: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __call__(self, snapshot: Snapshot) -> Committed | NotCommitted:
        self.asked.append(snapshot.name)
        assert self._given.acquire(timeout=PATIENCE)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def give(self, answer: Committed | NotCommitted | Exception) -> None:
        self.answers.append(answer)
        self._given.release()


@pytest.fixture
def answers() -> Iterator[Answers]:
    given = Answers()
    yield given
    for _ in range(10):  # whoever still waits
        given.give(NotCommitted("the test is over"))


def settle(outbox: Outbox, answers: Answers, count: int, now: float = 0.0) -> None:
    """Go through the loop until W&B was asked `count` times, and nothing more is ready."""
    quiet = threading.Event()
    for _ in range(2000):
        outbox.tick(now)
        if len(answers.asked) >= count and quiet.wait(0.005):
            break
        if len(answers.asked) >= count:
            quiet.set()
        quiet.wait(0.005)
    assert len(answers.asked) == count


def until(outbox: Outbox, committed: int) -> None:
    for _ in range(2000):
        outbox.tick(0.0)
        if outbox.committed == committed:
            return
        threading.Event().wait(0.005)
    raise AssertionError(f"{outbox.committed} committed, not {committed}")


def test_a_checkpoint_that_is_committed_needs_its_snapshot_no_longer(answers: Answers) -> None:
    outbox, first = Outbox(answers), Named("step-1")
    outbox.put([first])
    settle(outbox, answers, 1)
    assert not outbox.is_empty
    answers.give(Committed("v0"))
    until(outbox, committed=1)
    assert outbox.is_empty
    assert first.removed


def test_what_is_overtaken_before_its_upload_begins_is_dropped_with_a_line(
    answers: Answers, caplog: pytest.LogCaptureFixture
) -> None:
    outbox, names = Outbox(answers), [Named(f"step-{step}") for step in (1, 2, 3)]
    outbox.put(names[:1])
    settle(outbox, answers, 1)
    with caplog.at_level(logging.WARNING):
        outbox.put(names[1:])
    assert caplog.messages == ["checkpoint step-2 is dropped: step-3 overtook it"]
    assert [one.removed for one in names] == [False, True, False]
    answers.give(Committed("v0"))
    answers.give(Committed("v1"))
    until(outbox, committed=2)
    assert answers.asked == ["step-1", "step-3"]


def test_one_that_failed_is_tried_again_after_a_while_and_at_once_when_it_is_the_last(
    answers: Answers,
) -> None:
    outbox = Outbox(answers)
    outbox.put([Named("step-1")])
    answers.give(NotCommitted("W&B is away"))
    settle(outbox, answers, 1, now=100.0)
    for _ in range(20):
        outbox.tick(101.0)
        threading.Event().wait(0.005)
    assert answers.asked == ["step-1"]
    outbox.hurry()
    outbox.tick(101.0)
    answers.give(Committed("v0"))
    until(outbox, committed=1)
    assert answers.asked == ["step-1", "step-1"]


def test_one_that_failed_gives_way_to_a_newer_one(answers: Answers) -> None:
    outbox, old = Outbox(answers), Named("step-1")
    outbox.put([old])
    settle(outbox, answers, 1)
    outbox.put([Named("step-2")])
    answers.give(NotCommitted("W&B is away"))
    answers.give(Committed("v0"))
    until(outbox, committed=1)
    assert answers.asked == ["step-1", "step-2"]
    assert old.removed


def test_a_commit_that_breaks_as_nobody_foresaw_is_one_that_failed(
    answers: Answers, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox(answers)
    outbox.put([Named("step-1")])
    answers.give(RuntimeError("a bug"))
    with caplog.at_level(logging.WARNING):
        settle(outbox, answers, 1)
        for _ in range(100):
            outbox.tick(0.0)
            threading.Event().wait(0.005)
    assert "checkpoint step-1 is NOT in W&B: RuntimeError: a bug" in caplog.messages
    assert not outbox.is_empty
