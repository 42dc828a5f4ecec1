"""The rows for Hugging Face, accelerate and Lightning on folders that these frameworks made.

`test_run_real_dcp.py` does the same for torch. The other rows stand on documented layouts only: see
`checkpoint_folders.py`.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lightning
import pytest
import torch
from accelerate import Accelerator
from accelerate.utils import ProjectConfiguration
from lightning.pytorch.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_utils import get_last_checkpoint

from resilient_training.run.complete import Complete, Incomplete, completeness_of
from resilient_training.run.completeness import Ranks
from resilient_training.run.layouts import layout_named
from resilient_training.run.placing import put_in_place
from resilient_training.run.tidy import move_aside
from resilient_training.run.watch import Watch
from tests.unit.cut_files import cut_short
from tests.unit.small_hugging_face import Sentences, small_model

if TYPE_CHECKING:
    from resilient_training.run.snapshot import Snapshot


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def trainer(output: Path, *callbacks: TrainerCallback, **options: Any) -> Trainer:  # noqa: ANN401 — as TrainingArguments takes them
    arguments = TrainingArguments(
        str(output),
        max_steps=6,
        save_steps=2,
        per_device_train_batch_size=4,
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
        **options,
    )
    return Trainer(small_model(), arguments, train_dataset=Sentences(), callbacks=list(callbacks))


class Looking(TrainerCallback):
    """Looks as the wrapper does, but in the training's own time."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.taken: list[Snapshot] = []
        self.before: dict[str, str] = {}

    def on_save(self, *_: object, **__: object) -> None:
        """Before the next save, and so before a rotation deletes this one."""
        for _look in range(2):
            self.taken += self.watch.found()
        for folder in self.watch.parent.glob("checkpoint-*"):
            weights = folder / "optimizer.pt"
            self.before.setdefault(folder.name, digest(weights))


def test_hugging_face_saves_and_rotates_and_every_snapshot_stays(tmp_path: Path) -> None:
    output = tmp_path / "output"
    looking = Looking(Watch(output, None, 1, tmp_path / "snapshots"))
    trainer(output, looking, save_total_limit=1).train()
    assert looking.watch.layout is layout_named("huggingface")
    assert [snapshot.step for snapshot in looking.taken] == [2, 4, 6]
    assert [path.name for path in output.glob("checkpoint-*")] == ["checkpoint-6"]
    for snapshot in looking.taken:
        assert snapshot.change() is None
        assert digest(snapshot.folder / "optimizer.pt") == looking.before[snapshot.name]
    assert looking.watch.found(final=True) == []


def test_hugging_face_resumes_from_a_snapshot_and_not_from_what_is_beyond_it(
    tmp_path: Path,
) -> None:
    output = tmp_path / "output"
    watch = Watch(output, None, 1, output / ".snapshots")
    trainer(output).train()
    middle = watch.found(final=True)[1]
    row = layout_named("huggingface")
    assert move_aside(output, row, 1, 2) == ["checkpoint-4", "checkpoint-6"]
    (output / "checkpoint-3").mkdir()
    assert move_aside(output, row, 1, 2) == ["checkpoint-3"]
    target = put_in_place(middle.folder, output, row, middle.name)
    newest: Any = get_last_checkpoint
    assert newest(str(output)) == str(target)
    resumed = trainer(output)
    resumed.train(resume_from_checkpoint=str(target))
    assert resumed.state.global_step == 6


def test_a_file_of_hugging_face_that_is_cut_short_is_noticed(tmp_path: Path) -> None:
    trainer(tmp_path).train()
    checkpoint = tmp_path / "checkpoint-6"
    assert completeness_of(checkpoint, layout_named("huggingface"), Ranks(1)) == Complete({})
    # Of the model, and written before what counts.
    assert set(cut_short(checkpoint, "huggingface")) <= {"config.json", "generation_config.json"}


def test_a_model_saved_alone_by_hugging_face_is_none(tmp_path: Path) -> None:
    trainer(tmp_path, save_only_model=True).train()
    found = completeness_of(tmp_path / "checkpoint-6", layout_named("huggingface"), Ranks(1))
    assert found == Incomplete("rng_state.pth is missing (of 1 processes)")


