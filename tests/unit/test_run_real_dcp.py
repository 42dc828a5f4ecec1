"""The row for torch.distributed.checkpoint on folders that torch made, by gloo on one process."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch.distributed.checkpoint.default_planner import DefaultSavePlanner
from torch.distributed.checkpoint.filesystem import FileSystemWriter
from torch.distributed.checkpoint.state_dict_saver import async_save, save

from resilient_training.run.dcp_metadata import HARMLESS, UntrustedMetadataError, files_needed
from resilient_training.run.layouts import layout_named
from resilient_training.run.listing import listing_of, sizes_of
from resilient_training.run.watch import Watch
from tests.unit.cut_files import cut_short


@pytest.fixture
def gloo() -> Iterator[None]:
    with tempfile.TemporaryDirectory() as folder:
        where = f"file://{folder}/meeting"
        dist.init_process_group("gloo", init_method=where, rank=0, world_size=1)
        yield
        dist.destroy_process_group()


def state() -> dict[str, Any]:
    model = torch.nn.Linear(40, 30)
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(40)).sum().backward()
    optimizer.step()
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "half": torch.ones(3, dtype=torch.bfloat16),
        "turned": torch.ones(1, 2, 3, 4).to(memory_format=torch.channels_last),
        "none": torch.ones(0),
        "progress": {"epoch": 2, "names": ["a", "b"]},
    }


def _plainly(folder: Path) -> None:
    save(state(), checkpoint_id=folder)


def _in_several_files(folder: Path) -> None:
    writer = FileSystemWriter(folder, single_file_per_rank=False, thread_count=2)
    save(state(), storage_writer=writer)


def _beside_the_training(folder: Path) -> None:
    saving: Any = async_save(state(), checkpoint_id=str(folder))
    saving.result()


@pytest.mark.parametrize("saved_by", [_plainly, _in_several_files, _beside_the_training])
@pytest.mark.usefixtures("gloo")
def test_a_folder_of_dcp_consists_of_what_its_metadata_name(
    saved_by: Callable[[Path], None], tmp_path: Path
) -> None:
    folder = tmp_path / "step-15"
    saved_by(folder)
    sizes = dict(sizes_of(listing_of(folder)))
    sizes.pop(".metadata")
    assert files_needed(folder / ".metadata") == sizes
    (found,) = Watch(tmp_path, layout_named("dcp"), 1, tmp_path / ".snapshots").found(final=True)
    assert found.step == 15
    assert list(cut_short(folder, "dcp")) == []


@pytest.mark.usefixtures("gloo")
def test_a_folder_of_dcp_that_is_used_again_is_not_taken_for_the_new_step(tmp_path: Path) -> None:
    """torch loads half of one step and half of another without a word."""
    folder = tmp_path / "last"
    _plainly(folder)
    watch = Watch(tmp_path, None, 1, tmp_path / ".snapshots")
    assert watch.found(final=True) == []


def test_every_global_that_is_harmless_can_be_in_metadata() -> None:
    """What is allowed and is torch's exists there: no name is allowed by mistake."""
    dtypes = {
        getattr(torch, name) for module, name in HARMLESS if module == "torch" and name != "Size"
    }
    assert all(isinstance(dtype, torch.dtype) for dtype in dtypes)


@pytest.mark.usefixtures("gloo")
def test_a_planner_of_ones_own_is_refused(tmp_path: Path) -> None:
    class Planner(DefaultSavePlanner):
        def create_global_plan(self, all_plans: Any) -> Any:  # noqa: ANN401 — torch's
            plans, made = super().create_global_plan(all_plans)
            made.planner_data = torch.nn.Linear
            return plans, made

    save(state(), checkpoint_id=tmp_path / "step-1", planner=Planner())
    with pytest.raises(UntrustedMetadataError, match=r"torch\.nn\.modules\.linear\.Linear"):
        files_needed(tmp_path / "step-1/.metadata")
