"""The processes below one of ours; the bare interpreter of `supervisor.py` reads this too."""

import os
import signal
import time
from pathlib import Path

from local.isolation import LINUX


def descendants(root: int) -> list[int]:
    """Return every live process below this one, nearest first; where there is no /proc, none."""
    if not LINUX:
        return []
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it ended between the listing and the reading
            continue
        children.setdefault(int(fields[1]), []).append(int(entry.name))
    found = list(children.get(root, ()))
    for pid in found:  # grows while it is read: breadth first
        found.extend(children.get(pid, ()))
    return found


def send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def freeze_below(root: int, round_seconds: float) -> None:
    """Stop every process; whatever one starts before it stops is met in the next round."""
    met: set[int] = set()
    while new := set(descendants(root)) - met:
        for pid in new:
            send(pid, signal.SIGSTOP)
        met |= new
        time.sleep(round_seconds)
