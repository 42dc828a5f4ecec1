"""A log says why a job died where its reason does not; nothing in it can make a death final."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilience.failures import (
    Blame,
    FailureClass,
    Line,
    Tail,
    classify_log,
    classify_text,
    row,
    says_nothing,
)
from resilience.failures.job_log import MOST_CHARACTERS
from tests.unit.failure_page import texts

NOW = 1_769_828_400_000
ECC = "RuntimeError: CUDA error: uncorrectable ECC error encountered"
BUG = "ValueError: shapes do not match: (64, 10) and (63, 10)"
WRAPPED_CHILD = (
    "torch.distributed.elastic.multiprocessing.errors.ChildFailedError:\ntrain.py FAILED\n"
    "  exitcode  : 1 (pid: 133)\n  error_file: <N/A>"
)
LOST_PEER = "RuntimeError: NCCL communicator was aborted on rank 3"


def tail(*lines: str, at: int = NOW, step: int = 10) -> Tail:
    """Lines of which the last one comes at this moment."""
    first = at - step * (len(lines) - 1)
    return tuple(Line(first + number * step, text) for number, text in enumerate(lines))


def rule(*hosts: Tail) -> str | None:
    said = classify_log(hosts)
    return said.rule if said else None


@pytest.mark.parametrize(
    "reason",
    [
        "",
        "AlgorithmError: , exit code: 1",
        "AlgorithmError: ExecuteUserScriptError:\nExitCode 1",
        'ExecuteUserScriptError:\nExitCode 1\nErrorMessage ""\nCommand "python train.py"',
        WRAPPED_CHILD,
        "Traceback (most recent call last):",
        "it is broken",
    ],
)
def test_these_reasons_say_nothing(reason: str) -> None:
    classified = classify_text(reason)
    assert says_nothing(classified.failure_class, classified.rule)


@pytest.mark.parametrize("reason", [ECC, BUG, LOST_PEER, "exit code: 137", "CapacityError: none"])
def test_these_reasons_say_something(reason: str) -> None:
    classified = classify_text(reason)
    assert not says_nothing(classified.failure_class, classified.rule)


def test_the_cause_in_the_log_is_read_as_it_would_be_in_a_reason() -> None:
    said = classify_log([tail("step 40 loss 0.31", "Traceback (most recent call last):", ECC)])
    assert said is not None
    assert (said.failure_class, said.rule) == (FailureClass.INFRASTRUCTURE, "gpu_memory_error")


@pytest.mark.parametrize("lines", [(), ("step 40 loss 0.31",), ("exit code: 1",), ("Killed: no",)])
def test_a_log_without_a_cause_says_nothing(lines: tuple[str, ...]) -> None:
    assert classify_log([tail(*lines)]) is None


def test_of_two_causes_on_two_hosts_the_earlier_one_counts() -> None:
    full = "OSError: [Errno 28] No space left on device"
    first, later = tail("up", BUG, at=NOW - 500), tail("up", full, at=NOW)
    assert rule(later, first) == rule(first, later) == rule(first)
    first, later = tail("up", full, at=NOW - 500), tail("up", BUG, at=NOW)
    assert rule(later, first) == rule(first, later) == "disk_full"


def test_when_a_cause_was_named_counts_and_not_when_its_host_spoke_first_or_last() -> None:
    early = tail("up", BUG, *(f"waiting {n}" for n in range(90)), at=NOW)
    late = tail("OSError: [Errno 28] No space left on device", at=NOW - 100)
    assert rule(late, early) == rule(early)


def test_a_lost_peer_of_earlier_does_not_hide_the_cause_on_another_host() -> None:
    assert rule(tail(LOST_PEER, at=NOW - 900), tail(ECC)) == "gpu_memory_error"


def test_what_a_host_survived_for_minutes_was_no_cause() -> None:
    survived = Line(NOW - 600_000, "requests.exceptions.ConnectionError: Max retries exceeded")
    assert rule((survived, *tail("step 41", BUG))) == rule(tail(BUG))


def test_a_notice_is_no_cause_however_little_else_there_is() -> None:
    notice = "2026-01-31 03:00:00 WARNING urllib3: Connection timed out, retrying"
    assert classify_text(notice).rule != "unknown"
    assert classify_log([tail(notice, "exit code: 1")]) is None


def test_a_cause_is_found_wherever_it_stands_in_a_long_end() -> None:
    chatter = [f"step {number} loss 0.{number}" for number in range(1000)]
    assert rule(tail(*chatter, ECC, *chatter, step=1)) == "gpu_memory_error"


def test_what_is_read_has_a_bound_over_all_hosts() -> None:
    line = "x" * 79
    short = [line] * (MOST_CHARACTERS // 80 - 2)
    assert rule(tail(ECC, *short, step=1)) == "gpu_memory_error"
    assert rule(tail(ECC, *short, line, line, step=1)) is None
    assert rule(tail(ECC, *short, step=1), tail("up")) is None


def test_one_line_of_any_length_is_read_at_its_end() -> None:
    assert rule(tail("x " * MOST_CHARACTERS + f"\n{ECC}")) == "gpu_memory_error"


@pytest.mark.parametrize(
    "said",
    [
        "StoppedByUser: in W&B",
        "KeyboardInterrupt",
        "CapacityError: Unable to provision requested ML compute capacity.",
        "ResourceLimitExceeded: the account-level service limit is reached",
        "MaxRuntimeExceeded",
    ],
)
def test_what_sagemaker_or_wandb_reports_itself_is_not_believed_of_a_log(said: str) -> None:
    assert classify_log([tail(said)]) is None


_TEXTS = [one.text for one in texts()]


def _blames(hosts: Iterable[Tail]) -> Blame:
    said = classify_log(hosts)
    by_reason = FailureClass.USER_CODE
    return row(said.failure_class or by_reason if said else by_reason).blame


@given(st.lists(st.lists(st.sampled_from(_TEXTS), max_size=4), max_size=3))
def test_no_log_is_worse_for_a_job_than_a_reason_that_says_nothing(logs: list[list[str]]) -> None:
    assert _blames(tail(*log) for log in logs) in {Blame.PROGRAM, Blame.OUTSIDE, Blame.PERSON}


@given(st.lists(st.text(max_size=60), max_size=20))
def test_no_log_breaks_the_reader(log: list[str]) -> None:
    classify_log([tail(*log)])
