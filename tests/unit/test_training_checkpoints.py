from pathlib import Path

import pytest
import torch
from lightning.pytorch.callbacks import Callback

from resilient_training import CheckpointLoadError, SavePlan
from resilient_training.checkpoints.metadata import SavedCheckpoint
from tests.unit.small_training import Store, train

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:.*LeafSpec")


def of_file(path: Path) -> Store:
    """A store whose only checkpoint is this file."""
    return Store(committed=[SavedCheckpoint(path, 4, 0, "", None, best=False)])


def steps_on_disk(folder: Path) -> list[int]:
    files = folder.glob("*.ckpt")
    return sorted(torch.load(path, weights_only=True)["global_step"] for path in files)


def test_checkpoints_are_made_at_the_planned_steps_and_at_each_epochs_end(tmp_path: Path) -> None:
    store = Store()
    train(SavePlan(tmp_path, every_n_steps=4, keep=100), store)
    assert steps_on_disk(tmp_path) == [4, 5, 8, 10, 12, 15]
    assert {item.step for item in store.committed} <= {4, 5, 8, 10, 12, 15}
    assert store.committed[-1].step == 15


def test_only_an_epochs_end_carries_the_metric_that_was_measured_there(tmp_path: Path) -> None:
    store = Store()
    train(SavePlan(tmp_path, every_n_steps=4), store)
    assert all((item.metric is not None) == (item.step % 5 == 0) for item in store.committed)


def test_the_best_so_far_is_remembered_over_a_resume(tmp_path: Path) -> None:
    store = Store()
    train(SavePlan(tmp_path, monitor="val_loss"), store)
    newest = store.committed[-1].path
    remembered = torch.load(newest, weights_only=True)["callbacks"]["CheckpointArtifacts"]["best"]
    values = [item.metric.value for item in store.committed if item.metric and item.best]
    assert remembered == min(values)


def test_a_training_whose_last_checkpoint_is_nowhere_says_where_it_lies(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(SavePlan(tmp_path), Store(refusing=True))
    (said,) = [one.getMessage() for one in caplog.records if "NOT in W&B" in one.getMessage()]
    place = said.partition("It lies in ")[2].partition(". ")[0]
    assert torch.load(place, weights_only=True)["global_step"] == 15
    assert said.startswith("NOT in W&B: the last checkpoint, of step 15. ")
    assert said.endswith(f"To upload it: take {place}")


def test_the_directory_does_not_grow_with_the_training(tmp_path: Path) -> None:
    store = Store()
    train(SavePlan(tmp_path, every_n_steps=1, keep=1), store)
    # One kept, the best, and one per place of the upload queue: under way, two waiting, one new.
    assert len(list(tmp_path.iterdir())) <= 6
    assert 15 in steps_on_disk(tmp_path)
    assert {item.step for item in store.committed if item.best} & set(steps_on_disk(tmp_path))


def test_another_attempt_makes_other_bytes_of_the_same_step(tmp_path: Path) -> None:
    first, second = Store(), Store()
    train(SavePlan(tmp_path / "1", attempt=1), first)
    train(SavePlan(tmp_path / "2", attempt=2), second)
    assert first.committed[-1].step == second.committed[-1].step
    assert first.committed[-1].sha256 != second.committed[-1].sha256


def test_a_checkpoint_is_due_by_steps_or_by_time() -> None:
    plan = SavePlan(Path(), every_n_steps=10, every_minutes=2)
    assert plan.due(20, 19, 0)
    assert not plan.due(21, 20, 0)
    assert plan.due(21, 20, 120)
    assert not plan.due(21, 20, 119)
    assert not SavePlan(Path()).due(20, 0, 10_000)


@pytest.mark.parametrize(
    "steps", [range(1, 100, 2), range(2, 100, 3), [*range(9), *range(9, 99, 2)]]
)
def test_steps_that_go_by_twos_or_join_late_miss_no_interval(steps: list[int]) -> None:
    plan, saved = SavePlan(Path(), every_n_steps=4), [0]
    for step in steps:
        if plan.due(step, saved[-1], 0):
            saved.append(step)
    assert [step // 4 for step in saved] == list(range(steps[-1] // 4 + 1))


@pytest.mark.parametrize("content", [b"", b"no checkpoint at all", b"PK\x03\x04 half a zip"])
def test_a_file_that_is_no_checkpoint_is_a_load_error_of_its_version(
    content: bytes, tmp_path: Path
) -> None:
    (tmp_path / "x.ckpt").write_bytes(content)
    with pytest.raises(CheckpointLoadError, match=r"^v0: \w+:"):
        train(SavePlan(tmp_path), of_file(tmp_path / "x.ckpt"))


def test_a_checkpoint_of_another_network_is_a_load_error(tmp_path: Path) -> None:
    store = Store()
    train(SavePlan(tmp_path), store)
    newest = store.committed[-1].path
    content = torch.load(newest, weights_only=True)
    content["state_dict"]["layers.0.weight"] = torch.zeros(2, 2)
    torch.save(content, newest)
    with pytest.raises(CheckpointLoadError, match="size mismatch"):
        train(SavePlan(tmp_path), store)


def test_a_checkpoint_that_would_run_code_is_a_load_error(tmp_path: Path) -> None:
    torch.save({"state_dict": Store()}, tmp_path / "x.ckpt")
    with pytest.raises(CheckpointLoadError, match="Weights only load failed"):
        train(SavePlan(tmp_path), of_file(tmp_path / "x.ckpt"))


def test_an_error_of_the_training_itself_is_no_load_error(tmp_path: Path) -> None:
    class Broken(Callback):
        def on_train_batch_start(self, *_: object) -> None:
            raise RuntimeError("size mismatch in a layer")

    store = Store()
    train(SavePlan(tmp_path, keep=100), store)
    with pytest.raises(RuntimeError, match="size mismatch in a layer"):
        train(SavePlan(tmp_path), of_file(store.committed[0].path), Broken())
