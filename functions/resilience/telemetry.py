"""What an operator reads: one canonical line per message, and metrics in its words.

No text that a job wrote itself is in it: not its FailureReason, Environment or hyperparameters,
nor a tag beyond the ones that were checked to be W&B names, in a project that is allowed.
"""

from dataclasses import asdict, replace

from aws_lambda_powertools import Logger
from aws_lambda_powertools.metrics import MetricUnit, single_metric

from resilience.decide import reporting
from resilience.decide.checkpoints import excludes
from resilience.decide.decisions import CheckpointRequest, Decision, Facts, Reason, Verdict
from resilience.fleet.sweeping import Swept
from resilience.wire import words
from resilience.wire.events import Hint, Malformed

logger = Logger()

_MOST_NAMES = 50  # of jobs, in one line

_UNNAMED = CheckpointRequest(entity="unnamed", project="unnamed", collection="unnamed")


def decided(decision: Decision, hint: Hint) -> None:
    """Tell of one decision; the line's facts are what `make replay LOG=…` decides from again."""
    logger.info("training job decided", extra=record(decision) | _source(hint))
    with single_metric(name="Decisions", unit=MetricUnit.Count, value=1) as metric:
        metric.add_dimension(name="Verdict", value=str(decision.verdict))
        metric.add_dimension(name="Reason", value=str(decision.reason))
    facts = decision.facts
    if decision.verdict is Verdict.RELAUNCH and facts.ended_at is not None:
        seconds = max(0, facts.observed_at - facts.ended_at)
        with single_metric(
            name="SecondsToRelaunch", unit=MetricUnit.Seconds, value=seconds
        ) as metric:
            metric.add_dimension(name="FailureClass", value=str(facts.failure_class))


def not_scheduled(decision: Decision) -> None:
    """Log that EventBridge Scheduler did not answer; the sweep takes the job up instead."""
    logger.warning(
        "schedule not created; the sweep re-evaluates it", extra={"job": decision.facts.job}
    )


def passed_by(reason: Reason, hint: Hint | None) -> None:
    """Tell of a message that needs nothing done."""
    line = {"verdict": str(Verdict.IGNORE), "reason": str(reason), "next": "nothing to do"}
    logger.info("message passed by", extra=line | (_source(hint) if hint else {}))


def quarantined(message: Malformed) -> None:
    logger.error(
        "message quarantined",
        extra={
            "verdict": str(Verdict.IGNORE),
            "reason": str(Reason.MESSAGE_MALFORMED),
            "detail": message.detail,
            "next": "a person must look at the dead-letter queue",
        },
    )


def swept(found: Swept) -> dict[str, object]:
    """Log what a sweep found; a sweep may find thousands, and the line names the first."""
    if found.cut:
        logger.warning(
            "the sweep ran out of time; the next one goes on", extra={"cut": list(found.cut)}
        )
    counts: dict[str, object] = {
        "without_verdict": len(found.without_verdict),
        "overdue": len(found.overdue),
        "breaker": str(found.breaker),
    }
    named = {"jobs": [*found.without_verdict, *found.overdue][:_MOST_NAMES]}
    logger.info("swept", extra=counts | named)
    return counts


def record(decision: Decision) -> dict[str, object]:
    """The decision as the canonical line carries it: short words first, then every fact."""
    facts, successor = decision.facts, decision.successor
    checkpoint = successor.checkpoint if successor else None
    return {
        "verdict": str(decision.verdict),
        "reason": str(decision.reason),
        "detail": decision.detail,
        "next": reporting.what_comes_next(decision),
        "job": facts.job,
        "root": facts.lineage.root if facts.lineage else None,
        "attempt": facts.lineage.attempt if facts.lineage else None,
        "failure_class": str(facts.failure_class) if facts.failure_class else None,
        "rule": decision.rule,
        "progress": str(decision.progress),
        "successor": successor.name if successor else None,
        "checkpoint": checkpoint.version if checkpoint else None,
        "step": words.step_word(checkpoint.step) if checkpoint else None,
        "due": words.stamp(decision.due) if decision.due is not None else None,
        "passed_over": dict(decision.passed_over),
        "mode": str(facts.mode),
        "facts": asdict(_without_others_words(facts)),
    }


def _without_others_words(facts: Facts) -> Facts:
    """Leave out names that no list allows, and aliases that nothing was decided by.

    Whoever may tag a job or an artifact could have written anything there. The decision is the same
    without them; of a store, `store_faults` has all that it is decided by.
    """
    trusted = facts.project_allowed and not facts.contradictions
    known = facts.request if trusted or facts.request is None else _UNNAMED
    wanted = known.alias if known else None
    checkpoints = tuple(
        replace(
            one, aliases=tuple(a for a in one.aliases if a == wanted or excludes(a)), store=None
        )
        for one in facts.checkpoints
    )
    return replace(facts, request=known, checkpoints=checkpoints)


def _source(hint: Hint) -> dict[str, object]:
    return {"event_id": hint.event_id, "event_source": hint.source, "job": hint.job}
