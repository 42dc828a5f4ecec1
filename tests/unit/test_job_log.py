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
from resilience.failures.statements import LONGEST_TEXT
from tests.unit.failure_page import texts
from tests.unit.harmless_lines import LINES

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


def test_a_block_names_a_cause_from_the_line_on_that_first_names_it() -> None:
    full = tail("OSError: [Errno 28] No space left on device", at=NOW - 500)
    said = ("Traceback (most recent call last):", BUG, "it failed, of one host", "exit code: 1")
    early = tuple(Line(NOW - 900 + 300 * number, text) for number, text in enumerate(said[1:]))
    assert rule(full, early) == rule(early)
    late = tuple(Line(NOW - 900 + 410 * number, text) for number, text in enumerate(said))
    assert rule(full, late) == "disk_full"


def test_a_lost_peer_of_earlier_does_not_hide_the_cause_on_another_host() -> None:
    assert rule(tail(LOST_PEER, at=NOW - 900), tail(ECC)) == "gpu_memory_error"


def test_what_a_host_survived_for_minutes_was_no_cause() -> None:
    survived = Line(NOW - 600_000, "requests.exceptions.ConnectionError: Max retries exceeded")
    assert rule((survived, *tail("step 41", BUG))) == rule(tail(BUG))


@pytest.mark.parametrize(("milliseconds", "read"), [(120_000, True), (120_001, False)])
def test_what_a_host_says_within_two_minutes_of_its_last_line_counts(
    milliseconds: int, *, read: bool
) -> None:
    said = (Line(NOW - milliseconds, ECC), Line(NOW, "exit code: 1"))
    assert (rule(said) == "gpu_memory_error") is read


ORDINARY = (
    "Training config: {'nccl_timeout': 600, 'max_retries': 3, 'gradient_checkpointing': True}",
    "NCCL_DEBUG=WARN NCCL_TIMEOUT=1800 NCCL_IB_DISABLE=0",
    "dist init: backend=nccl world_size=16 timeout=0:30:00",
    "namespace(batch_size=8, dist_timeout=600, error_feedback=True, max_error=3)",
    "Found 0 invalid records",
    "retrying connection to tracker (1/3)",
    "Epoch 3:  45%|####      | 45/100 [00:10<00:12,  4.4it/s, v_num=abc, train_loss=0.31]",
    "GPU memory: 70000MiB / 81559MiB",
    "val error rate 0.12",
    "dataloader workers: 8, prefetch 2, timeout 0",
)


def test_what_a_training_prints_while_all_is_well_is_no_cause() -> None:
    for line in (*ORDINARY, *LINES):
        assert classify_log([tail(line)]) is None, line
    assert classify_log([tail(*ORDINARY, *LINES, "exit code: 1")]) is None


@pytest.mark.parametrize(
    "cause", [ECC, BUG, "torch.OutOfMemoryError: CUDA out of memory.", "Killed"]
)
def test_what_a_training_prints_beside_its_cause_changes_nothing(cause: str) -> None:
    assert rule(tail(*ORDINARY, *LINES, cause, *ORDINARY, *LINES)) == rule(tail(cause))


def test_the_source_that_a_frame_quotes_did_not_happen() -> None:
    frames = 'File "train.py", line 5, in <module>', 'raise OSError("No space left on device")'
    assert rule(tail("Traceback (most recent call last):", *frames, BUG)) == rule(tail(BUG))


def test_two_ranks_of_two_hosts_and_their_launcher_leave_the_broken_machine() -> None:
    complaint = (
        "[rank1]:[E ProcessGroupNCCL.cpp:616] Watchdog caught collective operation timeout",
        "[rank1]: torch.distributed.DistBackendError: NCCL communicator was aborted on rank 1.",
        *WRAPPED_CHILD.splitlines(),
        "2026-01-31 03:10:05,120 sagemaker-training-toolkit ERROR    Reporting training FAILURE",
        "ExecuteUserScriptError:",
        "ExitCode 1",
    )
    broken = ("[rank9]: Traceback (most recent call last):", f"[rank9]: {ECC}")
    first = tail(*broken, *WRAPPED_CHILD.splitlines(), at=NOW - 600_000)
    assert rule(tail(*complaint), first) == "gpu_memory_error"
    assert rule(tail(*complaint)) == "collective"


