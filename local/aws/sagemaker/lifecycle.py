"""One job from Starting to its end, on a thread of its own."""

import threading
import time
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from queue import Empty

from local.aws.sagemaker import artifacts, ends, sessions, states
from local.aws.sagemaker.checkpoints import Checkpoints
from local.aws.sagemaker.clock import now
from local.aws.sagemaker.command import Command, command_of
from local.aws.sagemaker.containers import Container, watch, world
from local.aws.sagemaker.control import ControlPlane
from local.aws.sagemaker.ends import Again, End
from local.aws.sagemaker.inbox import Exited, Killed, StopRequested
from local.aws.sagemaker.jobs import TrainingJob
from local.aws.sagemaker.opt_ml import HOST, OptMl
from local.aws.sagemaker.outputs import Output
from local.aws.sagemaker.rules import DEFAULT_RUNTIME
from local.aws.sagemaker.sessions import Credentials
from local.aws.sagemaker.storage import Location, Storage, TransferError
from local.aws.sagemaker.watch import Limits, Seen, Watch

PENDING_SECONDS = 3.0  # that stand for MaxPendingTimeInSeconds, of which AWS takes 1800 and more


def launch(control: ControlPlane, job: TrainingJob) -> None:
    threading.Thread(target=Lifecycle(control, job).run, name=job.name, daemon=True).start()


@dataclass(frozen=True)
class Attempt:
    """One container with its disk; the next attempt gets new ones."""

    disk: OptMl
    storage: Storage
    credentials: Credentials
    log: Path
    checkpoints: Checkpoints | None


class Lifecycle:
    def __init__(self, control: ControlPlane, job: TrainingJob) -> None:
        self._control = control
        self._job = job
        self._folder = control.folder(job)
        retries = job.request.get("RetryStrategy", {})
        self._retries: int = retries.get("MaximumRetryAttempts", 0)
        self._world = world(namespaces=control.settings.namespaces)
        self._trained = 0.0
        self._created = time.monotonic()

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

    def _prepare(self, credentials: Credentials, storage: Storage) -> Attempt:
        number = len(self._job.directories) + 1
        disk = OptMl(self._folder / f"opt-ml-{number}")
        disk.make(self._job.request)
        self._job.directories.append(str(disk.root))
        checkpoints = None
        config = self._job.request.get("CheckpointConfig")
        if config:
            folder = disk.root / config.get("LocalPath", "/opt/ml/checkpoints")[len("/opt/ml/") :]
            every = self._control.settings.checkpoint_sync
            checkpoints = Checkpoints(storage, folder, Location.of(config["S3Uri"]), every)
        return Attempt(disk, storage, credentials, self._folder / "log.txt", checkpoints)

    def _download(self, attempt: Attempt) -> None:
        base = self._world.base(attempt.disk.root)
        attempt.disk.download(self._job.request, attempt.storage, base)
        if attempt.checkpoints:
            attempt.checkpoints.restore()

    def _train(self, attempt: Attempt) -> End | Again:
        command = command_of(
            self._job,
            attempt.disk,
            self._world.base(attempt.disk.root),
            attempt.credentials,
            self._control.settings,
        )
        self._enter("Training")
        began = time.monotonic()
        seen = self._run(attempt, command)
        self._trained += time.monotonic() - began
        outcome = self._judge(attempt, command, seen)
        if seen.lost or seen.exited.not_started:
            return outcome
        if isinstance(outcome, End):
            self._enter("Uploading")
        return self._upload(attempt, outcome)

    def _run(self, attempt: Attempt, command: Command) -> Seen:
        """Run the container to its end, with its log and its checkpoints on the way."""
        job, control = self._job, self._control
        container = Container(command, attempt.disk.root, self._world.isolation)
        control.started(container)
        job.process = container.pid
        stream = f"{job.name}/{HOST}-{int(time.time())}"
        write_log = partial(control.emulator.write_log, job.place, stream)

        def write(lines: list[str]) -> None:
            job.metrics.read(lines)
            write_log(lines)

        log = Output(container.output, attempt.log, write, control.settings.log_flush).start()
        sync = attempt.checkpoints.start() if attempt.checkpoints else None
        watch(container, job.inbox.put)
        seen = Watch(job.inbox, container, self._limits(), self._enter).until_end()
        job.process = None
        control.ended(container)
        log.join()
        container.close()
        if attempt.checkpoints and sync:
            attempt.checkpoints.stop()
            sync.join()
        return seen

    def _limits(self) -> Limits:
        """Both limits are totals over all attempts."""
        stopping = self._job.request.get("StoppingCondition", {})
        runtime = stopping.get("MaxRuntimeInSeconds", DEFAULT_RUNTIME)
        return Limits(
            runtime=time.monotonic() + runtime - self._trained,
            wait=self._created + stopping.get("MaxWaitTimeInSeconds", float("inf")),
            grace=self._control.settings.stop_grace,
        )

    def _judge(self, attempt: Attempt, command: Command, seen: Seen) -> End | Again:
        if seen.decided:
            return seen.decided
        if self._job.stop_asked:  # it ended by itself before the request reached it
            return ends.STOPPED
        if seen.exited.not_started:
            with attempt.log.open("a", encoding="utf-8") as log:
                log.write(f"The container did not start: {seen.exited.not_started}\n")
            return ends.failed(ends.INTERNAL)
        return ends.of_exit(seen.exited.code, self._failure(attempt, command, seen.exited))

    def _failure(self, attempt: Attempt, command: Command, exited: Exited) -> str:
        written = attempt.disk.failure
        if written or not command.toolkit or exited.code == 0:
            return written
        said = attempt.log.read_text("utf-8", errors="replace")
        return ends.toolkit_failure(exited.code, command.argv, said)

    def _upload(self, attempt: Attempt, outcome: End | Again) -> End | Again:
        """Send what the training leaves; a job that could not is a job that failed."""
        try:
            if attempt.checkpoints:
                attempt.checkpoints.send()
            if isinstance(outcome, Again):
                return outcome
            sent = artifacts.send(self._job, attempt.disk, attempt.storage, outcome, self._folder)
        except TransferError as error:
            if isinstance(outcome, End) and outcome.secondary == "Failed":
                return outcome
            return ends.failed(f"ClientError: Artifact upload failed:{error}")
        self._job.change(lambda state: replace(state, model_artifacts=sent), lambda: None)
        return outcome
