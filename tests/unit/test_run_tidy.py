"""What a framework must not resume from is out of its sight, and nothing is lost."""

import logging
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_training.run.complete import Complete, completeness_of
from resilient_training.run.completeness import Ranks
from resilient_training.run.layouts import layout_named
from resilient_training.run.listing import listing_of
from resilient_training.run.placing import put_in_place
from resilient_training.run.snapshot import Finished, take
from resilient_training.run.tidy import move_aside
from resilient_training.run.watch import Watch
from tests.unit.checkpoint_folders import JSON, SCENES, Scene, safetensors, saved, shards, write

IDS = [f"{number}-{scene.layout}-{scene.name}" for number, scene in enumerate(SCENES)]
HUGGINGFACE, DEEPSPEED, MEGATRON = (
    layout_named(name) for name in ("huggingface", "deepspeed", "megatron")
)


def huggingface(parent: Path, step: int, *, whole: bool = True) -> None:
    folder = parent / f"checkpoint-{step}"
    write(folder / "model.safetensors", safetensors())
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth"):
        write(folder / name, saved())
    if whole:
        write(folder / "trainer_state.json", JSON)


def deepspeed(parent: Path, step: int, latest: str | None = None) -> None:
    write(parent / f"global_step{step}/mp_rank_00_model_states.pt", saved())
    write(parent / "latest", (latest or f"global_step{step}").encode())


def megatron(parent: Path, step: int, latest: str | None = None) -> None:
    for path, content in shards(f"iter_{step:07d}/", 1).items():
        write(parent / path, content)
    write(parent / "latest_checkpointed_iteration.txt", (latest or str(step)).encode())


def shown(parent: Path) -> list[str]:
    return sorted(path.name for path in parent.iterdir())


def aside(parent: Path) -> list[str]:
    folder = parent.parent / f".{parent.name}-aside"
    return sorted(path.name[:-9] for path in folder.iterdir()) if folder.is_dir() else []


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    made = tmp_path / "checkpoints"
    made.mkdir()
    return made


