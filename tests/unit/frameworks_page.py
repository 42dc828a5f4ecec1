"""The page docs/frameworks.md, made from the table of layouts and from which tests there are.

PYTHONPATH=training python -m tests.unit.frameworks_page > docs/frameworks.md
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from resilient_training.run.layouts import LAYOUTS, Layout

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "frameworks.md"
RECORDED = Path(__file__).with_name("recorded_folders.jsonl")
ONE_HOST = "tests/local/test_run_frameworks.py"
TWO_HOSTS = "tests/local/test_run_two_hosts.py"

# Where the user says in which folder the checkpoints go: --checkpoints has to name the same.
FOLDERS = {
    "huggingface": "`--output_dir`",
    "accelerate": "`checkpoints` below the project_dir of ProjectConfiguration",
    "accelerate-steps": "the folder that the script gives save_state",
    "megatron": "`--save`",
    "deepspeed": "the folder of engine.save_checkpoint",
    "torchtitan": "`checkpoint.folder` below the dump folder",
    "nemo": "`checkpoints` of exp_manager",
    "lightning": "dirpath of ModelCheckpoint",
    "keras": "the folder above backup_dir",
    "torchtune": "`output_dir`",
    "composer": "`save_folder`",
    "mmengine": "`work_dir`",
    "detectron2": "`OUTPUT_DIR`",
    "ultralytics": "`weights` below project/name",
    "fairseq": "`--save-dir`",
    "xgboost": "`/opt/ml/checkpoints`",
    "dcp": "the folder above checkpoint_id",
}
# By the rule: what makes a checkpoint complete. No file may be cut short, whatever the rule.
COMPLETE = {
    "huggingface": "trainer_state.json, a random state of each process, weights, optimizer,"
    " scheduler; no checkpoint-is-incomplete.txt",
    "accelerate": "a random state of each process, weights, optimizer, and all that the"
    " checkpoint before had",
    "dcp": ".metadata, and each file in the size that it names",
    "torchtitan": ".metadata or model.safetensors.index.json, and each file that it names",
    "deepspeed": "`latest` names it or a later one; the parts of each process",
    "megatron": "latest_checkpointed_iteration.txt names it or a later one",
    "lightning": "the file ends as its format does; a folder: .metadata, then meta.pt; no marker"
    " `-unfinished`",
    "keras": "training_metadata.json, written after the weights",
    "torchtune": "recipe_state.pt, written after the weights, for the newest epoch",
    "composer": "the file ends as its format does; a folder: .metadata",
    "ultralytics": "the file ends as its format does, and its epoch is not -1",
    "pointed": "last_checkpoint names it or a later one",
    "file": "a file that is not empty, and ends as its format does",
}
NOTES = {
    "lightning": 'or `ckpt_path="last"` in the script: a link last.ckpt names what was restored',
    "keras": "BackupAndRestore in the callbacks",
    "dcp": "the script looks for the newest folder",
    "deepspeed": "the script calls load_checkpoint",
    "accelerate": "the script calls load_state, and sets project_configuration.iteration",
    "torchtitan": "it takes the newest folder",
    "fairseq": "it takes checkpoint_last.pt",
    "xgboost": "it takes the newest file",
    "composer": "autoresume=True, with a run_name",
    "nemo": "resume_if_exists in exp_manager",
}


@dataclass(frozen=True)
class Proof:
    """A test that kills a training of this layout with -9, and compares its end."""

    layout: str
    what: str
    file: str
    test: str


LOST = "test_a_host_is_lost_and_two_fresh_ones_end_with_the_bytes_of_an_unbroken_job"
PROOFS = (
    Proof("huggingface", "Trainer, 2 hosts, store", TWO_HOSTS, LOST),
    Proof(
        "huggingface",
        "Trainer, 2 processes",
        ONE_HOST,
        "test_transformers_trainer_that_logs_to_w_and_b_by_itself",
    ),
    Proof(
        "accelerate",
        "2 processes, seedable sampler, dropout",
        ONE_HOST,
        "test_accelerate_with_automatic_names",
    ),
    Proof(
        "deepspeed",
        "ZeRO 1, bf16, 2 processes",
        ONE_HOST,
        "test_deepspeed_with_its_optimizer_in_parts",
    ),
    Proof(
        "torchtitan",
        "an FSDP2 loop with such folders, 2 hosts, store; torchtitan itself was not run",
        TWO_HOSTS,
        LOST,
    ),
    Proof(
        "dcp",
        "an FSDP2 loop, 2 processes, store",
        ONE_HOST,
        "test_fsdp2_with_torch_distributed_checkpoint_and_a_store",
    ),
    Proof(
        "lightning",
        "saves at the end of epochs, data not shuffled",
        ONE_HOST,
        "test_lightnings_own_model_checkpoint_and_its_word_last",
    ),
    Proof("keras", "data not shuffled, no dropout", ONE_HOST, "test_keras_with_its_own_backup"),
)

_HEAD = """# Frameworks

