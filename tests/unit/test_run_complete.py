"""A checkpoint counts when its framework has written all of it, and never before."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from resilient_training.run.complete import Complete, Incomplete, completeness_of
from resilient_training.run.completeness import Ranks
from resilient_training.run.layouts import layout_named
from tests.unit.checkpoint_folders import JSON, SCENES, Scene, metadata, saved, shards, write

IDS = [f"{number}-{scene.layout}-{scene.name}" for number, scene in enumerate(SCENES)]
OF_LAYOUT = {scene.layout: scene for scene in reversed(SCENES)}
every_scene = pytest.mark.parametrize("scene", SCENES, ids=IDS)


def verdict(parent: Path, scene: Scene, ranks: Ranks | None = None) -> Complete | Incomplete:
    layout = layout_named(scene.layout)
    return completeness_of(parent / scene.name, layout, ranks or Ranks(scene.processes))


def reason(parent: Path, scene: Scene, ranks: Ranks | None = None) -> str:
    found = verdict(parent, scene, ranks)
    assert isinstance(found, Incomplete)
    return found.reason


@contextmanager
def a_folder() -> Iterator[Path]:
    """For properties, whose examples each need one."""
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


@every_scene
def test_a_whole_checkpoint_is_complete(scene: Scene, tmp_path: Path) -> None:
    scene.write(tmp_path)
    assert verdict(tmp_path, scene) == Complete({})


@every_scene
def test_nothing_that_was_begun_is_complete(scene: Scene, tmp_path: Path) -> None:
    """Whatever prefix of the files is written, to the half of a file."""
    if scene.layout == "xgboost":  # renamed when it is whole
        return
    for number, files in enumerate(scene.prefixes()):
        parent = tmp_path / str(number)
        for path, content in files.items():
            write(parent / path, content)
        assert isinstance(verdict(parent, scene), Incomplete), sorted(files)


@every_scene
@settings(max_examples=30)
@given(data=st.data())
def test_no_prefix_of_bytes_is_complete(scene: Scene, data: st.DataObject) -> None:
    """The last file cut anywhere, or several that are written at once, each cut somewhere."""
    if scene.layout == "xgboost":  # the same
        return
    cuts = {
        path: data.draw(st.integers(0, len(content) - 1), label=path)
        for path, content in scene.files.items()
        if data.draw(st.booleans(), label=f"{path} is cut")
    }
    cuts = {path: cut for path, cut in cuts.items() if _shows_its_end(path)}
    if not cuts:
        return
    with a_folder() as parent:
        for path, content in scene.files.items():
            write(parent / path, content[: cuts.get(path, len(content))])
        assert isinstance(verdict(parent, scene), Incomplete), cuts


def _shows_its_end(path: str) -> bool:
    """`config.json` is the model's, and no rule asks for it; of a name the beginning is a name."""
    return not path.endswith(("config.json", "last_checkpoint", "latest"))


@every_scene
@settings(max_examples=30)
@given(data=st.data())
def test_no_checkpoint_that_a_rotation_has_begun_to_delete_is_complete(
    scene: Scene, data: st.DataObject
) -> None:
    needed = sorted(path for path in scene.files if path not in scene.optional)
    gone = data.draw(st.sets(st.sampled_from(needed), min_size=1))
    with a_folder() as parent:
        for path, content in scene.files.items():
            if path not in gone:
                write(parent / path, content)
        if (parent / scene.name).exists():
            assert isinstance(verdict(parent, scene), Incomplete)


def test_reasons_name_the_file(tmp_path: Path) -> None:
    scene = OF_LAYOUT["huggingface"]
    folder = scene.write(tmp_path)
    (folder / "trainer_state.json").unlink()
    assert reason(tmp_path, scene) == "trainer_state.json is missing"
    write(folder / "trainer_state.json", JSON[:-3])
    assert reason(tmp_path, scene) == "trainer_state.json is no whole JSON"
    write(folder / "trainer_state.json", JSON)
    (folder / "rng_state_1.pth").unlink()
    assert reason(tmp_path, scene) == "rng_state_1.pth is missing (of 2 processes)"
    write(folder / "rng_state_1.pth", saved()[:-1])
    assert reason(tmp_path, scene) == "rng_state_1.pth is no whole zip"
    write(folder / "checkpoint-is-incomplete.txt", b"")
    assert "checkpoint-is-incomplete.txt is there" in reason(tmp_path, scene)


def test_one_process_of_hugging_face_has_one_state(tmp_path: Path) -> None:
    scene = replace(OF_LAYOUT["huggingface"], processes=1)
    folder = scene.write(tmp_path)
    (folder / "rng_state_0.pth").rename(folder / "rng_state.pth")
    assert verdict(tmp_path, scene) == Complete({})


def test_a_model_saved_alone_is_nothing_to_resume_from(tmp_path: Path) -> None:
    """save_only_model=True."""
    scene = replace(OF_LAYOUT["huggingface"], processes=1)
    folder = scene.write(tmp_path)
    for name in ("optimizer.pt", "scheduler.pt", "rng_state_0.pth", "rng_state_1.pth"):
        (folder / name).unlink()
    assert reason(tmp_path, scene) == "rng_state.pth is missing (of 1 processes)"


def test_each_shard_has_the_size_that_the_metadata_say(tmp_path: Path) -> None:
    scene = OF_LAYOUT["dcp"]
    folder = scene.write(tmp_path)
    write(folder / "__1_0.distcp", bytes(39))
    assert reason(tmp_path, scene) == "__1_0.distcp has 39 of 40 bytes"
    (folder / "__1_0.distcp").unlink()
    assert reason(tmp_path, scene) == "__1_0.distcp is missing"


