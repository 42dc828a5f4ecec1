"""One file out of the folder that Hugging Face's Trainer saves, and that folder out of the file.

The file comes from W&B. What is unpacked is what could have been packed: plain files, by names that
Trainer and PEFT write, flat, uncompressed, and so no more bytes than the file itself has.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import tarfile
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

_log = logging.getLogger(__name__)

# What resumes a training: weights, whole or in shards, adapters, optimizer, schedule, randomness.
_STATE = re.compile(
    r"(model|pytorch_model|adapter_model)(-\d{5}-of-\d{5})?\.(safetensors|bin)"
    r"|(model\.safetensors|pytorch_model\.bin)\.index\.json"
    r"|(optimizer|scheduler|scaler)\.(pt|bin)"
    r"|rng_state(_\d{1,5})?\.pth"
)
# Arbitrary objects, which nothing reads on a resume.
_PICKLE = "training_args.bin"
# What describes it, for whoever takes the weights elsewhere.
_DESCRIPTION = frozenset(
    {
        "README.md",
        "adapter_config.json",
        "added_tokens.json",
        "attempt.json",
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "merges.txt",
        "preprocessor_config.json",
        "processor_config.json",
        "sentencepiece.bpe.model",
        "special_tokens_map.json",
        "spiece.model",
        "tokenizer.json",
        "tokenizer.model",
        "tokenizer_config.json",
        "trainer_state.json",
        "video_preprocessor_config.json",
        "vocab.json",
        "vocab.txt",
    }
)
_MOST_FILES = 1000
_SHOWN = 100


class UnsafeArchiveError(Exception):
    """A file that claims to be a packed checkpoint holds what none holds."""


def is_known(name: str) -> bool:
    return name in _DESCRIPTION or _STATE.fullmatch(name) is not None


def pack(folder: Path, target: BinaryIO) -> None:
    """Pack what a training resumes from; a file of another name is left out, with a warning."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    left_out = [path.name for path in files if not is_known(path.name)]
    if set(left_out) - {_PICKLE}:
        _log.warning("not in the checkpoint: %s", " ".join(left_out))
    # A link would be refused when it is unpacked, so the content goes in.
    with tarfile.open(fileobj=target, mode="w|", dereference=True) as archive:
        for path in files:
            if is_known(path.name):
                archive.add(path, path.name)


def unpack(packed: Path, into: Path) -> int:
    """Unpack a folder; gives the step that it is of.

    Raises:
        UnsafeArchiveError: a member is none that `pack` writes; the message names it.
        tarfile.TarError: it is no archive, or a compressed one.
    """
    with tarfile.open(packed, "r:") as archive:
        members = list(_checked(archive, packed.stat().st_size))
        for member in members:
            _copy(archive, member, into)
    _check_shards(into)
    return int(json.loads((into / "trainer_state.json").read_text())["global_step"])


def _checked(archive: tarfile.TarFile, archive_size: int) -> Iterator[tarfile.TarInfo]:
    """The members, each looked at before the first is written."""
    seen: set[str] = set()
    end = 0
    for member in islice(archive, _MOST_FILES + 1):
        why = _objection(member, seen, end, archive_size)
        if why is not None:
            raise UnsafeArchiveError(f"{ascii(member.name)[:_SHOWN]} {why}")
        seen.add(member.name)
        end = member.offset_data + member.size
        yield member


def _objection(member: tarfile.TarInfo, seen: set[str], end: int, archive_size: int) -> str | None:
    """What is wrong with a member.

    Its bytes lie behind those of the one before and within the archive: a header that points
    back, or claims more than there is, would have them written again and again.
    """
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.sparse is not None:
        return "is no plain file"
    if not is_known(member.name):
        return "is no file of a Trainer's checkpoint"
    if member.name in seen:
        return "is there twice"
    if len(seen) == _MOST_FILES:
        return f"is one file more than {_MOST_FILES}"
    if not end < member.offset_data <= member.offset_data + member.size <= archive_size:
        return "does not lie within the archive"
    return None


def _copy(archive: tarfile.TarFile, member: tarfile.TarInfo, into: Path) -> None:
    source = archive.extractfile(member)
    if source is None:
        raise UnsafeArchiveError(f"{member.name} is no plain file")
    with source, (into / member.name).open("xb") as target:
        shutil.copyfileobj(source, target)


def _check_shards(folder: Path) -> None:
    """Trainer opens the files that an index of shards names, wherever they are."""
    for index in sorted(folder.glob("*.index.json")):
        for name in set(json.loads(index.read_text())["weight_map"].values()):
            if not is_known(name):
                raise UnsafeArchiveError(f"{ascii(name)[:_SHOWN]} in {index.name} is no shard")
