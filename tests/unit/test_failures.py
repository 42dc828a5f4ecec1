import re
from dataclasses import replace

import pytest

from resilience.failures import (
    Blame,
    Classification,
    End,
    FailureClass,
    classify,
    row,
)
from resilience.failures.names import Family, families
from resilience.failures.rules import QUOTA, RULES, THROTTLED, chapters
from tests.unit.failure_page import PAGE, Text, render, texts

TEXTS = texts()
SILENT = ("stalled", "peer_lost")


def failed(reason: str | None, *messages: str) -> End:
    return End("Failed", "Failed", reason, messages, None)


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: f"{text.rule}: {text.text[:40]!r}")
def test_a_text_from_the_wild_has_the_class_and_the_rule_that_its_row_says(text: Text) -> None:
    found = classify(failed(text.text))
    assert (found.failure_class, found.rule) == (text.failure_class, text.rule)


def test_every_rule_has_a_text_and_every_text_a_source() -> None:
    assert {rule.name for rule in RULES} == {text.rule for text in TEXTS}
    assert all(text.source for text in TEXTS)


def test_a_chapter_is_a_rule_and_its_entries_however_its_lines_are_broken() -> None:
    text = """
quota = one  two; three
    four
throttled = (?=five)six
"""
    assert list(chapters(text)) == [
        (QUOTA, ["one two", "three four"]),
        (THROTTLED, ["(?=five)six"]),
    ]


def test_each_name_in_a_chapter_is_of_one_family() -> None:
    text = "quota = oneerror twoerror\nthrottled = threeerror"
    of_all = {
        "oneerror": Family(QUOTA),
        "twoerror": Family(QUOTA),
        "threeerror": Family(THROTTLED),
    }
    assert families(text) == of_all
    for closed, local in ((True, False), (False, True)):
        assert families(text, closed=closed, local=local) == {
            name: replace(family, closed=closed, local=local) for name, family in of_all.items()
        }


def test_rule_names_are_unique_and_plain() -> None:
    names = [rule.name for rule in RULES]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names)


def test_every_class_has_a_row_and_no_text_lets_a_stopped_training_start_again() -> None:
    assert all(row(each).meaning for each in FailureClass)
    assert row(FailureClass.STOPPED_BY_USER).blame is Blame.PROGRAM


def test_the_page_says_what_the_rules_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == render()


@pytest.mark.parametrize(
    ("status", "secondary", "mark", "expected"),
    [
        ("Completed", "Completed", None, Classification(None, "completed")),
        ("Completed", "Completed", True, Classification(None, "completed")),
        (
            "Completed",
            "Completed",
            False,
            Classification(FailureClass.INCOMPLETE, "completed_unfinished"),
        ),
        (
            "Stopped",
            "MaxRuntimeExceeded",
            None,
            Classification(FailureClass.TIMEOUT, "max_runtime_exceeded"),
        ),
        (
            "Stopped",
            "MaxWaitTimeExceeded",
            None,
            Classification(FailureClass.INTERRUPTED, "max_wait_time_exceeded"),
        ),
        ("Stopped", "Interrupted", None, Classification(FailureClass.INTERRUPTED, "interrupted")),
        ("Failed", "Interrupted", None, Classification(FailureClass.INTERRUPTED, "interrupted")),
        ("Stopped", "Stopped", None, Classification(FailureClass.STOPPED_BY_USER, "stopped")),
        ("Stopped", "Stopped", True, Classification(FailureClass.STOPPED_BY_USER, "stopped")),
        ("Stopped", "SomethingNew", None, Classification(FailureClass.UNKNOWN, "unknown")),
        ("Failed", "Failed", None, Classification(FailureClass.UNKNOWN, "unknown")),
    ],
)
def test_the_status_is_read_before_any_text(
    status: str, secondary: str, *, mark: bool | None, expected: Classification
) -> None:
    assert classify(End(status, secondary, None, (), mark)) == expected


def test_a_job_that_a_person_stopped_stays_stopped_whatever_its_text_says() -> None:
    end = End("Stopped", "Stopped", "CapacityError: Unable to provision", (), None)
    assert classify(end).failure_class is FailureClass.STOPPED_BY_USER


def test_a_time_limit_is_a_time_limit_even_if_the_container_died_of_the_signal() -> None:
    end = End("Stopped", "MaxRuntimeExceeded", "AlgorithmError: , exit code: 143", (), None)
    assert classify(end).failure_class is FailureClass.TIMEOUT


CHECKPOINT = "CheckpointLoadError: v3: PytorchStreamReader failed reading zip archive"