def test_a_host_with_a_disk_of_its_own_names_what_the_others_bring(tmp_path: Path) -> None:
    scene = OF_LAYOUT["dcp"]
    folder = scene.write(tmp_path)
    (folder / "__2_0.distcp").unlink()
    mine = Ranks(3, range(2))
    assert verdict(tmp_path, scene, mine) == Complete({"__2_0.distcp": 40})
    (folder / "__1_0.distcp").unlink()
    assert reason(tmp_path, scene, mine) == "__1_0.distcp is missing"


def test_states_of_other_hosts_are_named_without_a_size(tmp_path: Path) -> None:
    scene = replace(OF_LAYOUT["huggingface"], processes=4)
    scene.write(tmp_path)
    expected: dict[str, int | None] = {"rng_state_2.pth": None, "rng_state_3.pth": None}
    assert verdict(tmp_path, scene, Ranks(4, range(2))) == Complete(expected)


def test_parts_of_the_optimizer_on_other_hosts_are_named(tmp_path: Path) -> None:
    scene = OF_LAYOUT["deepspeed"]
    folder = scene.write(tmp_path)
    assert "2 of 3 files like bf16_zero_pp_rank_0" in reason(tmp_path, scene, Ranks(3))
    other: dict[str, int | None] = {"bf16_zero_pp_rank_2_mp_rank_00_optim_states.pt": None}
    assert verdict(tmp_path, scene, Ranks(3, range(2))) == Complete(other)
    write(folder / "bf16_zero_pp_rank_0_mp_rank_01_optim_states.pt", saved())
    assert "need one shared disk" in reason(tmp_path, scene, Ranks(4, range(2)))


def test_a_pointer_must_have_come_as_far(tmp_path: Path) -> None:
    scene = OF_LAYOUT["deepspeed"]
    scene.write(tmp_path)
    for text, said in (("", "missing or empty"), ("global_step9", "names global_step9, not yet")):
        write(tmp_path / "latest", text.encode())
        assert said in reason(tmp_path, scene)
    write(tmp_path / "latest", b"global_step20")
    assert verdict(tmp_path, scene) == Complete({})


def test_a_release_of_megatron_is_no_step(tmp_path: Path) -> None:
    scene = OF_LAYOUT["megatron"]
    scene.write(tmp_path)
    write(tmp_path / "latest_checkpointed_iteration.txt", b"release")
    assert "names release, not yet iter_0000015" in reason(tmp_path, scene)


def test_metadata_that_name_code_make_no_checkpoint(tmp_path: Path) -> None:
    scene = OF_LAYOUT["dcp"]
    folder = scene.write(tmp_path)
    write(folder / ".metadata", metadata({"__0_0.distcp": (0, 40)}, planner_data=os.system))
    assert "has no place in it" in reason(tmp_path, scene)


def test_processes_that_do_not_coordinate_each_have_metadata(tmp_path: Path) -> None:
    scene = OF_LAYOUT["dcp"]
    for rank in range(2):
        own = {f"__{rank}_0.distcp": (0, 40)}
        write(tmp_path / scene.name / f"__{rank}_0.distcp", bytes(40))
        write(tmp_path / scene.name / f"__{rank}.metadata", metadata(own))
    assert verdict(tmp_path, scene, Ranks(2)) == Complete({})
    assert reason(tmp_path, scene, Ranks(3)) == "__2.metadata is missing"


def test_a_finished_training_of_ultralytics_has_nothing_to_resume(tmp_path: Path) -> None:
    scene = OF_LAYOUT["ultralytics"]
    write(tmp_path / "last.pt", saved({"epoch": -1, "optimizer": None}))
    assert "of a finished training" in reason(tmp_path, scene)
    write(tmp_path / "last.pt", saved({"model": None}))
    assert reason(tmp_path, scene) == "last.pt has no epoch in it"


def test_an_unfinished_marker_of_nemo_counts(tmp_path: Path) -> None:
    scene = OF_LAYOUT["nemo"]
    scene.write(tmp_path)
    write(tmp_path / f"{scene.name}-unfinished", b"")
    assert "is marked as unfinished" in reason(tmp_path, scene)


def test_a_sharded_folder_that_is_written_over_is_never_trusted(tmp_path: Path) -> None:
    scene = Scene("lightning", "last.ckpt", {})
    for path, content in {**shards("", 1), "meta.pt": saved({"global_step": 15})}.items():
        write(tmp_path / "last.ckpt" / path, content)
    assert "two may mix in it" in reason(tmp_path, scene)


def test_weights_that_are_newer_than_kerass_metadata_belong_to_a_save_under_way(
    tmp_path: Path,
) -> None:
    scene = OF_LAYOUT["keras"]
    folder = scene.write(tmp_path)
    os.utime(folder / "training_metadata.json", ns=(1, 1))
    assert "a save has not ended" in reason(tmp_path, scene)


def test_an_epoch_of_torchtune_needs_the_state_that_was_saved_with_it(tmp_path: Path) -> None:
    scene = OF_LAYOUT["torchtune"]
    scene.write(tmp_path)
    os.utime(tmp_path / "recipe_state/recipe_state.pt", ns=(1, 1))
    assert "is older than epoch_15" in reason(tmp_path, scene)
    write(tmp_path / "recipe_state/recipe_state.pt", saved())
    write(tmp_path / "epoch_16/model.safetensors", b"")
    assert reason(tmp_path, scene) == "the state beside it belongs to epoch_16"
