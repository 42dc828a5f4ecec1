"""A loss that diverged, as the controller sees it: back before it, and not for ever."""

from dataclasses import replace

import botocore.session
import pytest

from resilience import policy, relaunch, tags
from resilience.decisions import Checkpoint, Decision, Facts, Lineage, Reason, Verdict
from resilience.failures import LOSS_DIVERGED, FailureClass, classify_text
from resilience.relaunch import Source
from tests.unit.lineages import FIRST, REQUEST, attempt, checkpoint, ended

CREATE = (
    botocore.session.get_session()
    .get_service_model("sagemaker")
    .operation_model("CreateTrainingJob")
    .input_shape
)
RESHUFFLING = {"resilience:reshuffle": "on-divergence"}
V1, V2 = checkpoint("v1", 10), checkpoint("v2", 20)
V3_SUSPECT = checkpoint("v3", 30, "suspect-v3", "latest")


def diverged(*found: Checkpoint, lineage: Lineage = FIRST) -> Facts:
    return ended(FailureClass.USER_CODE, *found, lineage=lineage, failure_rule=LOSS_DIVERGED)


def outcome(decision: Decision) -> tuple[Verdict, Reason]:
    return decision.verdict, decision.reason


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
    successor = policy.decide(facts).successor
    assert successor is not None
    assert successor.checkpoint == V1


@pytest.mark.parametrize(
    "alias", ["suspect-", "suspected", "suspect-vx", "not-suspect", "suspect v2"]
)
def test_an_alias_that_only_looks_like_it_bars_nothing(alias: str) -> None:
    successor = policy.decide(diverged(V1, checkpoint("v2", 20, alias))).successor
    assert successor is not None
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


def test_a_first_attempt_with_nothing_but_suspects_is_for_a_person() -> None:
    assert outcome(policy.decide(diverged(V3_SUSPECT))) == (Verdict.STOP, Reason.NO_CHECKPOINT)


def test_a_loss_that_diverges_thrice_is_for_a_person_though_it_was_healthy_for_a_while() -> None:
    """Each attempt commits a step further before its loss diverges, and none for an hour."""
    lineage, versions, reasons = FIRST, (V1,), []
    for number in (2, 3, 4):
        healthy = checkpoint(f"v{number}", 10 * number)
        suspect = checkpoint(f"v{number + 10}", 10 * number + 5, f"suspect-v{number + 10}")
        versions = (*versions, healthy, suspect)
        decision = policy.decide(diverged(*versions, lineage=lineage))
        reasons.append(decision.reason)
        if decision.successor is not None:
            ledger = decision.successor.ledger
            lineage = replace(
                attempt(number, started_from=f"v{number}", started_step=10 * number), ledger=ledger
            )
    assert reasons[-1] is Reason.FAILED_AGAIN_AT_SAME_STEP
    assert Reason.WALKED_BACK in reasons[:-1]


def seed_offset(facts: Facts, own: dict[str, str], environment: dict[str, str]) -> str | None:
    """What the successor of an attempt is told to add to its data's seed."""
    successor = policy.decide(facts).successor
    assert successor is not None
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
    assert tags.inherited(RESHUFFLING) == RESHUFFLING
