"""What a process and its descendants have used so far, by /proc."""

import os
import time
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def footprint() -> dict[str, float]:
    """Tell the moment, and the CPU seconds and peak megabytes of this process and those below."""
    moment = time.monotonic()
    pids = [os.getpid(), *_descendants(os.getpid())]
    return {
        "moment": moment,
        "cpu": sum(_cpu_seconds(pid) for pid in pids),
        "peak_mb": sum(_peak_mb(pid) for pid in pids),
        "processes": len(pids),
    }


def _descendants(root: int) -> list[int]:
    found = [
        int(pid)
        for task in Path(f"/proc/{root}/task").iterdir()
        for pid in (task / "children").read_text().split()
    ]
    return found + [pid for child in found for pid in _descendants(child)]


def _cpu_seconds(pid: int) -> float:
    if pid == os.getpid():
        return time.process_time()  # finer than the kernel's ticks
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _peak_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    high = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(high.split()[1]) / 1024
