"""The parts of the check, without a training."""

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from resilient_training.check.batches import Batches, batches_in
from resilient_training.check.command import exit_code_of, main, places
from resilient_training.check.compare import Part, Records, compare, differing
from resilient_training.check.plan import VARIABLE, Break, Plan, plan_in
from resilient_training.check.rows import Rows, plain, rows_in
from resilient_training.check.states import equal, state_in
from resilient_training.check.store import FolderStore
from resilient_training.check.table import lines_of
from resilient_training.check.trial import Ended, NotCheckedError, Outcome, Trial, Verdict
from resilient_training.checkpoints.metadata import Metric, SavedCheckpoint
from resilient_training.checkpoints.resume import resume_point
from resilient_training.history import AXIS
from resilient_training.job import CheckpointLoadError, Pin, job_from


def committed(store: FolderStore, folder: Path, step: int, *, best: bool = False) -> bool:
    file = folder / "checkpoint.ckpt"
    state = {"parts": {"model": {"weight": torch.full((2,), float(step))}}, "step": step}
    torch.save({**state, "attempt": 1, "rows": [(step, {"loss": 1.0})]}, file)
    return store.commit(SavedCheckpoint(file, step, 0, "", Metric("val_loss", float(step)), best))


def test_a_plan_is_what_was_written_and_outside_a_check_there_is_none(tmp_path: Path) -> None:
    plan = Plan(tmp_path, save_at=(3,), end_at=9, break_at=Break("step", 4, signal.SIGKILL))
    plan.write(tmp_path / "plan.json")
    assert plan_in({VARIABLE: str(tmp_path / "plan.json")}) == plan
    assert plan_in({}) is None


def test_a_training_resumes_from_the_newest_version_of_the_folder(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    for step in (3, 6):
        assert committed(store, tmp_path, step)
    (tmp_path / "checkpoint.ckpt").unlink()
    point = resume_point(job_from({}), store, tmp_path / "new")
    assert point is not None
    assert (point.version, point.step) == ("v1", 6)
    assert torch.load(point.path, weights_only=True)["step"] == 6


def test_a_barred_version_is_not_resumed_from(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    for step in (3, 6):
        committed(store, tmp_path, step)
    assert store.bar_after(3) == ["v1"]
    point = resume_point(job_from({}), store, tmp_path / "new")
    assert point is not None
    assert point.version == "v0"


def test_a_version_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointLoadError, match="v7: the check has no such version"):
        FolderStore(tmp_path).version(Pin("e/p/c", "v7", None, None))


def test_a_folder_that_is_away_takes_nothing(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store", away_from=5)
    assert committed(store, tmp_path, 4)
    assert not committed(store, tmp_path, 5)
    assert store.steps() == [4]


def test_the_best_version_is_the_last_that_was_marked(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "store")
    assert store.best(tmp_path / "best") is None
    for step, best in ((3, True), (6, True), (9, False)):
        committed(store, tmp_path, step, best=best)
    assert store.best(tmp_path / "best") == Metric("val_loss", 6.0)
    assert torch.load(tmp_path / "best", weights_only=True)["step"] == 6
    assert store.best_step() == 6


def test_an_upload_that_is_killed_leaves_no_version(tmp_path: Path) -> None:
    def kill(place: str, _step: int) -> None:
        if place == "uploading":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        committed(FolderStore(tmp_path / "store", kill), tmp_path, 3)
    again = FolderStore(tmp_path / "store")
    assert again.newest() is None
    assert committed(again, tmp_path, 3)


def test_the_history_has_a_row_per_step_and_drops_what_comes_late(tmp_path: Path) -> None:
    rows = Rows(tmp_path / "rows.jsonl", buffered=0)
    rows.log({"a": 1}, 4, commit=None)
    rows.log({"b": np.float32(0.5)}, 4, commit=None)
    rows.log({"late": 1}, 3, commit=None)
    rows.log({"c": 1}, None, commit=None)
    rows.log({"lost": 1}, 4, commit=None)
    rows.flush()
    assert rows_in(tmp_path / "rows.jsonl") == [{"_step": 4, "a": 1, "b": 0.5, "c": 1}]


def test_a_kill_takes_the_newest_rows_and_the_next_process_begins_behind_the_others(
    tmp_path: Path,
) -> None:
    killed = Rows(tmp_path / "rows.jsonl", buffered=2)
    for step in range(6):
        killed.log({"a": step}, step, commit=None)
    next_one = Rows(tmp_path / "rows.jsonl", buffered=2)
    assert next_one.starting_step == 3
    assert [row["_step"] for row in rows_in(tmp_path / "rows.jsonl")] == [0, 1, 2]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (torch.tensor(2.0), 2.0),
        (np.int64(3), 3),
        ({"a": np.array([1])}, {"a": 1}),
        (torch.zeros(2), "<Tensor>"),
        (Path("x"), f"<{type(Path('x')).__name__}>"),
    ],
)
def test_a_value_in_a_row_is_what_json_holds(value: object, expected: object) -> None:
    assert plain(value) == expected
    json.dumps(plain(value))


def records(folder: Path, step: int, rows: list[dict[str, Any]]) -> Records:
    folder.mkdir()
    committed(FolderStore(folder / "store"), folder, step)
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Records(folder, {})


def test_two_trainings_that_ended_alike_differ_in_nothing(tmp_path: Path) -> None:
    row = {"_step": 3, "loss": 1.0}
    one = records(tmp_path / "one", 6, [{**row, "_runtime": 1.0}])
    other = records(tmp_path / "other", 6, [{**row, "_runtime": 2.0}])
    assert differing(compare(one, other)) == []


