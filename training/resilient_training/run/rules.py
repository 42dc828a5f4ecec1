"""The rules of completeness, one for each way in which frameworks end a save."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from resilient_training.run.dcp_metadata import FILE_NAME
from resilient_training.run.layout import Pointer
from resilient_training.run.pointers import number_pointed_at, pointed_at
from resilient_training.run.saved_number import is_none, number_after
from resilient_training.run.whole import flaw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from resilient_training.run.completeness import Candidate, Finding

_WEIGHTS = ("*model*.safetensors", "*model*.bin", "*model*.pt", "pytorch_model_fsdp*")
_OPTIMIZERS = ("optimizer*", "rank*-of-*-optimizer.pt")


def _huggingface(candidate: Candidate) -> Iterator[Finding]:
    """`trainer_state.json` is rank 0's last file; no barrier follows: others may still write."""
    if "checkpoint-is-incomplete.txt" in candidate.sizes:
        yield "checkpoint-is-incomplete.txt is there: the save did not end"
    yield from candidate.missing("trainer_state.json")
    if candidate.ranks.count > 1 or "rng_state.pth" not in candidate.sizes:
        lone = candidate.ranks.count == 1 and "rng_state_0.pth" not in candidate.sizes
        yield from candidate.of_each_rank("rng_state.pth" if lone else "rng_state_{rank}.pth")
    if candidate.like("global_step*/*"):
        yield from _tagged(candidate)
    else:
        yield from candidate.none_of("model.safetensors", *_WEIGHTS)
        yield from candidate.none_of("optimizer.pt", *_OPTIMIZERS)
        yield from candidate.missing("scheduler.pt")
        yield from _index(candidate)


def _index(candidate: Candidate) -> Iterator[Finding]:
    """Weights in several files are found by their index only."""
    if candidate.like("model-*-of-*.safetensors"):
        yield from candidate.missing("model.safetensors.index.json")
    if candidate.like("pytorch_model-*-of-*.bin"):
        yield from candidate.missing("pytorch_model.bin.index.json")


def _tagged(candidate: Candidate) -> Iterator[Finding]:
    """A checkpoint of DeepSpeed inside another one, with its pointer."""
    tag = pointed_at(candidate.path, Pointer("latest", "{name}"))
    if tag is None:
        yield "latest is missing or empty"
    else:
        yield from _deepspeed_files(candidate, f"{tag}/")


def _accelerate(candidate: Candidate) -> Iterator[Finding]:
    yield from candidate.of_each_rank("random_states_{rank}.pkl")
    if candidate.like("pytorch_model/*"):
        yield from _deepspeed_files(candidate, "pytorch_model/")
    else:
        yield from candidate.none_of("model.safetensors", *_WEIGHTS)
        yield from candidate.none_of("optimizer.bin", *_OPTIMIZERS)


def _dcp(candidate: Candidate) -> Iterator[Finding]:
    if "__0.metadata" not in candidate.sizes:
        yield from candidate.missing(FILE_NAME)


def _torchtitan(candidate: Candidate) -> Iterator[Finding]:
    """Its own rule: one of both, by the format that it was told to save in."""
    yield from candidate.none_of(FILE_NAME, FILE_NAME, "model.safetensors.index.json")


def _deepspeed(candidate: Candidate) -> Iterator[Finding]:
    yield from _tracked(candidate)
    yield from _deepspeed_files(candidate, "")


def _megatron(candidate: Candidate) -> Iterator[Finding]:
    yield from _tracked(candidate)
    yield from candidate.none_of(FILE_NAME, FILE_NAME, "mp_rank_*/*.pt")


def _tracked(candidate: Candidate) -> Iterator[Finding]:
    """The pointer is written after the files, and names this checkpoint or a later one."""
    number = candidate.layout.number_in_name(candidate.path.name)
    for pointer in candidate.layout.pointers:
        text = pointed_at(candidate.parent, pointer)
        at = number_pointed_at(candidate.parent, candidate.layout, pointer)
        if text is None:
            yield f"{pointer.name} is missing or empty"
        elif at is None or number is None or at < number:
            yield f"{pointer.name} names {text[:80]}, not yet {candidate.path.name}"


def _deepspeed_files(candidate: Candidate, below: str) -> Iterator[Finding]:
    """With ZeRO each process writes its part of the optimizer, in stage 3 of the model too."""
    models = candidate.like(f"{below}*_model_states.pt")
    if not models:
        yield f"{below}mp_rank_00_model_states.pt is missing"
    parts = candidate.like(f"{below}*zero_pp_rank_*_optim_states.pt")
    # Without ZeRO the optimizer is in the model's file; with it None stands there.
    if not parts and models and is_none(candidate.path / models[0], "optimizer"):
        yield f"{below}zero_pp_rank_0_mp_rank_00_optim_states.pt is missing"
    for files in (parts, _parted(models)):
        if files and len(files) < candidate.ranks.count:
            yield from _parts_of_others(candidate, files)


