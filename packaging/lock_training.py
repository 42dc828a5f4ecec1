"""Writes training/requirements.lock: what a training installs, with versions and hashes.

Run it after a change to training/requirements.txt or constraints.txt: `make lock-training`.

The lock is for the default image of the launcher: Python 3.13 on Linux x86_64, with a torch of its
own that must not be installed anew. uv resolves, because pip reads the markers of the machine that
it runs on; pip then gives the hash of each wheel.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from lock import line, resolved

ROOT = Path(__file__).resolve().parent.parent
TRAINING = ROOT / "training"
# training/launching/images.py names the image; a test holds the two together.
PYTHON, TORCH = "3.13", "2.10.0"
# glibc 2.28, which the image's Ubuntu 22.04 exceeds.
PLATFORM = "x86_64-manylinux_2_28"
WHEELS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
HEADER = f"""\
# Made by packaging/lock_training.py from requirements.txt, for Python {PYTHON} on Linux x86_64.
# torch is not in it: the container brings its own. pip refuses what has no hash, or another one.
--require-hashes
--only-binary :all:
"""
# The image's torch is there: what it depends on is there too.
TORCH_IS_THERE = f"""\
[[dependency-metadata]]
name = "torch"
version = "{TORCH}"
requires-dist = []
"""


def pins(folder: Path) -> Path:
    """Every version, as it is tested here, but those of torch and of what only torch needs."""
    constraint, settings, found = folder / "torch.txt", folder / "uv.toml", folder / "pins.txt"
    constraint.write_text(f"torch=={TORCH}\n")
    settings.write_text(TORCH_IS_THERE)
    command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--no-header"]
    command += ["--no-annotate", "--no-emit-package", "torch", "--only-binary", ":all:"]
    command += ["--python-version", PYTHON, "--python-platform", PLATFORM]
    command += ["--config-file", str(settings), "--constraint", str(constraint)]
    command += ["--constraint", str(ROOT / "constraints.txt"), "--output-file", str(found)]
    subprocess.run([*command, str(TRAINING / "requirements.txt")], check=True)
    return found


def main() -> None:
    platforms = [part for wheel in WHEELS for part in ("--platform", wheel)]
    with tempfile.TemporaryDirectory() as folder:
        pinned = str(pins(Path(folder)))
        found = resolved("--no-deps", "--requirement", pinned, *platforms)
    lines = sorted(map(line, found))
    (TRAINING / "requirements.lock").write_text(HEADER + "".join(lines))


if __name__ == "__main__":
    main()
