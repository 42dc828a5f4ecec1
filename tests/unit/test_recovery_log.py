"""Where SageMaker's reason says nothing, the job's own log is asked; nothing else waits for it."""

import json
from dataclasses import replace

import pytest

from local.in_memory import InMemoryWorld
from local.replaying.log_line import redecide
from resilience.decide import policy
from resilience.decide.decisions import Decision, LogRead, Lookup, Mode, Reason, Verdict
from resilience.failures import FailureClass
from resilience.telemetry import record
from tests.unit.recovery_world import (
    GPU,
    JOB,
    SUCCESSOR,
    WANDB,
    decide,
    hint,
    never_started,
    trained,
)

NOTHING = "AlgorithmError: ExecuteUserScriptError:\nExitCode 1"
ECC = "RuntimeError: CUDA error: uncorrectable ECC error encountered"
BUG = "ValueError: shapes do not match: (64, 10) and (63, 10)"


def ended_without_a_word() -> InMemoryWorld:
    """A first job that has saved twice, and died."""
    world = trained()
    world.sagemaker.begin(JOB)
    world.clock.pass_by(60)
    world.sagemaker.end(JOB, "Failed", "Failed", NOTHING)
    return world


def stuck(*said: str, reason: str | None = NOTHING) -> InMemoryWorld:
    """A successor that died where it began, and whose log ends so."""
    world = ended_without_a_word()
    decide(world)
    world.sagemaker.begin(SUCCESSOR)
    world.clock.pass_by(60)
    world.logs.write(SUCCESSOR, "resuming from v1 at step 200", *said)
    world.sagemaker.end(SUCCESSOR, "Failed", "Failed", reason)
    return world


def decided(world: InMemoryWorld) -> Decision:
    return decide(world, hint(SUCCESSOR))


@pytest.mark.parametrize("reason", [None, NOTHING, "it is broken"])
def test_a_machine_that_broke_is_not_held_against_a_program_that_died_without_a_word(
    reason: str | None,
) -> None:
    decision = decided(stuck(ECC, reason=reason))
    facts = decision.facts
    assert (facts.failure_class, facts.failure_rule) == (
        FailureClass.INFRASTRUCTURE,
        "gpu_memory_error",
    )
    assert facts.log_read is LogRead.FOUND
    assert (decision.verdict, decision.reason) == (
        Verdict.RELAUNCH,
        Reason.RESUMED_FROM_CHECKPOINT,
    )


def test_a_log_that_cannot_be_read_leaves_the_decision_to_the_reason_and_the_line_says_so() -> None:
    world = stuck(ECC)
    world.logs.refused = True
    decision = decided(world)
    assert decision.facts.log_read is LogRead.UNAVAILABLE
    assert decision.facts.failure_rule == "exit_code"
    assert json.loads(json.dumps(record(decision)))["facts"]["log_read"] == "unavailable"
    without = decided_without_logs(stuck(ECC))
    assert (decision.verdict, decision.reason) == (without.verdict, without.reason)
    assert without.facts.log_read is LogRead.NOT_ASKED


def decided_without_logs(world: InMemoryWorld) -> Decision:
    """By a stack that reads no log."""
    return decide(world, hint(SUCCESSOR), replace(world.ports(), logs=None))


def test_a_log_that_names_no_cause_leaves_the_decision_to_the_reason() -> None:
    decision = decided(stuck("step 201 loss 0.31"))
    assert (decision.facts.log_read, decision.facts.failure_rule) == (LogRead.FOUND, "exit_code")


def test_a_decision_by_the_log_is_taken_again_from_its_line() -> None:
    line = json.loads(json.dumps(record(decided(stuck(ECC)))))
    written = {name: value for name, value in line.items() if value is not None}
    assert written["facts"]["log_read"] == "found"
    assert redecide(written).same


def test_a_bug_that_the_log_names_is_named_and_decided_as_before() -> None:
    decision, by_reason = decided(stuck(BUG)), decided_without_logs(stuck(BUG))
    assert (decision.facts.failure_rule, by_reason.facts.failure_rule) == (
        "programming_error",
        "exit_code",
    )
    assert (decision.reason, decision.due) == (by_reason.reason, by_reason.due)


def test_a_stop_that_a_log_claims_stops_nothing() -> None:
    decision = decided(stuck("StoppedByUser: in W&B"))
    assert decision.verdict is not Verdict.IGNORE
    assert decision.facts.failure_rule == "exit_code"


def test_what_only_observes_reads_the_log_as_well() -> None:
    world = stuck(ECC)
    world.set_mode(Mode.OBSERVE)
    assert decided(world).facts.failure_rule == "gpu_memory_error"


def test_an_attempt_that_advanced_is_not_asked_why_it_died() -> None:
    world = ended_without_a_word()
    world.logs.write(JOB, ECC)
    assert decide(world).verdict is Verdict.RELAUNCH
    assert world.logs.asked == []


def test_a_job_that_never_began_has_no_log_to_ask() -> None:
    world = never_started(NOTHING)
    facts = decide(world).facts
    assert (facts.started, facts.lookup) == (False, Lookup.FOUND)
    assert world.logs.asked == []


@pytest.mark.parametrize("reason", [GPU, BUG, "AlgorithmError: Killed, exit code: 137"])
def test_a_reason_that_names_the_cause_is_enough(reason: str) -> None:
    world = stuck(ECC, reason=reason)
    decided(world)
    assert world.logs.asked == []


@pytest.mark.parametrize("lookup", [Lookup.UNAVAILABLE, Lookup.REFUSED])
def test_while_wandb_does_not_answer_no_log_is_asked(lookup: Lookup) -> None:
    world = stuck(ECC)
    world.wandb.lookup = lookup
    decided(world)
    assert world.logs.asked == []


def test_while_an_upload_is_pending_no_log_is_asked() -> None:
    world = stuck(ECC)
    versions = world.wandb.versions(WANDB) or ()
    late = replace(versions[-1], version="v2", step=300, committed=False, aliases=())
    world.wandb.add(WANDB, late)
    assert decided(world).reason is Reason.UPLOAD_PENDING
    assert world.logs.asked == []


def test_what_is_decided_already_asks_no_log() -> None:
    world = stuck(ECC)
    decided(world)
    decided(world)
    assert world.logs.asked == [SUCCESSOR]


@pytest.mark.parametrize("failure_class", FailureClass)
def test_where_no_log_is_needed_no_class_changes_what_comes_next(
    failure_class: FailureClass,
) -> None:
    """For an attempt that advanced the class is a word in the ledger."""
    world = ended_without_a_word()
    facts = decide(world).facts
    assert not policy.needs_log(facts)
    if failure_class is FailureClass.STOPPED_BY_USER:
        return
    other = policy.decide(replace(facts, recorded=None, failure_class=failure_class))
    by_reason = policy.decide(replace(facts, recorded=None))
    assert (other.verdict, other.reason) == (by_reason.verdict, by_reason.reason)
