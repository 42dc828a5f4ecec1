import re
import secrets
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilience.failure_rules import RULES, Rule
from resilience.failure_rules.rule import rule
from resilience.failure_text import found, words_of
from resilience.failures import Classification, End, FailureClass, classify, classify_text
from tests.unit.failure_page import PAGE, Text, render, texts

TEXTS = texts()
LONGEST_REASON = 1024

any_text = st.sampled_from(TEXTS)
blanks = st.text(alphabet=" \t\n\r", min_size=1, max_size=5)


def failed(reason: str | None, *messages: str) -> End:
    return End("Failed", "Failed", reason, messages, None)


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: f"{text.rule}: {text.text[:40]!r}")
def test_a_text_from_the_wild_has_the_class_and_the_rule_that_its_row_says(text: Text) -> None:
    found = classify(failed(text.text))
    assert (found.failure_class, found.rule) == (text.failure_class, text.rule)


def test_every_rule_has_a_text_and_every_text_a_source() -> None:
    assert {rule.name for rule in RULES} == {text.rule for text in TEXTS}
    assert all(text.source for text in TEXTS)


def test_rule_names_are_unique_and_plain() -> None:
    names = [rule.name for rule in RULES]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in names)


def test_a_rules_phrases_are_set_apart_by_bars_however_they_are_laid_out() -> None:
    laid_out = "\n    no space left |\n    disk   full | quota\n"
    assert rule("disk", FailureClass.DATA, laid_out) == Rule(
        "disk", FailureClass.DATA, ("no space left", "disk full", "quota")
    )


@pytest.mark.parametrize("one", RULES, ids=lambda one: one.name)
def test_no_phrase_stands_in_the_shadow_of_an_earlier_rule(one: Rule) -> None:
    alone = [phrase.replace("~", "any").replace(" * ", " ") for phrase in one.phrases]
    assert {text: classify_text(text).rule for text in alone} == dict.fromkeys(alone, one.name)


def is_in(phrase: str, text: str) -> bool:
    words = words_of(text)
    return found(phrase, words, frozenset(words.split()))


def test_a_phrase_is_read_as_a_text_is() -> None:
    word = secrets.token_hex(8)  # one that was never read before: what was read is kept
    assert is_in(f"No-such {word}", f"no such: {word.upper()}!")
    assert not is_in(f"No-such {word}", f"no such x{word}")


def test_an_ending_is_found_in_longer_words_only_and_not_in_sagemakers_own() -> None:
    ending = secrets.token_hex(8)
    assert is_in(f"~{ending}", f"a My{ending}: b")
    assert not is_in(f"~{ending}", f"a {ending}: b")
    assert not is_in(f"~{ending}", f"a My{ending}s: b")
    assert is_in("~error", "AlgorithmError: KeyError")
    assert not is_in("~error", "AlgorithmError: ClientError: no")


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


@given(any_text, st.data())
def test_whitespace_does_not_change_the_class(text: Text, data: st.DataObject) -> None:
    other = re.sub(r"\s+", lambda _: data.draw(blanks), text.text)
    assert classify_text(other).failure_class is text.failure_class


@given(any_text, st.sampled_from([str.upper, str.lower, str.swapcase, str.title]))
def test_case_does_not_change_the_class(text: Text, change: object) -> None:
    assert callable(change)
    assert classify_text(change(text.text)).failure_class is text.failure_class


@given(
    any_text,
    st.sampled_from(
        [
            "AlgorithmError: {}",
            "\n  {}\n",
            "AlgorithmError: {}, exit code: 1",
            'AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage "{}"\nCommand "x"',
            "UnexpectedStatusException: Error for Training job a-1: Failed. Reason: {}",
            "Error for Training job nccl-error-137: Failed. Reason: AlgorithmError: {}",
        ],
    ),
)
def test_a_wrapper_does_not_change_the_class(text: Text, wrapper: str) -> None:
    wrapped = wrapper.replace("{}", text.text)
    assert classify_text(wrapped).failure_class is text.failure_class


tails = st.lists(st.sampled_from(["step 4,000", "lr=3e-4", "loss: 0.42", "epoch 7", "it/s"]))


@given(any_text, tails)
def test_a_tail_that_says_nothing_may_be_there_or_be_cut(text: Text, tail: list[str]) -> None:
    cut = "\n".join([text.text, *tail * 40])[: max(LONGEST_REASON, len(text.text))]
    assert classify_text(cut).failure_class is text.failure_class


@given(st.text(max_size=3000))
def test_any_text_has_a_class(text: str) -> None:
    assert isinstance(classify(failed(text)).failure_class, FailureClass)


hostile = st.lists(
    st.sampled_from(
        [phrase for rule in RULES for phrase in rule.phrases] + ['file "', 'command "', "xid (pci:"]
    ),
    max_size=300,
)


@given(hostile, st.sampled_from([" ", "\n", "", ":", "*"]))
def test_texts_made_of_pieces_of_rules_have_a_class_too(pieces: list[str], glue: str) -> None:
    assert isinstance(classify(failed(glue.join(pieces))).failure_class, FailureClass)


@given(st.text(alphabet=string.ascii_lowercase, min_size=1, max_size=12))
def test_a_phrase_is_not_found_inside_a_word(letters: str) -> None:
    inside = classify_text(f"x{letters}nccl{letters}x")
    assert inside.failure_class is FailureClass.UNKNOWN
