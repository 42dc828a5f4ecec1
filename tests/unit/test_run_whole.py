"""A file that was not written to its end shows it, as long as its format has an end."""

import io
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from resilient_training.run.saved_number import is_none, number_after
from resilient_training.run.whole import flaw
from tests.unit.checkpoint_folders import hdf5, safetensors, saved


def zipped(names: int = 1, comment: bytes = b"", content: bytes = b"x") -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for number in range(names):
            archive.writestr(str(number), content)
        archive.comment = comment
    return made.getvalue()


WHOLE = {
    "model.pt": saved(),
    "comment.zip": zipped(comment=b"made by PK\x05\x06"),
    "inner.zip": zipped(content=zipped()),
    "model.safetensors": safetensors(),
    "latest.weights.h5": hdf5(),
    "trainer_state.json": b'{"global_step": 1, "log_history": [{"loss": NaN}]}',
    "weights.index.json": b'{"weight_map": {}}',
}


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_whole_has_no_flaw_and_every_part_of_it_has_one(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    content = WHOLE[name]
    path.write_bytes(content)
    assert flaw(path) is None
    # A zip of another suffix shows its format from its fourth byte on.
    for length in range(4 if name.endswith(".zip") else 0, len(content)):
        path.write_bytes(content[:length])
        assert flaw(path) is not None, length


def test_a_zip_of_more_files_than_its_old_form_can_count_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "many.pt"
    content = zipped(1 << 16)
    path.write_bytes(content)
    assert flaw(path) is None
    for cut in (1, 22, 23, 42, 43, 98, 99, 100, len(content) // 2):
        path.write_bytes(content[:-cut])
        assert flaw(path) == "is no whole zip", cut


def test_a_zip_that_says_more_than_it_has_is_not_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(b"PK\x03\x04" + saved())
    assert flaw(path) == "is no whole zip"
    path.write_bytes(saved() + b"more")
    assert flaw(path) == "is no whole zip"
    path.write_bytes(b"PK\x03\x04PK\x06\x07" + bytes(16) + b"PK\x05\x06" + bytes(18))
    assert flaw(path) == "is no whole zip"


@settings(max_examples=30)
@given(size=st.integers(0, 3000), protocol=st.sampled_from([2, 4]))
def test_torch_writes_files_that_show_their_end(size: int, protocol: int) -> None:
    made = io.BytesIO()
    torch.save({"w": torch.ones(size), "step": 3}, made, pickle_protocol=protocol)
    content = made.getvalue()
    path: Any = InMemory(content)
    assert flaw(path) is None
    path = InMemory(content[:-1])
    assert flaw(path) == "is no whole zip"


class InMemory:
    """As much of a path as the check asks for."""

    name = "w.pt"

    def __init__(self, content: bytes) -> None:
        self.content = content

    def open(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self.content)

    def stat(self) -> Any:  # noqa: ANN401 — of os
        return type("Status", (), {"st_size": len(self.content)})


def test_safetensors_writes_files_whose_header_says_their_length(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"a": torch.ones(7), "b": torch.ones(0)}, path, metadata={"format": "pt"})
    assert flaw(path) is None
    path.write_bytes(path.read_bytes()[:-1])
    said = flaw(path)
    assert said is not None
    assert said.startswith("has ")


@pytest.mark.parametrize(
    "header", [b"[]", b'"x"', b"{", b'{"w": 1}', b'{"w": {"data_offsets": "ab"}}', b"[" * 5000]
)
def test_a_header_that_lies_is_a_flaw(header: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header)
    assert flaw(path) == "has no header that can be read"


def test_other_files_are_nobodys_to_judge(tmp_path: Path) -> None:
    for name, content in {
        "rows.json": b'{"a": 1}\n{"b": 2}\n',
        "notes.txt": b"",
        "__0_0.distcp": b"PK\x03\x04half",
        "model.bin": b"\x80\x02}q\0.",
        "odd.h5": b"no hdf5",
    }.items():
        (tmp_path / name).write_bytes(content)
        assert flaw(tmp_path / name) is None, name


@pytest.mark.parametrize("version", [0, 1, 2, 3])
def test_every_superblock_of_hdf5_says_how_long_the_file_is(version: int, tmp_path: Path) -> None:
    at = {0: 40, 1: 44, 2: 28, 3: 28}[version]
    head = bytearray(b"\x89HDF\r\n\x1a\n" + bytes([version]) + bytes(91))
    head[at : at + 8] = (150).to_bytes(8, "little")
    path = tmp_path / "w.h5"
    path.write_bytes(bytes(head) + bytes(50))
    assert flaw(path) is None
    path.write_bytes(bytes(head) + bytes(49))
    assert flaw(path) == "has 149 of 150 bytes"


def test_a_number_is_read_out_of_a_file_of_torch_and_nothing_is_run(tmp_path: Path) -> None:
    path = tmp_path / "last.pt"
    model = torch.nn.Linear(2, 2)
    content = {"epoch": 41, "model": model, "optimizer": None, "big": 1 << 70, "text": "epoch"}
    for protocol in (2, 3, 4, 5):
        torch.save(content, path, pickle_protocol=protocol)
        assert number_after(path, "epoch") == 41
        assert is_none(path, "optimizer")
        assert not is_none(path, "epoch")
        for key in ("optimizer", "big", "text", "missing"):
            assert number_after(path, key) is None
    path.write_bytes(path.read_bytes()[:-30])
    assert number_after(path, "epoch") is None
    path.write_bytes(b"")
    assert number_after(path, "epoch") is None


@given(content=st.binary(max_size=100))
def test_a_damaged_pickle_has_no_number(content: bytes) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("archive/data.pkl", content)
    path: Any = made
    assert number_after(path, "epoch") is None
