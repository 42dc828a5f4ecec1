"""What became of each mutant, where mutmut keeps it, and how far a run is."""

import fnmatch
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

from mutmut.mutation.data import SourceFileMutationData
from mutmut.stats import status_by_exit_code
from mutmut.utils.file_utils import walk_mutatable_files

_STEPS = 50  # lines of a whole run, where there is no terminal


class Verdicts:
    """The exit code of each mutant that has run."""

    def __init__(self) -> None:
        self._of: dict[str, SourceFileMutationData] = {}
        for path in walk_mutatable_files():
            found = SourceFileMutationData(path=path)
            found.load()
            found.meta_path = found.meta_path.absolute()  # tests run in another folder
            self._of.update(dict.fromkeys(found.exit_code_by_key, found))

    def to_run(self, named: Sequence[str]) -> list[str]:
        """The mutants without a verdict; where some are named, those, whether they have one."""
        if not named:
            return [one for one, found in self._of.items() if found.exit_code_by_key[one] is None]
        return [one for one in self._of if any(fnmatch.fnmatch(one, name) for name in named)]

    def note(self, mutant: str, exit_code: int) -> None:
        found = self._of[mutant]
        found.exit_code_by_key[mutant] = exit_code
        with _uninterrupted():
            found.save()


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Half a file would be the end of all that was found out."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


@dataclass
class Progress:
    """How far a run is: one line that changes on a terminal, elsewhere one per two percent."""

    total: int
    to: TextIO
    _found: Counter[str] = field(default_factory=Counter)
    _told: int = 0

    def note(self, exit_code: int) -> None:
        self._found[status_by_exit_code[exit_code]] += 1
        if self.to.isatty():
            self.to.write(f"\r\033[K{self._line()}")
        elif self._steps() > self._told:
            self._told = self._steps()
            self.to.write(f"{self._line()}\n")
        self.to.flush()

    def _steps(self) -> int:
        return self._found.total() * _STEPS // self.total

    def _line(self) -> str:
        each = ", ".join(f"{number} {status}" for status, number in self._found.most_common())
        return f"{self._found.total()}/{self.total} mutants: {each}"
