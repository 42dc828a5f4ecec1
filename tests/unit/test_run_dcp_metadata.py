"""`.metadata` is a pickle of a stranger: it says which files there are, and never does anything."""

import io
import os
import pickle
import struct
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.distributed.checkpoint.metadata import Metadata

from resilient_training.run import dcp_metadata
from resilient_training.run.dcp_metadata import UntrustedMetadataError, files_needed
from resilient_training.run.inspection import require_harmless
from tests.unit.checkpoint_folders import metadata, write

NAMES = {"__0_0.distcp": (0, 40), "a/__1_0.distcp": (8, 2)}


def read(tmp_path: Path, content: bytes) -> dict[str, int]:
    path = tmp_path / ".metadata"
    path.write_bytes(content)
    return dict(files_needed(path))


def why(tmp_path: Path, content: bytes) -> str:
    with pytest.raises(UntrustedMetadataError) as refused:
        read(tmp_path, content)
    text = str(refused.value)
    assert "\n" not in text
    return text


def test_every_file_has_the_size_that_its_parts_reach(tmp_path: Path) -> None:
    assert read(tmp_path, metadata(NAMES)) == {"__0_0.distcp": 40, "a/__1_0.distcp": 10}


def test_it_needs_no_torch(tmp_path: Path) -> None:
    (tmp_path / ".metadata").write_bytes(metadata(NAMES))
    script = (
        "import sys; from pathlib import Path;"
        "from resilient_training.run.dcp_metadata import files_needed;"
        "print(len(files_needed(Path(sys.argv[1]))), 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / ".metadata")]
    paths = {"PYTHONPATH": os.pathsep.join(path or str(Path.cwd()) for path in sys.path)}
    ended = subprocess.run(
        command, env={**os.environ, **paths}, capture_output=True, text=True, check=True
    )
    assert ended.stdout == "2 False\n"


class Runs:
    """Unpickled by pickle, it would run a command."""

    def __init__(self, function: Any, *arguments: object) -> None:  # noqa: ANN401 — anything that can be called
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize(
    ("function", "argument", "name"),
    [
        (os.system, "touch {}", "posix.system"),
        (eval, "open('{}', 'w')", "builtins.eval"),
        (exec, "open('{}', 'w')", "builtins.exec"),
        (getattr, "{}", "builtins.getattr"),
        (torch.load, "{}", "torch.serialization.load"),
        (subprocess.check_output, "touch {}", "subprocess.check_output"),
    ],
)
def test_code_is_named_and_not_run(
    function: object, argument: str, name: str, tmp_path: Path
) -> None:
    proof = tmp_path / "it-ran"
    doctored = metadata(NAMES, planner_data=Runs(function, argument.format(proof)))
    assert f"'{name}' has no place in it" in why(tmp_path, doctored)
    assert not proof.exists()


def test_a_harmless_name_of_a_dangerous_module_is_refused(tmp_path: Path) -> None:
    assert "'torch.hub.load'" in why(tmp_path, b"ctorch.hub\nload\n.")
    assert "'torch.Tensor'" in why(tmp_path, b"ctorch\nTensor\n.")
    assert "'torch.Size.__class__'" in why(tmp_path, b"ctorch\nSize.__class__\n.")


@pytest.mark.parametrize(
    "path",
    [
        *("../x", "a/../../x", "/etc/passwd", "a//b", "./a", "a/.", "", "a\\b", "a\0b", "a\nb"),
        "x" * 1025,
    ],
)
def test_paths_that_leave_the_folder_are_refused(path: str, tmp_path: Path) -> None:
    why(tmp_path, metadata({path: (0, 1)}))


@pytest.mark.parametrize(
    "part",
    [(-1, 40), (0, -1), (0, 1 << 63), ((1 << 63) - 1, 1), (1.0, 2), (True, 2), ("0", 2), (None, 1)],
)
def test_sizes_that_no_file_has_are_refused(part: Any, tmp_path: Path) -> None:  # noqa: ANN401 — wrong on purpose
    why(tmp_path, metadata({"__0_0.distcp": part}))


def test_metadata_without_files_are_refused(tmp_path: Path) -> None:
    assert "names no files" in why(tmp_path, metadata(None))
    assert "names no files" in why(tmp_path, metadata({}))


@pytest.mark.parametrize("value", [7, "text", {"storage_data": {}}, [], torch.Size([1]), None])
def test_a_pickle_of_something_else_is_refused(value: object, tmp_path: Path) -> None:
    assert "is no metadata of a checkpoint" in why(tmp_path, pickle.dumps(value))


def test_a_part_of_another_kind_is_refused(tmp_path: Path) -> None:
    odd: Any = {"w": PurePosixPath("x").name}
    content = pickle.dumps(Metadata({}, storage_data=odd))
    assert "stored in an unknown way" in why(tmp_path, content)


def test_every_truncation_is_refused(tmp_path: Path) -> None:
    whole = metadata(NAMES)
    for length in range(len(whole)):
        why(tmp_path, whole[:length])


@pytest.mark.parametrize(
    "bomb",
    [
        # A memo index of four billion: the unpickler in C reserves 64 GB for it.
        b"\x80\x04Nr" + struct.pack("<I", 0xFFFFFFFF) + b".",
        # A text of 8 EB.
        b"\x80\x04\x8d" + struct.pack("<Q", (1 << 63) - 1) + b"x.",
        b"\x80\x04\x95" + struct.pack("<Q", (1 << 63) - 1) + b".",
        # A number whose decimal digits take minutes, and one of two gigabytes.
        b"I" + b"9" * 100_000 + b"\n.",
        b"\x80\x02\x8b" + struct.pack("<i", (1 << 31) - 1) + b"\1.",
        # A tuple in tuples as a key: the hash of it ends the stack of the process.
        b"\x80\x04}" + b")" + b"\x85" * 500_000 + b"Ns.",
        # Lists that stand in each other.
        b"\x80\x04]\x94h\x00a.",
        b"\x80\x04(((((((.",
        b"\x80\x04" + b"0" * 1000 + b".",
        b"\x80\x04\x96" + struct.pack("<Q", 1 << 62) + b".",
        b"\x80\x04\x82\x01.",  # an extension code
        b"cos\nsystem\n(S'true'\ntR.",
        b"(S'true'\nios\nsystem\n.",  # INST
        b"\xff" * 64,
        b"",
        b".",
    ],
)
def test_bombs_do_nothing(bomb: bytes, tmp_path: Path) -> None:
    why(tmp_path, bomb)


def test_a_file_larger_than_any_checkpoints_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dcp_metadata, "MAX_BYTES", 100)
    assert "100 are allowed" in why(tmp_path, bytes(101))


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_name_files(content: bytes) -> None:
    _never_anything_else(content)


