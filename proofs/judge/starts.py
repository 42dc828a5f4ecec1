"""Whether and when a container starts: what stands between a request and its first second."""

from proofs.judge import rates
from proofs.judge.chance import Chance
from proofs.judge.truth import Training, Truth
from proofs.judge.week import inside

# When and of what the start fails; or not before when it can succeed.
Start = tuple[int, str] | int


class Starts:
    def __init__(self, training: Training, truth: Truth) -> None:
        self._training, self._truth = training, truth

    def start(self, created: int, chance: Chance) -> Start:
        ready = created + chance.between(*self._training.startup)
        for obstacle in (self._refusal, self._incident, self._drought, self._no_data, self._halt):
            met = obstacle(created, ready, chance)
            if isinstance(met, tuple):
                return met
            ready = max(ready, met)
        return ready

    def _refusal(self, created: int, _: int, chance: Chance) -> Start:
        if self._truth.never_starts:
            return created + chance.between(60, 600), "never_starts"
        if inside(self._truth.refused, created):
            return created + chance.between(120, 480), "refused"
        return created

    def _incident(self, created: int, ready: int, chance: Chance) -> Start:
        incidents = self._truth.incidents
        met = inside(incidents, created) or inside(incidents, ready)
        if met and chance.happens(rates.NEVER_STARTED_IN_INCIDENT):
            return max(created, met.begin) + chance.between(60, 600), "incident"
        return created

    def _drought(self, created: int, _: int, chance: Chance) -> Start:
        """SageMaker looks for instances for a while; some jobs wait for them in Pending."""
        met = inside(self._truth.droughts, created)
        if met is None:
            return created
        pending = chance.happens(rates.SHARE_PENDING)
        patience = rates.PENDING if pending else rates.GIVES_UP_ON_CAPACITY
        gives_up = created + chance.between(*patience)
        if gives_up < met.end:
            return gives_up, "pending" if pending else "capacity"
        return met.end + chance.between(*self._training.startup)

    def _no_data(self, created: int, ready: int, chance: Chance) -> Start:
        met = inside(self._truth.data_down, ready)
        return (ready, "download") if met and chance.happens(0.5) else created

    def _halt(self, created: int, ready: int, _: Chance) -> Start:
        stop = self._truth.stop
        return (stop.at + 5, "stopped") if stop and created <= stop.at < ready else created
