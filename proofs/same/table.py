"""The matrix as data: each variant, where it is broken, and what it may refuse."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from proofs.same import places as at

if TYPE_CHECKING:
    from collections.abc import Callable

    from proofs.same.places import Place

_HOME = "proofs.same.trainings"


@dataclass(frozen=True)
class Variant:
    """One training.

    Attributes:
        group: `lightning`, `hyperparameters`, `loaders`, `plain`, `huggingface`, `processes`.
        name: Of the function in the module of the group.
        places: Where it is broken.
        refusal: What the message has to say where the variant is refused at the start.
        needs: Packages that may be absent.
        quick: Whether `make test` runs it.
        served: Whether it runs on the real SDK and a W&B server.
    """

    group: str
    name: str
    places: tuple[Place, ...] = at.FEW
    refusal: str | None = None
    needs: tuple[str, ...] = ()
    quick: bool = False
    served: bool = False

    def __str__(self) -> str:
        return f"{'wandb/' if self.served else ''}{self.group}/{self.name}"

    def missing(self) -> list[str]:
        return [name for name in self.needs if find_spec(name) is None]

    def training(self) -> Callable[[], None]:
        module = import_module(f"{_HOME}.{self.group}")
        found: Callable[[], None] = (
            module.of(self.name)
            if self.name in getattr(module, "KINDS", {})
            else getattr(module, self.name)
        )
        return found


def _each(group: str, *names: str, places: tuple[Place, ...] = at.FEW) -> tuple[Variant, ...]:
    return tuple(Variant(group, name, places) for name in names)


# A value that only pickle knows: named with its key, while somebody is awake.
_UNLOADABLE = r"hyper_parameters\S*given.*|optimizer_states.*lr|lr_schedulers.*gamma|parts\.holder"


def _unloadable(group: str, *names: str) -> tuple[Variant, ...]:
    places = (at.AFTER_SAVE, at.TERM_STEP)
    return tuple(Variant(group, name, places, _UNLOADABLE) for name in names)


LIGHTNING = (
    Variant("lightning", "plain", at.EVERYWHERE, quick=True),
    *_each("lightning", "datamodule", "loaders_of_the_module"),
    *_each("lightning", "ema", places=(*at.MANY, at.TERM_VALIDATION)),
    *_each("lightning", "ema_before_zero_grad", "ema_at_epochs_end", "ema_callback"),
    *_each("lightning", "ema_of_lightning", "teacher_in_eval", places=at.MANY),
    *_each("lightning", "swa", places=(*at.FEW, at.EPOCH_SAVED, at.TERM_LAST)),
    *_each("lightning", "state_of_a_callback", "state_of_the_module", "batch_norm"),
    *_each("lightning", "noise_in_the_step", "fine_tuning", "clip", "bf16", "max_steps"),
    *_each("lightning", "accumulate", "accumulation_scheduler", places=(*at.FEW, at.IN_STEP)),
    *_each("lightning", "limit_train_batches", "timer", "manual"),
    *_each("lightning", "manual_accumulation", places=(*at.FEW, at.IN_STEP)),
    *_each("lightning", "two_optimizers", "late_optimizer", places=(*at.FEW, at.IN_STEP)),
    *_each("lightning", "step_lr", "one_cycle", "lambda_lr", "sequential_lr"),
    *_each("lightning", "every_third_step_lr", "plateau_each_step"),
    Variant("lightning", "plateau", (*at.MANY, *at.VALIDATED[:3])),
    *_each("lightning", "plateau_after_mid_epoch_validation", places=(*at.FEW, *at.VALIDATED)),
    Variant("lightning", "early_stopping", (*at.FEW, *at.VALIDATED, *at.ENDS), quick=True),
    *_each("lightning", "early_stopping_in_training", places=(*at.FEW, at.TERM_LAST, *at.ENDS)),
    *_each("lightning", "early_stopping_and_plateau", places=(*at.VALIDATED, *at.ENDS)),
    *_each("lightning", "mid_epoch_validation", places=(*at.MANY, *at.VALIDATED[:3])),
    *_each("lightning", "mid_epoch_early_stopping", places=(*at.FEW, *at.VALIDATED, *at.ENDS)),
    *_each("lightning", "validation_each_second_epoch", places=(*at.FEW, at.TERM_VALIDATION)),
    *_each("lightning", "validation_by_steps", places=(*at.FEW, at.TERM_VALIDATION)),
    *_each("lightning", "no_validation", places=(*at.FEW, at.EPOCH_SAVED, at.TERM_LAST)),
    *_each("lightning", "stops_itself", places=(*at.FEW, at.AT_END)),
    *_each("lightning", "average_of_the_epoch", "sum_of_the_epoch"),
    *_each("lightning", "own_checkpoints", places=(*at.FEW, at.EPOCH_SAVED, at.STOPPED)),
    *_each("lightning", "own_checkpoints_by_steps", "own_loggers", "no_logger"),
    *_each("lightning", "wandb_log_beside", "media", "numpy_scalar"),
    Variant("lightning", "two_fits", (at.LATER,), r"a block of resilient\(\) is for one fit"),
)
HYPERPARAMETERS = (
    *_unloadable("hyperparameters", "path", "enum", "numpy_number", "numpy_array", "dataclass"),
    *_unloadable("hyperparameters", "module", "namespace", "partial", "omegaconf", "type"),
    *_unloadable("hyperparameters", "set", "numpy_learning_rate", "numpy_in_a_scheduler"),
    *_each("hyperparameters", "tensor", "dtype", "dict", places=(at.AFTER_SAVE, at.TERM_STEP)),
)
LOADERS = (
    Variant("loaders", "shuffle", (*at.MANY, at.TERM_VALIDATION), quick=True),
    *_each("loaders", "in_order", "own_generator", "weighted", "subset", "batch_sampler"),
    *_each("loaders", "sampler_with_a_memory", "drop_last", "random_collate", "augmented"),
    *_each("loaders", "workers", "augmented_in_workers", "persistent_workers"),
    *_each("loaders", "reloaded_each_epoch", "ready_batches", "zipped_forever"),
    Variant("loaders", "stream", at.MANY, quick=True),
    *_each("loaders", "endless_stream", "stream_with_a_state", "stream_in_workers"),
    *_each("loaders", "combined_max_size_cycle", "combined_min_size", "combined_max_size"),
    Variant("loaders", "combined_sequential", refusal=r"sequential.* mode"),
    *_each("loaders", "dict_of_loaders"),
    Variant("loaders", "stateful_loader", needs=("torchdata",)),
    Variant("loaders", "datasets_stream", needs=("datasets",)),
)
PLAIN = (
    Variant("plain", "plain", at.EVERYWHERE_PLAIN, quick=True),
    *_each("plain", "schedule", "plateau", "ema", "grad_scaler", "several_metrics"),
    *_each("plain", "tensors_logged", "own_loader", "compiled"),
    *_each("plain", "best", places=(*at.MANY, at.STOPPED)),
    *_unloadable("plain", "object_in_a_part"),
)
HUGGINGFACE = (
    Variant("huggingface", "plain", at.EVERYWHERE_HF, quick=True),
    *_each("huggingface", "accumulate", "bf16", "workers", "callback_with_a_state"),
    *_each("huggingface", "evaluated", "evaluated_by_steps", places=(*at.FEW, *at.EVALUATED)),
    *_each("huggingface", "early_stopping", places=(*at.FEW, *at.EVALUATED, *at.ENDS)),
    *_each("huggingface", "early_stopping_without_best", places=(*at.FEW, *at.ENDS)),
    *_each("huggingface", "plateau", "best_at_the_end", places=(*at.FEW, *at.EVALUATED)),
    *_each("huggingface", "saved_by_itself_too", "grouped_by_length", "masking_collator"),
    *_each("huggingface", "augmented", "stream", "report_to_wandb"),
    Variant("huggingface", "save_only_model", (at.LATER,), "save_only_model"),
    *(
        Variant("huggingface", name, needs=("peft",))
        for name in ("lora", "lora_with_a_name", "two_adapters")
    ),
    Variant("huggingface", "sft", needs=("trl", "datasets")),
)
PROCESSES = (
    Variant("processes", "ddp", (at.LATER, at.TERM_STEP, at.HALF_LAST)),
    Variant("processes", "ddp_with_a_module_hook", (at.AFTER_SAVE,)),
    Variant("processes", "fsdp_full", (at.LATER, at.TERM_STEP)),
    Variant("processes", "fsdp_sharded", (at.LATER,), "save_distributed_checkpoint|shard"),
    Variant("processes", "fsdp_first", (at.LATER,), "FSDP|CPU|cpu"),
)
_KILLS = (at.LATER, at.IN_STEP, at.TERM_STEP)
SERVED = tuple(
    Variant(group, name, places, served=True)
    for group, name, places in (
        ("lightning", "plain", (*_KILLS, at.LAST_BATCH, at.TERM_VALIDATION, at.AT_END)),
        ("lightning", "mid_epoch_validation", (*_KILLS, at.TERM_VALIDATION)),
        ("lightning", "media", _KILLS),
        ("lightning", "wandb_log_beside", _KILLS),
        ("plain", "several_metrics", _KILLS),
        ("huggingface", "evaluated", (*_KILLS, at.TERM_EVALUATION)),
    )
)
VARIANTS = (*LIGHTNING, *HYPERPARAMETERS, *LOADERS, *PLAIN, *HUGGINGFACE, *PROCESSES, *SERVED)
