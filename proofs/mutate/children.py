"""A session of pytest that has collected all tests, and forks for each mutant."""

import gc
import os
import random
import resource
import shutil
import signal
import tempfile
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.utils.format_utils import mangled_name_from_mutant_name

# mutmut's names for no mutant and for one that has to die, and its exit codes.
UNCHANGED, ALL_FAIL = "", "fail"
NO_TESTS, TIMED_OUT = 33, 36
# Of the processor's time that a test needs without a mutant: a busy machine makes no mutant die.
_TIMES, _SPARE_SECONDS = 15, 1
_ASLEEP = 2  # times as long by the clock, for a test that only waits
_OUT_OF_TIME = frozenset({-signal.SIGPROF, -signal.SIGALRM})
_BYTES = 4 << 30  # what never ends may also collect without end
_KILLER = "killer"


@dataclass(frozen=True)
class Reach:
    """Which tests reach the function of a mutant, and the seconds that each takes without one."""

    tests: Mapping[str, Iterable[str]]
    seconds: Mapping[str, float]

    def of(self, mutant: str) -> frozenset[str]:
        return frozenset(self.tests.get(mangled_name_from_mutant_name(mutant), ()))

    def seconds_of(self, mutant: str) -> float:
        return sum(self.seconds.get(test, 0) for test in self.of(mutant))


@dataclass(eq=False)  # a plugin has to have a hash
class InChildren:
    """A plugin: the loop of pytest runs no test in this process, and one mutant's in each child."""

    mutants: Sequence[str]
    reach: Reach
    at_once: int
    scratch: Path
    tell: Callable[[str, int], None]
    _running: dict[int, str] = field(default_factory=dict)
    _killers: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        gc.freeze()  # else every child copies whatever the collector looks at
        session.items[:] = self._of_this_process(session.items)
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """The kernel ends a child whose test takes far too long, whatever it is busy with."""
        limit = _TIMES * (self.reach.seconds.get(item.nodeid, 0) + _SPARE_SECONDS)
        signal.setitimer(signal.ITIMER_PROF, limit)
        signal.setitimer(signal.ITIMER_REAL, limit * _ASLEEP)
        try:
            return (yield)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.setitimer(signal.ITIMER_REAL, 0)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            (self._folder(os.getpid()) / _KILLER).write_text(report.nodeid, "utf-8")

    def _of_this_process(self, items: list[pytest.Item]) -> list[pytest.Item]:
        """The tests to run: those of its mutant in a child, and none where all children ended."""
        try:
            for mutant in (UNCHANGED, ALL_FAIL):
                if self._fork(mutant):
                    return list(items)
                self._check(mutant)
            for mutant in self.mutants:
                tests = self._tests(mutant, items)
                if not tests:
                    self.tell(mutant, NO_TESTS)
                elif self._fork(mutant):
                    return tests
                self._reap(down_to=self.at_once - 1)
            self._reap(down_to=0)
        except BaseException:
            for child in self._running:
                os.kill(child, signal.SIGKILL)
            raise
        return []

    def _tests(self, mutant: str, items: Iterable[pytest.Item]) -> list[pytest.Item]:
        """What reaches the mutant: first what killed others of its function, then as it comes."""
        reached = self.reach.of(mutant)
        killers = self._killers[mangled_name_from_mutant_name(mutant)]
        return sorted(
            (item for item in items if item.nodeid in reached),
            key=lambda item: item.nodeid not in killers,
        )

    def _fork(self, mutant: str) -> bool:
        """Whether this is the child."""
        child = os.fork()
        if child == 0:
            _become(mutant, self._folder(os.getpid()))
            return True
        self._running[child] = mutant
        return False

    def _folder(self, child: int) -> Path:
        return self.scratch / str(child)

    def _check(self, mutant: str) -> None:
        """A mutant is judged by tests that pass without it, and fail where everything is wrong."""
        _, exit_code = self._ended()
        if (exit_code == 0) != (mutant == UNCHANGED):
            pytest.exit(f"tests ended with {exit_code}, MUTANT_UNDER_TEST={mutant!r}", returncode=1)

    def _reap(self, down_to: int) -> None:
        while len(self._running) > down_to:
            self.tell(*self._ended())

    def _ended(self) -> tuple[str, int]:
        child, status = os.wait()
        exit_code = os.waitstatus_to_exitcode(status)
        mutant = self._running.pop(child)
        self._learn(mutant, self._folder(child) / _KILLER)
        shutil.rmtree(self._folder(child), ignore_errors=True)
        return mutant, TIMED_OUT if exit_code in _OUT_OF_TIME else exit_code

    def _learn(self, mutant: str, killer: Path) -> None:
        if mutant in {UNCHANGED, ALL_FAIL} or not killer.is_file():
            return
        known = self._killers[mangled_name_from_mutant_name(mutant)]
        known.append(killer.read_text("utf-8"))


def session(plugin: InChildren, arguments: Sequence[str]) -> int:
    """One session of pytest. Each child leaves from within it, with the exit code of its tests."""
    parent, exit_code = os.getpid(), int(pytest.ExitCode.INTERNAL_ERROR)
    # What is captured would go to one file for all children.
    own = ["--rootdir=.", "--tb=native", "--capture=no"]
    try:
        exit_code = int(pytest.main([*own, *arguments], plugins=[plugin]))
    finally:
        if os.getpid() != parent:
            os._exit(exit_code)
    return exit_code


def _become(mutant: str, folder: Path) -> None:
    """Be the process of this mutant alone: what it leaves behind goes with its folder."""
    set_mutant_under_test(mutant)
    random.seed(0)  # a fork is seeded by the system
    folder.mkdir()
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is asked, and ends its children
    resource.setrlimit(resource.RLIMIT_DATA, (_BYTES, _BYTES))
    if mutant != UNCHANGED:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nowhere, stream)
