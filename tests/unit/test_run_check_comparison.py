"""Losses before a kill beside those after the resume."""

from collections.abc import Iterable

from resilient_training.run.check.comparison import Closeness, Kind, Pair, closeness, compare
from resilient_training.run.check.losses import Loss

FALLING = ("9.1", "8.2", "7.3", "6.4", "5.5", "4.6", "3.7", "2.8")


def numbered(texts: Iterable[str], start: int = 1) -> list[Loss]:
    return [Loss(("out", "loss"), text, step=start + at) for at, text in enumerate(texts)]


def plain(texts: Iterable[str]) -> list[Loss]:
    return [Loss(("out", "loss"), text) for text in texts]


def test_the_same_digits_at_the_same_steps_are_the_same() -> None:
    compared = compare(numbered(FALLING), numbered(FALLING[3:], 4), before=3)
    assert compared.kind is Kind.SAME
    assert [pair.first.step for pair in compared.pairs] == [4, 5, 6, 7, 8]
    assert not compared.counts_anew


def test_only_steps_that_both_printed_are_compared() -> None:
    compared = compare(numbered(FALLING[:5]), numbered((*FALLING[3:], "1.9"), 4), before=3)
    assert (compared.kind, len(compared.pairs)) == (Kind.SAME, 2)


def test_one_equal_loss_is_too_little() -> None:
    compared = compare(numbered(FALLING[:4]), numbered(FALLING[3:4], 4), before=3)
    assert compared.kind is Kind.UNKNOWN
    assert "only one loss" in compared.why


def test_losses_that_are_the_same_at_first_and_then_not_drift() -> None:
    compared = compare(numbered(FALLING), numbered(("6.4", "5.6", "4.8"), 4), before=3)
    assert compared.kind is Kind.DRIFTS


def test_a_first_loss_that_differs_differs() -> None:
    compared = compare(numbered(FALLING), numbered(("6.5", "5.6"), 4), before=3)
    assert compared.kind is Kind.DIFFERS


def test_a_training_that_begins_at_its_first_step_again_began_again() -> None:
    compared = compare(numbered(FALLING), numbered(FALLING[:5]), before=3)
    assert (compared.kind, compared.counts_anew) == (Kind.AGAIN, True)


def test_steps_that_are_counted_anew_do_not_matter_where_the_losses_go_on() -> None:
    compared = compare(numbered(FALLING), numbered(FALLING[3:]), before=3)
    assert (compared.kind, compared.counts_anew) == (Kind.SAME, True)


def test_without_a_loss_before_the_checkpoint_a_resume_looks_like_a_beginning() -> None:
    compared = compare(numbered(FALLING), numbered(FALLING), before=0)
    assert compared.kind is Kind.UNKNOWN
    assert "print the loss more often than it saves" in compared.why


def test_each_process_prints_a_loss_of_its_own_and_the_kill_may_come_between_two() -> None:
    first = [*numbered(FALLING), *numbered(FALLING[:7])[3:]]
    both = [*numbered(FALLING[3:], 4), *numbered(("6.0", "5.0", "4.0"), 4)]
    assert compare([*first, *both], both, before=3).kind is Kind.SAME


def test_by_order_the_losses_after_the_checkpoint_are_found_a_little_off() -> None:
    assert compare(plain(FALLING), plain(FALLING[4:7]), before=3).kind is Kind.SAME
    assert compare(plain(FALLING), plain(FALLING[2:7]), before=3).kind is Kind.SAME


def test_by_order_a_beginning_is_a_beginning() -> None:
    assert compare(plain(FALLING), plain(FALLING[:3]), before=3).kind is Kind.AGAIN


def test_by_order_losses_that_part_are_compared_from_where_they_are_the_same() -> None:
    compared = compare(plain(FALLING), plain(("5.5", "4.7", "3.9")), before=3)
    assert compared.kind is Kind.DRIFTS
    assert [pair.first.text for pair in compared.pairs] == ["5.5", "4.6", "3.7"]


def test_by_order_losses_that_are_never_the_same_differ_from_the_checkpoint_on() -> None:
    compared = compare(plain(FALLING), plain(("6.6", "5.7")), before=3)
    assert compared.kind is Kind.DIFFERS
    assert [pair.first.text for pair in compared.pairs] == ["6.4", "5.5"]


def test_a_loss_that_never_changes_tells_nothing() -> None:
    compared = compare(plain(["1.0"] * 8), plain(["1.0"] * 4), before=3)
    assert (compared.kind, compared.why) == (Kind.UNKNOWN, "the printed loss does not change")


def test_a_training_that_prints_no_loss_cannot_be_compared() -> None:
    assert "the training printed no loss" in compare([], plain(FALLING), 0).why
    assert "the resumed training printed no loss" in compare(plain(FALLING), [], 3).why


def test_steps_beyond_all_that_was_seen_cannot_be_compared() -> None:
    compared = compare(numbered(FALLING), numbered(("1.9", "1.8"), 20), before=3)
    assert "step 20 is beyond step 8" in compared.why


def close(first: Iterable[str], was: Iterable[str], now: Iterable[str]) -> Closeness:
    pairs = [Pair(one, two, same=False) for one, two in zip(plain(was), plain(now), strict=True)]
    return closeness(plain(first), pairs)


def test_losses_as_at_the_beginning_are_those_of_other_weights() -> None:
    assert close(FALLING, ("4.6", "3.7"), ("9.0", "8.4")) is Closeness.FRESH


def test_losses_that_are_near_are_near() -> None:
    assert close(FALLING, ("4.6", "3.7"), ("4.7", "3.6")) is Closeness.NEAR


def test_losses_beyond_what_steps_differ_by_are_far() -> None:
    assert close(FALLING, ("4.6", "3.7"), ("0.4", "0.1")) is Closeness.FAR


def test_losses_that_are_no_numbers_are_far() -> None:
    assert close(FALLING, ("4.6", "3.7"), ("nan", "nan")) is Closeness.FAR


def test_a_loss_that_has_not_moved_tells_nothing() -> None:
    level = ("2.31", "2.29", "2.30", "2.32", "2.30", "2.31")
    assert close(level, ("2.30", "2.31"), ("2.29", "2.32")) is Closeness.UNKNOWN
