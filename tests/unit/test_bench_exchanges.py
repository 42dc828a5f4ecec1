"""What the benchmarks count: calls, and how many of them waited for one another."""

import pytest

from bench.exchanges import CREATE, Exchange, name_of, until, waves
from bench.report import Report, ratio, text, whole

DESCRIBE = Exchange("DescribeTrainingJob", 0.0, 1.0)
TAGS = Exchange("ListTags", 0.1, 0.9)
QUESTION = Exchange("/graphql", 0.2, 1.1)
CREATED = Exchange(CREATE, 1.2, 2.0)
TOLD = Exchange("Publish", 2.1, 3.0)


def test_calls_side_by_side_are_one_wave() -> None:
    assert waves([DESCRIBE, TAGS, QUESTION]) == 1


def test_a_call_after_the_others_is_a_wave_of_its_own() -> None:
    assert waves([TOLD, CREATED, QUESTION, TAGS, DESCRIBE]) == 3


def test_one_long_call_beside_two_short_ones_hides_no_wave() -> None:
    assert waves([Exchange("long", 0.0, 5.0), DESCRIBE, CREATED]) == 2


def test_no_call_is_no_wave() -> None:
    assert waves([]) == 0


def test_what_comes_after_the_create_is_not_counted() -> None:
    assert until(CREATE, [TOLD, CREATED, DESCRIBE]) == [DESCRIBE, CREATED]


def test_without_the_create_all_is_counted() -> None:
    assert until(CREATE, [TOLD, DESCRIBE]) == [DESCRIBE, TOLD]


@pytest.mark.parametrize(
    ("request_head", "name"),
    [
        (b"POST / HTTP/1.1\r\nX-Amz-Target: SageMaker.ListTags\r\n", "ListTags"),
        (b"POST / HTTP/1.1\r\nx-amz-target: secretsmanager.GetSecretValue\r\n", "GetSecretValue"),
        (b"POST /service/Sns/operation/Publish HTTP/1.1\r\n", "Publish"),
        (b"POST / HTTP/1.1\r\nHost: a\r\n\r\nAction=Publish&Version=1", "Publish"),
        (b"POST /graphql HTTP/1.1\r\nHost: a\r\n", "/graphql"),
        (b"\x00\x01", "unknown"),
    ],
)
def test_a_request_is_named_after_its_operation(request_head: bytes, name: str) -> None:
    assert name_of(request_head) == name


def test_a_ratio_is_of_the_medians() -> None:
    assert ratio([1.0, 2.0, 100.0], [6.0]) == "3.0x"


def test_counts_that_differ_show_their_extremes() -> None:
    assert whole([4, 4, 4]) == "4"
    assert whole([4, 4, 5]) == "4 (4-5)"


def test_a_table_is_markdown_with_its_notes() -> None:
    shown = text(Report("Title", ("what", "ms"), [("it", "1.0")], ("a note",)))
    assert shown == "\n### Title\n\n| what |  ms |\n|------|----:|\n| it   | 1.0 |\n\n- a note\n"
