"""What may never become of a message, a verdict or a word: I6, I7 and I9 to I13."""

import json
from collections.abc import Iterator
from math import inf
from typing import Any

from local.replaying.log_line import redecide
from proofs.matrix.launches import advanced
from proofs.matrix.line import Call, Delivery, Taken
from proofs.matrix.record import ENDED, Record, tags_of
from proofs.matrix.steps import WRITES, Step
from proofs.matrix.switches import breaker_set, mode_in
from resilience.decide.breaker import Circuit
from resilience.wire.words import stamp


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
    """Whether a verdict stands, or the delivery was shown that there is nothing to judge.

    Where it was shown a mode that does not act, the line of the log is the outcome.
    """
    switches = list(record.seen(taken.delivery, Step.READ_SWITCHES, taken.place))
    if not switches:
        return False
    mode = mode_in(switches[-1].answer or {})
    if mode != "act":
        return _is_logged(record, taken, mode)
    if "resilience:verdict" in taken.standing:
        return True
    looks = list(record.seen(taken.delivery, Step.DESCRIBE, taken.place))
    tags = _tags_seen(record, taken.delivery, taken.place)
    if not looks or tags is None:  # told that there is no such job
        return True
    status = (looks[-1].answer or {})["TrainingJobStatus"]
    mode = tags.get("resilience:mode", "act")
    if mode != "act":
        return _is_logged(record, taken, mode)
    return status not in ENDED or "WANDB_CHECKPOINT_NAME" not in tags


def _is_logged(record: Record, taken: Taken, mode: str) -> bool:
    """Whether a line says of the job what was decided, and that nothing was done in this mode."""
    told = (json.loads(line) for line in record.lines)
    about = (line for line in told if line.get("job") == taken.delivery.job)
    return any(line.get("reason") == "mode_off" or line.get("mode") == mode for line in about)


def _tags_seen(record: Record, delivery: Delivery, before: int) -> dict[str, str] | None:
    pages = [
        call
        for step in (Step.LIST_TAGS, Step.LIST_MORE_TAGS)
        for call in record.seen(delivery, step, before)
    ]
    if not pages:
        return None
    return {one["Key"]: one["Value"] for page in pages for one in (page.answer or {})["Tags"]}


def verdict_for_all(record: Record) -> Iterator[str]:
    """I9: after two sweeps each ended job of a lineage has a verdict, and no wait is overdue.

    What was switched off is on again by then.
    """
    for name, tags in record.rest.tags.items():
        opted_in = "WANDB_CHECKPOINT_NAME" in tags
        if record.rest.statuses[name] not in ENDED or not opted_in:
            continue
        if "resilience:verdict" not in tags:
            yield f"{name} has no verdict"
        elif tags["resilience:verdict"] == "WAIT":
            yield f"{name} still waits"
    if record.rest.breaker.state is not Circuit.CLOSED:
        yield f"the breaker is {record.rest.breaker.state}, and nobody is left to close it"


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
    """I12: RELAUNCH names a successor that was made; no other verdict hides one that was made.

    Not even for a moment, where the successor was there before the delivery began.
    """
    made = {_parent_of(call) for call in record.calls(Step.CREATE)}
    before = {act.job for act in record.acts("relaunched before")}
    for name, tags in record.rest.tags.items():
        verdict = tags.get("resilience:verdict")
        relaunched = name in before or (name, stamp(record.rest.born[name])) in made
        if verdict == "RELAUNCH" and not relaunched:
            yield f"{name} is said to be relaunched, and was not"
        if verdict in {"STOP", "WAIT"} and relaunched and not _held_too_early(record, name):
            yield f"{name} is said to {verdict}, and was relaunched"
    yield from _held_unlooked(record)


def _held_unlooked(record: Record) -> Iterator[str]:
    for call in record.calls(Step.ADD_TAGS):
        verdict, job = tags_of(call).get("resilience:verdict"), _job_of(call)
        if verdict not in {"STOP", "WAIT"} or record.forgiven & {"I1"}:
            continue
        there = any(
            one.place < call.delivery.began
            and tags_of(one)["resilience:parent"] == job
            and not record.is_deleted(one.asked["TrainingJobName"], job, one.place, call.place)
            for one in record.calls(Step.CREATE)
        )
        shown = not any(one.stale for one in record.asked(call.delivery, Step.ADJUDICATE))
        if there and shown:
            yield f"{job} was tagged {verdict} at {call.place}, and had been relaunched before"


def _parent_of(create: Call) -> tuple[str, str]:
    """Name and birth: a name may be used again."""
    told = create.asked["Environment"]
    return told["RESILIENCE_PARENT"], told["RESILIENCE_PARENT_CREATED"]


def _held_too_early(record: Record, job: str) -> bool:
    """Whether the job was held back while a create that nobody waited for was under way (A3)."""
    creates = [one for one in record.calls(Step.CREATE) if tags_of(one)["resilience:parent"] == job]
    verdicts = (call.place for call in record.calls(Step.ADD_TAGS) if _job_of(call) == job)
    late = all(one.late for one in creates)
    return "I12" in record.forgiven and late and min(verdicts, default=inf) < creates[0].place


def waits_are_tags(record: Record) -> Iterator[str]:
    """I15: the tag is the wait, so that it comes before the schedule."""
    for call in record.calls(Step.CREATE_SCHEDULE):
        tags = [tags_of(one) for one in record.seen(call.delivery, Step.ADD_TAGS, call.place)]
        if not call.late and not any(one.get("resilience:verdict") == "WAIT" for one in tags):
            yield f"a look was scheduled at {call.place}, and no tag says WAIT"


def told_of(record: Record) -> Iterator[str]:
    """I13: people are told of what changes: first of a verdict to act on; of a breaker that trips.

    But for one more try within a wait: it is the wait that is reported.
    """
    for call in record.calls(Step.ADD_TAGS):
        job, verdict = _job_of(call), tags_of(call).get("resilience:verdict")
        earlier = (one for one in record.calls(Step.PUBLISH) if one.place < call.place)
        told = any(one.asked["Subject"] == f"{verdict} {job}"[:100] for one in earlier)
        tries_again = verdict == "RELAUNCH" and _is_within_a_wait(record, call)
        if verdict in {"RELAUNCH", "STOP"} and not (told or tries_again):
            yield f"{verdict} of {job} was told to nobody"
    yield from _tripped_in_silence(record)


def _tripped_in_silence(record: Record) -> Iterator[str]:
    """Of a breaker it is enough that people are told of it while it is open."""
    told = [str(call.asked["Message"]) for call in record.calls(Step.TELL_OF_BREAKER)]
    for call in record.calls(Step.SET_BREAKER):
        after = breaker_set(call.asked, call.at)
        named = any(f"cause: {after.cause}" in text for text in told)
        if after.state is not Circuit.CLOSED and not named:
            yield f"the breaker tripped at {call.place}, and nobody was told"
            return


def _is_within_a_wait(record: Record, verdict: Call) -> bool:
    """Whether the job waited before, and its attempt did no work that would have ended the wait."""
    seen = _tags_seen(record, verdict.delivery, verdict.place) or {}
    return "resilience:waiting" in seen and not advanced(record, verdict, _job_of(verdict))


def _job_of(call: Call) -> str:
    return str(call.asked["ResourceArn"].rpartition("/")[2])
