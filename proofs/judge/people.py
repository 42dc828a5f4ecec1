"""What people do: they read mails, look at what seems hopeless, and stop what they like."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from local.in_memory import InMemoryWorld
from proofs.judge.lineage import Lineage
from proofs.judge.week import next_look
from resilience.decide.decisions import Mode

Plan = Callable[[int, Callable[[], None]], None]  # when, what


class People:
    def __init__(
        self,
        world: InMemoryWorld,
        lineages: Sequence[Lineage],
        of: Mapping[str, Lineage],
        at: Plan,
    ) -> None:
        self._world, self._lineages, self._of, self._at = world, lineages, of, at
        self._mails = self._alerts = 0

    def read_mails(self) -> None:
        """Note what came, and plan to look where a mail makes somebody look."""
        now = self._world.clock()
        published, told = self._world.topic.published, self._world.topic.told
        for decision in published[self._mails :]:
            lineage = self._of[decision.facts.job]
            lineage.record.mails.append((now, f"{decision.verdict} {decision.reason}"))
            if lineage.record.seems_hopeless:
                self._at(next_look(now), partial(self._end_hopeless, lineage))
        if len(told) > self._alerts:
            for lineage in self._lineages:
                lineage.says(f"mail: {told[-1][0]}")
            self._at(next_look(now), partial(self._world.set_mode, Mode.ACT))
        self._mails, self._alerts = len(published), len(told)

    def stop(self, lineage: Lineage) -> None:
        """Switch off what does not run just now; a running job ends at this time (see Lives)."""
        record, now = lineage.record, self._world.clock()
        if record.done or not record.lives:
            return
        if not lineage.newest.created <= now <= lineage.newest.ended:
            record.person_stopped = now
            lineage.switch_off("between two attempts")

    def _end_hopeless(self, lineage: Lineage) -> None:
        if not lineage.record.done:
            lineage.record.person_ended = self._world.clock()
            lineage.switch_off("it is hopeless")
