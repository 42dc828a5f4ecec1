"""What may never happen (docs/design: I1 to I11), each as a check of a run that can fail.

A check yields one sentence for each violation. It judges by what the services saw and by what
people did, never by what the controller says of itself.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from local.replaying.log_line import redecide
from proofs.matrix.account import Account
from proofs.matrix.line import Act, Call, Delivery, Taken
from proofs.matrix.steps import WRITES, Step

ENDED = frozenset({"Completed", "Failed", "Stopped"})
_WARM_SECONDS = 60  # how long a mode that was read may be acted on
_NOT_CARRIED = frozenset({"TrainingJobName", "Environment", "Tags"})
_UNCOUNTED = frozenset({"no-progress", "at-checkpoint", "seen"})
_PAIR = frozenset({"Key", "Value"})
History = tuple[Call | Act | Taken, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """All that a run leaves to be judged."""

    history: History
    account: Account
    lines: tuple[str, ...]
    canaries: Mapping[str, str]
    repeated_from: int
    forgiven: frozenset[str] = frozenset()  # invariants that an assumption stands for

    def calls(self, step: Step) -> Iterator[Call]:
        """Give the requests that the service answered well."""
        for one in self.history:
            if isinstance(one, Call) and one.step is step and one.answer is not None:
                yield one

    def acts(self, what: str) -> Iterator[Act]:
        return (one for one in self.history if isinstance(one, Act) and one.what == what)

    def seen(self, delivery: Delivery, step: Step, before: int) -> Iterator[Call]:
        """What this delivery had been answered until then, the latest last."""
        return (
            one for one in self.calls(step) if one.delivery is delivery and one.place < before
        )


def tags_of(call: Call) -> dict[str, str]:
    return {one["Key"]: one["Value"] for one in call.asked["Tags"]}


def one_successor(record: Record) -> Iterator[str]:
    """I1: no attempt has two accepted successors."""
    made: dict[tuple[str, str], list[Call]] = defaultdict(list)
    for call in record.calls(Step.CREATE):
        own = tags_of(call)
        made[own["resilience:root"], own["resilience:attempt"]].append(call)
    for (root, attempt), calls in made.items():
        for earlier, later in zip(calls, calls[1:], strict=False):
            if not ("I1" in record.forgiven and _freed_untold(record, earlier, later)):
                yield f"attempt {attempt} of {root} was created at {earlier.place}, {later.place}"


def _freed_untold(record: Record, earlier: Call, later: Call) -> bool:
    """Whether a person deleted the first before the parent had its verdict (ADR 1)."""
    name, parent = earlier.asked["TrainingJobName"], tags_of(earlier)["resilience:parent"]
    deleted = [
        act.place
        for act in record.acts("deleted")
        if act.job == name and earlier.place < act.place < later.place
    ]
    told = [
        call.place
        for call in record.calls(Step.ADD_TAGS)
        if call.asked["ResourceArn"].endswith(f"/{parent}")
        and tags_of(call).get("resilience:verdict") == "RELAUNCH"
    ]
    return bool(deleted) and not any(place < deleted[0] for place in told)


def fresh_terminal(record: Record) -> Iterator[str]:
    """I2: whoever launches has just seen, in this delivery, that the job has ended."""
    for call in record.calls(Step.CREATE):
        looks = list(record.seen(call.delivery, Step.DESCRIBE, call.place))
        seen = looks[-1].answer if looks else None
        parent = tags_of(call)["resilience:parent"]
        if seen is None or seen["TrainingJobName"] != parent:
            yield f"launched at {call.place} without a look at {parent}"
        elif seen["TrainingJobStatus"] not in ENDED:
            yield f"launched at {call.place} while {parent} was {seen['TrainingJobStatus']}"


def budget_counts(record: Record) -> Iterator[str]:
    """I3: each relaunch is counted, and no count goes down."""
    own: dict[str, dict[str, str]] = {}
    for call in record.calls(Step.CREATE):
        tags = tags_of(call)
        own[call.asked["TrainingJobName"]] = tags
        parent = own.get(tags["resilience:parent"], {})
        before, after = (_ends(one.get("resilience:ledger", "")) for one in (parent, tags))
        attempt = int(parent.get("resilience:attempt", "1")) + 1
        if int(tags["resilience:attempt"]) != attempt:
            yield f"attempt {tags['resilience:attempt']} follows on {attempt - 1}"
        if after.total() != before.total() + 1 or before - after:
            yield f"ledger {dict(before)} became {dict(after)}"


def _ends(ledger: str) -> Counter[str]:
    words = (word.partition("=") for word in ledger.split())
    return Counter({name: int(count) for name, _, count in words if name not in _UNCOUNTED})


def newest_checkpoint(record: Record) -> Iterator[str]:
    """I4: resumed from the newest good step that W&B showed, unless it was walked back from."""
    for call in record.calls(Step.CREATE):
        tags = tags_of(call)
        answers = list(record.seen(call.delivery, Step.ASK_WANDB, call.place))
        if not answers:
            yield f"launched at {call.place} without a look at the checkpoints"
            continue
        rejected = tags.get("resilience:rejected", "").split()
        steps = {
            f"v{node['versionIndex']}": json.loads(node["metadata"])["step"]
            for node in _nodes(answers[-1].answer or {})
        }
        best = max((step for name, step in steps.items() if name not in rejected), default=0)
        if int(tags["resilience:checkpoint-step"]) < best:
            yield f"resumed from {tags['resilience:checkpoint']}, and step {best} was there"


def _nodes(answer: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    collection = answer["data"]["project"]["artifactCollection"]
    return (edge["node"] for edge in collection["artifacts"]["edges"])


def nothing_lost(record: Record) -> Iterator[str]:
    """I5: the successor has every member of its parent, and all of its Environment and tags."""
    for call in record.calls(Step.CREATE):
        seen = list(record.seen(call.delivery, Step.DESCRIBE, call.place))
        parent = (seen[-1].answer or {}) if seen else {}
        given = set(parent) & set(_carried())
        for name in sorted(given - _NOT_CARRIED):
            if call.asked.get(name) != parent[name] and parent[name] is not False:
                yield f"{name} is not what it was"
        environment = call.asked.get("Environment", {})
        own = parent.get("Environment") or {}
        kept = {name: own[name] for name in own if not name.startswith("RESILIENCE_")}
        if not kept.items() <= environment.items():
            yield "a part of the Environment is gone"


def _carried() -> frozenset[str]:
    return frozenset(
        {"AlgorithmSpecification", "RoleArn", "OutputDataConfig", "ResourceConfig"}
        | {"StoppingCondition", "HyperParameters", "RetryStrategy", "EnableManagedSpotTraining"}
    )


def no_secret_told(record: Record) -> Iterator[str]:
    """I6: nothing secret in a log, metric, tag, notification, schedule or dead letter's label."""
    told: dict[str, list[Any]] = {
        "a log line": list(record.lines),
        "a notification": [call.asked for call in record.calls(Step.PUBLISH)],
        "a schedule": [call.asked for call in record.calls(Step.CREATE_SCHEDULE)],
        "a verdict": [call.asked for call in record.calls(Step.ADD_TAGS)],
        "a successor's tags": [call.asked["Tags"] for call in record.calls(Step.CREATE)],
        "a dead letter": [
            call.asked["MessageAttributes"] for call in record.calls(Step.QUARANTINE)
        ],
    }
    for where, things in told.items():
        text = str(things)
        for name, canary in record.canaries.items():
            if canary in text:
                yield f"the secret of {name} is in {where}"


