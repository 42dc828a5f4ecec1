"""The names of a lineage's jobs. Pure."""

import hashlib
import re

_JOB_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_LONGEST_NAME = 63
_DASH_AND_HASH = 9
_WORD = 6  # of a root that was used before


def successor_name(root: str, attempt: int) -> str:
    """Name an attempt: a pure function of lineage and attempt, at most 63 characters."""
    suffix = f"-r{attempt}"
    if len(root) + len(suffix) <= _LONGEST_NAME:
        return root + suffix
    digest = hashlib.sha256(root.encode()).hexdigest()[: _DASH_AND_HASH - 1]
    kept = root[: _LONGEST_NAME - len(suffix) - _DASH_AND_HASH].rstrip("-")
    return f"{kept}-{digest}{suffix}"


def root_used_again(root: str, parent_created: int | None) -> str:
    """Name the lineage of a job whose successors would bear the names of an older lineage.

    The older one began with a job of the same name, which was deleted. `parent_created` is in epoch
    seconds: with the name it is the identity of the job that ended, so the result never changes.
    """
    word = hashlib.sha256(f"{root}/{parent_created}".encode()).hexdigest()[:_WORD]
    return f"{root[: _LONGEST_NAME - _WORD - 1].rstrip('-')}-{word}"


def is_job_name(text: str) -> bool:
    return _JOB_NAME.fullmatch(text) is not None
