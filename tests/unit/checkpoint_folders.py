"""Folders as frameworks lay them out, made without the frameworks, and in the order of a save."""

import json
import pickle
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from torch.distributed.checkpoint.filesystem import _StorageInfo
from torch.distributed.checkpoint.metadata import Metadata, MetadataIndex

JSON = b'{"global_step": 15, "log_history": []}'


def saved(content: Mapping[str, Any] | None = None, padding: int = 64) -> bytes:
    """A file as `torch.save` writes it: a zip with a pickle and the bytes of tensors."""
    made = BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(dict(content or {}), protocol=2))
        archive.writestr("archive/data/0", bytes(padding))
    return made.getvalue()


def safetensors(size: int = 32) -> bytes:
    header = json.dumps({"w": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(size)


def index(*names: str) -> bytes:
    return json.dumps({"weight_map": {f"w{n}": name for n, name in enumerate(names)}}).encode()


def hdf5(size: int = 64) -> bytes:
    """The head of a superblock of version 0, which says how long the file is."""
    head = b"\x89HDF\r\n\x1a\n" + bytes(32) + (48 + size).to_bytes(8, "little")
    return head + bytes(size)


def metadata(parts: Mapping[str, tuple[int, int]] | None, **others: Any) -> bytes:  # noqa: ANN401 — of torch's record
    """`.metadata` that says where each part begins, and how long it is."""
    data = {
        MetadataIndex(f"w{number}"): _StorageInfo(name, offset, length)
        for number, (name, (offset, length)) in enumerate((parts or {}).items())
    }
    return pickle.dumps(Metadata({}, storage_data=parts and data, **others))


def shards(folder: str, ranks: int, size: int = 40) -> dict[str, bytes]:
    """What torch.distributed.checkpoint writes into one folder, in its order."""
    files = {f"{folder}__{rank}_0.distcp": bytes(size) for rank in range(ranks)}
    parts = {name.removeprefix(folder): (0, size) for name in files}
    return {**files, f"{folder}.metadata": metadata(parts)}


@dataclass(frozen=True)
class Scene:
    """One checkpoint of one layout, as a save of its framework goes.

    Attributes:
        layout: The row's name.
        files: Relative to the parent, in the order in which they are written.
        name: The checkpoint's.
        processes: Of the training.
        step: What it is found with.
        optional: Of the files, those without which it is complete all the same.
    """

    layout: str
    name: str
    files: Mapping[str, bytes]
    processes: int = 1
    step: int = 15
    optional: frozenset[str] = field(default_factory=frozenset)

    def write(self, parent: Path) -> Path:
        for path, content in self.files.items():
            write(parent / path, content)
        return parent / self.name

    def prefixes(self) -> Iterator[dict[str, bytes]]:
        """What is there after each file, and in the middle of each."""
        before: dict[str, bytes] = {}
        for path, content in self.files.items():
            yield dict(before)
            yield {**before, path: content[: len(content) // 2]}
            before[path] = content


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _below(folder: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {f"{folder}/{path}": content for path, content in files.items()}


def _rng(ranks: int) -> dict[str, bytes]:
    return {f"rng_state_{rank}.pth": saved() for rank in range(ranks)}


_DEEPSPEED = {
    "mp_rank_00_model_states.pt": saved({"module": {}, "optimizer": None, "global_steps": 15}),
    "bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt": saved(),
    "bf16_zero_pp_rank_1_mp_rank_00_optim_states.pt": saved(),
}
# Modules stand for what the rows in `layouts.py` say they were made from.
SCENES: tuple[Scene, ...] = (
    Scene(
        "huggingface",
        "checkpoint-15",
        _below(
            "checkpoint-15",
            {
                "config.json": b"{}",
                "model.safetensors": safetensors(),
                "training_args.bin": saved(),
                "optimizer.pt": saved(),
                "scheduler.pt": saved(),
                **_rng(2),
                "trainer_state.json": JSON,
            },
        ),
        processes=2,
        optional=frozenset({"checkpoint-15/config.json", "checkpoint-15/training_args.bin"}),
    ),
    Scene(
        "huggingface",
        "checkpoint-15",
        _below(
            "checkpoint-15",
            {
                **shards("pytorch_model_fsdp_0/", 2),
                **shards("optimizer_0/", 2),
                "scheduler.pt": saved(),
                **_rng(2),
                "trainer_state.json": JSON,
            },
        ),
        processes=2,
    ),
    Scene(
        "huggingface",
        "checkpoint-15",
        _below(
            "checkpoint-15",
            {
                "model-00001-of-00002.safetensors": safetensors(),
                "model-00002-of-00002.safetensors": safetensors(),
                "model.safetensors.index.json": index(
                    "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
                ),
                **_below("global_step15", _DEEPSPEED),
                "latest": b"global_step15",
                **_rng(2),
                "trainer_state.json": JSON,
            },
        ),
        processes=2,
        # With DeepSpeed the weights are in its own folder as well.
        optional=frozenset({"checkpoint-15/model.safetensors.index.json"}),
    ),
    Scene(
        "accelerate",
        "checkpoint_15",
        _below(
            "checkpoint_15",
            {
                "model.safetensors": safetensors(),
                "optimizer.bin": saved(),
                "scheduler.bin": saved(),
                "random_states_0.pkl": saved(),
                "random_states_1.pkl": saved(),
            },
        ),
        processes=2,
        optional=frozenset({"checkpoint_15/scheduler.bin"}),
    ),
    Scene(
        "accelerate-steps",
        "step_15",
        _below(
            "step_15",
            {
                **shards("pytorch_model_fsdp_0/", 1),
                **shards("optimizer_0/", 1),
                "random_states_0.pkl": saved(),
            },
        ),
    ),
    Scene("dcp", "step-15-a2", _below("step-15-a2", shards("", 3)), processes=3),
    Scene(
        "torchtitan",
        "step-15",
        _below(
            "step-15",
            {
                "model-00001-of-00001.safetensors": safetensors(),
                "model.safetensors.index.json": index("model-00001-of-00001.safetensors"),
            },
        ),
    ),
    Scene("torchtitan", "step-15", _below("step-15", shards("", 2)), processes=2),
    Scene(
        "deepspeed",
        "global_step15",
        {**_below("global_step15", _DEEPSPEED), "latest": b"global_step15"},
        processes=2,
    ),
    Scene(
        "megatron",
        "iter_0000015",
        {
            "iter_0000015/common.pt": saved(),
            **shards("iter_0000015/", 2),
            "latest_checkpointed_iteration.txt": b"15",
        },
        processes=2,
        optional=frozenset({"iter_0000015/common.pt"}),
    ),
    Scene("lightning", "epoch=1-step=15.ckpt", {"epoch=1-step=15.ckpt": saved()}),
    Scene("lightning", "last.ckpt", {"last.ckpt": saved({"epoch": 3, "global_step": 15})}),
    Scene(
        "lightning",
        "epoch=1-step=15.ckpt",
        _below("epoch=1-step=15.ckpt", {**shards("", 2), "meta.pt": saved()}),
        processes=2,
    ),
    Scene(
        "nemo",
        "gpt--val_loss=1.5-step=15-last",
        _below("gpt--val_loss=1.5-step=15-last", {"common.pt": saved(), **shards("", 2)}),
        processes=2,
    ),
    Scene(
        "keras",
        "backup",
        _below(
            "backup",
            {
                "latest.weights.h5": hdf5(),
                "training_metadata.json": b'{"epoch": 15, "batch": 0}',
            },
        ),
    ),
    Scene(
        "torchtune",
        "epoch_15",
        {
            "epoch_15/model-00001-of-00001.safetensors": safetensors(),
            "recipe_state/recipe_state.pt": saved(),
        },
    ),
    Scene("composer", "ep1-ba15-rank0.pt", {"ep1-ba15-rank0.pt": saved()}),
    Scene("composer", "ep1-ba15", _below("ep1-ba15", shards("", 2)), processes=2),
    Scene(
        "mmengine",
        "iter_15.pth",
        {"iter_15.pth": saved(), "last_checkpoint": b"/work/dir/iter_15.pth"},
    ),
    Scene(
        "detectron2",
        "model_0000015.pth",
        {"model_0000015.pth": saved(), "last_checkpoint": b"model_0000015.pth"},
    ),
    Scene("ultralytics", "last.pt", {"last.pt": saved({"epoch": 15, "best_fitness": 0.5})}),
    Scene(
        "fairseq",
        "checkpoint_last.pt",
        {"checkpoint_last.pt": saved({"optimizer_history": [{"num_updates": 15}]})},
    ),
    # The container renames it when it is whole.
    Scene("xgboost", "xgboost-checkpoint.15", {"xgboost-checkpoint.15": b"binf\0"}),
)
