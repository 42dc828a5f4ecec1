"""Watching a training job until it ends."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from botocore.client import BaseClient

_ENDED = frozenset({"Completed", "Failed", "Stopped"})


@dataclass(frozen=True)
class Status:
    """How a job stands; `metrics` are the newest values that SageMaker read from its log."""

    status: str
    secondary: str
    message: str
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        return self.status in _ENDED

    @property
    def stage(self) -> tuple[str, str, str]:
        return self.status, self.secondary, self.message


def status_of(described: Mapping[str, Any]) -> Status:
    transitions = described.get("SecondaryStatusTransitions") or [{}]
    reason = described.get("FailureReason") or transitions[-1].get("StatusMessage", "")
    metrics = described.get("FinalMetricDataList") or []
    return Status(
        described["TrainingJobStatus"],
        described["SecondaryStatus"],
        reason,
        {metric["MetricName"]: metric["Value"] for metric in metrics},
    )


def follow(
    sagemaker: BaseClient,
    name: str,
    *,
    every: float = 2,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Status]:
    """Give each new status of the job, and each change of its metrics; the last one is its end."""
    seen: Status | None = None
    while seen is None or not seen.ended:
        current = status_of(sagemaker.describe_training_job(TrainingJobName=name))
        if current == seen:
            sleep(every)
        else:
            yield current
        seen = current
