"""How mutants run: each in a child of one session, judged by its exit code, and not twice."""

import io
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest
from mutmut.mutation.data import SourceFileMutationData

from proofs.mutate import verdicts
from proofs.mutate.laid_out import fingerprint, forget_another_run
from proofs.mutate.verdicts import Progress, Verdicts

ROOT = Path(__file__).parents[2]
# These look at the mutant's name themselves, so there is no code that mutmut has to change.
TESTS = """
    import os
    import random
    from pathlib import Path

    import pytest

    SET_UP = []


    def mutant():
        return os.environ["MUTANT_UNDER_TEST"]


    @pytest.fixture(scope="session", autouse=True)
    def alone():
        SET_UP.append((mutant(), random.random()))
        return SET_UP


    def test_quick(alone):
        with Path("quick.txt").open("a") as file:
            file.write(f"{mutant()}\\n")
        while mutant() == "of.x_never_ends__mutmut_1":
            pass


    def test_that_kills(alone, tmp_path):
        assert alone == [(mutant(), random.Random(0).random())]
        assert "mutants-" in str(tmp_path)
        assert mutant() != "fail"
        assert "x_dies" not in mutant()
"""
RUN = """
    import json
    import sys
    import tempfile
    from pathlib import Path

    from proofs.mutate import children

    children._SPARE_SECONDS = 0.02
    quick, kills = "test_of.py::test_quick", "test_of.py::test_that_kills"
    reach = children.Reach(
        {
            "of.x_dies": [quick, kills],
            "of.x_lives": [quick, kills],
            "of.x_never_ends": [quick, kills],
            "of.x_dies_elsewhere": [quick],
        },
        {},
    )
    found = {}
    with tempfile.TemporaryDirectory(prefix="mutants-") as scratch:
        plugin = children.InChildren(sys.argv[1:], reach, 2, Path(scratch), found.__setitem__)
        children.session(plugin, ["-x", "-q", "-p", "no:cacheprovider", "test_of.py"])
        found["left behind"] = len(list(Path(scratch).iterdir()))
    Path("found.json").write_text(json.dumps(found))
"""
DIES, DIES_TOO = "of.x_dies__mutmut_1", "of.x_dies__mutmut_2"
LIVES, NEVER_ENDS = "of.x_lives__mutmut_1", "of.x_never_ends__mutmut_1"
UNREACHED, DIES_ELSEWHERE = "of.x_unreached__mutmut_1", "of.x_dies_elsewhere__mutmut_1"


def run(folder: Path, *mutants: str, tests: str = TESTS) -> tuple[Mapping[str, int], str]:
    """What was found of each mutant, and what the session said."""
    (folder / "test_of.py").write_text(dedent(tests))
    command = [sys.executable, "-c", dedent(RUN), *mutants]
    said = subprocess.run(
        command,
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, int] = json.loads((folder / "found.json").read_text())
    return found, said.stdout


def test_a_mutant_has_the_exit_code_of_the_tests_that_reach_it(tmp_path: Path) -> None:
    found, _ = run(tmp_path, DIES, LIVES, NEVER_ENDS, UNREACHED, DIES_ELSEWHERE, DIES_TOO)
    assert found == {
        DIES: 1,
        LIVES: 0,
        NEVER_ENDS: 36,
        UNREACHED: 33,
        DIES_ELSEWHERE: 0,
        DIES_TOO: 1,
        "left behind": 0,
    }
    quick = (tmp_path / "quick.txt").read_text().splitlines()
    assert DIES in quick
    assert DIES_TOO not in quick  # the test that killed the first comes first, and is enough


@pytest.mark.parametrize(
    ("tests", "says"),
    [
        ("def test_that_kills(): assert False", "ended with 1, MUTANT_UNDER_TEST=''"),
        ("def test_that_kills(): pass", "ended with 0, MUTANT_UNDER_TEST='fail'"),
    ],
)
def test_tests_that_do_not_tell_right_from_wrong_judge_no_mutant(
    tmp_path: Path, tests: str, says: str
) -> None:
    found, said = run(tmp_path, LIVES, tests=tests)
    assert found == {"left behind": 0}
    assert says in said


@pytest.fixture
def laid_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module with three mutants of which two have a verdict, as mutmut keeps them."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mutants").mkdir()
    kept = SourceFileMutationData(path="of.py")
    kept.exit_code_by_key = {"of.x_a__mutmut_1": 1, "of.x_a__mutmut_2": None, "of.x_b__mutmut_1": 0}
    kept.save()
    monkeypatch.setattr(verdicts, "walk_mutatable_files", lambda: [Path("of.py")])
    return tmp_path


@pytest.mark.usefixtures("laid_out")
def test_a_run_that_was_cut_short_goes_on_with_what_has_no_verdict() -> None:
    assert Verdicts().to_run([]) == ["of.x_a__mutmut_2"]
    Verdicts().note("of.x_a__mutmut_2", 36)
    assert Verdicts().to_run([]) == []


@pytest.mark.usefixtures("laid_out")
def test_mutants_that_are_named_run_again() -> None:
    assert Verdicts().to_run(["of.x_a__*"]) == ["of.x_a__mutmut_1", "of.x_a__mutmut_2"]


def test_a_verdict_is_kept_where_it_was_whatever_folder_tests_run_in(laid_out: Path) -> None:
    found = Verdicts()
    with pytest.MonkeyPatch.context() as elsewhere:
        elsewhere.chdir(laid_out / "mutants")
        found.note("of.x_a__mutmut_2", 1)
    assert Verdicts().to_run([]) == []


def test_verdicts_are_forgotten_where_code_or_tests_are_others(laid_out: Path) -> None:
    (laid_out / "of.py").write_text("a = 1")
    forget_another_run()
    (laid_out / "mutants" / "kept").touch()
    forget_another_run()
    assert (laid_out / "mutants" / "kept").exists()
    (laid_out / "of.py").write_text("a = 2")
    forget_another_run()
    assert not (laid_out / "mutants" / "kept").exists()


def test_what_is_said_of_mutants_and_what_is_made_of_code_change_no_verdict(laid_out: Path) -> None:
    (laid_out / "of.py").write_text("a = 1")
    before = fingerprint(laid_out)
    (laid_out / "mutation_survivors.toml").write_text("argued = []")
    (laid_out / "of.pyc").touch()
    (laid_out / "mutants" / "of.py").touch()
    assert fingerprint(laid_out) == before


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_one_line_that_changes() -> None:
    said = _Terminal()
    progress = Progress(200, said)
    for exit_code in (1, 1, 0):
        progress.note(exit_code)
    assert said.getvalue() == "".join(
        f"\r\033[K{line}"
        for line in (
            "1/200 mutants: 1 killed",
            "2/200 mutants: 2 killed",
            "3/200 mutants: 2 killed, 1 survived",
        )
    )


def test_a_log_has_a_line_for_every_fiftieth_of_the_run() -> None:
    said = io.StringIO()
    progress = Progress(200, said)
    for _ in range(200):
        progress.note(1)
    lines = said.getvalue().splitlines()
    assert lines[:2] == ["4/200 mutants: 4 killed", "8/200 mutants: 8 killed"]
    assert len(lines) == 50
