"""A rotation may delete at any moment: what was taken stays, and nothing torn is taken."""

import shutil
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from resilient_training.run.layouts import layout_named
from resilient_training.run.rotation import rotate_as
from resilient_training.run.snapshot import Snapshot
from resilient_training.run.watch import Watch
from tests.unit.checkpoint_folders import saved, write
from tests.unit.saved_steps import of_step, put


@dataclass
class Saving:
    """A framework that saves step after step, file by file, and deletes in any order."""

    parent: Path
    watch: Watch
    step: int = 1
    written: int = 0
    half: bool = False
    taken: list[Snapshot] = field(default_factory=list)

    def write_some(self) -> None:
        files = list(of_step(self.step).items())
        path, content = files[self.written]
        # Truncated first, as `open(path, "wb")` does, then whole.
        write(self.parent / path, content if self.half else content[:20])
        self.written, self.half = self.written + self.half, not self.half
        if self.written == len(files):
            self.step, self.written = self.step + 1, 0

    def delete_one(self, index: int) -> None:
        old = [path for path in self.parent.rglob("*") if path.is_file()]
        old = sorted(path for path in old if int(path.parent.name[5:]) < self.step)
        if old:
            old[index % len(old)].unlink()

    def look(self) -> None:
        self.taken += self.watch.found()


@settings(max_examples=150)
@given(moves=st.lists(st.integers(0, 9), min_size=10, max_size=80))
def test_whatever_a_rotation_deletes_and_when_snapshots_are_whole_and_stay(
    moves: list[int],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        parent = Path(folder) / "checkpoints"
        parent.mkdir()
        watch = Watch(parent, layout_named("dcp"), 2, Path(folder) / "snapshots")
        saving = Saving(parent, watch)
        for move in moves:
            if move < 5:
                saving.write_some()
            elif move < 8:
                saving.look()
            else:
                saving.delete_one(move * len(moves))
        saving.taken += saving.watch.found(final=True)
        names = [snapshot.name for snapshot in saving.taken]
        assert len(names) == len(set(names))
        for snapshot in saving.taken:
            _assert_whole(snapshot)


def _assert_whole(snapshot: Snapshot) -> None:
    assert snapshot.change() is None
    expected = of_step(snapshot.step)
    for path in snapshot.files:
        content = (snapshot.folder / path).read_bytes()
        assert content == expected[f"{snapshot.name}/{path}"]
    assert len(snapshot.files) == len(expected)


def _save_and_rotate(parent: Path, steps: range, ended: threading.Event) -> None:
    """Each step's files one by one, then all that is older is removed, as with a limit of 1."""
    for step in steps:
        put(parent, of_step(step))
        for old in parent.iterdir():
            if old.name != f"step-{step}":
                shutil.rmtree(old)
    ended.set()


def test_a_watch_beside_a_training_that_saves_as_fast_as_it_can_takes_nothing_torn(
    tmp_path: Path,
) -> None:
    parent = tmp_path / "checkpoints"
    parent.mkdir()
    watch = Watch(parent, layout_named("dcp"), 2, tmp_path / "snapshots")
    ended, taken = threading.Event(), []
    training = threading.Thread(target=_save_and_rotate, args=(parent, range(1, 120), ended))
    training.start()
    while not ended.is_set():
        taken += watch.found()
    training.join()
    taken += watch.found(final=True)
    assert taken[-1].step == 119
    for snapshot in taken:
        _assert_whole(snapshot)


def test_other_hosts_delete_what_the_first_has_deleted(tmp_path: Path) -> None:
    for step in (5, 10, 15, 20):
        put(tmp_path, of_step(step))
    write(tmp_path / "logs-1/events", b"x")
    dcp = layout_named("dcp")
    assert rotate_as(tmp_path, dcp, ["step-10", "step-15"]) == ["step-5"]
    assert rotate_as(tmp_path, dcp, ["step-20"]) == ["step-10", "step-15"]
    assert rotate_as(tmp_path, dcp, []) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["logs-1", "step-20"]


def test_a_checkpoint_that_is_a_file_is_rotated_too(tmp_path: Path) -> None:
    for step in (5, 10):
        write(tmp_path / f"epoch=0-step={step}.ckpt", saved())
    write(tmp_path / "last.ckpt", saved())
    lightning = layout_named("lightning")
    assert rotate_as(tmp_path, lightning, ["epoch=0-step=10.ckpt"]) == ["epoch=0-step=5.ckpt"]
    assert rotate_as(tmp_path, lightning, ["last.ckpt"]) == []
