"""All of them together."""

from dataclasses import dataclass, field

from local.doubts import KNOWN, Doubts
from local.in_memory.clock import ACCOUNT, REGION, Clock
from local.in_memory.job_logs import InMemoryJobLogs
from local.in_memory.messages import (
    InMemoryDeadLetters,
    InMemoryQueue,
    InMemorySchedules,
    InMemoryTopic,
)
from local.in_memory.sagemaker import InMemorySageMaker
from local.in_memory.weights_and_biases import InMemoryWandb
from resilience.decisions import Mode
from resilience.ports import World
from resilience.sweeping import Fleet


@dataclass(slots=True)
class InMemoryWorld:
    """One account and region, with its W&B, at one moment."""

    clock: Clock
    mode: Mode = Mode.ACT
    account: str = ACCOUNT
    region: str = REGION
    mode_since: int = 0
    doubts: Doubts = KNOWN
    sagemaker: InMemorySageMaker = field(init=False)
    wandb: InMemoryWandb = field(default_factory=InMemoryWandb)
    logs: InMemoryJobLogs = field(init=False)
    schedules: InMemorySchedules = field(init=False)
    topic: InMemoryTopic = field(default_factory=InMemoryTopic)
    queue: InMemoryQueue = field(init=False)
    dead_letters: InMemoryDeadLetters = field(default_factory=InMemoryDeadLetters)

    def __post_init__(self) -> None:
        self.sagemaker = InMemorySageMaker(self.clock, self.account, self.region, self.doubts)
        self.logs = InMemoryJobLogs(self.clock)
        self.schedules = InMemorySchedules(self.clock, account=self.account, region=self.region)
        self.queue = InMemoryQueue(account=self.account, region=self.region)

    def read(self) -> tuple[Mode, int]:
        """Fulfil sweeping.Switch."""
        return self.mode, self.mode_since

    def set_mode(self, mode: Mode) -> None:
        self.mode, self.mode_since = mode, self.clock()

    def observe(self) -> None:
        self.set_mode(Mode.OBSERVE)

    def fleet(self) -> Fleet:
        return Fleet(jobs=self.sagemaker, queue=self.queue, switch=self, alert=self.topic)

    def ports(self) -> World:
        return World(
            jobs=self.sagemaker,
            checkpoints=self.wandb,
            waits=self.schedules,
            notifications=self.topic,
            mode=lambda: self.mode,
            now=self.clock,
            logs=self.logs,
        )
