"""The watch finds each checkpoint once, when it is complete and no longer changes."""

import json
import logging
import shutil
from pathlib import Path

import pytest

from resilient_training.run.layouts import layout_named
from resilient_training.run.snapshot import Snapshot
from resilient_training.run.watch import Watch
from tests.unit.checkpoint_folders import SCENES, Scene, safetensors, saved, shards, write
from tests.unit.saved_steps import of_step, put

IDS = [f"{number}-{scene.layout}-{scene.name}" for number, scene in enumerate(SCENES)]


def watching(parent: Path, layout: str | None = None, processes: int = 1) -> Watch:
    row = None if layout is None else layout_named(layout)
    return Watch(parent, row, processes, parent.parent / "snapshots")


def steps(snapshots: list[Snapshot]) -> list[int]:
    return [snapshot.step for snapshot in snapshots]


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    made = tmp_path / "checkpoints"
    made.mkdir()
    return made


@pytest.mark.parametrize("scene", SCENES, ids=IDS)
def test_a_checkpoint_is_found_when_it_has_not_changed_between_two_looks(
    scene: Scene, parent: Path
) -> None:
    watch = watching(parent, processes=scene.processes)
    assert watch.found() == []
    scene.write(parent)
    assert watch.found() == []
    (found,) = watch.found()
    assert (found.name, found.layout) == (scene.name, scene.layout)
    # A count of saves says nothing of the step; it is the first that this watch sees.
    assert found.step == scene.step
    assert watch.found() == []


def test_the_last_look_takes_what_is_complete_at_once(parent: Path) -> None:
    watch = watching(parent, "dcp")
    put(parent, of_step(5))
    put(parent, {"step-6/__0_0.distcp": bytes(40)})
    assert steps(watch.found(final=True)) == [5]


def test_the_oldest_comes_first_by_number_and_not_by_name(parent: Path) -> None:
    watch = watching(parent, "dcp")
    for step in (10, 9, 100):
        put(parent, of_step(step))
    watch.found()
    assert steps(watch.found()) == [9, 10, 100]


def test_what_was_restored_is_not_found(parent: Path) -> None:
    watch = watching(parent, "dcp")
    put(parent, of_step(5))
    watch.mark_seen("step-5", 5)
    watch.found()
    assert watch.found() == []
    put(parent, of_step(6))
    watch.found()
    assert steps(watch.found()) == [6]


def test_what_was_there_before_the_training_is_not_found(parent: Path) -> None:
    watch = watching(parent)
    watch.mark_all_seen()
    put(parent, of_step(5))
    write(parent / "notes.txt", b"")
    watch.mark_all_seen()
    put(parent, of_step(6))
    assert steps(watch.found(final=True)) == [6]


def test_a_file_that_is_written_over_is_found_again_with_its_new_content(parent: Path) -> None:
    watch = watching(parent, "ultralytics")
    write(parent / "last.pt", saved({"epoch": 4}))
    watch.mark_seen("last.pt", 4)
    for epoch in (5, 6):
        write(parent / "last.pt", saved({"epoch": epoch}))
        watch.found()
        assert steps(watch.found()) == [epoch]


def test_a_file_that_is_replaced_is_found_again(parent: Path) -> None:
    """Lightning's last.ckpt: a new file takes the name of the old one."""
    watch = watching(parent, "lightning")
    for step in (5, 6):
        write(parent / ".new", saved({"global_step": step}))
        (parent / ".new").rename(parent / "last.ckpt")
        watch.found()
        assert steps(watch.found()) == [step]


