"""What a run of mutmut came to: the score of each module, and every survivor killed or argued.

`make mutate` runs mutmut, and then this in its directory. A mutant is known here by its function
and its changed lines, not by mutmut's number for it, which any edit of the function shifts.
"""

import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import walk_mutatable_files
from mutmut.utils.format_utils import orig_function_and_class_names_from_key

ARGUMENTS = Path(__file__).with_name("mutation_survivors.toml")
# A type checker that refuses a mutant has killed it; a mutant that never ends is seen to be wrong.
_KILLED = frozenset({"killed", "caught by type check"})
_TIMED_OUT = "timeout"
_HEAD = ("module", "mutants", "killed", "timed out", "argued", "unargued", "score")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change, what mutmut says became of it, and, where it lived, how it reads in one line."""

    module: str
    status: str
    change: str = ""

    @property
    def dead(self) -> bool:
        return self.status in _KILLED or self.status == _TIMED_OUT


@dataclass(frozen=True, slots=True)
class Verdict:
    """Survivors that nobody argued for, and arguments that no survivor needs any more."""

    unargued: tuple[Mutant, ...]
    stale: tuple[str, ...]


def one_line(function: str, diff: str) -> str:
    """A unified diff of one function as `function: lines before -> lines after`."""
    lines = diff.splitlines()[2:]  # the first two name the file
    before, after = (
        " ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in "-+"
    )
    return f"{function}: {before} -> {after}"


def arguments(text: str) -> dict[str, str]:
    """Read the list of arguments: the reason for each change; raises ValueError for a second."""
    reasons: dict[str, str] = {}
    for group in tomllib.loads(text)["argued"]:
        for change in group["mutants"]:
            if change in reasons:
                raise ValueError(f"argued twice: {change}")
            reasons[change] = group["reason"]
    return reasons


def judge(mutants: Iterable[Mutant], argued: Iterable[str]) -> Verdict:
    survivors = [one for one in mutants if not one.dead]
    known, alive = frozenset(argued), {one.change for one in survivors}
    return Verdict(
        unargued=tuple(one for one in survivors if one.change not in known),
        stale=tuple(sorted(known - alive)),
    )


def table(mutants: Iterable[Mutant], argued: Iterable[str]) -> Iterator[str]:
    """Lines of a Markdown table, a module each and their sum; the score is of dead in all."""
    everything, known = list(mutants), frozenset(argued)
    modules = sorted({one.module for one in everything})
    yield "| " + " | ".join(_HEAD) + " |"
    yield "|---" + "|--:" * (len(_HEAD) - 1) + "|"
    for module in modules:
        yield _row(module, [one for one in everything if one.module == module], known)
    yield _row("all", everything, known)


def _row(name: str, mutants: list[Mutant], argued: frozenset[str]) -> str:
    count = Counter(_column(one, argued) for one in mutants)
    dead = count["killed"] + count["timed out"]
    score = f"{dead / len(mutants):.1%}" if mutants else "-"
    cells = (f"{count[column]:,}" for column in _HEAD[2:-1])
    return f"| {' | '.join((name, f'{len(mutants):,}', *cells, score))} |"


def _column(mutant: Mutant, argued: frozenset[str]) -> str:
    if mutant.dead:
        return "timed out" if mutant.status == _TIMED_OUT else "killed"
    return "argued" if mutant.change in argued else "unargued"


def of_this_run() -> Iterator[Mutant]:
    """Every mutant of the run in the working directory, which must be mutmut's."""
    for path in walk_mutatable_files():
        found = SourceFileMutationData(path=path)
        found.load()
        module = ".".join(path.with_suffix("").parts[1:])
        for name, exit_code in found.exit_code_by_key.items():
            mutant = Mutant(module, status_by_exit_code[exit_code])
            yield mutant if mutant.dead else _with_change(mutant, name, path)


def _with_change(mutant: Mutant, name: str, path: Path) -> Mutant:
    function, of_class = orig_function_and_class_names_from_key(name)
    place = ".".join(filter(None, (mutant.module, of_class, function)))
    change = one_line(place, get_diff_for_mutant(name, path=path))
    return Mutant(mutant.module, mutant.status, change)


def main() -> int:
    """Print the table and what is open; 1 where a survivor is neither killed nor argued."""
    mutants = list(of_this_run())
    argued = arguments(ARGUMENTS.read_text(encoding="utf-8"))
    print("\n".join(table(mutants, argued)))
    verdict = judge(mutants, argued)
    for mutant in verdict.unargued:
        print(f"{mutant.status}, not argued: {mutant.change}")
    for change in verdict.stale:
        print(f"stale, no such survivor: {change}")
    return 1 if verdict.unargued or not mutants else 0


if __name__ == "__main__":
    sys.exit(main())
