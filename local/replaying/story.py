"""One replayed message, told to a person."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from local.replaying.event import Replayed
from local.replaying.surroundings import Message
from resilience import telemetry
from resilience.decide import reporting
from resilience.decide.breaker import Circuit
from resilience.decide.decisions import Decision, LogRead, Verdict
from resilience.wire import tags, words
from resilience.wire.events import NotForUs

_WIDTH = 14
_LONGEST = 200
_LOG_READ = {LogRead.FOUND: "was read for the cause", LogRead.UNAVAILABLE: "could not be read"}
_ADDED = ("RESILIENCE_", "WANDB_RUN_ID", "WANDB_RESUME")
Row = tuple[str, str]


def tell(message: Message, replayed: Replayed) -> str:
    """Tell what happened, what was decided and why, and what comes next."""
    rows = [
        ("message", message.name),
        *_what_happened(message, replayed),
        *_outcome(replayed.outcome),
        *_effects(replayed),
        *_assumptions(message, replayed),
    ]
    told = [f"{label:<{_WIDTH}}{_harmless(text)}".rstrip() for label, text in rows]
    return "\n".join([*told, "", replayed.canonical_line])


def _harmless(text: str) -> str:
    """A message may hold what a terminal would obey."""
    flat = " ".join(text.split())
    return "".join(letter if letter.isprintable() else "?" for letter in flat)[:_LONGEST]


def record(replayed: Replayed) -> dict[str, Any]:
    """The canonical line's record of it, and the jobs that were created."""
    outcome = replayed.outcome
    decided = telemetry.record(outcome) if isinstance(outcome, Decision) else _passed_by(outcome)
    return decided | {"created": [_created(one) for one in _requests(replayed)]}


def _passed_by(outcome: NotForUs) -> dict[str, Any]:
    return {"verdict": str(Verdict.IGNORE), "reason": str(outcome.reason)}


def _what_happened(message: Message, replayed: Replayed) -> Iterator[Row]:
    outcome = replayed.outcome
    envelope = message.envelope
    yield "from", f"{envelope.get('source')}: {envelope.get('detail-type')}"
    if isinstance(outcome, Decision):
        facts = outcome.facts
        yield "job", facts.job
        yield "ended", f"{facts.status} / {facts.secondary_status}"
        reason = message.detail.get("FailureReason")
        if reason:
            yield "it said", str(reason)


def _outcome(outcome: Decision | NotForUs) -> Iterator[Row]:
    if isinstance(outcome, NotForUs):
        yield "verdict", str(Verdict.IGNORE)
        yield "reason", str(outcome.reason)
        yield "next", "nothing to do"
        return
    facts, lineage = outcome.facts, outcome.facts.lineage
    yield "verdict", str(outcome.verdict)
    yield "reason", f"{outcome.reason} {outcome.detail}".rstrip()
    yield "failure class", str(facts.failure_class or "none: it ended well")
    yield "rule", outcome.rule
    if facts.log_read is not LogRead.NOT_ASKED:
        yield "its own log", _LOG_READ[facts.log_read]
    if facts.breaker.state is not Circuit.CLOSED:
        yield "fleet breaker", f"{facts.breaker.state}, for {facts.breaker.cause or 'every cause'}"
    yield "attempt", f"{lineage.attempt} of {lineage.root}" if lineage else "cannot be told"
    yield "progress", str(outcome.progress)
    for version, why in outcome.passed_over:
        yield "passed over", f"{version}: {why}"
    checkpoint = outcome.successor.checkpoint if outcome.successor else None
    if checkpoint is not None:
        yield "checkpoint", f"{checkpoint.version} at step {words.step_word(checkpoint.step)}"
    yield "next", reporting.what_comes_next(outcome)


def _effects(replayed: Replayed) -> Iterator[Row]:
    for request in _requests(replayed):
        created = _created(request)
        yield "created", str(created["name"])
        yield from (("  tag", f"{key}={value}") for key, value in created["tags"].items())
        yield from (("  environment", f"{k}={v}") for k, v in created["environment"].items())
    world = replayed.world
    for decision in world.topic.published:
        yield "notified", f"{decision.verdict} {decision.facts.job}"
    for (job, _), due in world.schedules.due.items():
        yield "scheduled", f"{job} at {words.stamp(due)}"
    for _, why in world.dead_letters.quarantined:
        yield "quarantined", why


def _assumptions(message: Message, replayed: Replayed) -> Iterator[Row]:
    if message.assumed and replayed.world.wandb.asked:
        steps = ", ".join(str(one.step) for one in message.surroundings.checkpoints)
        yield "assumed", f"checkpoints at steps {steps}; say otherwise in worlds/{message.name}"


def _requests(replayed: Replayed) -> Sequence[Mapping[str, Any]]:
    return replayed.world.sagemaker.requests


def _created(request: Mapping[str, Any]) -> dict[str, Any]:
    """What a successor carries of ours; the rest is its parent's, and may hold a key."""
    own = tags.read(request["Tags"]) or {}
    environment = request["Environment"].items()
    return {
        "name": request["TrainingJobName"],
        "tags": {key: value for key, value in own.items() if key.startswith(tags.PREFIX)},
        "environment": {key: value for key, value in environment if key.startswith(_ADDED)},
    }
