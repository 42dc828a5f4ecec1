"""What an ended attempt counts for, and which checkpoint it is evidence against."""

from dataclasses import replace

import pytest
from hypothesis import given

from resilience.decide import attempts
from resilience.decide.attempts import Case
from resilience.decide.decisions import (
    Facts,
    Ledger,
    Lookup,
    Progress,
)
from resilience.failures import FailureClass
from tests.unit.lineages import FIRST, V1, V2, attempt, checkpoint
from tests.unit.measured import HOUR, LIMIT, OUTSIDE, PROGRAM, SPENT, measured
from tests.unit.strategies import FAILED_FACTS

INFRASTRUCTURE, USER_CODE = FailureClass.INFRASTRUCTURE, FailureClass.USER_CODE

# --- counts


@pytest.mark.parametrize("failure_class", FailureClass)
def test_each_attempt_that_trained_is_counted_by_its_class(failure_class: FailureClass) -> None:
    for found in ((V1,), (V1, V2)):
        after = measured(failure_class, *found).ledger
        assert after.count(str(failure_class)) == (SPENT.ledger.count(str(failure_class)) + 1)
        assert list(after.ends) == sorted(after.ends)


def test_without_wandbs_answer_nothing_but_the_class_is_counted() -> None:
    before = SPENT.ledger
    for lookup in (Lookup.UNAVAILABLE, Lookup.REFUSED, Lookup.NOT_ASKED):
        case = measured(USER_CODE, V1, V2, lookup=lookup)
        assert case.progress is Progress.UNKNOWN
        assert replace(case.ledger, ends=before.ends) == before
        assert case.ledger.count("user_code") == 1
        assert case.rejected == ()


def test_an_attempt_that_never_trained_counts_for_nothing() -> None:
    for failure_class in FailureClass:
        case = measured(failure_class, V1, started=False, seconds=0)
        assert (case.ledger, case.rejected) == (SPENT.ledger, SPENT.rejected)


def test_work_clears_all_that_counts_in_a_row() -> None:
    case = measured(INFRASTRUCTURE, V1, V2)
    assert case.advanced
    assert replace(case.ledger, ends=(), place="") == Ledger(unpaid=4, best=20, seen=1)


@pytest.mark.parametrize(("seconds", "unpaid"), [(HOUR - 1, 4), (HOUR, 3), (HOUR + 1, 3)])
def test_an_hour_of_work_pays_for_the_successor(seconds: int, unpaid: int) -> None:
    assert measured(INFRASTRUCTURE, V1, V2, seconds=seconds).ledger.unpaid == unpaid


def test_an_hour_without_work_pays_for_nothing() -> None:
    assert measured(INFRASTRUCTURE, V1, seconds=10 * HOUR).ledger.unpaid == 4


@pytest.mark.parametrize("failure_class", OUTSIDE)
def test_what_dies_of_the_outside_has_lost_its_time_and_proves_nothing(
    failure_class: FailureClass,
) -> None:
    after = measured(failure_class, V1, seconds=50).ledger
    assert after.place
    assert replace(after, ends=SPENT.ledger.ends, place=SPENT.ledger.place) == replace(
        SPENT.ledger,
        unpaid=4,
        after=50,
        lost_seconds=750,
        without_work=SPENT.ledger.without_work + 1,
        by_program=0,
    )


@pytest.mark.parametrize("failure_class", [*PROGRAM, *LIMIT])
def test_what_may_die_of_itself_is_counted_in_a_row(failure_class: FailureClass) -> None:
    after = measured(failure_class, V1, seconds=50).ledger
    assert (after.unpaid, after.lost_seconds, after.without_work) == (4, 750, 2)


# --- the highest step


def test_the_highest_step_is_kept_whatever_is_left_of_its_version() -> None:
    assert measured(INFRASTRUCTURE, V1, V2).ledger.best == 20
    assert measured(INFRASTRUCTURE, V1, lineage=attempt(3, best=20)).ledger.best == 20


@pytest.mark.parametrize("failure_class", FailureClass)
def test_the_step_that_an_attempt_began_with_is_one_that_the_lineage_had(
    failure_class: FailureClass,
) -> None:
    """A late upload of the parent's is no work of the attempt's, and is resumed from."""
    began_late = attempt(3, started_from="v2", started_step=20, best=10)
    assert measured(failure_class, V1, V2, lineage=began_late).ledger.best == 20