How `resilient-run` knows the checkpoints of each framework. `--layout` takes the name; `auto`
tries the rows from the top. This page is made from `training/resilient_training/run/layouts.py`
and from the tests; a test holds it to them. A new framework is a row and a recorded folder.

**How a row was proved**, the strongest first:

- *killed and compared here*: the framework was killed with -9, resumed on an empty disk from W&B,
  and ended with the same bytes as a training that nobody broke.
- *made here*: the tests have the framework save such checkpoints, and watch them.
- *recorded folder*: the framework made a folder here once, whose list of files the tests keep.
- *source read*, *documented*: the row stands on what its authors wrote. Try it before you need it.

| layout | folder of the checkpoints | complete when | how it resumes | proved |
|---|---|---|---|---|
"""

_TAIL = """
**What "same bytes" needs of the script.** `resilient-run` brings the checkpoint back; what the
framework does not put into it is not in the bytes either:

- transformers' Trainer saves the random states and skips the data that was seen. accelerate saves
  the random states; the order of shuffled data only with `use_seedable_sampler=True`.
- torch.distributed.checkpoint and DeepSpeed save what the script gives them. The scripts of these
  tests draw their data by step and rank; one with dropout has to save the random states as well.
- Lightning and Keras save no random state. With shuffled data or dropout they go on from the right
  step, with other random numbers: other bytes, whoever restarts them.
- accelerate counts its automatic names from 0 again after a resume. A script that does not set
  `project_configuration.iteration` ends in accelerate's own error, or loads the older checkpoint.

**Several hosts** need `--store`, ranks in the order of the hosts (SageMaker's own driver numbers
them so), and layouts that say which files belong to a checkpoint. A folder `step-N` of
torch.distributed.checkpoint is recognised as torchtitan's, which has the same rule.
"""


def recorded() -> dict[str, list[str]]:
    made: dict[str, list[str]] = {}
    for line in RECORDED.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        made.setdefault(row["layout"], []).append(row["made_by"])
    return made


def render() -> str:
    made = recorded()
    return _HEAD + "".join(_row(layout, made.get(layout.name, [])) for layout in LAYOUTS) + _TAIL


def _row(layout: Layout, made: list[str]) -> str:
    cells = (
        f"`{layout.name}`",
        FOLDERS[layout.name],
        COMPLETE[layout.rule],
        _resumes(layout),
        _proved(layout, made),
    )
    return f"| {' | '.join(cells)} |\n"


def _resumes(layout: Layout) -> str:
    added = f"`{layout.resume}` is added" if layout.resume else ""
    return "; ".join(filter(None, (added, NOTES.get(layout.name, ""))))


def _proved(layout: Layout, made: list[str]) -> str:
    killed = [proof.what for proof in PROOFS if proof.layout == layout.name]
    said = [f"*killed and compared here*: {'; '.join(killed)}"] if killed else []
    said += ["*recorded folder*"] if made else []
    return f"{'; '.join([*said, *_read(layout)])}. {layout.source}"


def _read(layout: Layout) -> list[str]:
    words = {
        "run here": "*made here*",
        "its source": "*source read*",
        "documented": "*documented*",
    }
    return [mark for word, mark in words.items() if word in layout.source]


if __name__ == "__main__":
    sys.stdout.write(render())
