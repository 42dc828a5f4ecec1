"""One file out of the folder that Hugging Face's Trainer saves, and that folder out of the file.

The file comes from W&B. What is unpacked is what could have been packed: plain files, by names that
Trainer and PEFT write, uncompressed, and so no more bytes than the file itself has. All lie in the
folder itself, but for the adapters that PEFT writes into a subfolder each, named as the adapter.
"""

from __future__ import annotations

import io
import json
import logging
import os
import re
import shutil
import tarfile
from contextlib import ExitStack
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_log = logging.getLogger(__name__)

# What resumes a training: weights, whole or in shards, adapters, optimizer, schedule, randomness.
_STATE = re.compile(
    r"(model|pytorch_model|adapter_model)(-\d{5}-of-\d{5})?\.(safetensors|bin)"
    r"|(model\.safetensors|pytorch_model\.bin)\.index\.json"
    r"|(optimizer|scheduler|scaler|loader)\.(pt|bin)"
    r"|rng_state(_\d{1,5})?\.pth"
)
_ADAPTER = re.compile(r"adapter_model\.(safetensors|bin)|adapter_config\.json|README\.md")
# As a name of a folder: no way up, nothing hidden, and short enough for any file system.
_ADAPTER_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}")
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
    folder, slash, file = name.partition("/")
    if slash:
        return is_adapter_name(folder) and _ADAPTER.fullmatch(file) is not None
    return name in _DESCRIPTION or _STATE.fullmatch(name) is not None


def is_adapter_name(name: str) -> bool:
    """Whether an adapter of this name can be packed, in the subfolder that PEFT gives it."""
    return _ADAPTER_NAME.fullmatch(name) is not None and not is_known(name)


def pack(folder: Path, target: BinaryIO) -> None:
    """Pack what a training resumes from; a file of another name is left out, with a warning."""
    with ExitStack() as opened:
        # What is linked would be refused when it is unpacked, so the content goes in.
        files = {name: opened.enter_context(path.open("rb")) for name, path in known(folder)}
        pack_files(files, target)


def known(folder: Path) -> list[tuple[str, Path]]:
    """The files of a checkpoint by their names in it; what else is there is named in the log."""
    paths = [path for path in sorted([*folder.iterdir(), *folder.glob("*/*")]) if path.is_file()]
    names = {path.relative_to(folder).as_posix(): path for path in paths}
    left_out = [name for name in names if not is_known(name)]
    if set(left_out) - {_PICKLE}:
        _log.warning("not in the checkpoint: %s", " ".join(left_out))
    return [(name, path) for name, path in names.items() if is_known(name)]


def pack_files(files: Mapping[str, BinaryIO | bytes], target: BinaryIO) -> None:
    """Pack the content of open files, from their beginning, and of bytes."""
    with tarfile.open(fileobj=target, mode="w|") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                info.size = os.fstat(content.fileno()).st_size
                content.seek(0)
                archive.addfile(info, content)


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
    path = into / member.name
    path.parent.mkdir(exist_ok=True)
    with source, path.open("xb") as target:
        shutil.copyfileobj(source, target)


def _check_shards(folder: Path) -> None:
    """Trainer opens the files that an index of shards names, wherever they are."""
    for index in sorted(folder.glob("*.index.json")):
        for name in set(json.loads(index.read_text())["weight_map"].values()):
            if "/" in name or not is_known(name):
                raise UnsafeArchiveError(f"{ascii(name)[:_SHOWN]} in {index.name} is no shard")