# --- the checkpoint that is to blame


DIED_TWICE = attempt(4, started_from="v2", started_step=20, best=20, same=1)


def died_again(failure_class: FailureClass = USER_CODE, **more: object) -> Case:
    """A second death at v2, of the same reason."""
    first = measured(failure_class, V1, V2, lineage=DIED_TWICE).ledger
    lineage = replace(DIED_TWICE, ledger=first, rejected=("v3",))
    return measured(failure_class, V1, V2, lineage=lineage, **more)


@pytest.mark.parametrize("failure_class", PROGRAM)
def test_the_checkpoint_at_which_a_program_died_twice_is_rejected(
    failure_class: FailureClass,
) -> None:
    assert died_again(failure_class).rejected == ("v3", "v2")


@pytest.mark.parametrize("failure_class", [*OUTSIDE, *LIMIT])
def test_no_machine_and_no_limit_is_evidence_against_a_checkpoint(
    failure_class: FailureClass,
) -> None:
    assert died_again(failure_class).rejected == ("v3",)
    walked_back = replace(SPENT, ledger=replace(SPENT.ledger, same=2), rejected=("v2",))
    assert measured(failure_class, V1, V2, lineage=walked_back).rejected == ("v2",)


def test_one_death_rejects_nothing() -> None:
    assert measured(USER_CODE, V1, V2, lineage=DIED_TWICE).rejected == ()


def test_a_checkpoint_that_cannot_be_loaded_is_rejected_at_once() -> None:
    case = measured(FailureClass.DATA, V1, checkpoint_load_error=True)
    assert case.rejected == ("v1",)


def test_a_checkpoint_that_was_loaded_and_worked_from_is_not_rejected_for_a_text() -> None:
    case = measured(FailureClass.DATA, V1, V2, checkpoint_load_error=True)
    assert case.rejected == ()


@pytest.mark.parametrize("alias", ["suspect", "suspect-v1"])
def test_a_checkpoint_that_is_barred_is_rejected_for_good(alias: str) -> None:
    case = measured(INFRASTRUCTURE, checkpoint("v1", 10, alias))
    assert case.rejected == ("v1",)
    other = measured(INFRASTRUCTURE, V1, checkpoint("v0", 5, alias))
    assert other.rejected == ()


def test_an_attempt_from_the_beginning_has_no_checkpoint_to_reject() -> None:
    for lineage in (FIRST, attempt(3, started_from=None, same=2)):
        assert measured(USER_CODE, lineage=lineage, checkpoint_load_error=True).rejected == ()


def test_a_checkpoint_is_rejected_once_and_the_newest_stands_last() -> None:
    lineage = attempt(5, rejected=("v1", "v2"))
    assert measured(
        FailureClass.DATA, V1, lineage=lineage, checkpoint_load_error=True
    ).rejected == ("v2", "v1")


# --- whatever the facts


@given(FAILED_FACTS)
def test_counts_only_grow_and_nothing_that_was_rejected_comes_back(facts: Facts) -> None:
    lineage, failure_class = facts.lineage, facts.failure_class
    assert lineage is not None
    assert failure_class is not None
    case = attempts.measure(facts, lineage, failure_class)
    before, after = lineage.ledger, case.ledger
    assert sum(dict(after.ends).values()) - sum(dict(before.ends).values()) == facts.started
    assert all(after.count(name) >= count for name, count in before.ends)
    assert after.unpaid >= before.unpaid
    assert after.best >= before.best
    assert set(lineage.rejected) <= set(case.rejected)
    assert len(set(case.rejected)) == len(case.rejected)
    if not case.advanced:
        assert after.without_work >= before.without_work
        assert after.lost_seconds >= before.lost_seconds


@given(FAILED_FACTS)
def test_the_outside_changes_nothing_but_what_it_cost(facts: Facts) -> None:
    lineage = facts.lineage
    assert lineage is not None
    case = attempts.measure(facts, lineage, INFRASTRUCTURE)
    if case.advanced:
        return
    assert case.ledger.place == lineage.ledger.place or case.ledger.same <= 1
    assert case.ledger.by_program in (0, lineage.ledger.by_program)
    excluded = {one.version for one in facts.checkpoints if "suspect" in one.aliases}
    if not (facts.checkpoint_load_error or case.confirmed):
        assert set(case.rejected) - set(lineage.rejected) <= excluded
