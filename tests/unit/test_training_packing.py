"""A Trainer's checkpoint as one file: what a stranger could have put into it stays in it."""

import io
import json
import os
import signal
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from resilient_training import ResumePoint, resilient
from resilient_training.huggingface.packing import UnsafeArchiveError, is_known, pack, unpack
from resilient_training.ranks import hand_over

STATE = json.dumps({"global_step": 30}).encode()
_RESUMABLE = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "scaler.pt")

Member = tuple[str, bytes] | tarfile.TarInfo


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def archive_of(folder: Path, *members: Member, mode: str = "w") -> Path:
    path = folder / "model.ckpt"
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]  # a mode that varies
        for member in (("trainer_state.json", STATE), *members):
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return path


@pytest.fixture
def place(tmp_path: Path) -> Callable[..., Path]:
    """Unpacks an archive of these members into `into`, beside which nothing may appear."""
    into = tmp_path / "deep" / "into"
    into.mkdir(parents=True)

    def place_of(*members: Member, mode: str = "w") -> Path:
        unpack(archive_of(tmp_path, *members, mode=mode), into)
        return into

    return place_of


def test_what_trainer_saves_is_unpacked_as_it_was_packed(tmp_path: Path) -> None:
    folder, into = tmp_path / "checkpoint-30", tmp_path / "into"
    folder.mkdir()
    into.mkdir()
    for name in _RESUMABLE:
        (folder / name).write_bytes(name.encode() * 1000)
    (folder / "trainer_state.json").write_bytes(STATE)
    (folder / "training_args.bin").write_bytes(b"a pickle")
    (folder / "runs").mkdir()
    with (tmp_path / "packed").open("wb") as file:
        pack(folder, file)
    assert unpack(tmp_path / "packed", into) == 30
    assert {path.name for path in into.iterdir()} == {*_RESUMABLE, "trainer_state.json"}
    assert (into / "optimizer.pt").read_bytes() == b"optimizer.pt" * 1000


def test_a_file_that_is_linked_twice_is_packed_twice(tmp_path: Path) -> None:
    folder, into = tmp_path / "checkpoint-30", tmp_path / "into"
    folder.mkdir()
    into.mkdir()
    (folder / "trainer_state.json").write_bytes(STATE)
    (tmp_path / "weights").write_bytes(b"w")
    (folder / "model.safetensors").symlink_to(tmp_path / "weights")
    os.link(tmp_path / "weights", folder / "adapter_model.safetensors")
    with (tmp_path / "packed").open("wb") as file:
        pack(folder, file)
    assert unpack(tmp_path / "packed", into) == 30
    assert (into / "model.safetensors").read_bytes() == b"w"
    assert (into / "adapter_model.safetensors").read_bytes() == b"w"


def test_a_file_that_would_not_be_unpacked_is_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "trainer_state.json").write_bytes(STATE)
    (tmp_path / "in" / "modeling.py").write_text("")
    with (tmp_path / "packed").open("wb") as file:
        pack(tmp_path / "in", file)
    (tmp_path / "into").mkdir()
    assert unpack(tmp_path / "packed", tmp_path / "into") == 30
    assert "not in the checkpoint: modeling.py" in caplog.text


def test_adapters_in_folders_of_their_own_are_unpacked_into_them(tmp_path: Path) -> None:
    folder, into = tmp_path / "checkpoint-30", tmp_path / "into"
    for adapter in ("policy", "reference"):
        (folder / adapter).mkdir(parents=True)
        (folder / adapter / "adapter_model.safetensors").write_bytes(adapter.encode())
        (folder / adapter / "adapter_config.json").write_bytes(b"{}")
    (folder / "policy" / "deeper").mkdir()
    (folder / "policy" / "deeper" / "adapter_config.json").write_bytes(b"{}")
    (folder / "trainer_state.json").write_bytes(STATE)
    into.mkdir()
    with (tmp_path / "packed").open("wb") as file:
        pack(folder, file)
    assert unpack(tmp_path / "packed", into) == 30
    assert (into / "reference" / "adapter_model.safetensors").read_bytes() == b"reference"
    assert sorted(path.name for path in (into / "policy").iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
    ]