def test_a_difference_is_named_by_its_first_key_and_row(tmp_path: Path) -> None:
    rows = [{AXIS: 3, "loss": 1.0, "_step": 3}, {AXIS: 4, "loss": 1.0, "_step": 4}]
    one = records(tmp_path / "one", 6, rows)
    other = records(tmp_path / "other", 5, [rows[0], {**rows[0], "_step": 4}])
    found = {part.name: part.detail for part in differing(compare(one, other))}
    assert found == {
        "steps": "6 unbroken, 5 resumed",
        "weights": "model.weight: by up to 1",
        "other state": "step: 6 and 5",
        "history": "missing: row 4 (loss); too many: row 3 (loss)",
    }


def test_the_number_that_wandb_gives_a_row_does_not_matter_where_its_step_is_known(
    tmp_path: Path,
) -> None:
    row = {AXIS: 3, "epoch": 1, "loss": 1.0}
    one = records(tmp_path / "one", 6, [{**row, "_step": 3}])
    other = records(tmp_path / "other", 6, [{**row, "_step": 5}])
    assert differing(compare(one, other)) == []


def test_a_picture_is_the_same_whatever_name_wandb_gave_its_file(tmp_path: Path) -> None:
    named = [{AXIS: 3, "picture": {"_type": "images/separated", "path": path}} for path in "ab"]
    one = records(tmp_path / "one", 6, named[:1])
    other = records(tmp_path / "other", 6, named[1:])
    assert differing(compare(one, other)) == []


def test_zeros_of_either_sign_and_kinds_of_numbers_are_told_apart(tmp_path: Path) -> None:
    folders = tmp_path / "one", tmp_path / "other"
    for folder, value in zip(folders, (0.0, -0.0), strict=True):
        folder.mkdir()
        torch.save({"parts": {"model": {"w": torch.tensor(value)}}}, folder / "x")
    one, other = (state_in(folder / "x")["weights"]["model.w"] for folder in folders)
    assert not equal(one, other)
    assert not equal(1, 1.0)
    assert equal(float("nan"), float("nan"))


def test_a_step_is_known_by_what_modules_that_train_were_given(tmp_path: Path) -> None:
    batches = Batches(tmp_path / "batches.jsonl")
    listening = batches.listen()
    model, inputs = torch.nn.Linear(2, 1), torch.ones(1, 2)
    for step, value in enumerate((inputs, inputs, 2 * inputs), 1):
        model(value)
        model.eval()
        model(9 * inputs)
        model.train()
        batches.end_step(step)
        batches.end_step(step)
    batches.end_step(4)
    listening.remove()
    (one, first), (two, second), (three, third) = batches_in(tmp_path / "batches.jsonl")
    assert (one, two, three) == (1, 2, 3)
    assert first == second != third


def test_every_kill_is_tried_at_a_checkpoint_and_some_steps_behind_one() -> None:
    tried = [(place.at.place, place.at.number, place.save_at) for place in places([10], [4])]
    assert tried == [("committed", 10, (10,)), ("step", 10, (7,)), ("step", 4, ())]
    assert [place.at.place for place in places([1], [])] == ["committed"]


@pytest.mark.parametrize(
    ("verdicts", "code"),
    [
        ([Verdict.SAME], 0),
        ([Verdict.SAME, Verdict.SAID], 2),
        ([Verdict.SAID, Verdict.SILENT], 1),
        ([Verdict.LOST], 1),
    ],
)
def test_the_exit_code_is_that_of_the_worst(verdicts: list[Verdict], code: int) -> None:
    assert exit_code_of(verdicts) == code


def test_a_line_that_says_what_differs_is_in_the_table() -> None:
    outcome = Outcome(
        Verdict.SAID,
        (Part("weights", same=False, detail="first in w"),),
        ("a resume will differ: the noise",),
        resumed_from=4,
    )
    assert list(lines_of("kill -9 at step 5", outcome)) == [
        f"kill -9 at step 5: {Verdict.SAID.value}",
        "  resumed from step 4",
        "  weights           differs  first in w",
        "  said: a resume will differ: the noise",
    ]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "no command"),
        (["--steps", "5", "--kill-at", "5", "--", "x"], "does not lie within --steps 5"),
        (["--", "/no/such/command"], "/no/such/command cannot be started"),
    ],
)
def test_a_mistake_of_the_user_is_a_line_and_exit_code_3(
    arguments: list[str],
    why: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 3
    assert why in capsys.readouterr().err


def test_a_step_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--kill-at", "soon", "--", "x"])
    assert "soon is no step" in capsys.readouterr().err


def test_a_break_that_was_never_reached_is_no_success(tmp_path: Path) -> None:
    def end(plan: Plan, folder: Path, log: Path) -> Ended:
        del plan, folder
        log.write_text("done\n")
        return Ended(0, log)

    trial = Trial(tmp_path, end)
    with pytest.raises(NotCheckedError, match="ended before the break"):
        trial.broken("x", Break("step", 4, signal.SIGKILL))


def test_a_resumed_training_that_dies_is_lost(tmp_path: Path) -> None:
    def end(plan: Plan, folder: Path, log: Path) -> Ended:
        del folder
        log.write_text("why it died\n")
        if plan.break_at is None:
            return Ended(65, log)
        (plan.folder / "break.sent").touch()
        return Ended(-signal.SIGKILL, log)

    outcome = Trial(tmp_path, end).broken("x", Break("step", 4, signal.SIGKILL))
    assert outcome.verdict is Verdict.LOST
    assert outcome.why == "resumed, it ended with 65: why it died"
