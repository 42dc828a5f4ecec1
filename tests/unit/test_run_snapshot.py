"""A snapshot is a checkpoint as it was, whatever a rotation or the next save does."""

import errno
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from resilient_training.run import whole
from resilient_training.run.hidden import hidden_folder
from resilient_training.run.layouts import Layout, layout_named
from resilient_training.run.listing import listing_of
from resilient_training.run.snapshot import Finished, NotTakenError, Snapshot, take, take_part
from tests.unit.checkpoint_folders import SCENES, Scene, saved, write

OF_LAYOUT = {scene.layout: scene for scene in reversed(SCENES)}


@dataclass
class At:
    """Does something right before the n-th file is linked or copied."""

    number: int
    do: Callable[[], object]
    calls: int = 0

    def before(self, act: Callable[..., object]) -> Callable[..., object]:
        def acted(*args: object, **options: object) -> object:
            if self.calls == self.number:
                self.do()
            self.calls += 1
            return act(*args, **options)

        return acted


def taken(checkpoint: Path, layout: Layout, snapshots: Path) -> Snapshot:
    return take(Finished(checkpoint, 15, listing_of(checkpoint)), layout, snapshots)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.mark.parametrize("name", ["huggingface", "dcp", "lightning", "keras", "ultralytics"])
def test_a_snapshot_has_every_file_and_outlives_the_checkpoint(name: str, tmp_path: Path) -> None:
    scene = OF_LAYOUT[name]
    checkpoint = scene.write(tmp_path / "checkpoints")
    expected = (
        contents(checkpoint) if checkpoint.is_dir() else {scene.name: checkpoint.read_bytes()}
    )
    made = taken(checkpoint, layout_named(name), tmp_path / "snapshots")
    shutil.rmtree(tmp_path / "checkpoints")
    assert contents(made.folder) == expected
    assert made.files == {path: len(content) for path, content in expected.items()}
    assert (made.name, made.step, made.layout) == (scene.name, 15, name)
    assert made.change() is None
    made.remove()
    assert list((tmp_path / "snapshots").iterdir()) == []


def test_a_snapshot_costs_no_space(tmp_path: Path) -> None:
    checkpoint = OF_LAYOUT["dcp"].write(tmp_path)
    made = taken(checkpoint, layout_named("dcp"), tmp_path / ".snapshots")
    for path in made.files:
        assert (made.folder / path).samefile(checkpoint / path)


def test_a_snapshot_of_a_layout_that_writes_in_place_is_a_copy(tmp_path: Path) -> None:
    checkpoint = OF_LAYOUT["ultralytics"].write(tmp_path)
    before = checkpoint.read_bytes()
    made = taken(checkpoint, layout_named("ultralytics"), tmp_path / ".snapshots")
    checkpoint.write_bytes(saved({"epoch": 16}))
    assert (made.folder / "last.pt").read_bytes() == before
    assert made.change() is None


def test_a_file_that_is_written_into_shows_in_the_snapshot(tmp_path: Path) -> None:
    """A folder of DCP that is used again: torch opens the same file for writing."""
    checkpoint = OF_LAYOUT["dcp"].write(tmp_path)
    made = taken(checkpoint, layout_named("dcp"), tmp_path / ".snapshots")
    (checkpoint / "__1_0.distcp").write_bytes(bytes(41))
    assert made.change() == "__1_0.distcp changed after the snapshot of step-15-a2"
    shutil.rmtree(made.folder)
    assert made.change() is not None