def durable_before_acknowledged(record: Record) -> Iterator[str]:
    """I7: a message that is gone has had its outcome written, or there was nothing to do."""
    for taken in record.history:
        if not isinstance(taken, Taken) or taken.delivery.outcome != "acknowledged":
            continue
        delivery = taken.delivery
        if delivery.job == "" and taken.set_aside == 0:
            yield f"message {delivery.number} was given up and not set aside"
        if delivery.job and not _accounted_for(record, taken):
            yield f"message {delivery.number} was acknowledged, and {delivery.job} has no verdict"


def _accounted_for(record: Record, taken: Taken) -> bool:
    """Whether a verdict stands, or the delivery was shown that there is nothing to judge."""
    if "resilience:verdict" in taken.standing or taken.mode != "act":
        return True
    looks = list(record.seen(taken.delivery, Step.DESCRIBE, taken.place))
    tags = _tags_seen(record, taken.delivery, taken.place)
    if not looks or tags is None:  # switched off, or told that there is no such job
        return True
    status = (looks[-1].answer or {})["TrainingJobStatus"]
    on = tags.get("resilience:mode", "act") == "act"
    return status not in ENDED or not on or "WANDB_CHECKPOINT_NAME" not in tags


def _tags_seen(record: Record, delivery: Delivery, before: int) -> dict[str, str] | None:
    pages = [
        call
        for step in (Step.LIST_TAGS, Step.LIST_MORE_TAGS)
        for call in record.seen(delivery, step, before)
    ]
    if not pages:
        return None
    return {one["Key"]: one["Value"] for page in pages for one in (page.answer or {})["Tags"]}


