"""An AWS account and a W&B project in memory, in the words of the wire.

Each resource also keeps how it was before its last change: that is what a stale read shows. Names
are unique at once, tags come into being with their job, and nothing else is promised.
"""

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from local.doubts import (
    KNOWN,
    PAST_SECONDS,
    TAGS_LAG_SECONDS,
    Doubts,
    Missing,
    echoed,
    refusal,
)
from local.in_memory import ACCOUNT, REGION, Clock, graphql
from local.in_memory.limits import broken_limit
from proofs.matrix.resources import Kept, Refused, TrainingJob, moment, pairs, there
from proofs.matrix.search import matches

Fields = Mapping[str, Any]
_STALE = " as it was "
JOB_ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/"
MODE, BREAKER, SECRET = "/resilience/mode", "/resilience/breaker", "resilience/wandb-api-key"
_MOST_TAGS, _TAGS_A_PAGE, _JOBS_A_PAGE = 50, 5, 3


@dataclass(slots=True)
class Account:
    """The services' state; each method that bears an operation's name is that operation."""

    clock: Clock
    key: Kept[str]
    mode: Kept[str] = field(default_factory=lambda: Kept("act"))
    breaker: Kept[str | None] = field(default_factory=lambda: Kept(None))  # None: never set
    jobs: dict[str, TrainingJob] = field(default_factory=dict)
    schedules: dict[str, dict[str, Any]] = field(default_factory=dict)
    told: list[Fields] = field(default_factory=list)
    set_aside: list[Fields] = field(default_factory=list)
    asked_to_check: list[str] = field(default_factory=list)
    versions: Kept[tuple[dict[str, Any], ...]] = field(default_factory=lambda: Kept(()))
    hidden: bool = False  # the W&B project, from whoever has the controller's key
    doubts: Doubts = KNOWN

    def answer(self, operation: str, asked: Fields, *, stale: bool = False) -> dict[str, Any]:
        """Do what is asked; raises Refused."""
        reads = {
            "DescribeTrainingJob": self._describe_training_job,
            "ListTags": self._list_tags,
            "Search": self._search,
            "GetParameters": self._get_parameters,
            "GetSecretValue": self._get_secret_value,
            "GetSchedule": self._get_schedule,
            "AskWandb": self._ask_wandb,
        }
        if operation in reads:
            return reads[operation](asked, stale=stale)
        writes = {
            "CreateTrainingJob": self._create_training_job,
            "AddTags": self._add_tags,
            "CreateSchedule": self._create_schedule,
            "Publish": self._publish,
            "SendMessage": self._send_message,
            "SendMessageBatch": self._send_message_batch,
            "PutParameter": self._put_parameter,
        }
        return writes[operation](asked)

    # What people, the training and time do.

    def put(self, name: str, described: Fields, tags: Mapping[str, str]) -> None:
        """Have a job, which comes into being with its tags."""
        now = {"CreationTime": self.clock(), "LastModifiedTime": self.clock()}
        own = now | dict(described) | {"TrainingJobName": name, "TrainingJobArn": JOB_ARN + name}
        self.jobs[name] = TrainingJob(Kept(own), Kept(dict(tags)), own["CreationTime"])

    def begin(self, name: str, at: int | None = None) -> None:
        """A job has come by its instances; as soon as it was made, if not told otherwise."""
        job = self.jobs[name]
        begun = job.created if at is None else at
        started = {"SecondaryStatus": "Training", "TrainingStartTime": begun}
        job.described.become({**(job.described.now or {}), **started})

    def end(self, name: str, status: str, secondary: str, reason: str | None = None) -> None:
        job = self.jobs[name]
        times = {"LastModifiedTime": self.clock(), "TrainingEndTime": self.clock()}
        ended = {"TrainingJobStatus": status, "SecondaryStatus": secondary} | times
        told = {} if reason is None else {"FailureReason": reason}
        job.described.become({**(job.described.now or {}), **ended, **told})

    def tag(self, name: str, tags: Mapping[str, str]) -> None:
        job = self.jobs[name]
        job.tags.become({**(job.tags.now or {}), **tags})

    def delete(self, name: str) -> None:
        del self.jobs[name]

    def commit(self, step: int, run: str, job: str) -> None:
        """A training logs its next version; `latest` moves to it."""
        number = len(self.versions.now)
        older = tuple({**one, "aliases": []} for one in self.versions.now)
        made = {
            "state": "COMMITTED",
            "digest": f"digest-of-v{number}",
            "versionIndex": number,
            "aliases": [{"alias": "latest"}],
            "metadata": json.dumps({"step": step, "training_job": job}),
            "createdBy": {"name": run},
        }
        self.versions.become((*older, made))

    def suspect(self, number: int) -> None:
        """A person bars a version from being resumed from."""
        barred = {"alias": "suspect"}
        versions = [dict(one) for one in self.versions.now]
        versions[number]["aliases"] = [*versions[number]["aliases"], barred]
        self.versions.become(tuple(versions))

    def next_due(self) -> float | None:
        moments = [moment(one["ScheduleExpression"]) for one in self.schedules.values()]
        return min(moments, default=None)

    def due(self) -> Iterator[str]:
        """Take out the schedules whose time has come; the bodies that they send."""
        for name, schedule in list(self.schedules.items()):
            if moment(schedule["ScheduleExpression"]) <= self.clock():
                del self.schedules[name]
                yield schedule["Target"]["Input"]

    def standing(self, name: str) -> dict[str, str]:
        """The tags of a job, or of one that is gone."""
        return (self.jobs[name].tags.now or {}) if name in self.jobs else {}

    # SageMaker

    def _describe_training_job(self, asked: Fields, *, stale: bool) -> dict[str, Any]:
        job = self.jobs.get(asked["TrainingJobName"])
        kept = (job.described.before if stale else job.described.now) if job else None
        return echoed(there(kept, self.doubts.describe_of_missing), self.doubts)

    def _list_tags(self, asked: Fields, *, stale: bool) -> dict[str, Any]:
        """Give a page; where the first was stale, so are those that follow on it."""
        start, _, follows = asked.get("NextToken", "0").partition(_STALE)
        stale = stale or bool(follows)
        job = self.jobs.get(asked["ResourceArn"].rpartition("/")[2])
        kept = (job.tags.before if stale else job.tags.now) if job else None
        tags = there(kept, self.doubts.list_tags_of_missing)
        if self.doubts.tags_lag and job and self.clock() < job.created + TAGS_LAG_SECONDS:
            tags = {}
        end = int(start) + min(_TAGS_A_PAGE, asked["MaxResults"])
        token = f"{end}{_STALE}before" if stale else str(end)
        more = {"NextToken": token} if end < len(tags) else {}
        return {"Tags": pairs(dict(list(tags.items())[int(start) : end])), **more}

    def _search(self, asked: Fields, *, stale: bool) -> dict[str, Any]:
        operators = {one["Operator"] for one in asked["SearchExpression"]["Filters"]}
        if self.doubts.search_refuses_not_exists and "NotExists" in operators:
            raise Refused("ValidationException", "NotExists is not supported")
        seen = [
            (described, tags)
            for job in self.jobs.values()
            if (described := job.described.before if stale else job.described.now) is not None
            if (tags := job.tags.before if stale else job.tags.now) is not None
        ]
        found = [
            {"TrainingJob": described | {"Tags": pairs(tags)}}
            for described, tags in seen
            if matches(described, tags, asked["SearchExpression"])
        ]
        start = int(asked.get("NextToken", 0))
        end = start + min(_JOBS_A_PAGE, asked["MaxResults"])
        return {"Results": found[start:end]} | ({"NextToken": str(end)} if end < len(found) else {})

    def _create_training_job(self, asked: Fields) -> dict[str, Any]:
        name = asked["TrainingJobName"]
        broken = broken_limit(asked) or refusal(asked, self.doubts)
        if broken is not None:
            raise Refused("ValidationException", broken)
        if name in self.jobs:
            raise Refused("ResourceInUse", f"Training job names must be unique: {name}")
        described = deepcopy({key: value for key, value in asked.items() if key != "Tags"})
        starting = {"TrainingJobStatus": "InProgress", "SecondaryStatus": "Starting"}
        self.put(name, described | starting, {one["Key"]: one["Value"] for one in asked["Tags"]})
        return {"TrainingJobArn": JOB_ARN + name}

    def _add_tags(self, asked: Fields) -> dict[str, Any]:
        name = asked["ResourceArn"].rpartition("/")[2]
        own = self._job(name).tags.now or {}
        added = {one["Key"]: one["Value"] for one in asked["Tags"]}
        if len(own | added) > _MOST_TAGS:
            raise Refused("ValidationException", "too many tags")
        self.tag(name, added)
        if self.doubts.add_tags_modifies:
            described = self.jobs[name].described
            described.become({**(described.now or {}), "LastModifiedTime": self.clock()})
        return {"Tags": asked["Tags"]}

    def _job(self, name: str) -> TrainingJob:
        return there(self.jobs.get(name), Missing.KNOWN)

    # The others

    def _get_parameters(self, asked: Fields, *, stale: bool) -> dict[str, Any]:
        """Give those that exist, and name those that do not: no answer for one is none for any."""
        kept: dict[str, Kept[str] | Kept[str | None]] = {MODE: self.mode, BREAKER: self.breaker}
        found, invalid = [], []
        for name in asked["Names"]:
            value = kept[name].before if stale else kept[name].now
            if value is None:
                invalid.append(name)
            else:
                changed = kept[name].since
                found.append({"Name": name, "Value": value, "LastModifiedDate": changed})
        return {"Parameters": found, "InvalidParameters": invalid}

    def _put_parameter(self, asked: Fields) -> dict[str, Any]:
        """Set the breaker: the functions have no right to the mode."""
        if asked["Name"] != BREAKER:
            raise Refused("AccessDeniedException", "is not authorized to perform")
        self.breaker.become(asked["Value"], self.clock())
        return {"Version": 2}

    def _get_secret_value(self, asked: Fields, *, stale: bool) -> dict[str, Any]:
        value = self.key.before if stale else self.key.now
        if value is None:
            raise Refused("ResourceNotFoundException", "no such secret")
        return {"Name": asked["SecretId"], "SecretString": value}

    def _create_schedule(self, asked: Fields) -> dict[str, Any]:
        if asked["Name"] in self.schedules:
            raise Refused("ConflictException", "the schedule is there already", status=409)
        at = moment(asked["ScheduleExpression"])
        if self.doubts.past_schedules_refused and at < self.clock() + PAST_SECONDS:
            raise Refused("ValidationException", "the time must be in the future")
        self.schedules[asked["Name"]] = dict(asked)
        return {"ScheduleArn": f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/{asked['Name']}"}

    def _get_schedule(self, asked: Fields, *, stale: bool) -> dict[str, Any]:
        found = None if stale else self.schedules.get(asked["Name"])
        if found is None:
            raise Refused("ResourceNotFoundException", "no such schedule", status=404)
        return found

    def _publish(self, asked: Fields) -> dict[str, Any]:
        self.told.append(asked)
        return {"MessageId": f"told-{len(self.told)}"}

    def _send_message(self, asked: Fields) -> dict[str, Any]:
        self.set_aside.append(asked)
        return {"MessageId": f"aside-{len(self.set_aside)}"}

    def _send_message_batch(self, asked: Fields) -> dict[str, Any]:
        self.asked_to_check.extend(one["MessageBody"] for one in asked["Entries"])
        sent = [{"Id": one["Id"], "MessageId": one["Id"]} for one in asked["Entries"]]
        return {"Successful": sent, "Failed": []}

    def _ask_wandb(self, asked: Fields, *, stale: bool) -> dict[str, Any]:
        if asked["key"] != self.key.now:
            raise Refused("Unauthorized", "no such key", status=401)
        known = (self.versions.before or ()) if stale else self.versions.now
        shown = None if self.hidden else graphql.project(asked, known[::-1])
        return {"data": {"project": shown}}