@pytest.mark.parametrize("safe", [True, False])
def test_accelerate_counts_its_saves(safe: bool, tmp_path: Path) -> None:  # noqa: FBT001 — a case
    configuration = ProjectConfiguration(str(tmp_path), automatic_checkpoint_naming=True)
    accelerator = Accelerator(cpu=True, project_config=configuration)
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    schedule = torch.optim.lr_scheduler.ConstantLR(optimizer)
    accelerator.prepare(model, optimizer, schedule)
    accelerator.register_for_checkpointing(torch.nn.Linear(1, 1))
    parent = tmp_path / "checkpoints"
    watch = Watch(parent, None, 1, tmp_path / "snapshots")
    watch.mark_seen("checkpoint_7", 7)
    taken = []
    for _ in range(2):
        accelerator.save_state(safe_serialization=safe)
        taken += [*watch.found(), *watch.found()]
    assert [(one.name, one.step) for one in taken] == [("checkpoint_0", 8), ("checkpoint_1", 9)]
    assert watch.layout is layout_named("accelerate")
    assert list(cut_short(parent / "checkpoint_1", "accelerate")) == []


def test_accelerate_finds_its_newest_beside_our_hidden_folders(tmp_path: Path) -> None:
    """It takes the last number of every name in its folder, and stops at one without."""
    configuration = ProjectConfiguration(str(tmp_path), automatic_checkpoint_naming=True)
    accelerator = Accelerator(cpu=True, project_config=configuration)
    accelerator.prepare(torch.nn.Linear(3, 2))
    accelerator.save_state()
    (tmp_path / "checkpoints/.resilience-aside-0").mkdir()
    accelerator.load_state()
    (tmp_path / "checkpoints/.resilience-aside").mkdir()
    with pytest.raises(IndexError):
        accelerator.load_state()


class Small(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)

    def training_step(self, batch: Any) -> Any:  # noqa: ANN401 — Lightning's
        return self.layer(batch).sum()

    def configure_optimizers(self) -> Any:  # noqa: ANN401 — Lightning's
        return torch.optim.SGD(self.parameters(), 0.1)


class LookingAtLightning(lightning.Callback):
    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.taken: list[Snapshot] = []

    def on_train_batch_start(self, *_: object, **__: object) -> None:
        for _look in range(2):
            self.taken += self.watch.found()


@pytest.mark.parametrize(
    ("keeping", "names"),
    [
        ({"save_top_k": 1}, ["epoch=0-step=2.ckpt", "epoch=0-step=4.ckpt"]),
        ({"save_top_k": 0, "save_last": True}, ["last.ckpt", "last.ckpt"]),
        ({"save_last": "link"}, ["epoch=0-step=2.ckpt", "epoch=0-step=4.ckpt"]),
    ],
)
def test_lightning_replaces_its_files_and_every_snapshot_stays(
    keeping: dict[str, Any], names: list[str], tmp_path: Path
) -> None:
    saving = ModelCheckpoint(tmp_path, every_n_train_steps=2, **keeping)
    looking = LookingAtLightning(Watch(tmp_path, None, 1, tmp_path / ".snapshots"))
    rows: Any = torch.ones(16, 2)
    batches = DataLoader(rows, batch_size=1)
    small = lightning.Trainer(
        max_steps=5,
        logger=False,
        accelerator="cpu",
        callbacks=[saving, looking],
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    small.fit(Small(), batches)
    assert looking.watch.layout is layout_named("lightning")
    assert [one.name for one in looking.taken] == names
    assert [one.step for one in looking.taken] == [2, 4]
    for snapshot in looking.taken:
        assert snapshot.change() is None
        loaded = torch.load(snapshot.folder / snapshot.name, weights_only=True)
        assert loaded["global_step"] == snapshot.step


def test_a_file_of_lightning_that_is_cut_short_is_noticed(tmp_path: Path) -> None:
    torch.save({"global_step": 3, "state_dict": {"w": torch.ones(100)}}, tmp_path / "a.ckpt")
    assert list(cut_short(tmp_path / "a.ckpt", "lightning")) == []
