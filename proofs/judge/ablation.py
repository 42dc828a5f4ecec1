"""What each rule is worth: a number changed, or the evidence that the rule rests on withheld.

Nothing is patched. A rule that cannot see its evidence is a rule that is not there.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from proofs.judge.contestant import SWEEP, Contestant
from resilience.decide.decisions import CheckpointRequest, Policy
from resilience.ports import Answer, Checkpoints, Job, TrainingJobs, World
from resilience.relaunch import Request, Shape

Described = Mapping[str, object]
_NEVER = 10**9
_HOUR = timedelta(hours=1)
_MESSAGE = re.compile(r"((?:Error|Exception): )")


@dataclass(frozen=True, slots=True)
class _Jobs:
    """Fulfils ports.TrainingJobs; Describe shows what it is made to show."""

    real: TrainingJobs
    shown: Callable[[Described], Described]

    def describe(self, name: str) -> Job | None:
        job = self.real.describe(name)
        return None if job is None else Job(job.arn, self.shown(job.described))

    def tags(self, name: str) -> dict[str, str] | None:
        return self.real.tags(name)

    def create(self, request: Request) -> None:
        self.real.create(request)

    def add_tags(self, arn: str, tags: Mapping[str, str]) -> None:
        self.real.add_tags(arn, tags)

    def request_shape(self) -> Shape:
        return self.real.request_shape()


@dataclass(frozen=True, slots=True)
class _Checkpoints:
    """Fulfils ports.Checkpoints; W&B answers what it is made to answer."""

    real: Checkpoints
    shown: Callable[[Answer], Answer]

    def newest(self, request: CheckpointRequest) -> Answer:
        return self.shown(self.real.newest(request))


def describing(shown: Callable[[Described], Described]) -> Callable[[World], World]:
    return lambda world: replace(world, jobs=_Jobs(world.jobs, shown))


def answering(shown: Callable[[Answer], Answer]) -> Callable[[World], World]:
    return lambda world: replace(world, checkpoints=_Checkpoints(world.checkpoints, shown))


def _as_if_started(described: Described) -> Described:
    created = described.get("CreationTime", datetime.fromtimestamp(0, UTC))
    return {"TrainingStartTime": created, **described}


def _after_a_round_time(described: Described) -> Described:
    """Whether it paid for its successor still shows, and no more of how long it trained."""
    start, end = described.get("TrainingStartTime"), described.get("TrainingEndTime")
    if not (isinstance(start, datetime) and isinstance(end, datetime)):
        return described
    shown = _HOUR if end - start >= _HOUR else _HOUR / 2
    return {**described, "TrainingEndTime": start + shown}


def _without_text(described: Described) -> Described:
    return {key: value for key, value in described.items() if key != "FailureReason"}


def _another_text_each_time(described: Described) -> Described:
    """The same death never says the same twice: a word more stands where its message begins."""
    if "FailureReason" not in described:
        return described
    digest = sha256(str(described["TrainingJobName"]).encode()).hexdigest()
    word = "".join(chr(ord("a") + int(digit, 16)) for digit in digest[:8])
    said = _MESSAGE.sub(rf"\1{word} ", str(described["FailureReason"]))
    return {**described, "FailureReason": f"{said} {word}"}


def _of_others(answer: Answer) -> Answer:
    made = tuple(replace(one, job="some-other-job") for one in answer.checkpoints)
    return replace(answer, checkpoints=made)


def _only_the_newest(answer: Answer) -> Answer:
    return replace(answer, checkpoints=answer.checkpoints[:1])


def _nothing_pending(answer: Answer) -> Answer:
    return replace(answer, pending=())


ABLATIONS = (
    Contestant(),
    Contestant("2 never started: unseen", seen=describing(_as_if_started)),
    Contestant("3 advanced: unseen", seen=answering(_of_others)),
    Contestant("3 pays for itself: 10 jobs", policy=Policy(max_jobs=10)),
    Contestant("4 same place: unseen", seen=describing(_another_text_each_time)),
    Contestant("4 time trained: unseen", seen=describing(_after_a_round_time)),
    Contestant("4 no confirming", policy=Policy(max_without_work=1)),
    Contestant("4 no walking back", seen=answering(_only_the_newest)),
    Contestant("5 late upload: unseen", seen=answering(_nothing_pending)),
    Contestant("the text: unseen", seen=describing(_without_text)),
    Contestant("back-off of 5 min at most", policy=Policy(backoff_max_seconds=300)),
    Contestant("no ceiling on failing", policy=Policy(max_failing=_NEVER)),
    Contestant("no ceiling on lost hours", policy=Policy(max_lost_seconds=_NEVER)),
    Contestant("no sweep", sweeps=False),
    Contestant("no breaker", sweep_settings=replace(SWEEP, breaker_failures=_NEVER)),
    Contestant("sweep looks back 2 d", sweep_settings=replace(SWEEP, lookback_seconds=172_800)),
)
