"""The rows of the table, and how one is recognised."""

from pathlib import Path

import pytest

from resilient_training.run.layouts import LAYOUTS, LayoutError, layout_named
from resilient_training.run.numbering import number_of
from resilient_training.run.recognition import guess
from tests.unit.checkpoint_folders import SCENES, Scene, metadata, write

IDS = [f"{number}-{scene.layout}-{scene.name}" for number, scene in enumerate(SCENES)]
every_scene = pytest.mark.parametrize("scene", SCENES, ids=IDS)


def test_every_layout_has_a_scene() -> None:
    assert {scene.layout for scene in SCENES} == {layout.name for layout in LAYOUTS}


@every_scene
def test_a_whole_checkpoint_has_its_step(scene: Scene, tmp_path: Path) -> None:
    found = number_of(scene.write(tmp_path), layout_named(scene.layout))
    assert found is not None
    assert found.value == scene.step


@every_scene
def test_auto_knows_each_layout_and_says_why(scene: Scene, tmp_path: Path) -> None:
    scene.write(tmp_path)
    found = guess(tmp_path)
    assert found.layout is layout_named(scene.layout)
    assert found.why.startswith(f"{scene.layout}, because of ")


def test_an_unknown_layout_names_those_that_there_are() -> None:
    with pytest.raises(LayoutError, match="there is no layout 'tf'; choose auto or huggingface, "):
        layout_named("tf")


def test_the_issues_short_name_is_understood() -> None:
    assert layout_named("hf") is layout_named("huggingface")


@pytest.mark.parametrize(
    ("name", "step"),
    [("step-15-a2", 15), ("step_7", 7), ("run3_iter_500", 500), ("12", 12), ("latest", None)],
)
def test_a_folder_of_dcp_has_the_step_of_its_name(name: str, step: int | None) -> None:
    assert layout_named("dcp").number_in_name(name) == step


def test_auto_says_what_to_do_where_no_step_is_in_the_name(tmp_path: Path) -> None:
    write(tmp_path / "last" / ".metadata", metadata({"__0_0.distcp": (0, 40)}))
    assert "save each step into a folder of its own" in guess(tmp_path).why


def test_auto_says_that_kerass_folder_is_the_one_above(tmp_path: Path) -> None:
    write(tmp_path / "training_metadata.json", b"{}")
    assert "give the folder that it is in" in guess(tmp_path).why


def test_auto_knows_nothing_of_an_empty_folder(tmp_path: Path) -> None:
    assert guess(tmp_path).layout is None
    assert "of a known layout yet" in guess(tmp_path).why