def test_a_notice_is_no_cause_however_little_else_there_is() -> None:
    notice = "2026-01-31 03:00:00 WARNING urllib3: Connection timed out, retrying"
    assert classify_text(notice).rule != "unknown"
    assert classify_log([tail(notice, "exit code: 1")]) is None


def test_a_cause_is_found_wherever_it_stands_in_a_long_end() -> None:
    chatter = [f"step {number} loss 0.{number}" for number in range(1000)]
    assert rule(tail(*chatter, ECC, *chatter, step=1)) == "gpu_memory_error"


def test_what_is_read_has_a_bound_over_all_hosts() -> None:
    line = "a complaint that it failed, of one host".ljust(71)  # 80 with the mark that it gets
    short = [line] * (MOST_CHARACTERS // 80 - 2)
    assert rule(tail(ECC, *short, step=1)) == "gpu_memory_error"
    assert rule(tail(ECC, *short, line, line, step=1)) is None
    assert rule(tail(ECC, *short, step=1), tail("up")) is None


def filler(size: int) -> str:
    """A complaint that names no cause, and takes up so much with its mark and its line's end."""
    return "a complaint that it failed, of one host".ljust(size - len("[error] ") - 1)


def test_a_line_before_the_bound_is_read_not_at_all() -> None:
    assert rule(tail(ECC, filler(MOST_CHARACTERS - 200), step=1)) == "gpu_memory_error"
    assert rule(tail(ECC, filler(MOST_CHARACTERS), step=1)) is None


FRAME = ('File "train.py", line 5, in <module>', 'raise OSError("No space left on device")')


@pytest.mark.parametrize("before", [(), (filler(LONGEST_TEXT),)], ids=["first", "second"])
def test_what_the_reader_takes_at_once_is_not_taken_apart(before: tuple[str, ...]) -> None:
    """A frame and the source that it quotes: alone, the source would be a cause."""
    room = LONGEST_TEXT - sum(len(line) + 1 for line in FRAME)
    assert rule(tail(*before, filler(room), *FRAME, step=1)) is None


@pytest.mark.parametrize("before", [(), (filler(LONGEST_TEXT),)], ids=["first", "second"])
def test_what_the_reader_would_cut_is_taken_apart(before: tuple[str, ...]) -> None:
    """With its last digit cut off, an exit code that names a cause names none."""
    last = "exit code: 137"
    room = LONGEST_TEXT + 2 - len(f"[error] {last}\n")
    assert rule(tail(*before, filler(room), last, step=1)) == "killed"


def test_one_line_of_any_length_is_read_at_its_end() -> None:
    assert rule(tail("x " * MOST_CHARACTERS + ECC)) == "gpu_memory_error"


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


# SageMaker and W&B report these themselves.
ELSEWHERE = {
    FailureClass.STOPPED_BY_USER,
    FailureClass.TIMEOUT,
    FailureClass.CAPACITY,
    FailureClass.QUOTA,
}
_TEXTS = [one.text for one in texts()]


def _blames(hosts: Iterable[Tail]) -> Blame:
    said = classify_log(hosts)
    by_reason = FailureClass.USER_CODE
    return row(said.failure_class or by_reason if said else by_reason).blame


def test_a_text_that_is_written_into_a_log_line_by_line_is_mostly_read_as_before() -> None:
    read, changed, silent = 0, 0, 0
    for text in texts():
        reason = classify_text(text.text)
        if says_nothing(reason.failure_class, reason.rule) or text.failure_class in ELSEWHERE:
            continue
        said = classify_log([tail(*text.text.splitlines())])
        read += 1
        silent += said is None
        changed += said is not None and said.failure_class is not reason.failure_class
    assert read > 400
    assert changed / read < 0.01
    assert silent / read < 0.1


@given(st.lists(st.lists(st.sampled_from(_TEXTS), max_size=4), max_size=3))
def test_no_log_is_worse_for_a_job_than_a_reason_that_says_nothing(logs: list[list[str]]) -> None:
    assert _blames(tail(*log) for log in logs) in {Blame.PROGRAM, Blame.OUTSIDE, Blame.PERSON}


@given(st.lists(st.text(max_size=60), max_size=20))
def test_no_log_breaks_the_reader(log: list[str]) -> None:
    classify_log([tail(*log)])
