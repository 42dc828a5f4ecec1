"""One job from Starting to its end, on a thread of its own."""

import threading
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from queue import Empty

from local.aws.sagemaker import artifacts, ends, sessions, states
from local.aws.sagemaker.clock import now
from local.aws.sagemaker.command import Command, command_of
from local.aws.sagemaker.containers import World, world, world_of_several_hosts
from local.aws.sagemaker.control import ControlPlane
from local.aws.sagemaker.ends import Again, End
from local.aws.sagemaker.hosts import Host, Preparation
from local.aws.sagemaker.inbox import Exited, HostLost, Killed, StopRequested
from local.aws.sagemaker.jobs import TrainingJob
from local.aws.sagemaker.rules import DEFAULT_RUNTIME
from local.aws.sagemaker.running import RunningHosts
from local.aws.sagemaker.sessions import Credentials
from local.aws.sagemaker.storage import Storage, TransferError
from local.aws.sagemaker.watch import Limits, Seen, Watch

PENDING_SECONDS = 3.0  # that stand for MaxPendingTimeInSeconds, of which AWS takes 1800 and more


def launch(control: ControlPlane, job: TrainingJob) -> None:
    threading.Thread(target=Lifecycle(control, job).run, name=job.name, daemon=True).start()


@dataclass(frozen=True)
class Attempt:
    """The hosts with their disks; the next attempt gets new ones."""

    hosts: Mapping[str, Host]
    storage: Storage
    credentials: Credentials


