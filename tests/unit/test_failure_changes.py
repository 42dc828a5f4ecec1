"""Changes to a failure text that must not matter."""

import string
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilience.failures import FailureClass, classify_text, signature
from resilience.failures.rules import RULES, Rank
from resilience.failures.statements import statements_of
from tests.unit.failure_page import Text, texts
from tests.unit.harmless_lines import LINES, PREFIXES, WRAPPERS

TEXTS = texts()
RANK = {rule.name: rule.rank for rule in RULES}
LONGEST_REASON = 1024
# One text in so many meets each line: every text and every line is met, in a second.
_THINNED = 7


def class_of(text: str) -> FailureClass | None:
    return classify_text(text).failure_class


def flat(text: str) -> str:
    return " ".join(text.split())


def pairs() -> Iterator[tuple[str, str]]:
    for number, line in enumerate(LINES):
        for text in TEXTS[number % _THINNED :: _THINNED]:
            yield text.text, line


def changed(variants: Iterator[tuple[str, str]]) -> float:
    verdicts = [class_of(text) is not class_of(variant) for text, variant in variants]
    assert len(verdicts) > 100
    return sum(verdicts) / len(verdicts)


def test_a_harmless_line_at_the_end_changes_no_class() -> None:
    assert changed((text, f"{text}\n{line}") for text, line in pairs()) <= 0.005


def test_a_harmless_line_at_the_begin_changes_no_class() -> None:
    assert changed((text, f"{line}\n{text}") for text, line in pairs()) <= 0.005


def test_a_harmless_line_at_the_end_changes_no_class_in_a_text_that_lost_its_lines() -> None:
    assert changed((text, flat(f"{text}\n{line}")) for text, line in pairs()) <= 0.01


def test_a_harmless_line_at_the_begin_hardly_ever_does_in_a_text_that_lost_its_lines() -> None:
    """Where such a line ends is then a guess, unless something that is known begins behind it."""
    assert changed((text, flat(f"{line}\n{text}")) for text, line in pairs()) <= 0.03


@pytest.mark.parametrize("prefix", PREFIXES, ids=repr)
def test_a_prefix_of_each_line_hardly_ever_changes_a_class(prefix: str) -> None:
    """A sentence that a log broke into two records is two sentences."""
    wrong = []
    for text in TEXTS:
        prefixed = "\n".join(prefix + line for line in text.text.split("\n"))
        if {class_of(prefixed), class_of(flat(prefixed))} != {text.failure_class}:
            wrong.append(text.text)
    assert len(wrong) <= len(TEXTS) * 0.01, wrong


def says_more_than_an_exit_code(text: Text) -> bool:
    """A text that consists of warnings says less than an exit code that is put around it."""
    statements, _ = statements_of(text.text)
    return bool(statements) and RANK.get(text.rule, Rank.ECHO) < Rank.ECHO


@pytest.mark.parametrize("wrapper", WRAPPERS, ids=repr)
def test_a_wrapper_changes_the_class_only_of_what_says_no_more_than_the_wrapper(
    wrapper: str,
) -> None:
    wrong = [
        text.text
        for text in TEXTS
        if says_more_than_an_exit_code(text)
        and class_of(wrapper.replace("{}", text.text)) is not text.failure_class
    ]
    assert len(wrong) <= len(TEXTS) * 0.005, wrong


@pytest.mark.parametrize(
    "change", [flat, str.upper, str.lower, lambda text: text.replace("\n", "\\n")]
)
def test_lines_and_letters_may_be_lost(change: object) -> None:
    assert callable(change)
    wrong = [text.text for text in TEXTS if class_of(change(text.text)) is not text.failure_class]
    assert len(wrong) <= len(TEXTS) * 0.005, wrong


def test_once_a_text_has_its_class_a_later_cut_hardly_ever_changes_it() -> None:
    """SageMaker cuts a reason at 1,024 characters, wherever that is."""
    cuts = changes = 0
    for text in TEXTS[::3]:
        lengths = range(8, len(text.text), 5)
        classes = [class_of(text.text[:length]) for length in lengths]
        if text.failure_class in classes:
            later = classes[classes.index(text.failure_class) :]
            cuts += len(later)
            changes += sum(each is not text.failure_class for each in later)
    assert changes <= cuts * 0.02


