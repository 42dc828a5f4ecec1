"""What SageMaker reads from a job's log by its MetricDefinitions: FinalMetricDataList."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Self

from local.aws.sagemaker.clock import now


@dataclass(frozen=True)
class LogMetrics:
    """The newest value of each metric, by name."""

    patterns: dict[str, re.Pattern[str]]
    newest: dict[str, tuple[float, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, request: dict[str, Any]) -> Self:
        definitions = request["AlgorithmSpecification"].get("MetricDefinitions", [])
        return cls({one["Name"]: re.compile(one["Regex"]) for one in definitions})

    def read(self, lines: Iterable[str]) -> None:
        """Take the value of each metric that a line names; what is no number is passed over."""
        for line in lines:
            for name, pattern in self.patterns.items():
                value = _value(pattern, line)
                if value is not None:
                    self.newest[name] = (value, now())

    def described(self) -> list[dict[str, Any]]:
        return [
            {"MetricName": name, "Value": value, "Timestamp": when}
            for name, (value, when) in sorted(self.newest.items())
        ]


def _value(pattern: re.Pattern[str], line: str) -> float | None:
    found = pattern.search(line)
    if found is None or not pattern.groups:
        return None
    try:
        return float(found[1])
    except ValueError:
        return None
