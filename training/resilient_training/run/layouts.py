"""How frameworks lay out their checkpoints, as data: a new framework is a row and a fixture."""

from __future__ import annotations

from resilient_training.run.layout import Layout, Pointer, Unit

__all__ = ["LAYOUTS", "Layout", "LayoutError", "layout_named"]


class LayoutError(Exception):
    """No layout has this name; the message lists those that there are."""


_STEP = r"(?P<step>\d{1,12})"

# The order is that in which `auto` tries them: from what is certain to what is general.
LAYOUTS: tuple[Layout, ...] = (
    Layout(
        "huggingface",
        rf"checkpoint-{_STEP}",
        "huggingface",
        ("checkpoint-*/trainer_state.json", "checkpoint-*/rng_state*.pth"),
        "transformers 5.23.0 (run here, with DeepSpeed inside too; FSDP inside: its source)",
        resume="--resume_from_checkpoint {folder}",
    ),
    Layout(
        "accelerate",
        rf"checkpoint_{_STEP}",
        "accelerate",
        ("checkpoint_*/random_states_*.pkl",),
        "accelerate 1.15.0 (run here), ProjectConfiguration(automatic_checkpoint_naming=True)",
        unit=Unit.SAVE,
        inside=("trainer_state.json", "global_step"),
        settles=True,
    ),
    Layout(
        "accelerate-steps",
        rf"step_{_STEP}",
        "accelerate",
        ("step_*/random_states_*.pkl",),
        "accelerate 1.15.0 (run here), save_state(f'step_{n}') as in its examples",
        resume="--resume_from_checkpoint {folder}",
        settles=True,
    ),
    Layout(
        "megatron",
        rf"iter_{_STEP}",
        "megatron",
        ("latest_checkpointed_iteration.txt", "iter_*/common.pt", "iter_*/mp_rank_*/*.pt"),
        "Megatron-LM core 0.14 (documented); Megatron-Bridge writes the same text file",
        resume="--load {parent}",
        pointers=(Pointer("latest_checkpointed_iteration.txt", "{step}"),),
    ),
    Layout(
        "deepspeed",
        rf"[A-Za-z_.-]*{_STEP}",
        "deepspeed",
        ("*/mp_rank_*_model_states.pt", "*/*zero_pp_rank_*_model_states.pt"),
        "DeepSpeed 0.19.8 (run once, ZeRO 0, 1 and 3), engine.save_checkpoint(parent)",
        pointers=(Pointer("latest", "{name}"),),
        signs=("*_states.pt",),
    ),
    Layout(
        "torchtitan",
        rf"step-{_STEP}",
        "torchtitan",
        ("step-*/.metadata", "step-*/model.safetensors.index.json"),
        "torchtitan 0.3.0 (its source; the folder is that of DCP, run here)",
    ),
    Layout(
        "nemo",
        rf".*step={_STEP}.*",
        "lightning",
        ("*step=*-last*", "*step=*-unfinished"),
        "NeMo 3.0 exp_manager (documented)",
    ),
    Layout(
        "lightning",
        rf"(?:.*step={_STEP}.*|.*)\.ckpt",
        "lightning",
        ("*.ckpt", "*.ckpt/meta.pt"),
        "Lightning 2.6.6 (a file: run here; the sharded folder: its source)",
        resume="--ckpt_path {folder}",
        inside=("", "global_step"),
        # What ckpt_path="last" looks for; save_last="link" makes the same link.
        pointers=(Pointer("last.ckpt", "{name}", link=True),),
    ),
    Layout(
        "keras",
        r".+",
        "keras",
        ("*/training_metadata.json",),
        "Keras 3.15.1 (run once), BackupAndRestore(backup_dir below the parent)",
        in_place=True,
        signs=("training_metadata.json", "*.weights.h5"),
        unit=Unit.SAVE,
        inside=("training_metadata.json", "epoch"),
    ),
    Layout(
        "torchtune",
        rf"epoch_{_STEP}",
        "torchtune",
        ("recipe_state/recipe_state.pt",),
        "torchtune 0.6.1 (its source)",
        resume="resume_from_checkpoint=True",
        unit=Unit.EPOCH,
        beside=("recipe_state/recipe_state.pt",),
    ),
    Layout(
        "composer",
        rf"ep\d+-ba{_STEP}(?:-rank0\.pt)?",
        "composer",
        ("ep*-ba*-rank0.pt", "ep*-ba*/.metadata", "latest-rank0.pt"),
        "Composer 0.32.1 (documented)",
        pointers=(Pointer("latest-rank0.pt", "{name}", link=True),),
    ),
    Layout(
        "mmengine",
        rf"(?:iter|epoch)_{_STEP}\.pth",
        "pointed",
        ("iter_*.pth", "epoch_*.pth"),
        "mmengine 0.10.7 (its source)",
        resume="--resume",
        pointers=(Pointer("last_checkpoint", "{path}"),),
    ),
    Layout(
        "detectron2",
        rf"model_{_STEP}\.pth",
        "pointed",
        ("model_*.pth",),
        "detectron2 0.6, fvcore's Checkpointer (documented)",
        resume="--resume",
        pointers=(Pointer("last_checkpoint", "{name}"),),
    ),
    Layout(
        "ultralytics",
        r"last\.pt",
        "ultralytics",
        ("last.pt",),
        "ultralytics 8.4.190 (run once); the parent is the folder weights",
        resume="model={folder} resume=True",
        in_place=True,
        unit=Unit.EPOCH,
        inside=("", "epoch"),
    ),
    Layout(
        "fairseq",
        r"checkpoint_last\.pt",
        "file",
        ("checkpoint_last.pt",),
        "fairseq 0.12.2 (its source); one file, so no model parallelism and no sharded state",
        in_place=True,
        inside=("", "num_updates"),
    ),
    Layout(
        "xgboost",
        rf"xgboost-checkpoint\.{_STEP}",
        "file",
        ("xgboost-checkpoint.*",),
        "SageMaker's XGBoost container (its source): a temporary name, then a rename",
    ),
    Layout(
        "dcp",
        # The number behind the word step, else the last one.
        rf"(?:(?P<named>.*?step[-_=]?)(?=\d)|.*\D|){_STEP}(?(named)(?:\D.*)?|\D*)",
        "dcp",
        ("*/.metadata", "*/__0.metadata"),
        "torch.distributed.checkpoint 2.13.0 (run here), a fresh folder for each step",
        signs=("*.distcp", "*.metadata", "*.metadata.tmp"),
    ),
)
_BY_NAME = {layout.name: layout for layout in LAYOUTS}
_SHORT = {"hf": "huggingface"}


def layout_named(name: str) -> Layout:
    """The row of this name; raises LayoutError where there is none."""
    name = _SHORT.get(name, name)
    if name not in _BY_NAME:
        raise LayoutError(f"there is no layout {name!r}; choose auto or {', '.join(_BY_NAME)}")
    return _BY_NAME[name]
