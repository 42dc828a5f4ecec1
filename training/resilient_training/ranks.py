"""Several processes of one training: rank 0 speaks for all, and tells the others where to begin.

Lightning's `strategy="ddp"` starts the script anew for each further process when the training
begins, with this process's environment and a rank. So what rank 0 found goes on in a variable.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from resilient_training.checkpoints.resume import ResumePoint

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

_RESUMED_FROM = "RESILIENT_TRAINING_RESUMED_FROM"


class RankZeroMissingError(Exception):
    """A process of a higher rank was started by something else than rank 0."""


def is_follower(environment: Mapping[str, str]) -> bool:
    """Whether this is a process beside rank 0: it trains, and leaves everything else to it."""
    return any(int(environment.get(name) or 0) > 0 for name in ("LOCAL_RANK", "NODE_RANK", "RANK"))


def hand_over(point: ResumePoint | None, environment: MutableMapping[str, str]) -> None:
    """Have the processes that are started from here on resume from `point` as well."""
    told = None if point is None else [point.version, str(point.path), point.step]
    environment[_RESUMED_FROM] = json.dumps(told)


def handed_over(environment: Mapping[str, str]) -> ResumePoint | None:
    """Where rank 0 resumes from.

    Raises:
        RankZeroMissingError: it has not said so.
    """
    if _RESUMED_FROM not in environment:
        raise RankZeroMissingError(
            "rank 0 has to start the others: Trainer(strategy='ddp') on one machine, not torchrun"
        )
    told = json.loads(environment[_RESUMED_FROM])
    if told is None:
        return None
    version, path, step = told
    return ResumePoint(version, Path(path), step)