@pytest.mark.parametrize(
    "name",
    [
        "model-00001-of-00002.safetensors",
        "pytorch_model-00002-of-00002.bin",
        "model.safetensors.index.json",
        "adapter_model.safetensors",
        "adapter_config.json",
        "rng_state_7.pth",
        "tokenizer.json",
        "attempt.json",
        "policy/adapter_model.safetensors",
        "policy.2_b-c/adapter_model.bin",
        "policy/adapter_config.json",
    ],
)
def test_the_names_of_shards_adapters_and_further_processes_are_known(name: str) -> None:
    assert is_known(name)


@pytest.mark.parametrize(
    "member",
    [
        ("../optimizer.pt", b"x"),
        ("/tmp/optimizer.pt", b"x"),  # noqa: S108  # where it would be written
        ("deeper/optimizer.pt", b"x"),
        ("deeper/attempt.json", b"x"),
        ("a/b/adapter_config.json", b"x"),
        ("a/../adapter_config.json", b"x"),
        ("../adapter_config.json", b"x"),
        ("./adapter_config.json", b"x"),
        ("a//adapter_config.json", b"x"),
        ("/adapter_config.json", b"x"),
        ("/etc/adapter_config.json", b"x"),
        ("a\\b/adapter_config.json", b"x"),
        ("a b/adapter_config.json", b"x"),
        (".git/adapter_config.json", b"x"),
        ("a\n/adapter_config.json", b"x"),
        ("a/adapter_config.json\n", b"x"),
        ("\u00e4/adapter_config.json", b"x"),
        ("a" * 101 + "/adapter_config.json", b"x"),
        ("optimizer.pt/adapter_config.json", b"x"),
        ("a/adapter_model.safetensors.index.json", b"x"),
        special("a/adapter_config.json", tarfile.SYMTYPE, "/etc/passwd"),
        special("a/adapter_config.json", tarfile.LNKTYPE, "trainer_state.json"),
        special("a", tarfile.SYMTYPE, "/tmp"),  # noqa: S108  # a folder outside
        special("a", tarfile.DIRTYPE),
        special("a/", tarfile.DIRTYPE),
        special("a/adapter_config.json", tarfile.FIFOTYPE),
        ("optimizer.pt\n", b"x"),
        (".bashrc", b"x"),
        ("training_args.bin", b"x"),
        ("modeling.py", b"x"),
        special("optimizer.pt", tarfile.SYMTYPE, "/etc/passwd"),
        special("optimizer.pt", tarfile.LNKTYPE, "trainer_state.json"),
        special("optimizer.pt", tarfile.CHRTYPE),
        special("optimizer.pt", tarfile.BLKTYPE),
        special("optimizer.pt", tarfile.FIFOTYPE),
        special("optimizer.pt", tarfile.DIRTYPE),
        special("optimizer.pt", tarfile.CONTTYPE),
        ("trainer_state.json", b"{}"),
    ],
    ids=lambda member: ascii(member if isinstance(member, tuple) else member.type),
)
def test_a_member_that_no_checkpoint_has_is_refused_by_name_before_anything_is_written(
    member: Member, place: Callable[..., Path], tmp_path: Path
) -> None:
    name = member[0] if isinstance(member, tuple) else member.name.rstrip("/")
    with pytest.raises(UnsafeArchiveError) as refused:
        place(member, ("model.safetensors", b"x"))
    assert ascii(name)[:100] in str(refused.value)
    assert sorted(tmp_path.rglob("*")) == [
        tmp_path / "deep",
        tmp_path / "deep" / "into",
        tmp_path / "model.ckpt",
    ]


def links_that_escape(outside: str) -> list[Member]:
    """CVE-2025-4517: short links to folders whose true path is longer than the system resolves."""
    deep, shorts, folder = "d" * 247, "abcdefghijklmnop", ""
    members: list[Member] = []
    for short in shorts:
        members.append(special(f"{folder}{deep}", tarfile.DIRTYPE))
        members.append(special(f"{folder}{short}", tarfile.SYMTYPE, deep))
        folder += f"{deep}/"
    last = "/".join(shorts) + "/" + "l" * 254
    members.append(special(last, tarfile.SYMTYPE, "../" * len(shorts)))
    members.append(special("escape", tarfile.SYMTYPE, f"{last}/../{outside}"))
    members.append(special("flag", tarfile.LNKTYPE, "escape"))
    return members