@pytest.mark.parametrize(
    "reason",
    [
        CHECKPOINT,
        f"AlgorithmError: {CHECKPOINT}, exit code: 65",
        f"  algorithmerror:\n{CHECKPOINT.lower()}",
        f'AlgorithmError: ExecuteUserScriptError:\nExitCode 65\nErrorMessage "{CHECKPOINT}"',
        "AlgorithmError: CheckpointLoadError: entity/project/model-abc:v3: digest differs",
    ],
)
def test_a_leading_checkpoint_load_error_blames_the_checkpoint(reason: str) -> None:
    assert classify(failed(reason)) == Classification(
        FailureClass.DATA, "checkpoint_load_error", checkpoint_load_error=True
    )


@pytest.mark.parametrize(
    "reason",
    [
        f"AlgorithmError: RuntimeError: while handling {CHECKPOINT}",
        f"AlgorithmError: [rank0] log line before\n{CHECKPOINT}",
        "AlgorithmError: CheckpointLoadError",
        "AlgorithmError: MyCheckpointLoadError: v3: no",
    ],
)
def test_a_checkpoint_load_error_that_is_only_quoted_blames_no_checkpoint(reason: str) -> None:
    assert not classify(failed(reason)).checkpoint_load_error


STALLED, PEER_LOST = (Classification(FailureClass.INFRASTRUCTURE, rule) for rule in SILENT)


@pytest.mark.parametrize("quoted", ["", "CUDA out of memory", "KeyError: 'label'", "ECC error"])
def test_a_stall_is_one_whatever_was_heard_before_it(quoted: str) -> None:
    for reason in (f"Stalled: for 1800 s; {quoted}", f"AlgorithmError: STALLED:\n{quoted}"):
        assert classify(failed(reason)) == STALLED


@pytest.mark.parametrize(
    "said",
    [
        "",
        "algo-2 is gone",
        "Connection reset by peer",
        "SignalException: Process 71 got signal: 15",
        "exitcode: -9 (SIGKILL) received by PID 70",
        "TimeoutError: timed out waiting for the store",
        "ConnectTimeoutError: Connect timeout on endpoint URL",
        "ChildFailedError: train.py FAILED exitcode: 1",
    ],
)
def test_what_survivors_say_of_a_peer_that_is_gone_is_no_cause(said: str) -> None:
    assert classify(failed(f"AlgorithmError: PeerLost: {said}")) == PEER_LOST


@pytest.mark.parametrize(
    ("other", "rule"),
    [
        ("KeyError: 'label'", "programming_error"),
        ("torch.cuda.OutOfMemoryError: CUDA out of memory.", "gpu_out_of_memory"),
        ("RuntimeError: CUDA error: uncorrectable ECC error encountered", "gpu_memory_error"),
    ],
)
def test_a_cause_that_another_host_names_in_the_same_text_comes_before_a_lost_peer(
    other: str, rule: str
) -> None:
    lost = "PeerLost: Connection reset by peer"
    for reason in (f"{lost}\n{other}", f"{other}\n{lost}"):
        assert classify(failed(reason)).rule == rule


@pytest.mark.parametrize("reason", ["download Stalled: retry", "log line\nStalled: x", "Stalledx"])
def test_a_stall_that_does_not_lead_the_text_is_somebodys_log(reason: str) -> None:
    assert classify(failed(reason)) == Classification(FailureClass.UNKNOWN, "unknown")


def test_a_lost_peer_is_below_any_other_cause_wherever_it_is_named() -> None:
    lost = "step 7\nPeerLost: Connection reset by peer"
    assert classify(failed(lost)) == PEER_LOST
    assert classify(failed(f"{lost}\nKeyError: 'label'")).rule == "programming_error"


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (
            (
                "RuntimeError: CUDA error: uncorrectable ECC error encountered\n"
                "[Rank 3] Watchdog caught collective operation timeout\nExitCode 137"
            ),
            FailureClass.INFRASTRUCTURE,
        ),
        (
            (
                "[rank1]: NCCL WARN Net : Connection closed by remote peer\n"
                "[rank0]: torch.cuda.OutOfMemoryError: CUDA out of memory."
            ),
            FailureClass.OUT_OF_MEMORY,
        ),
        (
            (
                "torch.distributed.DistBackendError: NCCL error, remote process exited\n"
                "exitcode : -9 (pid: 70) Signal 9 (SIGKILL) received by PID 70"
            ),
            FailureClass.OUT_OF_MEMORY,
        ),
        (
            "[rank1]: RuntimeError: Connection reset by peer\n[rank0]: KeyError: 'label'",
            FailureClass.USER_CODE,
        ),
        (
            (
                "Retrying after connection broken by 'NewConnectionError': /simple/torch/\n"
                "ERROR: No matching distribution found for torch"
            ),
            FailureClass.INFRASTRUCTURE,
        ),
        (
            "ClientError: Artifact upload failed:Insufficient disk space",
            FailureClass.CONFIGURATION,
        ),
        (
            "Sending process 197 closing signal SIGTERM\nRuntimeError: shapes do not fit",
            FailureClass.USER_CODE,
        ),
    ],
)
def test_of_several_causes_in_one_text_the_first_cause_counts(
    reason: str, expected: FailureClass
) -> None:
    assert classify(failed(reason)).failure_class is expected