def test_the_same_step_under_two_names_is_one_checkpoint(
    parent: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    watch = watching(parent, "lightning")
    write(parent / "epoch=0-step=7.ckpt", saved({"global_step": 7}))
    write(parent / "last.ckpt", saved({"global_step": 7}))
    watch.found()
    (found,) = watch.found()
    assert found.name == "epoch=0-step=7.ckpt"
    assert "last.ckpt has step 7, as epoch=0-step=7.ckpt had: not taken" in caplog.messages


def test_a_link_is_only_another_name(parent: Path) -> None:
    watch = watching(parent, "composer")
    write(parent / "ep0-ba3-rank0.pt", saved())
    (parent / "ep9-ba9-rank0.pt").symlink_to("ep0-ba3-rank0.pt")
    watch.found()
    assert steps(watch.found()) == [3]


def accelerated(parent: Path, number: int, *more: str) -> None:
    for name in ("optimizer.bin", "random_states_0.pkl", *more):
        write(parent / f"checkpoint_{number}" / name, saved())
    write(parent / f"checkpoint_{number}" / "model.safetensors", safetensors())


def test_a_count_of_saves_goes_on_where_the_restored_one_ended(parent: Path) -> None:
    """accelerate counts from 0 in every process; the controller must see an advance."""
    watch = watching(parent, "accelerate")
    accelerated(parent, 5)
    watch.mark_seen("checkpoint_5", 5)
    for number, step in ((0, 6), (1, 7), (8, 8), (9, 9)):
        accelerated(parent, number)
        watch.found()
        assert steps(watch.found()) == [step]


def test_a_trainer_state_says_the_step_where_the_name_has_a_count(parent: Path) -> None:
    watch = watching(parent, "accelerate")
    accelerated(parent, 2)
    write(parent / "checkpoint_2/trainer_state.json", json.dumps({"global_step": 400}).encode())
    watch.found()
    assert steps(watch.found()) == [400]


def test_what_the_checkpoint_before_had_must_be_there(
    parent: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """accelerate writes registered objects last, and nothing says how many there are."""
    caplog.set_level(logging.INFO)
    watch = watching(parent, "accelerate")
    accelerated(parent, 0, "custom_checkpoint_0.pkl")
    assert steps(watch.found(final=True)) == [0]
    accelerated(parent, 1)
    assert watch.found(final=True) == []
    said = "custom_checkpoint_#.pkl is missing, which checkpoint_0 had"
    assert f"checkpoint_1 is not complete: {said}" in caplog.messages


def test_reasons_are_said_once(parent: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    watch = watching(parent)
    for _ in range(3):
        watch.found()
    write(parent / "checkpoint-3/rng_state.pth", saved())
    for _ in range(3):
        watch.found()
    assert caplog.messages == [
        f"nothing in {parent} is a checkpoint of a known layout yet",
        "layout huggingface, because of checkpoint-3/rng_state.pth",
        "checkpoint-3 is not complete: trainer_state.json is missing",
    ]


def test_folders_that_only_have_numbers_in_their_names_are_no_checkpoints(
    parent: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    watch = watching(parent, "dcp")
    write(parent / "logs-3/events.out.tfevents.12", b"x")
    write(parent / "profile.7", b"x")
    for _ in range(3):
        assert watch.found() == []
    assert caplog.messages == []


def test_what_cannot_be_read_is_said(parent: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_: object) -> None:
        raise PermissionError(13, "Permission denied")

    watch = watching(parent, "dcp")
    put(parent, of_step(5))
    monkeypatch.setattr("resilient_training.run.watch.listing_of", denied)
    assert watch.found(final=True) == []
    assert watch.notes() == ["step-5 cannot be read: [Errno 13] Permission denied"]


def test_a_parent_that_is_not_there_yet_has_nothing(tmp_path: Path) -> None:
    watch = watching(tmp_path / "later")
    assert watch.found() == []
    assert watch.found(final=True) == []


def test_what_a_dead_wrapper_left_is_removed(parent: Path) -> None:
    write(parent.parent / "snapshots/step-1-aabbccdd/__0_0.distcp", b"x")
    watching(parent)
    assert not (parent.parent / "snapshots").exists()


def test_a_host_with_a_disk_of_its_own_finds_what_the_others_complete(parent: Path) -> None:
    put(parent, {f"step-15/{path}": content for path, content in shards("", 2).items()})
    (parent / "step-15/__1_0.distcp").unlink()
    layout = layout_named("dcp")
    watch = Watch(parent, layout, 2, parent.parent / "snapshots", here=range(1))
    (found,) = watch.found(final=True)
    assert set(found.files) == {"__0_0.distcp", ".metadata"}
    assert found.elsewhere == {"__1_0.distcp": 40}


def test_a_folder_that_loses_files_is_being_deleted(parent: Path) -> None:
    """Deleting begins with any file, also with one that no rule asks for."""
    scene = next(scene for scene in SCENES if scene.layout == "huggingface")
    watch = watching(parent, "huggingface", 2)
    folder = scene.write(parent)
    watch.found()
    (folder / "config.json").unlink()
    assert watch.found() == []
    assert watch.found() == []
    shutil.rmtree(folder)
    watch.found()
    scene.write(parent)
    watch.found()
    assert steps(watch.found()) == [15]
