"""How a save gets onto the disk beside the training, and what the training hears of it."""

import errno
import hashlib
import logging
import pickle
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch
from typing_extensions import override

from resilient_training.checkpoints import disk
from resilient_training.checkpoints.checkpointer import Checkpointer, SavePlan
from resilient_training.checkpoints.disk import DiskFullError
from resilient_training.checkpoints.files import FileDamagedError, HashedFile
from resilient_training.checkpoints.loadable import NotLoadableError
from resilient_training.checkpoints.metadata import Metric, SavedCheckpoint
from resilient_training.checkpoints.snapshot import Snapshot
from tests.unit.small_training import Store


@dataclass
class Slow(Snapshot):
    """Is written once it is let go."""

    content: bytes = b"whole"
    go: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    size: int = 10
    released: int = 0

    @override
    def write(self, file: HashedFile) -> None:
        self.begun.set()
        assert self.go.wait(10)
        file.write(self.content)

    @override
    def release(self) -> None:
        self.released += 1


@dataclass
class Failing(Snapshot):
    error: Exception
    size: int = 10

    @override
    def write(self, file: HashedFile) -> None:
        file.write(b"half")
        raise self.error


def quick(content: bytes = b"whole", size: int = 10) -> Slow:
    snapshot = Slow(content, size=size)
    snapshot.go.set()
    return snapshot


def save(checkpoints: Checkpointer, step: int, snapshot: Snapshot | None = None) -> None:
    checkpoints.save(step, 0, lambda: snapshot or quick())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def steps(folder: Path) -> list[int]:
    return sorted(int(path.name.split("-")[1]) for path in folder.glob("*.ckpt"))


