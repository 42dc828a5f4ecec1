"""What a Trainer's arguments have to be for a training that comes back: set, else refused."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, cast

from transformers.integrations.integration_utils import WandbCallback

from resilient_training.huggingface.internals import SAVING, require_known
from resilient_training.huggingface.packing import is_adapter_name
from resilient_training.huggingface.weights import is_peft, weights_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from transformers import Trainer

    from resilient_training.attempt import Attempt

_log = logging.getLogger(__name__)

# They write a model card beside Trainer's own files, and nothing that a training resumes from.
_CARD_WRITERS = ("trl.", "transformers.")


class UnsupportedTrainerError(Exception):
    """This Trainer cannot be brought back as it is set; the message says what to set."""


def arrange(trainer: Trainer, attempt: Attempt) -> None:
    """Set what can be set, before the first step.

    Raises:
        UnsupportedTrainerError: something else has to be set, or is not supported.
        UnknownTrainerError: this version of transformers is not supported.
    """
    require_known(trainer)
    why = refusal(trainer)
    if why is not None:
        raise UnsupportedTrainerError(why)
    _choose_best(trainer, attempt)
    args = trainer.args
    if not args.fp16:
        # Else a loss that is not finite is logged as the mean of those before it. A GradScaler
        # skips such steps, and has them now and then.
        args.logging_nan_inf_filter = False
    if args.ignore_data_skip:
        attempt.notices.differs(
            "ignore_data_skip=True: each attempt sees its epoch's data from the first batch on"
        )


def refusal(trainer: Trainer) -> str | None:
    """Why this Trainer cannot be brought back."""
    args = trainer.args
    checks = {
        "several processes are not supported: start one": args.world_size > 1,
        "FSDP is not supported: its checkpoints are sharded": trainer.is_fsdp_enabled,
        "DeepSpeed is not supported: its checkpoints are sharded": trainer.is_deepspeed_enabled,
        "a model that is sharded when it is loaded is not supported": getattr(
            trainer, "is_distributed_loading_by_transformers", False
        ),
        "set save_only_model=False: it leaves out what a training resumes from": (
            args.save_only_model
        ),
        "set enable_jit_checkpoint=False: SIGTERM is handled here": args.enable_jit_checkpoint,
    }
    return next((why for why, found in checks.items() if found), _bad_adapter(trainer))


def _bad_adapter(trainer: Trainer) -> str | None:
    model: Any = trainer.model
    names: Iterable[str] = model.peft_config if is_peft(model) else ()
    bad = next((name for name in names if not is_adapter_name(name)), None)
    return None if bad is None else f"rename the adapter {bad!r}: letters, digits, '.', '_', '-'"


def _choose_best(trainer: Trainer, attempt: Attempt) -> None:
    """Mean by `best` what Trainer means by it, unless the attempt was given a metric."""
    args, plan = trainer.args, attempt.checkpoints.plan
    wanted = _full_name(args.metric_for_best_model or "loss")
    if plan.monitor is None:
        mode: Literal["min", "max"] = "max" if args.greater_is_better else "min"
        attempt.checkpoints.plan = replace(plan, monitor=wanted, mode=mode)
        return
    monitor = plan.monitor if args.eval_strategy == "no" else _full_name(plan.monitor)
    if args.load_best_model_at_end and monitor != wanted:
        raise UnsupportedTrainerError(
            f"monitor={plan.monitor!r} is not metric_for_best_model={args.metric_for_best_model!r},"
            " whose best load_best_model_at_end loads: leave monitor out"
        )
    attempt.checkpoints.plan = replace(plan, monitor=monitor)


def _full_name(metric: str) -> str:
    """As Trainer looks for it in an evaluation."""
    return metric if metric.startswith("eval_") else f"eval_{metric}"


def take_out_wandb(trainer: Trainer, attempt: Attempt) -> bool:
    """Take out Trainer's own W&B callback; whether there was one."""
    own = trainer.pop_callback(WandbCallback)
    if own is None:
        return False
    _log.info(
        "report_to='wandb': its rows are logged here, each once over all attempts%s",
        "; WANDB_LOG_MODEL is not followed" if os.environ.get("WANDB_LOG_MODEL") else "",
    )
    attempt.run.config.update(_config_of(trainer), allow_val_change=True)  # type: ignore[no-untyped-call]  # of wandb
    return True


def _config_of(trainer: Trainer) -> dict[str, Any]:
    of_model, args = getattr(trainer.model, "config", None), cast("Any", trainer.args)
    return {**(of_model.to_dict() if of_model else {}), **args.to_dict()}


def reason_for_folders(trainer: Trainer) -> str | None:
    """Why checkpoints have to be written by Trainer itself, while the training waits."""
    return _own_saving(trainer) or _own_looking(trainer) or _own_weights(trainer.model)


def _own_saving(trainer: Trainer) -> str | None:
    of_its_own = (
        name
        for name in SAVING
        if name in vars(trainer) or not _is_known(_home(type(trainer), name))
    )
    name = next(of_its_own, None)
    return None if name is None else f"{type(trainer).__name__}.{name} is its own"


def _own_looking(trainer: Trainer) -> str | None:
    for callback in trainer.callback_handler.callbacks:
        if not _is_known(_home(type(callback), "on_save")):
            return f"{type(callback).__name__} looks at the folder of each save"
    if trainer.args.push_to_hub and trainer.args.hub_strategy != "end":
        return f"hub_strategy={trainer.args.hub_strategy} pushes the folder of each save"
    return None


def _own_weights(model: Any) -> str | None:  # noqa: ANN401 - a module of any library
    if getattr(model, "hf_quantizer", None) is not None and not is_peft(model):
        return "the model is quantized"
    devices = getattr(model, "hf_device_map", None) or {}
    if {"cpu", "disk"} & {str(device) for device in devices.values()}:
        return "parts of the model are offloaded"
    return "it saves more than its weights" if weights_of(model) is None else None


def _home(kind: type, name: str) -> type:
    return next(one for one in kind.__mro__ if name in vars(one))


def _is_known(home: type) -> bool:
    return home.__module__.startswith(_CARD_WRITERS)
