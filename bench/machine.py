"""What the figures were taken on: without it they say nothing."""

import os
import platform
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

from bench.report import Report


def machine(command: Sequence[str]) -> Report:
    return Report("The machine, and the command", ("what", "value"), list(_facts(command)))


def _facts(command: Sequence[str]) -> Iterator[tuple[str, str]]:
    yield "command", " ".join(command)
    yield "when", time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    yield "processor", f"{_first_of('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores seen"
    kilobytes = int(_first_of("/proc/meminfo", "MemTotal").split()[0])
    yield "memory", f"{kilobytes / 1e6:.0f} GB"
    yield "system", f"Linux {platform.release()}, {platform.machine()}"
    yield "Python", platform.python_version()
    yield "here", ", ".join(f"{name} {version(name)}" for name in ("wandb", "torch", "ministack"))
    # Above zero at the start, somebody else is at work, and every wall time is too long.
    yield "load before the start", f"{os.getloadavg()[0]:.1f} over a minute"


def _first_of(file: str, name: str) -> str:
    lines = Path(file).read_text().splitlines()
    found = (line.partition(":")[2].strip() for line in lines if line.startswith(name))
    return next(found, "unknown")
