"""Deaths at the same place: what a place is, and what may die there."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilience.decide.attempts import Case
from resilience.decide.decisions import (
    Ledger,
    Lineage,
    Lookup,
    Progress,
    Reason,
    Verdict,
)
from resilience.failures import LOSS_DIVERGED, Blame, FailureClass
from tests.unit.lineages import FIRST, V1, V2, attempt, checkpoint
from tests.unit.measured import HOUR, LIMIT, OUTSIDE, PROGRAM, SPENT, measured, place_of

INFRASTRUCTURE, USER_CODE = FailureClass.INFRASTRUCTURE, FailureClass.USER_CODE
TIMEOUT = FailureClass.TIMEOUT
PLACE = "35a9cec8"  # of step 10 and the signature that tests give

# --- the same place


def test_the_first_death_of_the_program_at_a_place_is_one_and_the_next_two() -> None:
    first = measured(USER_CODE, V1)
    assert first.ledger.same == 1
    assert not first.confirmed
    second = measured(USER_CODE, V1, lineage=replace(SPENT, ledger=first.ledger))
    assert (second.ledger.same, place_of(second)) == (2, place_of(first))
    assert second.confirmed


@pytest.mark.parametrize("failure_class", PROGRAM)
def test_a_death_after_work_is_the_first_at_its_place(failure_class: FailureClass) -> None:
    advanced = measured(failure_class, V1, V2)
    assert (advanced.ledger.same, advanced.confirmed) == (1, False)
    went_on = replace(SPENT, ledger=replace(advanced.ledger, seen=2), started_from="v2")
    again = measured(failure_class, V1, V2, lineage=replace(went_on, started_step=20))
    assert (again.ledger.same, again.confirmed) == (2, True)


@pytest.mark.parametrize("failure_class", [*OUTSIDE, *LIMIT])
def test_an_attempt_that_worked_until_its_limit_or_a_lost_machine_is_at_no_place(
    failure_class: FailureClass,
) -> None:
    assert measured(failure_class, V1, V2).ledger.same == 0


def test_another_step_or_another_reason_is_another_place() -> None:
    first = measured(USER_CODE, V1)
    lineage = replace(SPENT, ledger=first.ledger)
    other_reason = measured(USER_CODE, V1, lineage=lineage, signature="0ddba115")
    further = replace(lineage, ledger=replace(first.ledger, best=11))
    other_step = measured(USER_CODE, V1, lineage=further)
    assert len({place_of(first), place_of(other_reason), place_of(other_step)}) == 3
    assert (other_reason.ledger.same, other_step.ledger.same) == (1, 1)


def test_a_place_is_a_short_hash_of_step_and_reason_and_the_same_for_ever() -> None:
    """A running lineage would lose count if a release wrote it otherwise."""
    assert place_of(measured(USER_CODE, V1)) == PLACE
    assert place_of(measured(TIMEOUT, V1)) == PLACE


def test_a_lost_machine_at_the_place_is_no_death_of_the_program_there() -> None:
    first = measured(USER_CODE, V1).ledger
    lost = measured(INFRASTRUCTURE, V1, lineage=replace(SPENT, ledger=first))
    assert lost.ledger.same == 1
    assert lost.ledger.place != first.place
    again = measured(USER_CODE, V1, lineage=replace(SPENT, ledger=lost.ledger))
    assert not again.confirmed


# --- about the same time


def died_after(before: int, now: int, **more: object) -> int:
    """How many deaths in a row are alike, when the last came after so many seconds."""
    first = measured(USER_CODE, V1, seconds=before).ledger
    lineage = changed_lineage(replace(SPENT, ledger=first), **more)
    return measured(USER_CODE, V1, lineage=lineage, seconds=now).ledger.same


def changed_lineage(lineage: Lineage, **more: object) -> Lineage:
    return replace(lineage, **more)  # type: ignore[arg-type]  # dataclasses.replace checks the names


@given(st.integers(1, 2_000_000), st.integers(1, 2_000_000))
def test_two_deaths_are_at_one_place_if_they_came_after_about_the_same_time(
    before: int, now: int
) -> None:
    near = abs(before - now) <= max(60, max(before, now) // 4)
    assert died_after(before, now) == (2 if near else 1)
    assert died_after(now, before) == died_after(before, now)


@given(st.integers(0, 2_000_000))
def test_a_time_that_nobody_knows_agrees_with_any(seconds: int) -> None:
    assert died_after(0, seconds) == died_after(seconds, 0) == 2


@pytest.mark.parametrize(("now", "same"), [(2000, 1), (3600, 3), (9000, 3), (90_000, 3)])
def test_after_a_walk_back_there_is_more_of_the_way_and_a_death_that_comes_sooner_is_another(
    now: int, same: int
) -> None:
    twice = replace(SPENT.ledger, same=2, place=PLACE, after=3600)
    back = changed_lineage(SPENT, ledger=twice, rejected=("v2",))
    assert measured(USER_CODE, V1, lineage=back, seconds=now).ledger.same == same


def test_what_was_saved_again_leaves_the_next_attempt_less_of_the_way() -> None:
    again = replace(V1, version="v3", job="root-r5")
    case = measured(USER_CODE, V1, again, seconds=4000)
    assert case.progress is Progress.SAME
    assert case.ledger.after == 0
    assert measured(USER_CODE, V1, seconds=4000).ledger.after == 4000


def test_after_work_there_is_no_time_to_compare_with() -> None:
    lineage = replace(SPENT, ledger=replace(SPENT.ledger, after=500))
    assert measured(USER_CODE, V1, V2, lineage=lineage).ledger.after == 0


# --- a program that dies now and then


@pytest.mark.parametrize("failure_class", PROGRAM)
def test_a_program_that_died_elsewhere_and_went_on_has_to_die_twice_more_to_be_confirmed(
    failure_class: FailureClass,
) -> None:
    flaky = replace(SPENT, ledger=replace(SPENT.ledger, ends=(("user_code", 1),)))
    worked = measured(failure_class, V1, V2, lineage=flaky)
    assert (worked.ledger.same, worked.flaky) == (0, True)
    at_v2 = replace(SPENT, started_from="v2", started_step=20)
    once = measured(failure_class, V1, V2, lineage=replace(at_v2, ledger=_seen(worked.ledger)))
    assert (once.ledger.same, once.confirmed) == (1, False)
    twice = measured(failure_class, V1, V2, lineage=replace(at_v2, ledger=_seen(once.ledger)))
    assert (twice.ledger.same, twice.confirmed) == (2, True)


def _seen(ledger: Ledger) -> Ledger:
    return replace(ledger, seen=2)


@pytest.mark.parametrize("failure_class", [*OUTSIDE, *LIMIT])
def test_what_is_outside_makes_no_program_flaky(failure_class: FailureClass) -> None:
    ends = ((str(failure_class), 9),)
    lineage = replace(SPENT, ledger=replace(SPENT.ledger, ends=ends))
    assert not measured(failure_class, V1, lineage=lineage).flaky


# --- a text that says that it is outside, and may be wrong


def alike(times: int, failure_class: FailureClass = INFRASTRUCTURE, **more: object) -> Case:
    """Deaths of something outside, one like the other."""
    case = measured(failure_class, V1, checkpoint("v0", 5))
    for _ in range(times - 1):
        lineage = replace(SPENT, ledger=case.ledger)
        case = measured(failure_class, V1, checkpoint("v0", 5), lineage=lineage, **more)
    return case


@pytest.mark.parametrize("failure_class", OUTSIDE)
def test_deaths_of_the_outside_that_are_alike_are_counted_and_blame_no_checkpoint(
    failure_class: FailureClass,
) -> None:
    found = [alike(times, failure_class) for times in range(1, 8)]
    assert [one.ledger.same for one in found] == list(range(1, 8))
    assert not any(one.confirmed or one.rejected for one in found)


def test_a_spot_instance_that_is_taken_back_between_two_deaths_leaves_their_place() -> None:
    lineage = replace(SPENT, ledger=replace(SPENT.ledger, same=2, place=PLACE))
    taken = measured(FailureClass.INTERRUPTED, V1, lineage=lineage, secondary_status="Interrupted")
    assert (taken.ledger.same, taken.ledger.place) == (2, PLACE)


def test_deaths_of_the_outside_after_different_times_are_never_alike() -> None:
    assert alike(9, seconds=5000).ledger.same == 8
    lineage = replace(SPENT, ledger=alike(9).ledger)
    assert measured(INFRASTRUCTURE, V1, lineage=lineage, seconds=5000).ledger.same == 1


def test_only_the_programs_own_death_confirms_one() -> None:
    twice = replace(SPENT, ledger=replace(SPENT.ledger, same=2, place=PLACE))
    assert measured(USER_CODE, V1, lineage=twice).confirmed
    for failure_class in LIMIT:
        assert not measured(failure_class, V1, lineage=twice).confirmed
    assert not measured(USER_CODE, V1, V2, lineage=twice).confirmed
    assert not measured(USER_CODE, V1, lineage=twice, started=False).confirmed
    assert not measured(USER_CODE, V1, lineage=twice, lookup=Lookup.UNAVAILABLE).confirmed


# --- a right that is missing, a loss that diverges, steps that nobody told


@pytest.mark.parametrize(
    ("lineage", "blame"),
    [
        (FIRST, Blame.PROGRAM),
        (attempt(2, started_from=None), Blame.PROGRAM),
        (attempt(2, started_from=None, best=0), Blame.PERSON),
        (attempt(2, started_from=None, best=40), Blame.PERSON),
        (attempt(2), Blame.PERSON),
    ],
)
def test_a_right_that_is_missing_is_the_programs_fault_only_where_it_never_worked(
    lineage: Lineage, blame: Blame
) -> None:
    assert measured(FailureClass.PERMISSION, lineage=lineage).blame is blame
    assert measured(USER_CODE, lineage=lineage).blame is Blame.PROGRAM
    assert measured(INFRASTRUCTURE, lineage=lineage).blame is Blame.OUTSIDE


def again_after(
    failure_class: FailureClass, same: int, *, seconds: int = 600, rule: str = "some_rule"
) -> int:
    """Commits a version of unknown step, and dies where it had died so often; how often now."""
    found = (V1, checkpoint("v2", None))
    before = measured(USER_CODE, *found, failure_rule=rule)
    died = replace(SPENT, ledger=replace(SPENT.ledger, same=same, place=place_of(before)))
    case = measured(failure_class, *found, lineage=died, failure_rule=rule, seconds=seconds)
    assert case.advanced
    return case.ledger.same


def test_work_of_unknown_step_after_a_walk_back_may_be_what_was_there_before() -> None:
    assert [again_after(USER_CODE, same) for same in (0, 1, 2, 3)] == [1, 1, 3, 4]
    assert again_after(INFRASTRUCTURE, 2) == 0


def test_a_loss_that_diverges_soon_again_is_at_the_same_place_however_far_it_came() -> None:
    assert [again_after(USER_CODE, same, rule=LOSS_DIVERGED) for same in (0, 1)] == [1, 2]
    assert again_after(USER_CODE, 1, rule=LOSS_DIVERGED, seconds=HOUR) == 1
    assert again_after(USER_CODE, 1, rule=LOSS_DIVERGED, seconds=HOUR - 1) == 2
    assert again_after(USER_CODE, 2, rule=LOSS_DIVERGED, seconds=HOUR) == 3
    places = {
        place_of(measured(USER_CODE, V1, *found, failure_rule=rule))
        for found in ((), (V2,), (checkpoint("v2", 30),))
        for rule in (LOSS_DIVERGED,)
    }
    assert len(places) == 1
    assert place_of(measured(USER_CODE, V1)) not in places


def test_work_that_ends_at_another_place_is_the_first_death_there() -> None:
    elsewhere = replace(SPENT, ledger=replace(SPENT.ledger, same=2, place="ffffffff"))
    assert measured(USER_CODE, V1, checkpoint("v2", None), lineage=elsewhere).ledger.same == 1


def test_ends_of_the_programs_in_a_row_are_counted_and_any_other_breaks_the_row() -> None:
    row_of_one = replace(SPENT, ledger=replace(SPENT.ledger, by_program=1))
    counted = {
        failure_class: measured(failure_class, V1, lineage=row_of_one).ledger.by_program
        for failure_class in (USER_CODE, TIMEOUT, INFRASTRUCTURE, FailureClass.PERMISSION)
    }
    assert list(counted.values()) == [2, 2, 0, 0]
    assert measured(USER_CODE, V1, V2, lineage=row_of_one).ledger.by_program == 0


def test_a_verdict_says_how_far_the_attempt_came() -> None:
    for found, progress in (((V1,), Progress.SAME), ((V1, V2), Progress.ADVANCED)):
        case = measured(USER_CODE, *found)
        assert case.verdict(Verdict.STOP, Reason.NO_PROGRESS, "rule").progress is progress