@pytest.mark.parametrize("number", range(4))
def test_a_rotation_during_the_snapshot_leaves_all_or_nothing(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = OF_LAYOUT["dcp"].write(tmp_path / "checkpoints")
    rotation = At(number, lambda: shutil.rmtree(checkpoint))
    monkeypatch.setattr(os, "link", rotation.before(os.link))
    with pytest.raises(NotTakenError, match="was deleted before its snapshot"):
        taken(checkpoint, layout_named("dcp"), tmp_path / "snapshots")
    assert contents(tmp_path / "snapshots") == {}


@pytest.mark.parametrize("number", range(4))
def test_a_save_during_the_snapshot_leaves_nothing(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = OF_LAYOUT["dcp"].write(tmp_path / "checkpoints")
    later = At(number, lambda: (checkpoint / ".metadata").write_bytes(b"another"))
    monkeypatch.setattr(os, "link", later.before(os.link))
    with pytest.raises(NotTakenError, match=r"\.metadata changed during the snapshot"):
        taken(checkpoint, layout_named("dcp"), tmp_path / "snapshots")
    assert contents(tmp_path / "snapshots") == {}


@pytest.mark.parametrize("moment", ["in the first copy", "in the second", "between them"])
def test_a_save_in_place_during_the_snapshot_never_mixes_two(
    moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = OF_LAYOUT["keras"]
    checkpoint = scene.write(tmp_path)
    for path in checkpoint.iterdir():
        os.utime(path, ns=(1, 1))  # a file's time has steps of some milliseconds
    later = At(1 if moment == "in the second" else 0, lambda: scene.write(tmp_path))
    if moment == "between them":  # when the first copy has been compared with its source
        monkeypatch.setattr("resilient_training.run.snapshot.flaw", later.before(whole.flaw))
    else:
        monkeypatch.setattr(shutil, "copyfile", later.before(shutil.copyfile))
    with pytest.raises(NotTakenError, match="was written"):
        taken(checkpoint, layout_named("keras"), tmp_path / ".snapshots")
    assert contents(tmp_path / ".snapshots") == {}


def test_a_save_in_place_during_the_copy_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = OF_LAYOUT["ultralytics"].write(tmp_path)
    copy = shutil.copyfile

    def slowly(source: Path, to: Path) -> None:
        copy(source, to)
        os.utime(source, ns=(1, 1))  # as the next save would

    monkeypatch.setattr(shutil, "copyfile", slowly)
    with pytest.raises(NotTakenError, match=r"last\.pt was written while it was copied"):
        taken(checkpoint, layout_named("ultralytics"), tmp_path / ".snapshots")


def test_a_copy_that_is_cut_short_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def some(source: Path, to: Path) -> None:
        to.write_bytes(source.read_bytes()[:-1])

    monkeypatch.setattr(shutil, "copyfile", some)
    checkpoint = OF_LAYOUT["ultralytics"].write(tmp_path)
    with pytest.raises(NotTakenError, match="is no whole zip"):
        taken(checkpoint, layout_named("ultralytics"), tmp_path / ".snapshots")


def test_where_links_cannot_be_files_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def across_mounts(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", across_mounts)
    checkpoint = OF_LAYOUT["huggingface"].write(tmp_path)
    made = taken(checkpoint, layout_named("huggingface"), tmp_path / ".snapshots")
    assert contents(made.folder) == contents(checkpoint)
    assert not (made.folder / "optimizer.pt").samefile(checkpoint / "optimizer.pt")


def test_a_full_disk_is_said_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    checkpoint = OF_LAYOUT["keras"].write(tmp_path)
    with pytest.raises(NotTakenError, match=r"no snapshot of backup: .*No space left"):
        taken(checkpoint, layout_named("keras"), tmp_path / ".snapshots")
    assert contents(tmp_path / ".snapshots") == {}


def test_what_stands_beside_a_checkpoint_is_copied_with_it(tmp_path: Path) -> None:
    checkpoint = OF_LAYOUT["torchtune"].write(tmp_path)
    made = taken(checkpoint, layout_named("torchtune"), tmp_path / ".snapshots")
    assert set(made.files) == {
        "model-00001-of-00001.safetensors",
        ".beside/recipe_state/recipe_state.pt",
    }


def test_a_link_in_a_checkpoint_is_the_file_that_it_names(tmp_path: Path) -> None:
    checkpoint = OF_LAYOUT["huggingface"].write(tmp_path)
    (checkpoint / "model.safetensors").rename(tmp_path / "base.safetensors")
    (checkpoint / "model.safetensors").symlink_to("../base.safetensors")
    made = taken(checkpoint, layout_named("huggingface"), tmp_path / ".snapshots")
    link = made.folder / "model.safetensors"
    assert link.is_file()
    assert not link.is_symlink()


def test_a_link_to_a_folder_is_what_is_in_it_and_never_without_end(tmp_path: Path) -> None:
    checkpoint = OF_LAYOUT["huggingface"].write(tmp_path)
    write(tmp_path / "tokenizer/vocab.json", b"{}")
    (checkpoint / "tokenizer").symlink_to("../tokenizer")
    (checkpoint / "self").symlink_to(".")
    (tmp_path / "tokenizer/back").symlink_to("../checkpoint-15")
    paths = [file.path for file in listing_of(checkpoint)]
    assert "tokenizer/vocab.json" in paths
    assert len(paths) == len(OF_LAYOUT["huggingface"].files) + 1


def test_a_host_takes_what_it_has_of_what_another_needs(tmp_path: Path) -> None:
    scene = Scene("dcp", "step-15", {})
    for name, size in (("__2_0.distcp", 40), ("__3_0.distcp", 39), ("other", 1)):
        write(tmp_path / scene.name / name, bytes(size))
    write(tmp_path / scene.name / "rng_2.pth", saved())
    write(tmp_path / scene.name / "rng_3.pth", saved()[:-1])
    needs = {"__0_0.distcp": 40, "__2_0.distcp": 40, "__3_0.distcp": 40}
    some = {**needs, "rng_2.pth": None, "rng_3.pth": None}
    folder, layout = tmp_path / scene.name, layout_named("dcp")
    made = take_part(folder, layout, 15, some, tmp_path / ".snapshots")
    assert set(made.files) == {"__2_0.distcp", "rng_2.pth"}


def test_a_host_that_has_nothing_yet_takes_nothing(tmp_path: Path) -> None:
    layout = layout_named("dcp")
    made = take_part(tmp_path / "step-15", layout, 15, {"x": 1}, tmp_path / ".snapshots")
    assert made.files == {}


def test_hidden_folders_are_beside_the_checkpoints(tmp_path: Path) -> None:
    folder = hidden_folder(tmp_path / "checkpoints", "aside")
    assert folder == tmp_path / ".checkpoints-aside"
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_where_the_checkpoints_are_a_mount_hidden_folders_are_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def across_mounts(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(Path, "rename", across_mounts)
    folder = hidden_folder(tmp_path / "checkpoints", "aside")
    assert folder == tmp_path / "checkpoints" / ".resilience-aside-0"
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == [folder.name]
