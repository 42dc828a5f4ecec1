"""`make gpu-check`: on a GPU, the same bytes after kill -9, and what a save costs. Under 8 minutes.

`--device cpu` runs all of it without one, which proves the script and nothing else.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from bench.report import Report, text
from bench.stalls import WAYS, measured, plain_table
from local.stack import REPOSITORY

NO_DEVICE, DIFFERENT = 2, 1
SCRIPT = REPOSITORY / "bench" / "subjects" / "killed_on_device.py"
KILLS_AFTER = (6, 31, 77)  # steps, none of which is saved
SIZES = (100, 1000)


def main() -> int:
    options = _options()
    if options.device == "cuda" and not torch.cuda.is_available():
        print("no GPU here: this check needs one (--device cpu only tries the script)")
        return NO_DEVICE
    card = torch.cuda.get_device_name() if options.device == "cuda" else "no card: CPU"
    print(f"{card}, torch {torch.__version__}, {time.strftime('%Y-%m-%d', time.gmtime())}")
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as folder:
        kills = list(_kills(Path(folder), options.device))
        print(text(_kill_table(kills, card)), flush=True)
        sizes = SIZES if options.device == "cuda" else SIZES[:1]
        taken = {
            (size, way): [measured(Path(folder), way, size, options.device)]
            for size in sizes
            for way in WAYS
        }
    print(text(plain_table(taken, f"On {card}; buffers are pinned where there is one.")))
    return 0 if len({weights for _, weights in kills}) == 1 else DIFFERENT


def _kills(folder: Path, device: str) -> Iterator[tuple[str, str]]:
    """What was done, and the sha256 of the final weights."""
    yield "unbroken", _trained(folder / "unbroken", device)
    for step in KILLS_AFTER:
        place = folder / f"killed-{step}"
        _kill_at(step, place, device)
        yield f"kill -9 in step {step}", _trained(place, device)


def _kill_table(kills: list[tuple[str, str]], card: str) -> Report:
    (_, wanted), *_ = kills
    rows = [(what, weights[:16], "yes" if weights == wanted else "NO") for what, weights in kills]
    title = "The same bytes, with deterministic kernels"
    return Report(title, ("training", "sha256 of the weights", "same"), rows, (f"On {card}.",))


def _trained(folder: Path, device: str) -> str:
    """The sha256 that the training prints at its end, begun at its newest checkpoint."""
    command = _command(folder, device)
    ended = subprocess.run(command, env=_environment(), stdout=subprocess.PIPE, check=False)
    return ended.stdout.decode().split()[-1] if ended.returncode == 0 else "died"


def _kill_at(step: int, folder: Path, device: str) -> None:
    with subprocess.Popen(
        _command(folder, device), env=_environment(), stdout=subprocess.PIPE, text=True
    ) as process:
        for line in process.stdout or ():
            if line.startswith("step ") and int(line.split()[1]) >= step:
                break
        process.send_signal(signal.SIGKILL)


def _command(folder: Path, device: str) -> list[str]:
    return [sys.executable, str(SCRIPT), str(folder), device]


def _environment() -> dict[str, str]:
    # cuBLAS is deterministic with a workspace of its own only.
    paths = {
        "PYTHONPATH": f"{REPOSITORY / 'training'}:{REPOSITORY}",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    }
    return {**os.environ, **paths}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu_check", description=__doc__)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
