"""A lineage as it can be seen from outside: SageMaker, its logs, and the controller's own lines."""

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local.stack import LAMBDA_LOGS, LocalStack

_TRAINING_LOGS = "/aws/sagemaker/TrainingJobs"
_PREFIX = "resilience:"
_AT_STEP = re.compile(r"\bstep (\d+)")
_COMMITTED = re.compile(r"checkpoint (v\d+) of step (\d+) is (committed|poisonous)")
_RESUMED = re.compile(r"resuming from \S*?(v\d+) at step (\d+)")
# The same by `resilient-run`, which knows folders.
_FOLDER_COMMITTED = re.compile(r"checkpoint \S*-(\d+) is committed as (v\d+)")
_FOLDER_RESUMED = re.compile(r"resuming from (v\d+) in \S*-(\d+)$")
OVER = frozenset({"Completed", "Failed", "Stopped"})


@dataclass(slots=True)
class Attempt:
    """One training job of the lineage, as last seen."""

    name: str
    described: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    said: list[tuple[str, str]] = field(default_factory=list)  # host and line

    @property
    def log(self) -> list[str]:
        return [line for _, line in self.said]

    @property
    def hosts(self) -> set[str]:
        return {host for host, _ in self.said}

    @property
    def status(self) -> str:
        return str(self.described.get("TrainingJobStatus", ""))

    @property
    def secondary_status(self) -> str:
        return str(self.described.get("SecondaryStatus", ""))

    @property
    def is_over(self) -> bool:
        return self.status in OVER

    @property
    def verdict(self) -> str:
        return self.tags.get(_PREFIX + "verdict", "")

    @property
    def reason(self) -> str:
        return self.tags.get(_PREFIX + "reason", "")

    @property
    def successor(self) -> str:
        return self.tags.get(_PREFIX + "successor", "")

    @property
    def ended(self) -> datetime | None:
        return self.described.get("TrainingEndTime")

    @property
    def created(self) -> datetime | None:
        return self.described.get("CreationTime")

    @property
    def last_step(self) -> int | None:
        """The last step that the job told of in its log."""
        steps = [int(found[1]) for line in self.log if (found := _AT_STEP.search(line))]
        return max(steps, default=None)

    @property
    def checkpoints(self) -> list[tuple[str, int]]:
        """Versions that the job committed, each with its step, in order."""
        found = (_COMMITTED.search(line) for line in self.log)
        folders = (_FOLDER_COMMITTED.search(line) for line in self.log)
        return [
            *((one[1], int(one[2])) for one in found if one),
            *((one[2], int(one[1])) for one in folders if one),
        ]

    @property
    def poisoned(self) -> bool:
        return any("is poisonous" in line for line in self.log)

    @property
    def resumed_step(self) -> int | None:
        lines = self.log
        seen = (_RESUMED.search(line) or _FOLDER_RESUMED.search(line) for line in lines)
        found = [one for one in seen if one]
        return int(found[0][2]) if found else None


class Observer:
    """Reads what anybody with an AWS account could read."""

    def __init__(self, stack: LocalStack, root: str) -> None:
        self._sagemaker = stack.client("sagemaker")
        self._logs = stack.client("logs")
        self._lambda_logs = stack.resource(LAMBDA_LOGS)
        self._root = root

    def names(self) -> list[str]:
        """All jobs of the lineage by name, oldest first; a duplicate would be among them."""
        jobs = self._sagemaker.list_training_jobs(
            NameContains=self._root, SortBy="CreationTime", SortOrder="Ascending", MaxResults=100
        )
        return [job["TrainingJobName"] for job in jobs["TrainingJobSummaries"]]

    def look(self, attempt: Attempt) -> None:
        attempt.described = self._sagemaker.describe_training_job(TrainingJobName=attempt.name)
        arn = attempt.described["TrainingJobArn"]
        pairs = self._sagemaker.list_tags(ResourceArn=arn, MaxResults=100)["Tags"]
        attempt.tags = {pair["Key"]: pair["Value"] for pair in pairs}
        attempt.said = self._job_log(attempt.name)

    def judgements(self) -> list[dict[str, Any]]:
        """The controller's canonical lines about this lineage, in order."""
        lines = (json.loads(text) for text in self._texts(self._lambda_logs, "") if text[:1] == "{")
        told = [line for line in lines if "verdict" in line or line.get("level") == "ERROR"]
        return [line for line in told if str(line.get("job", self._root)).startswith(self._root)]

    def _job_log(self, name: str) -> list[tuple[str, str]]:
        return [
            (stream.removeprefix(f"{name}/").rpartition("-")[0], line)
            for stream, text in self._events(_TRAINING_LOGS, f"{name}/")
            for line in text.split("\n")
        ]

    def _texts(self, group: str, prefix: str) -> list[str]:
        return [text for _, text in self._events(group, prefix)]

    def _events(self, group: str, prefix: str) -> list[tuple[str, str]]:
        """Each event's stream and text."""
        streams = {"logStreamNamePrefix": prefix} if prefix else {}
        try:
            pages = self._logs.get_paginator("filter_log_events").paginate(
                logGroupName=group, **streams
            )
            events = [event for page in pages for event in page["events"]]
        except self._logs.exceptions.ResourceNotFoundException:
            return []
        # The local service does not heed the prefix.
        mine = (event for event in events if event["logStreamName"].startswith(prefix))
        return [(event["logStreamName"], event["message"].rstrip()) for event in mine]
