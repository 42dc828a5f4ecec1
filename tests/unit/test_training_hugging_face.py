"""A Hugging Face training that was broken anywhere, and one that was not: the same."""

import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.integrations.integration_utils import WandbCallback
from transformers.utils.logging import disable_progress_bar

from resilient_training.checkpoints.versions import Version
from resilient_training.healthy_loss import LossDiverged
from resilient_training.huggingface.arguments import UnsupportedTrainerError
from resilient_training.huggingface.best import BestCheckpointMissingError
from resilient_training.huggingface.internals import UnknownTrainerError
from tests.unit.hugging_face_variants import EVALUATED, VARIANTS, Variant
from tests.unit.small_hugging_face import (
    At,
    Scene,
    Sentences,
    kill,
    logged,
    result_of,
    small_model,
    terminate,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*pin_memory:UserWarning",  # of torch, where there is no GPU
    "ignore:This process .* is multi-threaded:DeprecationWarning",  # workers are forked
)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Of torch: for so little work, more of them wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    disable_progress_bar()  # type: ignore[no-untyped-call]  # of transformers
    yield
    torch.set_num_threads(before)


@dataclass
class Unbroken:
    """The result of each variant's unbroken training, made once."""

    folder: Path
    made: dict[str, tuple[dict[str, Any], dict[int, dict[str, Any]]]] = field(default_factory=dict)

    def of(self, variant: Variant) -> tuple[dict[str, Any], dict[int, dict[str, Any]]]:
        if variant.name not in self.made:
            scene = scene_of(variant, self.folder / str(len(self.made)))
            self.made[variant.name] = result_of(scene.run()), logged(scene)
        return self.made[variant.name]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Unbroken:
    return Unbroken(tmp_path_factory.mktemp("unbroken"))


def scene_of(variant: Variant, folder: Path) -> Scene:
    folder.mkdir(exist_ok=True)
    return Scene(
        folder,
        arguments=variant.arguments,
        trainer_options=variant.options,
        every_n_steps=variant.every_n_steps,
        kind=variant.kind,
    )


def named(name: str) -> Variant:
    return next(variant for variant in VARIANTS if variant.name == name)


# `make same` breaks trainings like these in many places.
ELSEWHERE = {
    *(
        "accumulation",
        "evaluation by epochs, rows too",
        "early stopping, saved by steps",
        "plateau",
    ),
    *("masking collator", "samples that are augmented", "group by length, without the last"),
    *("workers", "bf16"),
}


@pytest.mark.parametrize(
    "variant",
    [
        pytest.param(one, id=one.name, marks=[pytest.mark.long] if one.name in ELSEWHERE else [])
        for one in VARIANTS
    ],
)
def test_killed_and_terminated_it_ends_as_an_unbroken_one(
    variant: Variant, tmp_path: Path, unbroken: Unbroken
) -> None:
    scene = scene_of(variant, tmp_path)
    scene.broken(At("on_step_begin", 5, kill))
    scene.broken(At("on_step_end", 7, terminate))
    assert (result_of(scene.run()), logged(scene)) == unbroken.of(variant)


@pytest.mark.parametrize("step", [0, 3, 7, 20])
def test_killed_at_any_step_it_ends_as_an_unbroken_one(
    step: int, tmp_path: Path, unbroken: Unbroken
) -> None:
    scene = scene_of(named("base"), tmp_path)
    scene.broken(At("on_step_begin", step, kill))
    assert (result_of(scene.run()), logged(scene)) == unbroken.of(named("base"))


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("evaluation by epochs, rows too", 7),
        ("evaluation by epochs, rows too", 21),
        ("early stopping, saved by steps", 6),
        ("early stopping, saved by steps", 9),
        ("plateau", 4),
        ("plateau", 14),
        ("steps that end within an epoch", 10),
    ],
)
def test_an_evaluation_that_sigterm_breaks_off_is_made_at_the_resume(
    name: str, step: int, tmp_path: Path, unbroken: Unbroken
) -> None:
    scene = scene_of(named(name), tmp_path)
    scene.broken(At("on_prediction_step", step, terminate))
    assert scene.store.committed[-1].step == step
    assert (result_of(scene.run()), logged(scene)) == unbroken.of(named(name))


