"""The processes of a container, as this machine numbers them."""

from pathlib import Path

from local.process_tree import descendants


def tree_of(supervisor: int) -> list[int]:
    """Return every process of the container."""
    below = descendants(supervisor)
    return [pid for pid in below if not _is_supervisor(pid)]


def main_of(supervisor: int) -> int | None:
    """Return the container's main process: the nearest that is not ours."""
    return next(iter(tree_of(supervisor)), None)


def _is_supervisor(pid: int) -> bool:
    try:
        return b"supervisor.py" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