def people_are_obeyed(record: Record) -> Iterator[str]:
    """I8: nothing is launched from a job that a person stopped, or had switched off before."""
    stopped = {act.job: act.place for act in record.acts("stopped")}
    for call in record.calls(Step.CREATE):
        parent = tags_of(call)["resilience:parent"]
        if stopped.get(parent, call.place) < call.place:
            yield f"{parent} was stopped by a person, and came back at {call.place}"
        for off in record.acts("switched off"):
            if off.place < call.place and _knew(record, call, off, parent):
                yield f"{off.job} was switched off at {off.place}, and {parent} came back"


def _knew(record: Record, call: Call, off: Act, parent: str) -> bool:
    """Whether the delivery began its look after the switch; a mode may be kept for a minute."""
    if off.job == "the stack":
        return call.delivery.began > off.place and call.at - off.at > _WARM_SECONDS
    looks = list(record.seen(call.delivery, Step.LIST_TAGS, call.place))
    return off.job == parent and bool(looks) and looks[0].place > off.place


def verdict_for_all(record: Record) -> Iterator[str]:
    """I9: after two sweeps each ended job of a lineage has a verdict, and no wait is overdue."""
    if record.account.mode.now != "act":
        return
    for name, job in record.account.jobs.items():
        tags = record.account.standing(name)
        status = (job.described.now or {}).get("TrainingJobStatus")
        opted_in = "WANDB_CHECKPOINT_NAME" in tags and "resilience:mode" not in tags
        if status not in ENDED or not opted_in:
            continue
        if "resilience:verdict" not in tags:
            yield f"{name} has no verdict"
        elif tags["resilience:verdict"] == "WAIT":
            yield f"{name} still waits"


def repeated_without_effect(record: Record) -> Iterator[str]:
    """I10: what is reconciled again writes nothing again."""
    for step in sorted(WRITES):
        for call in record.calls(step):
            if call.place >= record.repeated_from and not _set_aside_again(call):
                yield f"a repetition did {step} at {call.place}"


def _set_aside_again(call: Call) -> bool:
    """Nobody can tell that an unreadable message is the same as one before."""
    return call.step is Step.QUARANTINE


def replays_alike(record: Record) -> Iterator[str]:
    """I11: deciding again from a line's facts gives the line's decision."""
    for line in record.lines:
        logged = json.loads(line)
        if isinstance(logged.get("facts"), dict):
            again = redecide(logged)
            if not again.same:
                yield f"{again.job} is decided otherwise: {again.difference()}"


def verdict_is_true(record: Record) -> Iterator[str]:
    """I12: RELAUNCH names a successor that was made; no other verdict hides one that was made."""
    made = {tags_of(call)["resilience:parent"] for call in record.calls(Step.CREATE)}
    for name in record.account.jobs:
        verdict = record.account.standing(name).get("resilience:verdict")
        if verdict == "RELAUNCH" and name not in made:
            yield f"{name} is said to be relaunched, and was not"
        if verdict in {"STOP", "WAIT"} and name in made:
            yield f"{name} is said to {verdict}, and was relaunched"


def told_of(record: Record) -> Iterator[str]:
    """I13: whatever changes is told first: a verdict to act on, and a breaker that trips."""
    for call in record.calls(Step.ADD_TAGS):
        job, verdict = _job_of(call), tags_of(call).get("resilience:verdict")
        earlier = (one for one in record.calls(Step.PUBLISH) if one.place < call.place)
        told = any(one.asked["Subject"] == f"{verdict} {job}"[:100] for one in earlier)
        if verdict in {"RELAUNCH", "STOP"} and not told:
            yield f"{verdict} of {job} was told to nobody"
    tripped, told_of_it = list(record.calls(Step.SWITCH_OFF)), list(record.calls(Step.TELL_OF_BREAKER))
    if tripped and not told_of_it:
        yield "the breaker tripped, and nobody was told"


def _job_of(call: Call) -> str:
    return str(call.asked["ResourceArn"].rpartition("/")[2])


Check = Callable[[Record], Iterator[str]]
INVARIANTS: Mapping[str, Check] = {
    "I1": one_successor,
    "I2": fresh_terminal,
    "I3": budget_counts,
    "I4": newest_checkpoint,
    "I5": nothing_lost,
    "I6": no_secret_told,
    "I7": durable_before_acknowledged,
    "I8": people_are_obeyed,
    "I9": verdict_for_all,
    "I10": repeated_without_effect,
    "I11": replays_alike,
    "I12": verdict_is_true,
    "I13": told_of,
}


def violations(record: Record) -> tuple[str, ...]:
    """All that a run has violated; I1 knows itself what may be forgiven."""
    judged = INVARIANTS.keys() - (record.forgiven - {"I1"})
    return tuple(
        f"{name}: {text}"
        for name, check in INVARIANTS.items()
        if name in judged
        for text in check(record)
    )