def test_sigterm_before_an_evaluation_does_not_wait_for_it(tmp_path: Path) -> None:
    evaluated: list[int] = []
    scene = scene_of(named("evaluation by epochs, rows too"), tmp_path)
    scene.broken(
        At("on_epoch_end", 7, terminate),
        At("on_prediction_step", 7, lambda: evaluated.append(7)),
    )
    assert not evaluated
    scene.run()
    assert "eval_loss" in scene.rows.by_step[7]


@pytest.mark.parametrize(
    "name", ["base", "early stopping, saved by steps", "steps that end within an epoch"]
)
def test_a_training_that_had_ended_ends_at_once_with_the_same_weights(
    name: str, tmp_path: Path, unbroken: Unbroken
) -> None:
    whole = unbroken.of(named(name))
    scene = scene_of(named(name), tmp_path)
    scene.broken(At("on_train_end", whole[0]["step"], kill))
    began: list[int] = []
    again = scene.run(At("on_step_begin", whole[0]["step"], lambda: began.append(1)))
    assert not began
    assert (result_of(again), logged(scene)) == whole


def test_a_training_that_had_ended_goes_on_when_it_is_given_more_steps(tmp_path: Path) -> None:
    scene = Scene(tmp_path, arguments={"max_steps": 10})
    scene.run()
    scene.arguments = {"max_steps": 12}
    assert scene.run().state.global_step == 12


def test_a_checkpoint_is_taken_when_the_callbacks_of_its_step_have_run(tmp_path: Path) -> None:
    class Average(TrainerCallback):
        """Changes the weights behind the step, as an average or a target network does."""

        def on_step_end(self, *_: Any, **made: Any) -> None:  # noqa: ANN401 - of any event
            with torch.no_grad():
                next(made["model"].parameters()).mul_(0.99)

        on_evaluate = on_step_end

    def training(folder: Path) -> Scene:
        folder.mkdir()
        return Scene(
            folder,
            arguments={"num_train_epochs": 2, "eval_strategy": "steps", "eval_steps": 3},
            # Behind the project's own callback would be too late.
            trainer_options=lambda: {"eval_dataset": Sentences(), "callbacks": [Average()]},
        )

    whole, broken = training(tmp_path / "whole"), training(tmp_path / "broken")
    broken.broken(At("on_step_begin", 5, kill))
    assert result_of(broken.run()) == result_of(whole.run())


# The best checkpoint

_BEST = {**EVALUATED, "save_strategy": "epoch", "load_best_model_at_end": True}
# The loss falls on every machine: the first epoch is the best.
_FIRST_IS_BEST = {**_BEST, "metric_for_best_model": "loss", "greater_is_better": True}


@dataclass(frozen=True)
class Held:
    """A version in W&B, whose file is one of the fake store."""

    version: Version
    path: Path

    def is_of_run(self) -> bool:
        return True

    def download(self, folder: Path) -> Path:
        return Path(shutil.copy(self.path, folder / "fetched"))


def put_into_wandb(scene: Scene) -> None:
    """Have the committed checkpoints be found as versions."""
    versions = [
        Held(Version(f"v{number}", "", saved.step, None, None), saved.path)
        for number, saved in enumerate(scene.store.committed)
    ]
    vars(scene.store)["versions"] = lambda: versions