def test_a_link_through_a_link_writes_nothing_outside(
    place: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "deep" / "outside").write_bytes(b"ours")
    with pytest.raises(UnsafeArchiveError, match="is no plain file"):
        place(*links_that_escape("outside"), ("flag", b"theirs"))
    assert (tmp_path / "deep" / "outside").read_bytes() == b"ours"


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_a_compressed_archive_is_refused(mode: str, place: Callable[..., Path]) -> None:
    with pytest.raises(tarfile.ReadError):
        place(("optimizer.pt", bytes(2**20)), mode=mode)


def test_a_sparse_member_that_claims_terabytes_is_refused(tmp_path: Path) -> None:
    path = archive_of(tmp_path)
    info = tarfile.TarInfo("optimizer.pt")
    info.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": "optimizer.pt",
        "GNU.sparse.realsize": str(2**42),
    }
    holes = b"0\n".ljust(512, b"\0")
    info.size = len(holes)
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(holes))
    with pytest.raises(UnsafeArchiveError, match=r"'optimizer.pt' is no plain file"):
        unpack(path, tmp_path)


@pytest.mark.parametrize("size", [-512, -1, 2**20, 2**60])
def test_a_header_that_points_back_or_beyond_the_archive_is_refused(
    size: int, tmp_path: Path
) -> None:
    path = archive_of(tmp_path, ("optimizer.pt", b"x" * 600))
    content = bytearray(path.read_bytes())
    at = content.index(b"optimizer.pt")
    content[at + 124 : at + 136] = tarfile.itn(size, 12, tarfile.GNU_FORMAT)  # type: ignore[attr-defined]  # not in its stubs
    content[at + 148 : at + 156] = b" " * 8
    checksum = sum(content[at : at + 512])
    content[at + 148 : at + 156] = b"%06o\0 " % checksum
    path.write_bytes(content)
    with pytest.raises(UnsafeArchiveError, match="does not lie within the archive"):
        unpack(path, tmp_path)


def test_more_files_than_any_checkpoint_has_are_refused(place: Callable[..., Path]) -> None:
    shards = [(f"model-{number:05}-of-99999.safetensors", b"") for number in range(1000)]
    with pytest.raises(UnsafeArchiveError, match="is one file more than 1000"):
        place(*shards)


def test_an_adapter_of_each_name_is_there_once(place: Callable[..., Path]) -> None:
    member = ("policy/adapter_config.json", b"{}")
    with pytest.raises(UnsafeArchiveError, match=r"'policy/adapter_config\.json' is there twice"):
        place(member, member)


def test_more_adapters_than_any_checkpoint_has_are_refused(place: Callable[..., Path]) -> None:
    adapters = [(f"a{number}/adapter_config.json", b"") for number in range(1000)]
    with pytest.raises(UnsafeArchiveError, match="is one file more than 1000"):
        place(*adapters)


def test_an_adapter_folder_that_is_a_link_is_not_written_through(
    place: Callable[..., Path], tmp_path: Path
) -> None:
    link = special("policy", tarfile.SYMTYPE, str(tmp_path))
    with pytest.raises(UnsafeArchiveError, match="'policy' is no plain file"):
        place(link, ("policy/adapter_config.json", b"theirs"))
    assert not (tmp_path / "adapter_config.json").exists()


@pytest.mark.parametrize(
    "shard",
    ["../../etc/passwd", "/etc/passwd", "training_args.bin", "policy/adapter_model.safetensors"],
)
def test_an_index_of_shards_that_names_another_file_is_refused(
    shard: str, place: Callable[..., Path]
) -> None:
    index = json.dumps({"weight_map": {"layer": shard}}).encode()
    with pytest.raises(UnsafeArchiveError, match=r"in model\.safetensors\.index\.json is no shard"):
        place(("model.safetensors.index.json", index))


def test_a_poisoned_checkpoint_ends_with_65_and_names_its_version_and_the_member(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "output").mkdir()
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    monkeypatch.setenv("LOCAL_RANK", "1")
    poisoned = archive_of(tmp_path, ("../.bashrc", b"x"))
    hand_over(ResumePoint("v3", poisoned, 30), os.environ)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as left, resilient("x") as attempt:
        attempt.resume_file(lambda path: unpack(path, tmp_path / "output"))
    signal.signal(signal.SIGTERM, before)
    monkeypatch.delenv("RESILIENT_TRAINING_RESUMED_FROM")
    assert left.value.code == 65
    said = "v3: UnsafeArchiveError: '../.bashrc' is no file of a Trainer's checkpoint"
    assert (tmp_path / "output" / "failure").read_text() == f"CheckpointLoadError: {said}"
