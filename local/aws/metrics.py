"""Metrics that AWS takes by itself: of queues, and from log lines in the embedded metric format.

MiniStack takes neither, so no alarm on a queue could fire.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ministack.services import cloudwatch

QUEUES = "AWS/SQS"
QUEUE_METRICS = (
    "ApproximateNumberOfMessagesVisible",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateAgeOfOldestMessage",
)


@dataclass(frozen=True)
class Measurement:
    namespace: str
    name: str
    value: float
    unit: str
    dimensions: Mapping[str, str]

    def record(self) -> None:
        cloudwatch.record_metric(
            self.namespace, self.name, self.value, self.unit, dict(self.dimensions)
        )


def of_queue(name: str, messages: list[Mapping[str, Any]], now: float) -> Iterator[Measurement]:
    visible = [m for m in messages if m["visible_at"] <= now]
    taken = [m for m in messages if m["visible_at"] > now and m["receive_count"]]
    ages = [now - m["sent_at"] for m in (*visible, *taken)]
    values = (len(visible), len(taken), max(ages, default=0.0))
    for metric, value in zip(QUEUE_METRICS, values, strict=True):
        unit = "Seconds" if metric.endswith("OldestMessage") else "Count"
        yield Measurement(QUEUES, metric, float(value), unit, {"QueueName": name})


def of_line(text: str) -> Iterator[Measurement]:
    """What a log line in the embedded metric format measures; nothing for any other line."""
    if '"_aws"' not in text:
        return
    try:
        document = json.loads(text)
        directives = document["_aws"]["CloudWatchMetrics"]
        for directive in directives:
            yield from _of_directive(document, directive)
    except (ValueError, KeyError, TypeError):
        return  # AWS passes over what is malformed, too


def _of_directive(
    document: Mapping[str, Any], directive: Mapping[str, Any]
) -> Iterator[Measurement]:
    for names in directive.get("Dimensions") or [[]]:
        dimensions = {name: str(document[name]) for name in names}
        for metric in directive["Metrics"]:
            found = document[metric["Name"]]
            for value in found if isinstance(found, list) else [found]:
                unit = metric.get("Unit", "None")
                space = directive["Namespace"]
                yield Measurement(space, metric["Name"], float(value), unit, dimensions)


def record_lines(lines: list[str]) -> None:
    for line in lines:
        for measurement in of_line(line):
            measurement.record()
