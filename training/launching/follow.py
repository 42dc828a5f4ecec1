"""Watching a training job until it ends."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from botocore.client import BaseClient

_ENDED = frozenset({"Completed", "Failed", "Stopped"})


@dataclass(frozen=True)
class Status:
    status: str
    secondary: str
    message: str

    @property
    def ended(self) -> bool:
        return self.status in _ENDED


def status_of(described: dict[str, Any]) -> Status:
    transitions = described.get("SecondaryStatusTransitions") or [{}]
    reason = described.get("FailureReason") or transitions[-1].get("StatusMessage", "")
    return Status(described["TrainingJobStatus"], described["SecondaryStatus"], reason)


def follow(
    sagemaker: BaseClient,
    name: str,
    *,
    every: float = 2,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Status]:
    """Give each new status of the job; the last one is its end."""
    seen: Status | None = None
    while seen is None or not seen.ended:
        current = status_of(sagemaker.describe_training_job(TrainingJobName=name))
        if current == seen:
            sleep(every)
        else:
            yield current
        seen = current