def test_the_best_model_is_loaded_at_the_end_on_another_machine(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole = Scene(tmp_path / "whole", arguments=_FIRST_IS_BEST, trainer_options=_evaluating)
    expected = result_of(whole.run())
    assert expected["best"] < expected["step"]
    scene = Scene(tmp_path, arguments=_FIRST_IS_BEST, trainer_options=_evaluating)
    scene.broken(At("on_step_begin", expected["best"] + 3, kill))
    put_into_wandb(scene)
    again = scene.run()
    assert result_of(again) == expected
    assert [saved.step for saved in scene.store.committed if saved.best] == [expected["best"]]


def test_a_best_model_that_is_nowhere_is_an_error(tmp_path: Path) -> None:
    scene = Scene(tmp_path, arguments=_FIRST_IS_BEST, trainer_options=_evaluating)
    scene.broken(At("on_step_begin", 10, kill))
    vars(scene.store)["versions"] = list
    with pytest.raises(BestCheckpointMissingError, match="no version of step 7"):
        scene.run()


def _evaluating() -> dict[str, Any]:
    return {"eval_dataset": Sentences()}


@pytest.mark.parametrize("greater", [True, False])
def test_best_means_what_trainer_means_by_it(greater: bool, tmp_path: Path) -> None:  # noqa: FBT001
    arguments = {**EVALUATED, "greater_is_better": greater, "learning_rate": 0.05}
    scene = Scene(tmp_path, arguments=arguments, trainer_options=_evaluating, every_n_steps=0)
    trainer = scene.run()
    values = [row["eval_loss"] for row in trainer.state.log_history if "eval_loss" in row]
    best = [saved.metric.value for saved in scene.store.committed if saved.best and saved.metric]
    assert best[-1] == (max(values) if greater else min(values))


def test_another_metric_than_that_of_the_best_model_is_refused(tmp_path: Path) -> None:
    scene = Scene(tmp_path, arguments=_BEST, trainer_options=_evaluating, monitor="eval_accuracy")
    with pytest.raises(UnsupportedTrainerError, match="leave monitor out"):
        scene.run()


# What is set, and what is refused


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({"save_only_model": True}, "set save_only_model=False"),
        ({"enable_jit_checkpoint": True}, "set enable_jit_checkpoint=False"),
    ],
)
def test_what_cannot_come_back_is_refused_before_the_first_step(
    arguments: dict[str, Any], why: str, tmp_path: Path
) -> None:
    began: list[int] = []
    with pytest.raises(UnsupportedTrainerError, match=why):
        Scene(tmp_path, arguments=arguments).run(At("on_train_begin", 0, lambda: began.append(1)))
    assert not began


def test_a_trainer_of_another_version_is_refused_by_what_it_lacks(tmp_path: Path) -> None:
    class Later(Trainer):
        _run_epoch = None  # type: ignore[assignment]  # as if it were not there

    with pytest.raises(UnknownTrainerError, match="has no _run_epoch: use transformers 5"):
        Scene(tmp_path, kind=Later).run()


def test_trainers_own_wandb_callback_is_taken_out_and_its_names_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WANDB_LOG_MODEL", "checkpoint")
    scene = Scene(
        tmp_path, arguments={"max_steps": 2}, trainer_options=lambda: {"callbacks": [WandbCallback]}
    )
    with caplog.at_level(logging.INFO):
        trainer = scene.run()
    assert not any(isinstance(one, WandbCallback) for one in trainer.callback_handler.callbacks)
    assert "WANDB_LOG_MODEL is not followed" in caplog.text
    assert set(scene.rows.by_step[1]) == {
        "train/loss",
        "train/grad_norm",
        "train/learning_rate",
        "train/epoch",
    }


def test_a_loss_that_is_not_finite_ends_the_attempt_whatever_trainer_filters(
    tmp_path: Path,
) -> None:
    def broken() -> nn.Module:
        model = small_model()
        with torch.no_grad():
            next(model.parameters()).fill_(float("nan"))
        return model

    scene = Scene(tmp_path, model=broken)
    with pytest.raises(LossDiverged):
        scene.run()


