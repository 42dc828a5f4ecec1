"""Many jobs fail at once: the real intake on services in memory, `storm JOBS WORKERS SECONDS RATE`.

WORKERS take the messages, as that many Lambda environments would; every remote call takes SECONDS
of nobody's time, and SageMaker throttles above RATE creates a second, 0 for never. What has to wait
is brought back at once, with the clock put forward. Prints one line that begins with `bench `; the
others are the controller's own log.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Thread

from bench.subjects.footprint import footprint
from bench.subjects.storm_world import Throttling, distant, failed
from local.in_memory import InMemoryWorld
from local.replaying import deployment
from resilience.errors import Retry
from resilience.intake import Intake, take

_WAVE_WIDTH = 3
_POLL_SECONDS = 0.005


@dataclass(slots=True)
class Tally:
    """Moments at which messages were done with, and at which jobs were relaunched."""

    done: list[float] = field(default_factory=list)
    relaunched: list[float] = field(default_factory=list)
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Storm:
    world: InMemoryWorld
    jobs: Throttling
    seconds: float
    tally: Tally

    def blow(self, bodies: list[str], workers: int) -> None:
        """Have these messages taken, those included that come again."""
        queue: SimpleQueue[str | None] = SimpleQueue()
        for body in bodies:
            queue.put(body)
        wanted = len(self.tally.done) + len(bodies)
        threads = [Thread(target=self._work, args=(queue,)) for _ in range(workers)]
        for thread in threads:
            thread.start()
        while len(self.tally.done) < wanted:
            time.sleep(_POLL_SECONDS)
        for _ in threads:
            queue.put(None)
        for thread in threads:
            thread.join()

    def _work(self, queue: "SimpleQueue[str | None]") -> None:
        """Be one environment: a message at a time, and back with what must come again."""
        world = self.world
        with ThreadPoolExecutor(_WAVE_WIDTH) as executor:
            intake = Intake(
                world=distant(world.ports(), self.jobs, self.seconds),
                dead_letters=world.dead_letters,
                settings=deployment.of(world, {}),
                executor=executor,
                account=world.account,
                region=world.region,
            )
            while (body := queue.get()) is not None:
                try:
                    outcome = take(body, intake)
                except Retry:
                    self.tally.retries += 1
                    queue.put(body)
                    continue
                self.tally.done.append(time.monotonic())
                if getattr(outcome, "successor", None):
                    self.tally.relaunched.append(time.monotonic())

    def what_is_due(self) -> list[str]:
        """Put the clock forward to the next waits; the messages that they bring."""
        due = self.world.schedules.due.values()
        if not due:
            return []
        self.world.clock.now = max(self.world.clock.now, min(due))
        return list(self.world.schedules.fire(self.world.clock.now))


def main(count: int, workers: int, seconds: float, rate: float) -> None:
    world, bodies = failed(count)
    storm = Storm(world, Throttling(world.sagemaker, world.clock, rate), seconds, Tally())
    clock, cpu, began = world.clock.now, time.process_time(), time.monotonic()
    while bodies:
        storm.blow(bodies, workers)
        bodies = storm.what_is_due()
    cpu, tally = time.process_time() - cpu, storm.tally
    successors = [str(one["TrainingJobName"]) for one in world.sagemaker.requests]
    lineages = {name.rpartition("-r")[0] for name in successors}
    answer = {
        "messages": len(tally.done),
        "successors": len(successors),
        "duplicates": len(successors) - len(lineages),
        "lost": count - len(lineages),
        "retries": tally.retries,
        "throttled": storm.jobs.refused,
        "waited": world.clock.now - clock,
        "cpu": cpu,
        "relaunched": [moment - began for moment in tally.relaunched],
        "process": footprint(),
    }
    print(f"bench {json.dumps(answer)}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), float(sys.argv[4]))
