"""The data directory: one local AWS at a time, which begins without what an earlier one left.

Jobs, functions and objects end with the server that knew them. What stays on the disk are the
folders of the jobs, with their checkpoints, the unpacked functions, and what stands for file
systems: nobody could reach them again, or knows of them, and they would fill the disk.
"""

import fcntl
import os
import shutil
import stat
from pathlib import Path
from typing import IO

JOBS = "training-jobs"
FORGOTTEN = (JOBS, "state/functions", "file-systems")
MEGABYTE = 1_000_000


def lock(data: Path) -> IO[str]:
    """Hold the directory while the file is open: a second server would remove what this one has."""
    held = (data / "lock").open("w", encoding="utf-8")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        held.close()
        raise BlockingIOError(f"{data} is in use by another local AWS") from None
    return held


def remove(data: Path) -> str | None:
    """Remove what an earlier run left; what to say about it, or None where no job was there."""
    jobs = len(list((data / JOBS).iterdir())) if (data / JOBS).is_dir() else 0
    freed = sum(_remove(data / name) for name in FORGOTTEN)
    if not jobs:
        return None
    return (
        f"removed the folders of {jobs} training jobs of an earlier run, "
        f"{freed / MEGABYTE:.1f} MB; what W&B has is still there"
    )


def _remove(folder: Path) -> int:
    """Remove the folder with all that is in it; how many bytes its files had."""
    if not folder.is_dir():
        return 0
    freed = 0
    for place, _, files in os.walk(folder):
        Path(place).chmod(stat.S_IRWXU)  # a training may have taken its own right to write
        freed += sum((Path(place) / file).lstat().st_size for file in files)
    shutil.rmtree(folder)
    return freed