@pytest.mark.parametrize(
    "reason",
    [
        "AlgorithmError: KeyError: 'InternalServerError', exit code: 1",
        'AlgorithmError: ValueError: unknown strategy "spot capacity", exit code: 1',
        (
            "AlgorithmError: Traceback (most recent call last):\n"
            '  File "train.py", line 9, in run\n    raise CapacityError("insufficient capacity")\n'
            "TypeError: run() missing 1 required argument"
        ),
        (
            "AlgorithmError: Traceback (most recent call last): "
            'File "a.py", line 3, in f retry(on=AccessDenied) File "b.py", line 4, in g '
            "check(NoSpaceLeft) RuntimeError: no such layer"
        ),
        (
            "AlgorithmError: ExecuteUserScriptError:\nExitCode 1\n"
            'Command "/opt/conda/bin/python train.py --on CUDA out of memory --spot interruption"'
        ),
    ],
)
def test_words_that_a_program_only_quotes_are_no_evidence(reason: str) -> None:
    assert classify(failed(reason)).failure_class is FailureClass.USER_CODE


def test_a_frame_that_has_its_source_on_its_own_line_quotes_no_line_below() -> None:
    frame = 'File "a.py", line 3, in f for x, in rows:'
    reason = f"AlgorithmError: Traceback (most recent call last): {frame}\nCUDA out of memory"
    assert classify(failed(reason)).failure_class is FailureClass.OUT_OF_MEMORY


def test_an_exception_that_says_nothing_but_its_frames_is_the_one_below_them() -> None:
    """Python underlines in a frame what failed, and that says nothing either."""
    frame = '  File "a.py", line 3, in f\n    go()\n    ^^^^'
    reason = f"ConnectionError:\n{frame}\nValueError: shapes do not fit"
    assert classify(failed(reason)).failure_class is FailureClass.USER_CODE


OUT_OF_MEMORY = "torch.cuda.OutOfMemoryError: CUDA out of memory."


@pytest.mark.parametrize(
    ("length", "expected"), [(299, FailureClass.USER_CODE), (300, FailureClass.OUT_OF_MEMORY)]
)
def test_what_a_warning_quotes_did_not_happen_but_a_line_that_is_too_long_was_several(
    length: int, expected: FailureClass
) -> None:
    said = "WARNING: the first try ended by"
    warning = f"{said.ljust(length - len(OUT_OF_MEMORY))}{OUT_OF_MEMORY}"
    for before in ("", "step 1\n" * 60):
        reason = f"{before}{warning}\nValueError: shapes do not fit"
        assert classify(failed(reason)).failure_class is expected


@pytest.mark.parametrize(
    "reason",
    ["", " \n", "ClientError:", "AlgorithmError: See job logs", "Something nobody has ever seen."],
)
def test_what_no_rule_knows_is_unknown_and_no_prefix_decides_alone(reason: str) -> None:
    assert classify(failed(reason)) == Classification(FailureClass.UNKNOWN, "unknown")


def test_without_a_reason_the_newest_status_message_counts() -> None:
    end = failed(
        None,
        "Starting the training job",
        "Insufficient capacity error from EC2 while launching instances, retrying!",
        "Launched instance was unhealthy, replacing it!",
    )
    assert classify(end).failure_class is FailureClass.INFRASTRUCTURE


def test_trouble_before_training_was_under_way_was_overcome() -> None:
    end = failed(
        "AlgorithmError: See job logs",
        "Insufficient capacity error from EC2 while launching instances, retrying!",
        "Training image download completed. Training in progress.",
        "Uploading generated training model",
    )
    assert classify(end).failure_class is FailureClass.UNKNOWN


def test_a_reason_that_is_known_outweighs_the_status_messages() -> None:
    end = failed("AlgorithmError: Exit Code: 1", "Launched instance was unhealthy, replacing it!")
    assert classify(end).failure_class is FailureClass.USER_CODE
