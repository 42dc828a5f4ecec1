"""The control plane: everything that the API, the jobs' threads and the admin path share."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from local.aws.sagemaker import views
from local.aws.sagemaker.clock import now
from local.aws.sagemaker.containers import Container
from local.aws.sagemaker.emulator import Emulator
from local.aws.sagemaker.faults import Faults
from local.aws.sagemaker.jobs import Registry, TrainingJob
from local.aws.sagemaker.settings import Settings
from local.aws.sagemaker.states import JobState, entered

PATIENCE_AT_THE_END = 3.0


@dataclass(frozen=True)
class ControlPlane:
    settings: Settings
    emulator: Emulator
    registry: Registry = field(default_factory=Registry)
    faults: Faults = field(default_factory=Faults)
    calls: Counter[str] = field(default_factory=Counter)
    containers: set[Container] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def advance(self, job: TrainingJob, step: Callable[[JobState], JobState]) -> None:
        job.change(step, lambda: self.tell(job))

    def enter(self, job: TrainingJob, secondary: str) -> None:
        self.advance(job, lambda state: entered(state, secondary, now()))

    def tell(self, job: TrainingJob) -> None:
        """Emit the event of a change; SageMaker sends "multiple events for each state change"."""
        if self.faults.take("drop_events", job.name):
            return
        more = self.faults.take("duplicate_events", job.name)
        usual = self.settings.terminal_event_copies if job.state.is_over else 1
        copies = int(more.value) if more else usual
        self.emulator.emit(job.place, job.arn, views.event_detail(job), copies)

    def folder(self, job: TrainingJob) -> Path:
        """Make a directory of the job's own: a name may be used again after its job was deleted."""
        stamp = f"{job.name}-{int(job.state.created * 1000)}"
        folder = self.settings.data / "training-jobs" / stamp
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def started(self, container: Container) -> None:
        with self.lock:
            self.containers.add(container)

    def ended(self, container: Container) -> None:
        with self.lock:
            self.containers.discard(container)

    def stop_all(self) -> None:
        """Kill every container and wait until it is gone: nothing outlives the server."""
        with self.lock:
            running = list(self.containers)
        for container in running:
            container.kill()
        deadline = time.monotonic() + PATIENCE_AT_THE_END
        for container in running:
            container.join(max(0.0, deadline - time.monotonic()))
