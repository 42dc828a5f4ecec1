"""A fleet in one account, minute by minute: jobs begin, train, die of one trouble; nobody helps."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from local.in_memory import Clock, InMemoryWorld
from local.replaying import deployment
from local.replaying.described import described
from proofs.at_once import AtOnce
from resilience.controller import recover
from resilience.decide.decisions import CheckpointRequest, Decision
from resilience.fleet.sweeping import Swept, sweep
from resilience.wire import tags
from resilience.wire.events import Hint
from tests.unit.recovery_world import SWEEP, TAGS, hint_of

FRIDAY_NIGHT = 1_769_803_200  # 2026-01-30T20:00:00Z
MINUTE, HOUR = 60, 3600
THRESHOLD = SWEEP.breaker_failures


def swept(
    world: InMemoryWorld,
    failures: int = THRESHOLD,
    seconds_left: Callable[[], float] = lambda: 60.0,
) -> Swept:
    settings = replace(SWEEP, breaker_failures=failures)
    return sweep(world.fleet(), settings, world.clock(), seconds_left)


@dataclass(slots=True)
class Story:
    """`dies` says what a job that has trained so long at that time dies of; None: it goes on."""

    dies: Callable[[int, int], str | None]
    world: InMemoryWorld = field(default_factory=lambda: InMemoryWorld(Clock(FRIDAY_NIGHT)))
    needs: int = HOUR  # of training, for an attempt to reach the end
    began: dict[str, int] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    decisions: list[Decision] = field(default_factory=list)

    def launch(self, root: str, trained: int) -> None:
        """A lineage whose first job has trained for so long, and has saved if that was an hour."""
        place = CheckpointRequest(
            entity="example-team", project="vision", collection=f"model-{root}", runs=(root,)
        )
        self.world.wandb.have_project(place.entity, place.project)
        environment = {
            "WANDB_ENTITY": place.entity,
            "WANDB_PROJECT": place.project,
            "WANDB_RUN_ID": root,
            "RESILIENCE_COLLECTION": place.path,
        }
        running = {"TrainingJobStatus": "InProgress", "Environment": environment}
        own = TAGS | {tags.CHECKPOINT_NAME: f"model-{root}", tags.RUN_ID: root}
        del own[tags.COMPLETED]
        world = self.world
        world.clock.now -= trained
        job = described(running, account=world.account, region=world.region)
        world.sagemaker.put(root, job, own)
        world.sagemaker.begin(root)
        if trained >= HOUR:
            world.wandb.commit(place, step=100, run=root)
        world.clock.now += trained
        self.began[root] = world.clock() - trained

    def mend(self) -> None:
        self.dies = lambda _now, _trained: None

    def goes_on(self, seconds: int) -> None:
        until = self.world.clock() + seconds
        while self.world.clock() < until:
            self.world.clock.pass_by(MINUTE)
            self._jobs_begin_and_end()
            if self.world.clock() % (5 * MINUTE) == 0:
                swept(self.world)
            bodies = [*self.world.schedules.fire(self.world.clock()), *self.world.queue.bodies]
            self.world.queue.bodies.clear()
            for body in bodies:
                self._take(hint_of(body, self.world))

    def _jobs_begin_and_end(self) -> None:
        now = self.world.clock()
        for name in self.world.sagemaker.names():
            if name not in self.began:
                self.began[name] = now
                self.world.sagemaker.begin(name)
            if name in self.ended:
                continue
            trained = now - self.began[name]
            reason = self.dies(now, trained)
            if reason is not None:
                self._ends(name, "Failed", reason)
            elif trained >= (10 * HOUR if name in self.roots else self.needs):
                self._ends(name, "Completed", None)

    @property
    def roots(self) -> set[str]:
        return {name for name in self.world.sagemaker.names() if "-r" not in name}

    def _ends(self, name: str, status: str, reason: str | None) -> None:
        self.ended.add(name)
        self.world.sagemaker.end(name, status, status, reason)
        self._take(Hint(job=name, source="aws.sagemaker", event_id="an-event", status=status))

    def _take(self, hint: Hint) -> None:
        settings = deployment.of(self.world, {})
        outcome = recover(hint, self.world.ports(), settings, AtOnce())
        if isinstance(outcome, Decision):
            self.decisions.append(outcome)

    def completed(self) -> set[str]:
        """The lineages one of whose jobs has reached the end."""
        jobs = ((name, self.world.sagemaker.describe(name)) for name in self.ended)
        return {
            name.partition("-r")[0]
            for name, job in jobs
            if job and job.described["TrainingJobStatus"] == "Completed"
        }
