"""What shows in any checkpoint, of whatever framework, that a part of it is missing."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import TYPE_CHECKING

from resilient_training.run.completeness import Elsewhere
from resilient_training.run.dcp_metadata import FILE_NAME, UntrustedMetadataError, files_needed
from resilient_training.run.whole import flaw

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from resilient_training.run.completeness import Candidate, Finding

_PART_OF = re.compile(r"(.*)-(\d{5})-of-(\d{5})(\.\w+)")
_MOST_PARTS = 10_000
_RANK_OF = re.compile(r"__(\d+)_\d+\.distcp")


def flaws_of(candidate: Candidate) -> Iterator[Finding]:
    """Shards whose sizes differ from `.metadata`, weights that an index names, files cut short."""
    if not candidate.sizes:
        yield "there are no files in it yet"
    yield from (f"{path} is being written" for path in candidate.like(f"*{FILE_NAME}.tmp"))
    for folder in _sharded(candidate):
        yield from _shards(candidate, folder)
    for path in candidate.like("*.index.json"):
        yield from _indexed(candidate, path)
    for path in candidate.like("*-*-of-*"):
        yield from _numbered(candidate, path)
    for path in candidate.sizes:
        if (why := flaw(_place(candidate, path), path)) is not None:
            yield f"{path} {why}"


def _place(candidate: Candidate, path: str) -> Path:
    return candidate.path if candidate.is_file else candidate.path / path


def _sharded(candidate: Candidate) -> list[str]:
    """The folders that torch.distributed.checkpoint has written to, each with its slash."""
    files = candidate.like("*.distcp", f"*{FILE_NAME}")
    return sorted({f"{folder}/" if (folder := path.rpartition("/")[0]) else "" for path in files})


def _shards(candidate: Candidate, folder: str) -> Iterator[Finding]:
    for name in _metadata_names(candidate, folder):
        if name not in candidate.sizes:
            # Only rank 0's host has it, and only that host says what the others bring.
            yield f"{name} is missing"
            continue
        try:
            needed = _needed(candidate.path / name, candidate.written(name))
        except UntrustedMetadataError as error:
            yield str(error)
            continue
        for path, size in needed.items():
            yield from _sized(candidate, f"{folder}{path}", size)


def _metadata_names(candidate: Candidate, folder: str) -> list[str]:
    """Without coordination between the processes each has metadata of its own."""
    if f"{folder}__0{FILE_NAME}" not in candidate.sizes:
        return [f"{folder}{FILE_NAME}"]
    return [f"{folder}__{rank}{FILE_NAME}" for rank in range(candidate.ranks.count)]


@lru_cache(maxsize=16)
def _needed(path: Path, _written: int) -> Mapping[str, int]:
    """Read once for each content: a large one takes seconds."""
    return files_needed(path)


def _sized(candidate: Candidate, path: str, size: int) -> Iterator[Finding]:
    there = candidate.sizes.get(path)
    if there is not None and there != size:
        yield f"{path} has {there:,} of {size:,} bytes"
    elif there is None and _is_of_this_disk(candidate, path):
        yield f"{path} is missing"
    elif there is None:
        yield Elsewhere(path, size)


def _is_of_this_disk(candidate: Candidate, path: str) -> bool:
    if candidate.ranks.here is None:
        return True
    rank = _RANK_OF.fullmatch(path.rpartition("/")[2])
    return rank is not None and int(rank[1]) in candidate.ranks.here


def _numbered(candidate: Candidate, path: str) -> Iterator[Finding]:
    """`model-00001-of-00003.safetensors` is not without the second and the third."""
    if (part := _PART_OF.fullmatch(path)) is not None and int(part[3]) <= _MOST_PARTS:
        width = len(part[2])
        numbers = (f"{number:0{width}}" for number in range(1, int(part[3]) + 1))
        yield from candidate.missing(*(f"{part[1]}-{n}-of-{part[3]}{part[4]}" for n in numbers))


def _indexed(candidate: Candidate, path: str) -> Iterator[Finding]:
    try:
        content = json.loads((candidate.path / path).read_bytes())
        names = sorted(set(map(str, content["weight_map"].values())))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return  # an index of something else, or not whole, which its own flaw says
    folder = path.rpartition("/")[0]
    prefix = f"{folder}/" if folder else ""
    yield from candidate.missing(*(prefix + name for name in names))
