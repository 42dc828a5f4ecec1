"""The hosts of an attempt while they run: what befalls one of them, or all."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from local.aws.sagemaker.command import Command
from local.aws.sagemaker.containers import Container, watch
from local.aws.sagemaker.control import ControlPlane
from local.aws.sagemaker.hosts import Host
from local.aws.sagemaker.inbox import Exited
from local.aws.sagemaker.jobs import TrainingJob
from local.aws.sagemaker.outputs import Output
from local.isolation import Isolation

# A slow host runs for a part of each such time.
BEAT_SECONDS = 0.2


@dataclass
class RunningHost:
    host: Host
    container: Container
    threads: list[threading.Thread]
    # Whether SageMaker can still reach it: to fetch what it leaves, above all.
    reachable: bool = True
    over: threading.Event = field(default_factory=threading.Event)

    def cut_off(self) -> None:
        self.reachable = False
        if self.host.checkpoints:
            self.host.checkpoints.pause()

    def freeze(self, seconds: float | None) -> None:
        self.cut_off()
        self.container.freeze()
        if seconds is not None:
            self._later(partial(self._thaw_after, seconds))

    def _thaw_after(self, seconds: float) -> None:
        if self.over.wait(seconds):
            return
        self.container.thaw()
        self.reachable = True
        if self.host.checkpoints:
            self.host.checkpoints.go_on()

    def slow(self, speed: float) -> None:
        self._later(partial(self._stumble, speed))

    def _stumble(self, speed: float) -> None:
        while self.reachable and not self.over.wait(BEAT_SECONDS * speed):
            self.container.freeze()
            self.over.wait(BEAT_SECONDS * (1 - speed))
            if self.reachable:  # and not frozen meanwhile
                self.container.thaw()

    def _later(self, work: Callable[[], None]) -> None:
        threading.Thread(target=work, daemon=True).start()


class RunningHosts:
    """Every container of an attempt; what is asked of all of them is asked of each."""

    def __init__(self, control: ControlPlane, job: TrainingJob, isolation: Isolation) -> None:
        self._control = control
        self._job = job
        self._isolation = isolation
        self._hosts: dict[str, RunningHost] = {}

    def start(self, host: Host, command: Command) -> None:
        """Start a host's container, with its log and its checkpoints on the way."""
        job, control = self._job, self._control
        container = Container(command, host.disk.root, self._isolation, host.placement)
        control.started(container)
        job.processes[host.name] = container.pid
        stream = f"{job.name}/{host.name}-{int(time.time())}"
        write_log = partial(control.emulator.write_log, job.place, stream)

        def write(lines: list[str]) -> None:
            job.metrics.read(lines)
            write_log(lines)

        threads = [Output(container.output, host.log, write, control.settings.log_flush).start()]
        if host.checkpoints:
            threads.append(host.checkpoints.start())
        self._hosts[host.name] = RunningHost(host, container, threads)

    def watch(self) -> None:
        """Have the end of each container put into the job's inbox."""
        for name, running in self._hosts.items():
            watch(running.container, partial(self._told, name))

    def _told(self, name: str, exited: Exited) -> None:
        self._hosts[name].over.set()
        self._job.processes.pop(name, None)
        self._job.inbox.put(replace(exited, host=name))

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self._hosts)

    @property
    def reachable(self) -> frozenset[str]:
        return frozenset(name for name, running in self._hosts.items() if running.reachable)

    def ask(self) -> None:
        for running in self._hosts.values():
            running.container.ask()

    def ask_all(self) -> None:
        for running in self._hosts.values():
            running.container.ask_all()

    def kill(self) -> None:
        for running in self._hosts.values():
            running.container.kill()

    def lose(self, name: str) -> None:
        """Take a host away, as a machine that breaks: nothing it had is ever seen again."""
        self._hosts[name].cut_off()
        self._hosts[name].container.kill()

    def freeze(self, name: str, seconds: float | None) -> None:
        self._hosts[name].freeze(seconds)

    def slow(self, name: str, speed: float) -> None:
        self._hosts[name].slow(speed)

    def clear_up(self) -> None:
        """Wait until what the containers said and saved is where it belongs."""
        for running in self._hosts.values():
            self._control.ended(running.container)
            if running.host.checkpoints:
                running.host.checkpoints.stop()
            for thread in running.threads:
                thread.join()
            running.container.close()