@given(st.data())
def test_any_damage_is_refused_or_names_files_inside(data: st.DataObject) -> None:
    content = bytearray(metadata(NAMES))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    _never_anything_else(bytes(content))


def test_what_was_restored_is_looked_at_wherever_it_has_metadata(tmp_path: Path) -> None:
    write(tmp_path / "model/__0_0.distcp", bytes(40))
    write(tmp_path / "model/.metadata", metadata({"__0_0.distcp": (0, 40)}))
    require_harmless(tmp_path)
    write(tmp_path / "a/b/.metadata", metadata(NAMES, planner_data=Runs(os.system, "true")))
    with pytest.raises(UntrustedMetadataError, match=r"'posix\.system' has no place in it"):
        require_harmless(tmp_path)


def test_what_was_restored_has_the_files_that_its_metadata_name(tmp_path: Path) -> None:
    write(tmp_path / "__0.metadata", metadata({"__0_0.distcp": (0, 40)}))
    with pytest.raises(UntrustedMetadataError, match=r"__0_0\.distcp is missing, which __0\.meta"):
        require_harmless(tmp_path)
    write(tmp_path / "__0_0.distcp", bytes(39))
    with pytest.raises(UntrustedMetadataError, match="has 39 of 40 bytes"):
        require_harmless(tmp_path)


class InMemory(io.BytesIO):
    """As much of a path as the reader asks for."""

    name = ".metadata"

    def stat(self) -> os.stat_result:
        return os.stat_result((0, 0, 0, 0, 0, 0, len(self.getvalue()), 0, 0, 0))

    def read_bytes(self) -> bytes:
        return self.getvalue()


def _never_anything_else(content: bytes) -> None:
    path: Any = InMemory(content)
    try:
        needed = files_needed(path)
    except UntrustedMetadataError:
        return
    for name, size in needed.items():
        assert ".." not in name.split("/")
        assert not name.startswith("/")
        assert size >= 0
