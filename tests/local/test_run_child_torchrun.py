"""A real torchrun under the wrapper: it gives its workers sessions of their own (torch 2.13)."""

import os
import signal
import sys

from tests.local.test_run_process import Host, host, is_alive, line_from, python
from tests.local.training_process import PATIENCE

__all__ = ["host"]  # a fixture
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "--no-python"]
# Each worker writes in one call: lines of two processes may mix otherwise.
WORKER = """
    rank = os.environ["RANK"]
    def saved(*_):
        time.sleep(1)
        os.write(1, f"{rank} saved\\n".encode())
        sys.exit(0)
    signal.signal(signal.SIGTERM, saved)
    os.write(1, f"{rank} {os.getpid()} {os.getsid(0)} {os.getppid()}\\n".encode())
    time.sleep(600)
"""
FAILING = """
    if os.environ["RANK"] == "1":
        raise ValueError("bad batch")
    time.sleep(600)
"""


def torchrun(worker: str) -> list[str]:
    return [*TORCHRUN, *python(worker)]


def test_a_torchrun_that_is_killed_takes_its_workers_with_it(host: Host) -> None:
    with host.started(*torchrun(WORKER)) as process:
        first, second = (line_from(process).split() for _ in range(2))
        workers = [int(worker[1]) for worker in (first, second)]
        assert [int(worker[2]) for worker in (first, second)] == workers, "no session of its own"
        os.kill(int(first[3]), signal.SIGKILL)
        assert process.wait(PATIENCE) == 1, host.log
        assert [pid for pid in workers if is_alive(pid)] == []


def test_the_workers_get_sigterm_from_torchrun_and_the_time_to_save(host: Host) -> None:
    with host.started(*torchrun(WORKER)) as process:
        for _ in range(2):
            line_from(process)
        process.send_signal(signal.SIGTERM)
        assert process.stdout is not None
        assert sorted(process.stdout.read().decode().splitlines()) == ["0 saved", "1 saved"]
        assert process.wait(PATIENCE) == 143, host.log
    assert host.failure is None


def test_the_cause_is_the_workers_error_and_not_torchruns_count_of_it(host: Host) -> None:
    assert host.run(*torchrun(FAILING)) == 1
    assert host.failure == "ValueError: bad batch", host.log


def test_a_worker_that_was_killed_is_the_cause(host: Host) -> None:
    assert host.run(*torchrun("    os.kill(os.getpid(), 9)")) == 1
    said = "a process of the command was killed by SIGKILL: often out of memory"
    assert host.failure == said, host.log


def test_the_dry_run_of_a_module_counts_torchruns_processes(host: Host) -> None:
    with host.started(*torchrun(WORKER), options="--dry-run") as process:
        assert process.stdout is not None
        assert b"2 of all hosts together" in process.stdout.read()