def test_what_a_killed_process_left_beside_its_checkpoint_is_removed(tmp_path: Path) -> None:
    left = tmp_path / "checkpoints" / "checkpoint-3-abc.partial.folder"
    alive = tmp_path / "checkpoints" / "checkpoint-3-def.partial.folder"
    for folder in (left, alive):
        folder.mkdir(parents=True)
        (folder / "model.safetensors").touch()
    alive.with_suffix("").touch()
    Scene(tmp_path, arguments={"max_steps": 3}).run()
    assert not left.exists()
    assert alive.exists()


def test_the_trainer_is_the_users_again_when_the_training_is_over(tmp_path: Path) -> None:
    trainer = Scene(tmp_path, arguments={"max_steps": 2}).run()
    assert not {"_run_epoch", "_evaluate", "get_train_dataloader"} & set(vars(trainer))


# Where Trainer writes its folders itself


class OwnSaving(Trainer):
    def _save(
        self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None
    ) -> None:
        super()._save(output_dir, state_dict)


class Looking(TrainerCallback):
    """Puts a file into the folder of each save."""

    def on_save(self, args: TrainingArguments, state: Any, *_: object, **__: object) -> None:  # noqa: ANN401
        folder = Path(str(args.output_dir)) / f"checkpoint-{state.global_step}"
        (folder / "README.md").write_text("looked")


@pytest.mark.parametrize(
    ("kind", "callbacks", "why"),
    [(OwnSaving, [], "OwnSaving._save is its own"), (Trainer, [Looking], "Looking looks at")],
)
def test_a_trainer_with_a_save_of_its_own_saves_itself_and_ends_the_same(  # noqa: PLR0913, PLR0917
    kind: type[Trainer],
    callbacks: list[type[TrainerCallback]],
    why: str,
    tmp_path: Path,
    unbroken: Unbroken,
    caplog: pytest.LogCaptureFixture,
) -> None:
    variant = named("evaluation by epochs, rows too")
    arguments = {**variant.arguments, "save_total_limit": 1}
    options = lambda: {**variant.options(), "callbacks": [one() for one in callbacks]}  # noqa: E731
    scene = Scene(tmp_path, arguments=arguments, trainer_options=options, kind=kind)
    with caplog.at_level(logging.INFO):
        scene.broken(At("on_step_begin", 5, kill))
    assert why in caplog.text
    scene.broken(At("on_prediction_step", 7, terminate))
    assert (result_of(scene.run()), logged(scene)) == unbroken.of(variant)


# TRL


class Averaging(Trainer):
    """Keeps means from row to row, as TRL's trainers do."""

    def __init__(self, *args: Any, **named: Any) -> None:  # noqa: ANN401 - Trainer's own
        super().__init__(*args, **named)
        self._metrics: dict[str, dict[str, list[float]]] = {"train": {}, "eval": {}}
        self._total_train_tokens = 0

    def training_step(self, *args: Any, **named: Any) -> torch.Tensor:  # noqa: ANN401 - as above
        loss: torch.Tensor = super().training_step(*args, **named)
        self._total_train_tokens += 3
        self._metrics["train"].setdefault("twice", []).append(2 * loss.item())
        self._metrics["train"]["tokens"] = [self._total_train_tokens]
        return loss

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        kept = self._metrics["train"]
        logs.update({name: sum(values) / len(values) for name, values in kept.items()})
        super().log(logs, start_time)
        kept.clear()


def test_the_means_of_trl_are_of_all_steps_since_the_last_row(tmp_path: Path) -> None:
    def training(folder: Path) -> Scene:
        folder.mkdir()
        arguments = {"logging_steps": 4, "num_train_epochs": 2}
        return Scene(folder, kind=Averaging, arguments=arguments)

    whole, broken = training(tmp_path / "whole"), training(tmp_path / "broken")
    broken.broken(At("on_step_begin", 7, kill))
    assert result_of(broken.run()) == result_of(whole.run())
