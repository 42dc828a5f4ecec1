"""What a lineage goes on from: its successor, or why there is nothing to go on from. Pure."""

from dataclasses import replace
from typing import assert_never

from resilience.decide import checkpoints
from resilience.decide.attempts import NO_EVIDENCE, Case, diverged
from resilience.decide.decisions import (
    Checkpoint,
    Decision,
    Ledger,
    Reason,
    Successor,
    Verdict,
    Waiting,
)
from resilience.decide.stores import StoreFault


def stopped_by_its_store(case: Case) -> Decision | None:
    """Stop where all that could be resumed from lies where nobody has allowed it.

    It comes before every count: such a training may have worked for days, and to count it as one
    that never saved anything would send its owner the wrong way. A person's word is all it lacks.
    """
    choice = checkpoints.choose(case.facts, case.rejected)
    faults = dict(case.facts.store_faults)
    lacking = (one for one, why in choice.passed_over if why == checkpoints.STORE_NOT_ALLOWED)
    best = next(lacking, None)
    if best is None or choice.chosen is not None:
        return None
    detail = f"{best}: {_store_lacks(faults[best])}"
    decision = case.verdict(Verdict.STOP, Reason.STORE_NOT_ALLOWED, "choose", detail)
    return replace(decision, passed_over=choice.passed_over)


def nothing_to_resume(case: Case, choice: checkpoints.Choice) -> Decision | None:
    """Start over only where the lineage never had a checkpoint.

    Checkpoints that were there and are gone, or have all been rejected, are a loss that a person
    must know of; and so is an alias that somebody wants and that names nothing of the lineage's.
    """
    if choice.chosen is not None:
        return None
    facts = case.facts
    if facts.elsewhere:
        detail = ", ".join(facts.elsewhere)
        return case.verdict(Verdict.STOP, Reason.CHECKPOINTS_ELSEWHERE, "choose", detail)
    if facts.run is None:
        return case.verdict(Verdict.STOP, Reason.RUN_UNKNOWN, "choose")
    if choice.alias_missing and facts.checkpoints:
        return case.verdict(Verdict.STOP, Reason.CHECKPOINT_ALIAS_MISSING, "choose")
    return _lost_or_exhausted(case, choice)


def _store_lacks(fault: StoreFault) -> str:
    """What a person has to set, in words for a mail; no text of the version's is in them."""
    match fault:
        case StoreFault.NOT_OF_THE_STACK:
            return "its store is below none of the stack's parameter CheckpointStores; add it there"
        case StoreFault.NOT_OF_THE_LAUNCH:
            return "its store is not below RESILIENCE_STORE of the job's Environment"
        case StoreFault.NO_STORE:
            return "its metadata `store` is no s3://bucket/prefix/"
        case _:
            assert_never(fault)


def _lost_or_exhausted(case: Case, choice: checkpoints.Choice) -> Decision | None:
    """There is nothing to resume from: it is gone, or all of it was tried, or nothing ever was."""
    if case.confirmed:
        rule = case.facts.failure_rule
        return case.verdict(Verdict.STOP, Reason.FAILED_AGAIN_AT_SAME_STEP, rule)
    had_one = case.lineage.started_from is not None or case.ledger.best >= 0
    if had_one or case.rejected or _has_suspects(choice):
        return case.verdict(Verdict.STOP, Reason.NO_CHECKPOINT, "choose")
    return None


def _has_suspects(choice: checkpoints.Choice) -> bool:
    return any(fault == checkpoints.SUSPECT for _, fault in choice.passed_over)


def launched(case: Case, choice: checkpoints.Choice) -> Decision:
    """Launch the successor from what was chosen."""
    chosen = choice.chosen
    ledger = replace(case.ledger, seen=checkpoints.newest_number(case.facts))
    if chosen is None:
        reason = Reason.RESTARTED_FROM_BEGINNING
    else:
        # Suspects are a step back for the attempt whose loss diverged, not for those after it.
        diverged_back = _has_suspects(choice) and diverged(case.facts)
        back = case.rejected != case.lineage.rejected or diverged_back
        reason = Reason.WALKED_BACK if back else Reason.RESUMED_FROM_CHECKPOINT
    return replace(
        case.verdict(Verdict.RELAUNCH, reason, case.facts.failure_rule),
        successor=successor(case, chosen, ledger),
    )


def successor(case: Case, checkpoint: Checkpoint | None, ledger: Ledger) -> Successor:
    # A wait goes on over attempts that never started, or failed of something outside, until one
    # has done work: the back-off goes on growing.
    goes_on = not case.advanced and (not case.facts.started or case.blame in NO_EVIDENCE)
    waiting = (case.lineage.waiting or Waiting(0, case.facts.observed_at)) if goes_on else None
    return Successor(
        name=case.lineage.next_name,
        root=case.lineage.root,
        parent=case.facts.job,
        parent_created=case.facts.created_at,
        attempt=case.lineage.attempt + 1,
        checkpoint=checkpoint,
        ledger=ledger,
        rejected=case.rejected,
        waiting=waiting,
        diverged=diverged(case.facts),
    )
