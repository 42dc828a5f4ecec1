"""Filter patterns select log lines as CloudWatch Logs documents it."""

import json

import pytest

from local.aws.filter_patterns import InvalidPatternError, matcher

LINE = json.dumps(
    {
        "job": "my-job", "verdict": "RELAUNCH", "attempt": 2, "seconds": 0.25, "tiny": 1e-3,
        "checkpoint": None, "dry": True, "wet": False, "text": 'a "b" (c) && d', "code": "400",
        "where": {"entity": "team", "project.name": "vision"},
        "versions": [{"name": "v0", "step": 5}, {"name": "v1", "step": 9}], "grid": [[4, 7], []],
    }
)  # fmt: skip

SELECTED = [
    '{ $.job = "my-job" }', "{$.job=my-job}", '{ $.job = "my-*" }', "{ $.job = *-job }",
    '{ $.job = "*" }', "{ $.job = my*ob }", '{ $.job != "other" }', "{ $.job != other* }",
    "{ $.attempt = 2 }", "{ $.attempt = 2.0 }", "{ $.attempt != 3 }", "{ $.attempt > 1 }",
    "{ $.attempt >= 2 }", "{ $.attempt < 2.5 }", "{ $.attempt <= 2 }", "{ $.tiny = 1e-3 }",
    "{ $.seconds < 1 }", '{ $.attempt = "*" }', '{ $.code = "400" }', "{ $.code = 400 }",
    "{ $.checkpoint IS NULL }", "{ $.dry IS TRUE }", "{ $.wet IS FALSE }",
    "{ $.none NOT EXISTS }", "{ $.where.none NOT EXISTS }", "{ $.versions[2] NOT EXISTS }",
    "{ $.where.entity = team }", "{ $.where.['project.name'] = vision }", "{ $['job'] = my-job }",
    "{ $.versions[1].step = 9 }", "{ $.versions[*].step = 5 }", "{ $.grid[0][1] = 7 }",
    "{ $.* = my-job }", '{ $.text = "a \\"b\\" (c) && d" }', "{ $.job = %^my-[a-z]+$% }",
    "{ $.job = my-job && $.attempt = 2 }", "{ $.job = other || $.attempt = 2 }",
    "{ $.job = my-job || $.attempt = 3 && $.attempt = 4 }",
    "{ ($.job = other || $.attempt = 2) && ($.dry IS TRUE) }",
    "my-job", "RELAUNCH my-job", '"my-job"', "-other", "RELAUNCH -other", "?other ?my-job",
    '"\\"job\\": \\"my-job\\""', "%my-j.b%", "", "   ",
]  # fmt: skip

PASSED_OVER = [
    '{ $.job = "my" }', "{ $.job = My-Job }", '{ $.job != "my-job" }', '{ $.none = "*" }',
    "{ $.none != x }", "{ $.none IS NULL }", "{ $.job NOT EXISTS }", "{ $.checkpoint NOT EXISTS }",
    "{ $.job IS NULL }", "{ $.dry IS FALSE }", "{ $.attempt = 3 }", "{ $.attempt > 2 }",
    "{ $.job > 1 }", "{ $.dry > 0 }", "{ $.checkpoint != x }", "{ $.where = team }",
    "{ $.job[0] = m }", "{ $.versions[2].step = 9 }", "{ $.versions[*].step = 6 }",
    "{ $.job = my-job && $.attempt = 3 }", "{ ($.job = my-job || $.attempt = 3) && $.attempt = 4 }",
    "{ $.job = %^y% }", "{ $.* = nothing }", "{ $ = my-job }",
    "relaunch", "my-job other", '"my job"', "-my-job", "?other ?another", "%my-j[0-9]b%",
]  # fmt: skip

REFUSED = [
    "{ $.job EXISTS }", "{ $.job IS NOT NULL }", "{ $.job IS null }", "{ $.job }", "{ }", "{",
    "{ $.job = }", "{ $.job = my-job", "{ $.job = a } b", "{ job = a }", "{ $.job > a }",
    "{ $.job == a }", "{ ($.job = a }", "{ $.job = a && }", "{ $.job = a and $.b = c }",
    "{ $.a[*].b[*] = 1 }", "{ $.a[x] = 1 }", '{ $.job = "a }', "{ $.job = %(a)% }",
    "{ $.job = %[% }", "{ $.a = %a% || $.a = %b% || $.a = %c% }",
    "{ $.a[*] = 1 || $.b[*] = 1 || $.c[*] = 1 || $.d[*] = 1 }",
    "[ip, user, ...]", '"not closed', "%(a|b)%",
]  # fmt: skip


@pytest.mark.parametrize("pattern", SELECTED)
def test_a_pattern_selects_what_it_describes(pattern: str) -> None:
    assert matcher(pattern)(LINE)


@pytest.mark.parametrize("pattern", PASSED_OVER)
def test_a_pattern_passes_over_what_it_does_not_describe(pattern: str) -> None:
    assert not matcher(pattern)(LINE)


@pytest.mark.parametrize("pattern", REFUSED)
def test_what_aws_does_not_take_or_we_do_not_match_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidPatternError):
        matcher(pattern)


@pytest.mark.parametrize("line", ["START RequestId: my-job", "", "[1", "[" * 100_000, '"my-job"'])
def test_a_line_that_is_no_json_object_meets_no_json_pattern(line: str) -> None:
    assert not matcher('{ $.job = "my-job" }')(line)
    assert not matcher("{ $.job != x }")(line)
