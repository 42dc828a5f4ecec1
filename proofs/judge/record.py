"""What became of one lineage, measured against the truth."""

from dataclasses import dataclass, field

from proofs.judge.attempt import Life
from proofs.judge.truth import Case
from proofs.judge.week import DAY, FOR_EVER, HOUR, next_look, next_morning, stamp

_TOO_MANY_MAILS = 5


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a lineage's story."""

    at: int
    text: str


@dataclass(slots=True)
class Record:
    case: Case
    lives: list[Life] = field(default_factory=list)
    story: list[Line] = field(default_factory=list)
    mails: list[tuple[int, str]] = field(default_factory=list)  # when, what
    completed: int | None = None
    given_up: int | None = None  # the controller says that it is over
    reason: str = ""
    lost: int | None = None  # nobody will ever look at it again
    person_stopped: int | None = None
    person_ended: int | None = None  # somebody saw that it is hopeless
    hopeless_since: int | None = None  # the first death that no attempt gets past
    hopeless_launches: int = 0
    lost_steps: int = 0  # seconds of training that could have been kept
    lost_late: int = 0  # the same, but by uploads that took longer than anybody waits
    idle: int = 0  # seconds between two attempts, though all was well
    came_back: int = 0
    dead_letters: int = 0

    @property
    def done(self) -> bool:
        return any(
            when is not None
            for when in (self.completed, self.given_up, self.lost, self.person_ended)
        )

    @property
    def hopeless(self) -> bool:
        return bool(self.case.truth.hopeless)

    @property
    def seems_hopeless(self) -> bool:
        """Whether the mails make a person look: of a wait, or of relaunch after relaunch."""
        if self.hopeless_since is None:
            return False
        since = [what for when, what in self.mails if when >= self.hopeless_since]
        return len(since) >= _TOO_MANY_MAILS or any(not one.startswith("RELAUNCH") for one in since)

    @property
    def recoverable(self) -> bool:
        return not self.hopeless and self.person_stopped is None

    @property
    def wrongly_stopped(self) -> bool:
        return self.recoverable and (self.given_up is not None or self.lost is not None)

    @property
    def hopeless_billed(self) -> int:
        """Attempts that trained and died of what no attempt gets past, after the first.

        One that a machine ended on its way there could not have told anybody anything.
        """
        died = [
            life for life in self.lives if life.started and life.cause in self.case.truth.hopeless
        ]
        return max(0, len(died) - 1)

    @property
    def hopeless_seconds(self) -> int:
        since = FOR_EVER if self.hopeless_since is None else self.hopeless_since
        return sum(life.trained for life in self.lives if life.created >= since)

    @property
    def idle_until_a_person_looks(self) -> int:
        """Seconds that a wrongly stopped lineage stands still."""
        if not self.wrongly_stopped:
            return 0
        if self.given_up is not None:
            return next_look(self.given_up) - self.given_up
        lost = self.lost or 0
        return next_morning(lost + DAY) - lost  # nobody was told

    @property
    def days(self) -> float:
        """How long there was something to tell of, in days; at least one."""
        ends = [life.ended for life in self.lives if life.ended < FOR_EVER]
        return max(1.0, (max(ends, default=0) - self.case.training.launched) / DAY)

    @property
    def most_mails_in_a_day(self) -> int:
        times = sorted(when for when, _ in self.mails)
        return max((sum(at <= one < at + DAY for one in times) for at in times), default=0)

    def told(self) -> list[str]:
        """The lineage's story, for a person."""
        training, truth = self.case.training, self.case.truth
        head = (
            f"lineage {self.case.number}: {truth.trouble}, {training.length / HOUR:.0f} h,"
            f" every {training.interval // 60} min, MaxRuntime {training.max_runtime / HOUR:.0f} h,"
            f" {training.gpus} GPUs"
        )
        lines = sorted(self.story, key=lambda line: line.at)
        return [head, *(f"  {stamp(one.at, training.launched)} {one.text}" for one in lines)]
