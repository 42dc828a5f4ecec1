"""What the losses make of a check."""

from collections.abc import Callable, Sequence

import pytest

from resilient_training.run.check.comparison import compare
from resilient_training.run.check.findings import Finding, Judged, Mark, Verdict
from resilient_training.run.check.judging import judge
from resilient_training.run.check.losses import Loss
from resilient_training.run.check.report import Report, lines_of, record_of

FALLING = ("9.1", "8.2", "7.3", "6.4", "5.5", "4.6", "3.7", "2.8")


def losses(texts: Sequence[str], start: int = 1) -> list[Loss]:
    return [Loss(("out", "loss"), text, step=start + at) for at, text in enumerate(texts)]


def never() -> bool | None:
    raise AssertionError("it is resumed once more without a need")


def judged(
    second: list[Loss], again: Callable[[], bool | None] = never, first: Sequence[str] = FALLING
) -> Judged:
    whole = losses(first)
    return judge(whole, compare(whole, second, before=3), again)


def test_the_same_digits_are_the_same() -> None:
    found = judged(losses(FALLING[3:], 4))
    assert found.verdict is Verdict.SAME
    assert "5 after the checkpoint are the same in all printed digits (2)" in found.finding.text


def test_a_new_beginning_is_lost_work() -> None:
    found = judged(losses(FALLING[:5]))
    assert (found.verdict, found.finding.mark) == (Verdict.LOST, Mark.BAD)


def test_weights_that_were_not_loaded_are_lost_work_though_the_steps_go_on() -> None:
    found = judged(losses(("9.0", "8.3"), 5))
    assert found.verdict is Verdict.LOST
    assert "the weights were not loaded (step 5: 9.0, was 5.5)" in found.finding.text


def test_near_losses_are_plausible() -> None:
    assert judged(losses(("5.4", "4.7"), 5)).verdict is Verdict.NEAR


def test_far_losses_are_a_silent_difference() -> None:
    assert judged(losses(("0.4", "0.1"), 5)).verdict is Verdict.SILENT


def test_losses_that_part_in_each_resume_alike_lack_a_state() -> None:
    found = judged(losses(("5.5", "4.7"), 5), lambda: True)
    assert found.verdict is Verdict.SILENT
    assert "the state of the optimizer" in found.finding.text
    assert "(step 6: 4.7, was 4.6)" in found.finding.text


@pytest.mark.parametrize("repeats", [False, None])
def test_losses_that_part_by_chance_are_plausible(repeats: bool | None) -> None:  # noqa: FBT001 - a parameter
    assert judged(losses(("5.5", "4.7"), 5), lambda: repeats).verdict is Verdict.NEAR


def test_where_the_loss_has_not_moved_nobody_can_say() -> None:
    level = ("2.31", "2.29", "2.30", "2.32", "2.30", "2.31")
    found = judged(losses(("2.29", "2.32"), 5), first=level)
    assert found.verdict is Verdict.UNKNOWN
    assert "let it train longer" in found.finding.text


def test_where_the_loss_has_not_moved_a_first_step_that_comes_again_is_lost_work() -> None:
    level = ("2.31", "2.29", "2.30", "2.32", "2.30", "2.31")
    assert judged(losses(("2.28", "2.33")), first=level).verdict is Verdict.LOST


def test_the_exit_codes_are_those_of_the_other_check() -> None:
    assert {verdict: verdict.code for verdict in Verdict} == {
        Verdict.SAME: 0,
        Verdict.SILENT: 1,
        Verdict.LOST: 1,
        Verdict.NEAR: 2,
        Verdict.UNKNOWN: 3,
    }


def test_the_report_is_one_line_for_each_finding_and_colours_are_asked_for() -> None:
    report = Report(Verdict.LOST, (Finding("begin", Mark.BAD, "at step 1 again"),), {"files": 2})
    assert list(lines_of(report)) == [
        "resumed after kill -9: LOST",
        "  begin         BAD  at step 1 again",
    ]
    assert "\x1b[31mLOST\x1b[0m" in next(lines_of(report, colours=True))
    assert record_of(report) == {
        "verdict": "lost",
        "exit_code": 1,
        "files": 2,
        "findings": [{"name": "begin", "mark": "bad", "text": "at step 1 again"}],
    }
