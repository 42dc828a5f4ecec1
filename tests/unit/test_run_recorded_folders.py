"""What frameworks that are not installed here have left on a disk, by name.

`recorded_folders.jsonl` has the files of one real run each; their contents are made here.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from resilient_training.run.complete import Complete, Incomplete, completeness_of
from resilient_training.run.completeness import Ranks
from resilient_training.run.layouts import layout_named
from resilient_training.run.recognition import guess
from resilient_training.run.tidy import move_aside
from tests.unit.checkpoint_folders import hdf5, safetensors, saved, write

RECORDS = Path(__file__).with_name("recorded_folders.jsonl")
# For people and for other tools; a training resumes without them, or makes them again.
NOT_NEEDED = ("config.json", "zero_to_", "training_args.bin", "best.pt")


@dataclass(frozen=True)
class Record:
    layout: str
    made_by: str
    name: str
    processes: int
    files: tuple[str, ...]

    def write(self, parent: Path) -> Path:
        for path in self.files:
            write(parent / path, self.content(path))
        return parent / self.name

    def content(self, path: str) -> bytes:
        kinds = {
            ".safetensors": safetensors(),
            ".h5": hdf5(),
            ".json": b'{"epoch": 2, "global_step": 2}',
            "/latest": b"global_step2",
            "latest": b"global_step2",
        }
        sharded = any("optim_states" in file for file in self.files)
        whole = saved({"epoch": 2, "optimizer": None if sharded else {}})
        return next((made for end, made in kinds.items() if path.endswith(end)), whole)


def record_from(line: str) -> Record:
    fields: dict[str, Any] = json.loads(line)
    return Record(**{**fields, "files": tuple(fields["files"])})


ALL = [record_from(line) for line in RECORDS.read_text().splitlines()]
records = pytest.mark.parametrize("record", ALL, ids=lambda record: record.made_by)


@records
def test_a_recorded_checkpoint_is_recognised_and_complete(record: Record, tmp_path: Path) -> None:
    checkpoint = record.write(tmp_path)
    layout = layout_named(record.layout)
    assert guess(tmp_path).layout is layout
    assert completeness_of(checkpoint, layout, Ranks(record.processes)) == Complete({})
    assert move_aside(tmp_path, None, record.processes, None) == []


@records
def test_a_recorded_checkpoint_lacks_nothing(record: Record, tmp_path: Path) -> None:
    checkpoint = record.write(tmp_path)
    layout, ranks = layout_named(record.layout), Ranks(record.processes)
    # DeepSpeed inside a Trainer's folder has the weights, and mostly the schedule too.
    doubled = ("model.safetensors", "scheduler.pt") if "ZeRO" in record.made_by else ()
    for path in record.files:
        if any(name in path for name in (*NOT_NEEDED, *doubled)):
            continue
        (tmp_path / path).unlink()
        found = completeness_of(checkpoint, layout, ranks)
        assert isinstance(found, Incomplete), path
        write(tmp_path / path, record.content(path))


@records
def test_a_recorded_checkpoint_needs_every_process(record: Record, tmp_path: Path) -> None:
    if record.processes == 1 or "stage 0" in record.made_by:  # one file for all
        return
    checkpoint = record.write(tmp_path)
    found = completeness_of(checkpoint, layout_named(record.layout), Ranks(record.processes + 1))
    assert isinstance(found, Incomplete)
