"""What may never be launched: I1 to I5, I8 and I16."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from local.doubts import unechoed
from proofs.matrix.line import Act, Call
from proofs.matrix.record import ENDED, Record, tags_of
from proofs.matrix.steps import Step
from proofs.matrix.switches import breaker_in
from resilience.decide.breaker import Breaker, Circuit, strikes_all
from resilience.failures import FailureClass

# What a delivery does to the world.
_EFFECTS = (Step.CREATE, Step.PUBLISH, Step.ADD_TAGS, Step.REMIND, Step.CREATE_SCHEDULE)
_NOT_CARRIED = frozenset({"TrainingJobName", "Environment", "Tags"})
_CLASSES = frozenset(map(str, FailureClass))


def one_successor(record: Record) -> Iterator[str]:
    """I1: no attempt has two accepted successors. An attempt is a job: its name and its birth."""
    made: dict[tuple[str, str, str], list[Call]] = defaultdict(list)
    for call in record.calls(Step.CREATE):
        own, born = tags_of(call), call.asked["Environment"]["RESILIENCE_PARENT_CREATED"]
        made[own["resilience:root"], own["resilience:attempt"], born].append(call)
    for (root, attempt, _), calls in made.items():
        for earlier, later in pairwise(calls):
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
    """I3: an attempt that trained is counted, one that never did is not; no count goes down."""
    own: dict[str, dict[str, str]] = {}
    for call in record.calls(Step.CREATE):
        tags = tags_of(call)
        own[call.asked["TrainingJobName"]] = tags
        parent = own.get(tags["resilience:parent"], {})
        before, after = (_ends(one.get("resilience:ledger", "")) for one in (parent, tags))
        attempt = int(parent.get("resilience:attempt", "1")) + 1
        if int(tags["resilience:attempt"]) != attempt:
            yield f"attempt {tags['resilience:attempt']} follows on {attempt - 1}"
        began = _began(record, call)
        if after.total() != before.total() + began or before - after:
            how = "an attempt that trained" if began else "an attempt that never trained"
            yield f"after {how} ledger {dict(before)} became {dict(after)}"


def _began(record: Record, create: Call) -> bool:
    """Whether the parent had ever trained, as the delivery that launched was shown."""
    looks = list(record.seen(create.delivery, Step.DESCRIBE, create.place))
    return bool(looks) and "TrainingStartTime" in (looks[-1].answer or {})


def _ends(ledger: str) -> Counter[str]:
    """How many attempts ended so, by failure class; a ledger holds other words as well."""
    words = (word.partition("=") for word in ledger.split())
    return Counter({name: int(count) for name, _, count in words if name in _CLASSES})


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
            if not any(one["alias"].startswith("suspect") for one in node["aliases"])
        }
        best = max((step for name, step in steps.items() if name not in rejected), default=0)
        if int(tags["resilience:checkpoint-step"]) < best:
            yield f"resumed from {tags['resilience:checkpoint']}, and step {best} was there"


def _nodes(answer: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    project = answer["data"]["project"] or {}  # null: hidden, or not there
    logged = (value for run, value in project.items() if run.startswith("run"))
    pages = (one["outputArtifacts"] for one in logged if one is not None)
    return (edge["node"] for page in pages for edge in page["edges"])


def nothing_lost(record: Record) -> Iterator[str]:
    """I5: the successor has every member of its parent, and all of its Environment and tags."""
    for call in record.calls(Step.CREATE):
        seen = list(record.seen(call.delivery, Step.DESCRIBE, call.place))
        parent = unechoed(seen[-1].answer or {}) if seen else {}
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


def people_are_obeyed(record: Record) -> Iterator[str]:
    """I8: nothing comes back that a person stopped, and nothing is done to what is switched off."""
    stopped = {act.job: act.place for act in record.acts("stopped")}
    for call in record.calls(Step.CREATE):
        parent = tags_of(call)["resilience:parent"]
        if stopped.get(parent, call.place) < call.place:
            yield f"{parent} was stopped by a person, and came back at {call.place}"
    offs = list(record.acts("switched off"))
    for call in (one for step in _EFFECTS for one in record.calls(step)) if offs else ():
        for off in offs:
            if off.place < call.place and _knew(record, call, off):
                yield f"{off.job} was switched off at {off.place}, and {call.step} at {call.place}"


def held_by_the_fleet(record: Record) -> Iterator[str]:
    """I16: while the breaker is open, only what advanced, or is tried, is launched."""
    for call in record.calls(Step.CREATE):
        switches = list(record.seen(call.delivery, Step.READ_SWITCHES, call.place))
        breaker = breaker_in(switches[-1].answer or {}) if switches else Breaker()
        parent = tags_of(call)["resilience:parent"]
        all_wait = breaker.state is not Circuit.CLOSED and strikes_all(breaker.cause)
        if not all_wait or breaker.tries(parent) or advanced(record, call, parent):
            continue
        yield f"{parent} came back at {call.place}, and the breaker was {breaker.state}"


def advanced(record: Record, call: Call, job: str) -> bool:
    """Whether W&B had shown, in this delivery and until this call, a version of the job itself."""
    answers = list(record.seen(call.delivery, Step.ASK_WANDB, call.place))
    nodes = _nodes(answers[-1].answer or {}) if answers else ()
    return any(json.loads(node["metadata"]).get("training_job") == job for node in nodes)


def _knew(record: Record, call: Call, off: Act) -> bool:
    """Whether the delivery looked after the switch, and before it was switched on again."""
    job = call.delivery.job
    if not job or off.job not in ("the stack", job):
        return False
    step = Step.READ_SWITCHES if off.job == "the stack" else Step.LIST_TAGS
    looks = [one.place for one in record.seen(call.delivery, step, call.place)]
    ons = [on.place for on in record.acts("switched on") if off.place < on.place]
    return any(off.place < look < min(ons, default=look + 1) for look in looks)
