"""What a save costs a training, beside the other ways: stall, step time while saving, memory.

A plain loop, in five ways; and a training of Lightning, ours beside `log_model="all"`.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median

from bench.processes import SubjectError
from bench.progress import Progress
from bench.report import Report, milliseconds
from bench.training_side import OURS, PLAIN, SAYS, Bench, Timed
from local.stack import REPOSITORY
from local.wandb_server import LocalWandb

SCRIPT = REPOSITORY / "bench" / "subjects" / "saves.py"
WAYS = ("memcpy", "torch.save", "async_save", "async_save, kept stager", "ours")
SIZES = (1, 100, 500, 1000, 4000)
QUICK_SIZES = (1, 500)
LIGHTNING_SIZES = (1, 100, 500, 1000)
QUICK = 1
_SAVES = 4
_STEPS, _EVERY = 160, 50
_BEFORE = 40  # steps before the first save, beside which nothing happens
_COPIES = 5  # of a state, that a machine must have room for

Figures = Mapping[str, float]


def run(progress: Progress, repetitions: int) -> Iterator[Report]:
    """Give the two tables; one repetition is the quick look."""
    home = REPOSITORY / ".local"
    home.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=home) as folder:
        yield _plain(Path(folder), progress, repetitions)
        with LocalWandb.start(Path(folder) / "server") as server:
            yield _lightning(Bench(server, Path(folder), progress), repetitions)


def _plain(folder: Path, progress: Progress, repetitions: int) -> Report:
    sizes = [size for size in SIZES if size * _COPIES < _free_megabytes()]
    sizes = [size for size in sizes if size in QUICK_SIZES] if repetitions == QUICK else sizes
    taken: dict[tuple[int, str], list[Figures]] = {}
    for size in progress.through("stalls of a plain loop", sizes):
        for _ in range(repetitions):
            for way in WAYS:
                taken.setdefault((size, way), []).append(measured(folder, way, size))
    return plain_table(taken, f"Medians of {repetitions} fresh processes, {_SAVES} saves in each.")


def plain_table(taken: Mapping[tuple[int, str], list[Figures]], *notes: str) -> Report:
    return Report(
        "A save of a plain loop",
        (
            "MB, way",
            "first stall ms",
            "later ms",
            "to memcpy",
            "until saved s",
            "step idle ms",
            "saving ms",
            "more memory MB",
        ),
        [
            (
                f"{size:>4} {way}",
                milliseconds(one["first"] for one in figures),
                milliseconds(one["later"] for one in figures),
                f"{_middle(figures, 'later') / _middle(taken[size, 'memcpy'], 'later'):.1f}x",
                f"{_middle(figures, 'total'):.2f}",
                f"{_middle(figures, 'idle') * 1000:.2f}",
                f"{_middle(figures, 'saving') * 1000:.2f}",
                f"{_middle(figures, 'extra'):.0f}",
            )
            for (size, way), figures in taken.items()
        ],
        (
            "Stall: how long the call of the save takes. memcpy writes nothing: it is the floor.",
            "Ours: also fsynced, hashed and read back; another process loads the first file.",
            "Steps: 12 small products of matrices in one thread; medians, from the second save on.",
            "More memory: the most of this process beyond what it had with its state.",
            *notes,
        ),
    )


def measured(folder: Path, way: str, megabytes: int, device: str = "cpu") -> Figures:
    """The figures of one fresh process, in seconds and megabytes."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        ended = subprocess.run(
            [sys.executable, "-W", "ignore", str(SCRIPT), way, f"{megabytes}", f"{_SAVES}", device],
            cwd=place,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY / "training")},
            capture_output=True,
            text=True,
            check=False,
        )
    told = [line for line in ended.stdout.splitlines() if line.startswith("bench ")]
    if not told:
        raise SubjectError(f"{SCRIPT.name} {way} ended with {ended.returncode}:\n{ended.stderr}")
    figures = json.loads(told[0].removeprefix("bench "))
    (first, *later), (_, *totals) = figures.pop("stalls"), figures.pop("totals")
    return {**figures, "first": first, "later": median(later), "total": median(totals)}


def _middle(figures: list[Figures], name: str) -> float:
    return median(one[name] for one in figures)


def _lightning(bench: Bench, repetitions: int) -> Report:
    sizes = QUICK_SIZES if repetitions == QUICK else LIGHTNING_SIZES
    taken: dict[tuple[int, str], list[Timed]] = {}
    for size in bench.progress.through("stalls of Lightning", sizes):
        for _ in range(repetitions):
            for mode in (PLAIN, OURS):
                timed = bench.steps(mode, megabytes=size, steps=_STEPS, every=_EVERY, by="steps")
                taken.setdefault((size, mode), []).append(timed)
    return Report(
        "The saves of a Lightning training",
        (
            "MB, training",
            "longest stall ms",
            "lost in all ms",
            "step idle ms",
            "saving ms",
            "more memory MB",
        ),
        [
            (
                f"{size:>4} {SAYS[mode]}",
                milliseconds(max(one.walls) - _idle(one) for one in timed),
                milliseconds(sum(one.walls) - len(one.walls) * _idle(one) for one in timed),
                milliseconds(_idle(one) for one in timed),
                milliseconds(median(one.walls[_BEFORE:]) for one in timed),
                f"{median(sum(one.peaks) for one in timed):.0f}",
            )
            for (size, mode), timed in taken.items()
        ],
        (
            f"{_STEPS} steps, a save due each {_EVERY}; medians of {repetitions} fresh processes.",
            "Stall: the longest step beyond the idle median. In all: what all steps took beyond.",
            "Ours puts a save off while the last one is being written.",
        ),
    )


def _idle(timed: Timed) -> float:
    return median(timed.walls[:_BEFORE])


def _free_megabytes() -> float:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith("MemAvailable"))