class Lifecycle:
    def __init__(self, control: ControlPlane, job: TrainingJob) -> None:
        self._control = control
        self._job = job
        self._folder = control.folder(job)
        retries = job.request.get("RetryStrategy", {})
        self._retries: int = retries.get("MaximumRetryAttempts", 0)
        self._world = self._own_world()
        self._preparation = Preparation(job, self._folder, control.settings, self._world)
        self._attempts = 0
        self._trained = 0.0
        self._created = time.monotonic()

    def _own_world(self) -> World:
        namespaces = self._control.settings.namespaces
        several = world_of_several_hosts(namespaces=namespaces)
        if self._job.cluster.is_several and several:  # else the job was refused
            return several
        return world(namespaces=namespaces)

    def run(self) -> None:
        """Bring the job to an end, whatever happens: a fault of ours is an internal error."""
        end = ends.failed(ends.INTERNAL)
        try:
            with sessions.of_role(self._job) as credentials:
                end = self._live(credentials)
        finally:
            self._finish(end)

    def _finish(self, end: End) -> None:
        def step(state: states.JobState) -> states.JobState:
            if end.secondary == "Failed":
                return states.failed(state, end.reason, now())
            return states.entered(state, end.secondary, now(), end.reason)

        self._control.advance(self._job, step)

    def _live(self, credentials: Credentials) -> End:
        doomed = self._control.faults.take("capacity", self._job.name)
        if doomed:
            return ends.failed(doomed.reason or ends.CAPACITY)
        if self._control.faults.take("pending", self._job.name):
            self._enter("Pending")
            early = self._told_within(PENDING_SECONDS)
            return early or ends.PENDING_TOO_LONG[self._control.settings.doubts.pending_time_out]
        while True:
            outcome = self._attempt(credentials)
            if self._job.stop_asked and outcome not in (ends.COMPLETED, ends.TOO_LONG):
                return ends.STOPPED  # what a person stopped neither fails nor starts again
            if isinstance(outcome, Again):
                self._enter(outcome.secondary)
            elif outcome.is_retried and self._retries > 0:
                self._retries -= 1
                self._enter("Starting")
            else:
                return outcome

    def _enter(self, secondary: str) -> None:
        self._control.enter(self._job, secondary)

    def _attempt(self, credentials: Credentials) -> End | Again:
        self._enter("Pending")
        early = self._told_within(self._control.settings.start_delay)
        if early:
            return early
        self._enter("Downloading")
        storage = Storage.of_role(credentials, self._control.settings)
        with closing(storage):
            attempt = self._prepare(credentials, storage)
            try:
                self._download(attempt)
            except TransferError as error:
                return ends.failed(f"ClientError: Data download failed:{error}")
            return self._told_within(0) or self._train(attempt)

    def _told_within(self, seconds: float) -> End | None:
        """Wait for that long before there is a container; a stop or a fault ends the job here."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                message = self._job.inbox.get(timeout=max(0.0, deadline - time.monotonic()))
            except Empty:
                return None
            if isinstance(message, StopRequested):
                return ends.STOPPED
            if isinstance(message, Killed):
                return ends.failed(message.reason)
            if isinstance(message, HostLost):
                return ends.failed(ends.INTERNAL)

    def _prepare(self, credentials: Credentials, storage: Storage) -> Attempt:
        self._attempts += 1
        hosts = self._preparation.hosts(storage, self._attempts)
        return Attempt({host.name: host for host in hosts}, storage, credentials)

    def _download(self, attempt: Attempt) -> None:
        for host in attempt.hosts.values():
            host.download(self._job, attempt.storage, self._world.base(host.disk.root))

    def _command(self, attempt: Attempt, host: Host) -> Command:
        base = self._world.base(host.disk.root)
        settings = self._control.settings
        return command_of(self._job, host.disk, base, attempt.credentials, settings)

    def _train(self, attempt: Attempt) -> End | Again:
        self._enter("Training")
        began = time.monotonic()
        seen = self._run(attempt)
        self._trained += time.monotonic() - began
        outcome = self._judge(attempt, seen)
        if seen.lost or not seen.reachable or any(one.not_started for one in seen.exits):
            return outcome
        if isinstance(outcome, End):
            self._enter("Uploading")
        left = [host for name, host in attempt.hosts.items() if name in seen.reachable]
        return self._upload(left, attempt.storage, outcome)

    def _run(self, attempt: Attempt) -> Seen:
        """Run the containers to their end."""
        hosts = RunningHosts(self._control, self._job, self._world.isolation)
        for host in attempt.hosts.values():
            hosts.start(host, self._command(attempt, host))
        hosts.watch()
        seen = Watch(self._job.inbox, hosts, self._limits(), self._enter).until_end()
        hosts.clear_up()
        return seen

    def _limits(self) -> Limits:
        """Both limits are totals over all attempts."""
        stopping = self._job.request.get("StoppingCondition", {})
        settings = self._control.settings
        runtime = stopping.get("MaxRuntimeInSeconds", DEFAULT_RUNTIME)
        return Limits(
            runtime=time.monotonic() + runtime - self._trained,
            wait=self._created + stopping.get("MaxWaitTimeInSeconds", float("inf")),
            grace=settings.stop_grace,
            notice=0 if settings.doubts.lost_host_noticed else settings.lost_host_notice,
        )

    def _judge(self, attempt: Attempt, seen: Seen) -> End | Again:
        if seen.decided:
            return seen.decided
        if self._job.stop_asked:  # it ended by itself before the request reached it
            return ends.STOPPED
        heard = [one for one in seen.exits if one.host in seen.reachable] or seen.exits
        told = ends.telling(heard, self._control.settings.doubts.failure_of)
        host = attempt.hosts[told.host]
        if told.not_started:
            with host.log.open("a", encoding="utf-8") as log:
                log.write(f"The container did not start: {told.not_started}\n")
            return ends.failed(ends.INTERNAL)
        return ends.of_exit(told.code, self._failure(host, self._command(attempt, host), told))

    def _failure(self, host: Host, command: Command, exited: Exited) -> str:
        written = host.disk.failure
        if written or not command.toolkit or exited.code == 0:
            return written
        said = host.log.read_text("utf-8", errors="replace")
        return ends.toolkit_failure(exited.code, command.argv, said)

    def _upload(self, hosts: list[Host], storage: Storage, outcome: End | Again) -> End | Again:
        """Send what the training leaves; a job that could not is a job that failed."""
        try:
            for host in hosts:
                if host.checkpoints:
                    host.checkpoints.send()
            if isinstance(outcome, Again):
                return outcome
            disks = [host.disk for host in hosts]
            sent = artifacts.send(self._job, disks, storage, outcome, self._folder)
        except TransferError as error:
            if isinstance(outcome, End) and outcome.secondary == "Failed":
                return outcome
            return ends.failed(f"ClientError: Artifact upload failed:{error}")
        self._job.change(lambda state: replace(state, model_artifacts=sent), lambda: None)
        return outcome