@pytest.fixture
def no_room(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Free bytes to come, answer by answer; the last one stays."""
    answers = [10**9]

    def free(_folder: Path) -> int:
        return answers.pop(0) if len(answers) > 1 else answers[0]

    monkeypatch.setattr(disk, "free_bytes", free)
    return answers


def test_the_training_goes_on_while_a_checkpoint_is_written(tmp_path: Path) -> None:
    store, slow = Store(), Slow()
    checkpoints = Checkpointer(SavePlan(tmp_path), store)
    save(checkpoints, 1, slow)
    assert slow.begun.wait(10)
    assert steps(tmp_path) == []
    slow.go.set()
    assert checkpoints.drain()
    (saved,) = store.committed
    assert saved.path.read_bytes() == b"whole"
    assert (saved.step, saved.size) == (1, 5)
    assert saved.sha256 == hashlib.sha256(b"whole").hexdigest()
    assert slow.released == 1


def test_a_scheduled_save_is_put_off_while_the_last_one_is_written(tmp_path: Path) -> None:
    slow = Slow()
    checkpoints = Checkpointer(SavePlan(tmp_path, every_n_steps=2), Store())
    checkpoints.begin(0)
    assert checkpoints.due(2)
    save(checkpoints, 2, slow)
    assert not checkpoints.due(3)
    assert not checkpoints.due(4)
    slow.go.set()
    checkpoints.drain()
    assert checkpoints.due(5)


def test_any_other_save_waits_for_the_last_one(tmp_path: Path) -> None:
    slow, store = Slow(), Store()
    checkpoints = Checkpointer(SavePlan(tmp_path), store)
    save(checkpoints, 1, slow)
    threading.Timer(0.2, slow.go.set).start()
    taken: list[int] = []

    def take() -> Snapshot:
        taken.append(slow.released)
        return quick()

    checkpoints.save(2, 0, take)
    assert taken == [1]
    checkpoints.drain()
    assert [saved.step for saved in store.committed] == [1, 2]


def test_a_budget_holds_while_a_write_is_under_way(tmp_path: Path) -> None:
    slow = Slow()
    checkpoints = Checkpointer(SavePlan(tmp_path), Store())
    save(checkpoints, 1, slow)
    began = time.monotonic()
    assert not checkpoints.drain(0.1)
    assert time.monotonic() - began < 5
    slow.go.set()
    assert checkpoints.drain(10)


def test_no_scheduled_save_is_put_off_by_the_first_load_of_the_first_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = threading.Event()
    monkeypatch.setattr("resilient_training.checkpoints.trial.Trial.loads", lambda *_: go.wait(30))
    store = Store()
    checkpoints = Checkpointer(SavePlan(tmp_path, every_n_steps=1), store)
    for step in (1, 2, 3, 4):
        deadline = time.monotonic() + 10
        while not checkpoints.due(step):
            assert time.monotonic() < deadline, step
            time.sleep(0.01)
        checkpoints.save(step, 0, lambda: checkpoints.stage({"step": torch.ones(1)}))
    assert store.committed == []
    go.set()
    checkpoints.finish()
    assert store.committed[-1].step == 4


def test_two_more_saves_do_not_wait_for_the_first_load_of_the_first_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go, tried = threading.Event(), []

    def loads(_trial: object, _reader: str, file: Path) -> bool:
        tried.append(file)
        return go.wait(10)

    monkeypatch.setattr("resilient_training.checkpoints.trial.Trial.loads", loads)
    store = Store()
    checkpoints = Checkpointer(SavePlan(tmp_path), store)
    for step in (1, 2):
        checkpoints.save(step, 0, lambda: checkpoints.stage({"step": torch.ones(1)}))
    assert not checkpoints.drain(0.2)
    assert (store.committed, steps(tmp_path)) == ([], [])
    go.set()
    checkpoints.finish()
    assert [saved.step for saved in store.committed] == [1, 2]
    assert len(tried) == 1


def _ask(what: str, checkpoints: Checkpointer) -> None:
    match what:
        case "due":
            checkpoints.due(2)
        case "save":
            save(checkpoints, 2)
        case _:
            checkpoints.drain()


@pytest.mark.parametrize("ask", ["due", "save", "drain"])
def test_what_goes_wrong_beside_the_training_is_raised_in_it_once(ask: str, tmp_path: Path) -> None:
    checkpoints = Checkpointer(SavePlan(tmp_path), Store())
    save(checkpoints, 1, Failing(OSError(errno.EIO, "the disk is gone")))
    checkpoints.bar_after(5)
    with pytest.raises(OSError, match="the disk is gone"):
        _ask(ask, checkpoints)
    assert names(tmp_path) == []
    save(checkpoints, 3)
    checkpoints.finish()


def test_an_error_of_the_last_save_is_no_error_of_a_training_that_is_done(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints = Checkpointer(SavePlan(tmp_path), Store())
    save(checkpoints, 1, Failing(OSError(errno.EIO, "the disk is gone")))
    assert not checkpoints.finish()
    assert "the last checkpoint, of step 1, is lost: [Errno 5] the disk is gone" in caplog.text


def test_a_later_save_that_no_resume_could_load_is_raised_and_committed_nowhere(
    tmp_path: Path,
) -> None:
    store = Store()
    checkpoints = Checkpointer(SavePlan(tmp_path), store)
    checkpoints.save(1, 0, lambda: checkpoints.stage({"a": 1}))
    checkpoints.save(2, 0, lambda: checkpoints.stage({"a": 1, "folder": Path("/data")}))
    with pytest.raises(NotLoadableError, match=r"folder is a pathlib.PosixPath: save str"):
        checkpoints.drain()
    assert checkpoints.drain(), "the one before is still on its way when the error is raised"
    assert [saved.step for saved in store.committed] == [1]
    assert steps(tmp_path) == [1]


def test_a_file_that_is_refused_is_raised_and_committed_nowhere(tmp_path: Path) -> None:
    class Packed(Slow):
        reader = "resilient_training.checkpoints.loadable"

    store = Store()
    checkpoints = Checkpointer(SavePlan(tmp_path), store)
    packed = Packed(pickle.dumps(Path("x")))
    packed.go.set()
    save(checkpoints, 1, packed)
    with pytest.raises(NotLoadableError):
        checkpoints.drain()
    assert (store.committed, names(tmp_path)) == ([], [])


def test_a_disk_that_gives_something_else_back_makes_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resilient_training.checkpoints.files.sha256_of", lambda _path: "other")
    checkpoints = Checkpointer(SavePlan(tmp_path), Store())
    save(checkpoints, 1)
    with pytest.raises(FileDamagedError, match="came back"):
        checkpoints.drain()
    assert names(tmp_path) == []


def test_files_that_are_not_needed_any_more_are_deleted_and_foreign_ones_never(
    tmp_path: Path,
) -> None:
    (tmp_path / "checkpoint-1-of-another-host.ckpt").write_bytes(b"theirs")
    checkpoints = Checkpointer(SavePlan(tmp_path, keep=2), Store())
    for step in range(1, 30):
        metric = Metric("val_loss", abs(step - 7))
        checkpoints.save(step, 0, quick, metric)
        checkpoints.drain()
    save(checkpoints, 30)
    checkpoints.finish()
    assert steps(tmp_path) == [1, 7, 29, 30]
    assert "checkpoint-1-of-another-host.ckpt" in names(tmp_path)


def test_a_file_whose_upload_has_not_ended_is_not_deleted(tmp_path: Path) -> None:
    go = threading.Event()

    class Uploading(Store):
        @override
        def commit(self, saved: SavedCheckpoint) -> bool:
            return go.wait(10) and saved.path.is_file() and super().commit(saved)

    store = Uploading()
    checkpoints = Checkpointer(SavePlan(tmp_path, keep=1), store)
    for step in range(1, 9):
        save(checkpoints, step)
    checkpoints.settle()
    go.set()
    checkpoints.finish()
    assert [saved.step for saved in store.committed] == [1, 7, 8]


def test_two_processes_in_one_folder_leave_each_other_alone(tmp_path: Path) -> None:
    first, second = (Checkpointer(SavePlan(tmp_path, keep=1), Store()) for _ in range(2))
    slow = Slow()
    save(first, 1, slow)
    assert slow.begun.wait(10)
    for step in (1, 2, 3):
        save(second, step)
    second.finish()
    slow.go.set()
    first.finish()
    assert steps(tmp_path) == [1, 3]


def test_the_first_save_that_finds_no_room_ends_the_training(
    tmp_path: Path, no_room: list[int]
) -> None:
    no_room[:] = [1000]
    checkpoints = Checkpointer(SavePlan(tmp_path), Store())
    save(checkpoints, 1, quick(size=5_000_000))
    with pytest.raises(DiskFullError, match=r"disk full: .* 6,048,576 bytes .* 1,000 are free"):
        checkpoints.drain()
    assert names(tmp_path) == []


def test_a_later_save_that_finds_no_room_is_an_error_in_the_log_and_tried_again(
    tmp_path: Path, no_room: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    store = Store()
    checkpoints = Checkpointer(SavePlan(tmp_path, every_n_steps=2), store)
    save(checkpoints, 2)
    checkpoints.drain()
    no_room[:] = [1000]
    metric = Metric("val_loss", 0.5)
    checkpoints.save(4, 0, quick, metric)
    checkpoints.drain()
    (line,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "step 4 is not saved" in line.getMessage()
    assert str(tmp_path) in line.getMessage()
    assert checkpoints.best is None
    assert not checkpoints.due(5)
    no_room[:] = [10**9]
    assert checkpoints.due(6)
    checkpoints.save(6, 0, quick, metric)
    checkpoints.finish()
    assert [(saved.step, saved.best) for saved in store.committed] == [(2, False), (6, True)]


def test_a_step_that_cannot_be_staged_is_named_at_the_first_step(tmp_path: Path) -> None:
    checkpoints = Checkpointer(SavePlan(tmp_path), Store())
    with pytest.raises(NotLoadableError, match=r"parts\.x is a pathlib"):
        checkpoints.inspect({"parts": {"x": Path()}})
    with pytest.raises(NotLoadableError, match=r"y is a pathlib"):
        checkpoints.save(1, 0, lambda: checkpoints.stage({"y": Path()}))


def test_buffers_are_at_hand_before_the_first_save(tmp_path: Path) -> None:
    weights = torch.ones(1000)
    state = {"weights": weights, "step": 0}
    checkpoints = Checkpointer(SavePlan(tmp_path), Store())
    checkpoints.inspect(state)
    checkpoints.save(1, 0, lambda: checkpoints.stage(state))
    weights.zero_()
    checkpoints.finish()
    (file,) = tmp_path.glob("*.ckpt")
    assert torch.load(file, weights_only=True)["weights"].sum() == 1000