@given(
    st.sampled_from(TEXTS),
    st.lists(st.sampled_from(["step 4,000", "lr=3e-4", "loss: 0.42", "epoch 7", "it/s"])),
)
def test_a_tail_that_says_nothing_may_be_there_or_be_cut(text: Text, tail: list[str]) -> None:
    cut = "\n".join([text.text, *tail * 40])[: max(LONGEST_REASON, len(text.text))]
    assert class_of(cut) is text.failure_class


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (
            (
                "wandb.errors.CommError: Run initialization has timed out after 90.0 sec.\n"
                "wandb: ERROR Error while calling W&B API: run x was previously created and"
                " deleted;"
                " try a new run name (<Response [409]>)"
            ),
            "run_deleted",
        ),
        (
            (
                "A worker died or was killed. There are some potential root causes. (1) The process"
                " is"
                " killed by SIGKILL by OOM killer due to high memory usage."
            ),
            "lost_worker",
        ),
        (
            (
                "KeyError: 'cached'\n\nDuring handling of the above exception, another exception"
                " occurred:\n\nrequests.exceptions.HTTPError: 503 Server Error: Service Unavailable"
            ),
            "service_unavailable",
        ),
        (
            (
                "Exception in thread Thread-1 (_pin_memory_loop):\nTraceback (most recent call"
                " last):\n"
                '  File "x.py", line 3, in f\n    raise\nTypeError: no len()\n'
                "torch.OutOfMemoryError: CUDA out of memory."
            ),
            "gpu_out_of_memory",
        ),
        ("RuntimeError: expected 3 tensors but got 2", "exception"),
        ("ValueError: the size (500) does not fit", "programming_error"),
        (
            '{"message": {"message": "RuntimeError: CUDA error: out of memory"}}',
            "gpu_out_of_memory",
        ),
    ],
)
def test_a_refusal_comes_before_its_echo_and_a_guess_or_a_number_is_no_cause(
    text: str, rule: str
) -> None:
    assert classify_text(text).rule == rule


@given(st.text(max_size=3000))
def test_any_text_has_a_class_and_a_signature(text: str) -> None:
    assert isinstance(class_of(text), FailureClass)
    assert len(signature(text)) == 8


# Beginnings of what the reader looks for, none of which ever comes to its end.
PIECES = [
    *("a", "a.", "- ", "[", "(", '"', "'", "\\n", "\n", " ", "\t", "  \n", "/a", "\x1b["),
    *("x:1:1 [1] ", "warning: ", 'File "', 'command "', "command '", "['a', ", "usage: "),
    *('{"level": "info"', "traceback (most recent call last)", "error: ", "aError: ", "a.aerror"),
    *("[1,2]<stderr>:", "(pid=1", "s3://a", "2024-01-01 00:00:00", "exit code ", "status code "),
    *("exit with with ", "http/1.1 ", "error occurred (", "xid (pci:", "nrt_a", "received "),
    *("AlgorithmError: ", "process group has not been ", "exception ignored in ", "deadbeef01"),
]


@pytest.mark.parametrize("piece", PIECES, ids=repr)
def test_a_megabyte_of_anything_is_read_in_a_moment(piece: str) -> None:
    hostile = piece * (1_000_000 // len(piece))
    began = time.process_time()
    classify_text(hostile)
    signature(hostile)
    assert time.process_time() - began < 1


@given(st.lists(st.sampled_from(PIECES), max_size=300), st.sampled_from([" ", "\n", ""]))
def test_texts_made_of_marks_have_a_class_too(pieces: list[str], glue: str) -> None:
    assert isinstance(class_of(glue.join(pieces)), FailureClass)


@given(st.text(alphabet=string.ascii_lowercase, min_size=1, max_size=12))
def test_a_phrase_is_not_found_inside_a_word(letters: str) -> None:
    assert class_of(f"x{letters}nccl{letters}x") is FailureClass.UNKNOWN
