"""The report on mutants: a survivor is argued by what it changes, or it is named and fails."""

import tomllib
from pathlib import Path

import pytest

from proofs.mutation import ARGUMENTS, Mutant, arguments, judge, one_line, table

ROOT = Path(__file__).parents[2]
CONFIGURED = tomllib.loads((ROOT / "proofs" / "mutation.toml").read_text("utf-8"))["tool"]["mutmut"]
# They hold a client, a port or words for people, and decide nothing.
NOT_MUTATED = {"errors", "ports", "registries", "settings", "telemetry", "wiring"}

ARGUED = Mutant("tags", "survived", "tags.stamp: a -> b")
OPEN = Mutant("tags", "survived", "tags.stamp: c -> d")
MUTANTS = [
    Mutant("policy", "killed"),
    Mutant("policy", "timeout"),
    Mutant("policy", "caught by type check"),
    ARGUED,
    OPEN,
    Mutant("tags", "killed"),
]
DIFF = """--- resilience/wire/tags.py
+++ resilience/wire/tags.py
@@ -1,4 +1,4 @@
 def stamp(instant):
-    return text(
-        instant, UTC)
+    return text(
+        None, UTC)
"""


def test_a_change_is_one_line_that_names_its_function() -> None:
    assert one_line("tags.stamp", DIFF) == (
        "tags.stamp: return text( instant, UTC) -> return text( None, UTC)"
    )


def test_only_a_survivor_that_is_not_argued_is_open() -> None:
    assert judge(MUTANTS, {ARGUED.change}).unargued == (OPEN,)
    assert judge(MUTANTS, {ARGUED.change, OPEN.change}).unargued == ()


@pytest.mark.parametrize("status", ["no tests", "suspicious", "segfault", "not checked"])
def test_a_mutant_that_was_not_seen_to_be_wrong_counts_as_alive(status: str) -> None:
    strange = Mutant("tags", status, "tags.stamp: e -> f")
    assert judge([strange], ()).unargued == (strange,)


def test_an_argument_that_no_survivor_needs_is_stale() -> None:
    assert judge(MUTANTS, {ARGUED.change, "tags.gone: x -> y"}).stale == ("tags.gone: x -> y",)


def test_the_table_has_a_line_for_each_module_and_their_sum() -> None:
    assert list(table(MUTANTS, {ARGUED.change}))[2:] == [
        "| policy | 3 | 2 | 1 | 0 | 0 | 100.0% |",
        "| tags | 3 | 1 | 0 | 1 | 1 | 33.3% |",
        "| all | 6 | 3 | 1 | 1 | 1 | 66.7% |",
    ]


def test_arguments_are_read_by_change_and_none_is_given_twice() -> None:
    group = '[[argued]]\nreason = "equal"\nmutants = ["f: a -> b", "f: a -> c"]\n'
    assert arguments(group) == {"f: a -> b": "equal", "f: a -> c": "equal"}
    with pytest.raises(ValueError, match="argued twice: f: a -> b"):
        arguments(group + group)


def test_every_argument_that_is_checked_in_gives_its_reason() -> None:
    assert all(reason.strip() for reason in arguments(ARGUMENTS.read_text("utf-8")).values())


def test_every_module_that_decides_or_acts_is_mutated() -> None:
    functions = ROOT / "functions"
    mutated = {path for glob in CONFIGURED["only_mutate"] for path in functions.glob(glob)}
    assert all(list(functions.glob(glob)) for glob in CONFIGURED["only_mutate"])
    pure = {
        path
        for path in (functions / "resilience").rglob("*.py")
        if "adapters" not in path.parts and path.stem not in NOT_MUTATED | {"__init__"}
    }
    assert pure - mutated == set()


def test_every_test_that_mutants_meet_is_there() -> None:
    named = CONFIGURED["pytest_add_cli_args_test_selection"]
    assert [one for one in named if not (ROOT / one).is_file()] == []
