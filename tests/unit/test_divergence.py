"""A loss that diverged, as the controller sees it: back before it, and not for ever."""

from dataclasses import replace

import botocore.session
import pytest

from resilience import relaunch
from resilience.decide import policy
from resilience.decide.decisions import Checkpoint, Facts, Lineage, Reason, Verdict
from resilience.failures import LOSS_DIVERGED, FailureClass, classify_text
from resilience.relaunch import Source
from resilience.wire import lineage_tags
from tests.unit.lineages import (
    FIRST,
    REQUEST,
    V1,
    V2,
    attempt,
    checkpoint,
    ended,
    outcome,
    succeeded,
)

CREATE = (
    botocore.session.get_session()
    .get_service_model("sagemaker")
    .operation_model("CreateTrainingJob")
    .input_shape
)
RESHUFFLING = {"resilience:reshuffle": "on-divergence"}
V3_SUSPECT = checkpoint("v3", 30, "suspect-v3", "latest")


def diverged(*found: Checkpoint, lineage: Lineage = FIRST) -> Facts:
    return ended(FailureClass.USER_CODE, *found, lineage=lineage, failure_rule=LOSS_DIVERGED)


def test_the_words_of_the_training_side_are_known() -> None:
    found = classify_text("AlgorithmError: LossDiverged: the loss is nan, exit code: 1")
    assert (found.failure_class, found.rule) == (FailureClass.USER_CODE, LOSS_DIVERGED)


def test_it_walks_back_past_the_suspects_to_the_last_healthy_checkpoint() -> None:
    decision = policy.decide(diverged(V1, V2, V3_SUSPECT))
    assert outcome(decision) == (Verdict.RELAUNCH, Reason.WALKED_BACK)
    assert decision.successor is not None
    assert decision.successor.checkpoint == V2
    assert decision.passed_over == (("v3", "suspect"),)


def test_several_suspects_are_barred_each_by_an_alias_of_its_own() -> None:
    """W&B takes an alias from the version that had it."""
    facts = diverged(
        V1, checkpoint("v2", 20, "suspect-v2"), V3_SUSPECT, checkpoint("v4", 40, "suspect")
    )
    assert succeeded(facts).checkpoint == V1


@pytest.mark.parametrize(
    "alias", ["suspect-", "suspected", "suspect-vx", "not-suspect", "suspect v2"]
)
def test_an_alias_that_only_looks_like_it_bars_nothing(alias: str) -> None:
    successor = succeeded(diverged(V1, checkpoint("v2", 20, alias)))
    assert successor.checkpoint is not None
    assert successor.checkpoint.version == "v2"


def test_without_a_suspect_it_just_resumes() -> None:
    decision = policy.decide(diverged(V1, V2))
    assert outcome(decision) == (Verdict.RELAUNCH, Reason.RESUMED_FROM_CHECKPOINT)


def test_suspects_of_an_earlier_divergence_do_not_make_another_end_a_walk_back() -> None:
    facts = ended(FailureClass.INFRASTRUCTURE, V1, V2, V3_SUSPECT)
    assert outcome(policy.decide(facts)) == (Verdict.RELAUNCH, Reason.RESUMED_FROM_CHECKPOINT)


def test_when_the_very_checkpoint_that_it_began_with_is_suspect_it_goes_back_further() -> None:
    """A machine that died between the divergence and its mark leaves such a one."""
    began = attempt(2, started_from="v3", started_step=30)
    decision = policy.decide(diverged(V1, V2, V3_SUSPECT, lineage=began))
    assert outcome(decision) == (Verdict.RELAUNCH, Reason.WALKED_BACK)
    assert decision.successor is not None
    assert (decision.successor.checkpoint, decision.successor.rejected) == (V2, ("v3",))


def test_to_diverge_again_before_a_healthy_checkpoint_is_for_a_person() -> None:
    """It worked up to v2 and diverged past it; it went back to v2, and diverges again from there.

    Other deaths are confirmed and then walk back; this one has walked back at once.
    """
    first = succeeded(diverged(V1, V2, V3_SUSPECT))
    assert first.checkpoint == V2
    began = attempt(2, started_from="v2", started_step=20)
    again = diverged(
        V1,
        V2,
        V3_SUSPECT,
        checkpoint("v4", 30, "suspect-v4"),
        lineage=replace(began, ledger=first.ledger),
    )
    assert outcome(policy.decide(again)) == (Verdict.STOP, Reason.FAILED_AGAIN_AT_SAME_STEP)


def test_a_lineage_that_gets_further_before_it_diverges_again_goes_on() -> None:
    began = attempt(2, started_from="v2", started_step=20, same=1, best=20, seen=3)
    further = checkpoint("v4", 25)
    decision = policy.decide(diverged(V1, V2, V3_SUSPECT, further, lineage=began))
    assert outcome(decision) == (Verdict.RELAUNCH, Reason.WALKED_BACK)
    assert decision.successor is not None
    assert (decision.successor.checkpoint, decision.successor.rejected) == (further, ())


def test_a_first_attempt_with_nothing_but_suspects_is_for_a_person() -> None:
    assert outcome(policy.decide(diverged(V3_SUSPECT))) == (Verdict.STOP, Reason.NO_CHECKPOINT)


def test_the_successor_is_told_that_the_loss_diverged_and_another_is_not() -> None:
    assert succeeded(diverged(V1, V2)).diverged
    assert not succeeded(ended(FailureClass.USER_CODE, V1, V2)).diverged


def seed_offset(facts: Facts, own: dict[str, str], environment: dict[str, str]) -> str | None:
    """What the successor of an attempt is told to add to its data's seed."""
    successor = succeeded(facts)
    described = {"TrainingJobName": facts.job, "Environment": environment}
    request = relaunch.compose(Source(described, own, REQUEST, "r1"), successor, CREATE)
    told = request["Environment"]
    assert isinstance(told, dict)
    return told.get("RESILIENCE_DATA_SEED_OFFSET")


def test_another_data_order_is_given_only_on_request_and_only_after_a_divergence() -> None:
    facts = diverged(V1, V2, V3_SUSPECT)
    assert seed_offset(facts, RESHUFFLING, {}) == "2"
    assert seed_offset(facts, {}, {}) is None
    assert seed_offset(facts, {"resilience:reshuffle": "never"}, {}) is None
    assert seed_offset(ended(FailureClass.INTERRUPTED, V1, V2), RESHUFFLING, {}) is None


@pytest.mark.parametrize("own", [{}, RESHUFFLING])
def test_a_data_order_that_was_begun_is_kept_by_the_attempts_after_it(own: dict[str, str]) -> None:
    facts = ended(FailureClass.INTERRUPTED, V1, V2, lineage=attempt(3))
    assert seed_offset(facts, own, {"RESILIENCE_DATA_SEED_OFFSET": "2"}) == "2"


def test_the_request_for_another_order_goes_on_to_the_successor() -> None:
    assert lineage_tags.inherited(RESHUFFLING) == RESHUFFLING