def _parted(models: list[str]) -> list[str]:
    return [path for path in models if "zero_pp_rank_" in path]


def _parts_of_others(candidate: Candidate, files: list[str]) -> Iterator[Finding]:
    few = f"{len(files)} of {candidate.ranks.count} files like {min(files)} are there"
    if candidate.ranks.here is None:
        yield few
    elif {match[1] for path in files for match in re.finditer(r"mp_rank_(\d+)", path)} != {"00"}:
        yield f"{few}; with tensor parallelism all hosts need one shared disk"
    else:
        name = re.sub(r"zero_pp_rank_\d+", "zero_pp_rank_{rank}", min(files))
        yield from candidate.of_each_rank(name)


def _lightning(candidate: Candidate) -> Iterator[Finding]:
    """NeMo's marker, too: `<name>-unfinished` beside it until all processes have written."""
    if (candidate.parent / f"{candidate.path.name.removesuffix('.ckpt')}-unfinished").exists():
        yield f"{candidate.path.name} is marked as unfinished"
    if candidate.path.is_dir() and "latest" in candidate.sizes:
        yield from _deepspeed_files(candidate, "checkpoint/")
    elif candidate.path.is_dir():
        if candidate.layout.number_in_name(candidate.path.name) is None:
            yield f"{candidate.path.name} is a folder that each save writes over: two may mix in it"
        yield from candidate.missing(FILE_NAME)
        yield from candidate.none_of("meta.pt", "meta.pt", "common.pt")


def _keras(candidate: Candidate) -> Iterator[Finding]:
    """The weights first, then training_metadata.json; copies of the ones before begin with `_`."""
    name = "training_metadata.json"
    yield from candidate.missing(name)
    weights = [path for path in candidate.like("*.weights.h5") if not path.startswith("_")]
    if not weights:
        yield "latest.weights.h5 is missing"
    if any(candidate.written(path) > candidate.written(name) for path in weights):
        yield f"the weights are newer than {name}: a save has not ended"


def _torchtune(candidate: Candidate) -> Iterator[Finding]:
    """One recipe state, written last, for the newest epoch alone."""
    yield from candidate.none_of("weights", "*.safetensors", "*.bin", "*.pt")
    for name in candidate.layout.beside:
        path = candidate.parent / name
        if not path.is_file():
            yield f"{name} is missing"
        elif (why := flaw(path)) is not None:
            yield f"{name} {why}"
        elif path.stat().st_mtime_ns < max(file.written for file in candidate.listing):
            yield f"{name} is older than {candidate.path.name}"
    yield from _later(candidate)


def _later(candidate: Candidate) -> Iterator[Finding]:
    number = candidate.layout.number_in_name
    mine = number(candidate.path.name) or 0
    for path in candidate.parent.iterdir():
        if (number(path.name) or 0) > mine:
            yield f"the state beside it belongs to {path.name}"


def _composer(candidate: Candidate) -> Iterator[Finding]:
    if candidate.path.is_dir():
        yield from candidate.missing(FILE_NAME)


def _ultralytics(candidate: Candidate) -> Iterator[Finding]:
    """At the end of a training ultralytics takes the optimizer out and sets the epoch to -1."""
    epoch = number_after(candidate.path, "epoch")
    if epoch is None:
        yield f"{candidate.path.name} has no epoch in it"
    elif epoch < 0:
        yield f"{candidate.path.name} is of a finished training, without an optimizer"


def _file(candidate: Candidate) -> Iterator[Finding]:
    if not candidate.is_file:
        yield f"{candidate.path.name} is no file"
    elif not candidate.listing[0].size:
        yield f"{candidate.path.name} is empty"


def _pointed(candidate: Candidate) -> Iterator[Finding]:
    yield from _file(candidate)
    yield from _tracked(candidate)


RULES: Final[Mapping[str, Callable[[Candidate], Iterator[Finding]]]] = {
    "huggingface": _huggingface,
    "accelerate": _accelerate,
    "dcp": _dcp,
    "torchtitan": _torchtitan,
    "deepspeed": _deepspeed,
    "megatron": _megatron,
    "lightning": _lightning,
    "keras": _keras,
    "torchtune": _torchtune,
    "composer": _composer,
    "ultralytics": _ultralytics,
    "pointed": _pointed,
    "file": _file,
}
