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
from resilience.decide.breaker import Breaker
from resilience.decide.decisions import Mode
from resilience.fleet.jobs import Fleet
from resilience.ports import World
from resilience.wire.switches import Switches


@dataclass(slots=True)
class InMemoryWorld:
    """One account and region, with its W&B, at one moment."""

    clock: Clock
    mode: Mode = Mode.ACT
    account: str = ACCOUNT
    region: str = REGION
    breaker: Breaker = field(default_factory=Breaker)
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

    def read(self) -> Switches:
        """Fulfil fleet.StackSwitches."""
        return Switches(self.mode, self.breaker)

    def write(self, breaker: Breaker, *, instead_of: Breaker) -> bool:
        if self.breaker != instead_of:
            return False
        self.breaker = breaker
        return True

    def set_mode(self, mode: Mode) -> None:
        self.mode = mode

    def fleet(self) -> Fleet:
        return Fleet(jobs=self.sagemaker, queue=self.queue, switches=self, alert=self.topic)

    def ports(self) -> World:
        return World(
            jobs=self.sagemaker,
            checkpoints=self.wandb,
            waits=self.schedules,
            notifications=self.topic,
            switches=self.read,
            now=self.clock,
            logs=self.logs,
        )