def test_an_incomplete_newest_folder_is_moved_and_said(
    parent: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Hugging Face would resume from it by its name, and die each time."""
    huggingface(parent, 5)
    huggingface(parent, 10, whole=False)
    assert move_aside(parent, HUGGINGFACE, 1, None) == ["checkpoint-10"]
    assert shown(parent) == ["checkpoint-5"]
    assert aside(parent) == ["checkpoint-10"]
    assert caplog.messages[0].endswith("trainer_state.json is missing")


def test_an_empty_folder_is_moved(parent: Path) -> None:
    (parent / "checkpoint-7").mkdir()
    assert move_aside(parent, HUGGINGFACE, 1, None) == ["checkpoint-7"]


def test_what_is_beyond_the_pin_is_moved(parent: Path, caplog: pytest.LogCaptureFixture) -> None:
    for step in (5, 10, 15):
        huggingface(parent, step)
    assert move_aside(parent, HUGGINGFACE, 1, 10) == ["checkpoint-15"]
    assert shown(parent) == ["checkpoint-10", "checkpoint-5"]
    assert caplog.messages[0].endswith("step 15 is beyond the pinned step 10")


def test_what_is_moved_twice_is_kept_twice(parent: Path) -> None:
    for _ in range(2):
        huggingface(parent, 10, whole=False)
        move_aside(parent, HUGGINGFACE, 1, None)
    assert aside(parent) == ["checkpoint-10", "checkpoint-10"]


def test_other_files_of_the_training_stay(parent: Path) -> None:
    write(parent / "runs-12/events.out.tfevents.3", b"x")
    write(parent / "model_args.json", b"{}")
    write(parent / "notes/a.txt", b"x")
    for layout in ("dcp", "deepspeed", "keras", "huggingface", "lightning"):
        assert move_aside(parent, layout_named(layout), 1, 0) == []
    assert shown(parent) == ["model_args.json", "notes", "runs-12"]


def test_a_count_of_saves_cannot_be_compared_with_the_pin(parent: Path) -> None:
    for name in ("optimizer.bin", "random_states_0.pkl"):
        write(parent / "checkpoint_0" / name, saved())
    write(parent / "checkpoint_0/model.safetensors", safetensors())
    accelerate = layout_named("accelerate")
    assert move_aside(parent, accelerate, 1, None) == []
    assert move_aside(parent, accelerate, 1, 400) == ["checkpoint_0"]


def test_a_pointer_to_what_was_moved_names_the_newest_that_is_left(parent: Path) -> None:
    for step in (5, 10, 15):
        deepspeed(parent, step)
    assert move_aside(parent, DEEPSPEED, 1, 10) == ["global_step15"]
    assert (parent / "latest").read_text() == "global_step10"


def test_the_number_of_megatron_is_put_right(parent: Path) -> None:
    for step in (5, 10):
        megatron(parent, step)
    assert move_aside(parent, MEGATRON, 1, 7) == ["iter_0000010"]
    assert (parent / "latest_checkpointed_iteration.txt").read_text() == "5"


def test_a_pointer_without_any_checkpoint_is_moved_too(parent: Path) -> None:
    deepspeed(parent, 5)
    assert move_aside(parent, DEEPSPEED, 1, 4) == ["global_step5", "latest"]
    assert shown(parent) == []
    assert aside(parent) == ["global_step5", "latest"]


def test_an_empty_pointer_is_moved(parent: Path) -> None:
    """DeepSpeed stops at one with an AssertionError."""
    deepspeed(parent, 5)
    (parent / "latest").write_text("")
    assert move_aside(parent, DEEPSPEED, 1, None) == ["global_step5", "latest"]


def test_a_pointer_that_is_right_stays_as_it_is(parent: Path) -> None:
    megatron(parent, 5, latest="5\n")
    assert move_aside(parent, MEGATRON, 1, None) == []
    assert (parent / "latest_checkpointed_iteration.txt").read_text() == "5\n"


def test_a_pointer_to_a_release_stays(parent: Path) -> None:
    write(parent / "release/mp_rank_00/model_optim_rng.pt", saved())
    write(parent / "latest_checkpointed_iteration.txt", b"release")
    assert move_aside(parent, MEGATRON, 1, None) == []
    assert shown(parent) == ["latest_checkpointed_iteration.txt", "release"]


def test_a_link_to_what_was_moved_is_put_right(parent: Path) -> None:
    for step in (3, 6):
        write(parent / f"ep0-ba{step}-rank0.pt", saved())
    (parent / "latest-rank0.pt").symlink_to("ep0-ba6-rank0.pt")
    assert move_aside(parent, layout_named("composer"), 1, 3) == ["ep0-ba6-rank0.pt"]
    assert (parent / "latest-rank0.pt").readlink() == Path("ep0-ba3-rank0.pt")


def test_lightnings_last_is_left_alone_where_it_is_a_checkpoint_by_itself(parent: Path) -> None:
    lightning = layout_named("lightning")
    for name in ("epoch=0-step=4.ckpt", "last.ckpt"):
        write(parent / name, saved())
    assert move_aside(parent, lightning, 1, None) == []
    assert not (parent / "last.ckpt").is_symlink()
    (parent / "last.ckpt").unlink()
    (parent / "last.ckpt").symlink_to("epoch=0-step=8.ckpt")
    assert move_aside(parent, lightning, 1, None) == []
    assert (parent / "last.ckpt").readlink() == Path("epoch=0-step=4.ckpt")


@pytest.mark.parametrize("name", ["epoch=0-step=4.ckpt", "last.ckpt"])
def test_a_restored_file_of_lightning_is_what_it_finds_as_last(name: str, parent: Path) -> None:
    write(parent.parent / "restored" / name, saved())
    put_in_place(parent.parent / "restored", parent, layout_named("lightning"), name)
    assert (parent / "last.ckpt").read_bytes() == (parent / name).read_bytes()
    assert (parent / "last.ckpt").is_symlink() is (name != "last.ckpt")


def test_the_state_beside_an_epoch_goes_with_it(parent: Path) -> None:
    write(parent / "epoch_3/model.safetensors", safetensors())
    write(parent / "recipe_state/recipe_state.pt", saved())
    torchtune = layout_named("torchtune")
    assert move_aside(parent, torchtune, 1, None) == []
    moved = move_aside(parent, torchtune, 1, 2)
    assert moved == ["epoch_3", "recipe_state/recipe_state.pt"]


def test_where_nothing_is_recognised_nothing_is_moved(parent: Path) -> None:
    write(parent / "weights.bin", b"x")
    assert move_aside(parent, None, 1, 0) == []
    assert move_aside(parent / "missing", HUGGINGFACE, 1, 0) == []


def test_parts_without_what_marks_their_layout_are_moved(parent: Path) -> None:
    """A first save that was killed, or the disk of a host beside the first."""
    write(parent / "step-4/__1_0.distcp", saved())
    write(parent / "run-7/notes.txt", b"of somebody else")
    assert move_aside(parent, None, 2, None) == ["step-4"]
    assert [path.name for path in parent.iterdir()] == ["run-7"]


def test_auto_recognises_what_is_to_be_tidied(parent: Path) -> None:
    huggingface(parent, 5)
    assert move_aside(parent, None, 1, 4) == ["checkpoint-5"]


@given(
    checkpoints=st.dictionaries(st.integers(1, 30), st.booleans(), max_size=6),
    pin=st.none() | st.integers(0, 30),
)
def test_what_is_left_may_be_resumed_from_and_every_byte_is_somewhere(
    checkpoints: dict[int, bool], pin: int | None
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        parent = Path(folder) / "checkpoints"
        parent.mkdir()
        for step, whole in checkpoints.items():
            huggingface(parent, step, whole=whole)
        before = _files(Path(folder))
        moved = move_aside(parent, HUGGINGFACE, 1, pin)
        assert _files(Path(folder)) == before
        for path in parent.iterdir():
            assert completeness_of(path, HUGGINGFACE, Ranks(1)) == Complete({})
            assert pin is None or int(path.name[11:]) <= pin
        assert len(moved) + len(list(parent.iterdir())) == len(checkpoints)


def _files(folder: Path) -> int:
    return sum(path.is_file() for path in folder.rglob("*"))


@pytest.mark.parametrize("scene", SCENES, ids=IDS)
def test_a_restored_checkpoint_stands_as_its_framework_wrote_it(
    scene: Scene, parent: Path, tmp_path: Path
) -> None:
    """Snapshot, another host's empty disk, and put in place: complete again, pointers too."""
    layout = layout_named(scene.layout)
    checkpoint = scene.write(tmp_path / "machine")
    snapshots = parent / ".restoring"
    made = take(Finished(checkpoint, scene.step, listing_of(checkpoint)), layout, snapshots)
    target = put_in_place(made.folder, parent, layout, scene.name)
    assert target == parent / scene.name
    assert completeness_of(target, layout, Ranks(scene.processes)) == Complete({})
    assert move_aside(parent, None, scene.processes, None) == []
    watch = Watch(parent, None, scene.processes, tmp_path / "snapshots")
    watch.mark_seen(scene.name, scene.step)
    assert watch.found(final=True) == []


def test_what_has_the_name_already_is_moved_aside(parent: Path, tmp_path: Path) -> None:
    huggingface(parent, 5)
    write(tmp_path / "restored/trainer_state.json", b"{}")
    put_in_place(tmp_path / "restored", parent, HUGGINGFACE, "checkpoint-5")
    assert shown(parent / "checkpoint-5") == ["trainer_state.json"]
    assert aside(parent) == ["checkpoint-5"]


def test_a_pointer_of_mmengine_has_the_path_on_this_machine(parent: Path, tmp_path: Path) -> None:
    write(tmp_path / "restored/iter_5.pth", saved())
    write(parent / "last_checkpoint", b"/another/machine/iter_9.pth")
    put_in_place(tmp_path / "restored", parent, layout_named("mmengine"), "iter_5.pth")
    assert (parent / "last_checkpoint").read_text() == f"{parent}/iter_5.pth"
    assert not (tmp_path / "restored").exists()
    assert shown(parent) == ["iter_5.pth", "last_checkpoint"]


def test_a_move_is_a_warning(parent: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    huggingface(parent, 5, whole=False)
    move_aside(parent, HUGGINGFACE, 1, None)
    assert len(caplog.messages) == 1
