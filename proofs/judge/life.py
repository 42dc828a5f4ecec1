"""What one attempt truly goes through, from its request to its end."""

from dataclasses import dataclass

from proofs.judge import rates
from proofs.judge.attempt import Life, Save
from proofs.judge.chance import Chance
from proofs.judge.starts import Starts
from proofs.judge.truth import Taint, Training, Truth
from proofs.judge.week import FOR_EVER, HOUR, MINUTE, Window, inside

_BUG_AT = 0.6  # of the time to the first step: where a bug at the start is
_GRACE = 120  # seconds that SageMaker leaves between SIGTERM and the end
_GRACEFUL = frozenset({"time_limit", "max_wait", "stopped"})
_RESTARTS = frozenset({"repaired", "spot"})


@dataclass(slots=True)
class _Run:
    """A life while its container runs."""

    life: Life
    clock: int  # when the container last began
    step: int
    tainted: bool
    init: int  # seconds to the first step; not the same each time
    dangers: list[tuple[int, str]]


class Lives:
    """The attempts of one lineage; what has happened to the program stays with it."""

    def __init__(self, training: Training, truth: Truth, chance: Chance) -> None:
        self._training, self._truth, self._chance = training, truth, chance
        self._starts = Starts(training, truth)
        self._faults = chance.of("faults")
        self._age, self._next_fault = 0, 0
        self._gone_bad = False
        self.wandb_down = list(truth.wandb_down)  # one more where it is down at the end
        self._age_next_fault()

    def live(self, job: str, created: int, step: int, *, bad: bool) -> Life:
        """Live through an attempt that resumes at this step, from a checkpoint that may be bad."""
        chance, life = self._chance.of(job), Life(job, created, step)
        started = self._starts.start(created, chance)
        if isinstance(started, tuple):
            return life.ends(*started)
        life.started = started
        init = round(self._training.init * chance.between(90, 125) / 100)
        dangers = self._dangers_of_start(started, init, chance, bad=bad)
        run = _Run(life, started, step, bad, init, dangers)
        while not self._ran_to_its_end(run, chance):
            pass
        self._settle_uploads(life, chance)
        return life

    # While it runs

    def _dangers_of_start(
        self, started: int, init: int, chance: Chance, *, bad: bool
    ) -> list[tuple[int, str]]:
        truth = self._truth
        early = started + chance.between(0.3 * init, 0.95 * init)
        dangers = [(at, cause) for at, cause in truth.deaths if at > started]
        if inside(truth.incidents, started):
            dangers.append((started + chance.between(60, 1200), "incident_running"))
        if inside(truth.training_key, early):
            dangers.append((early, "key"))
        if inside(self.wandb_down, early) and chance.happens(rates.DEAD_AT_INIT_IN_OUTAGE):
            dangers.append((early, "wandb_down"))
        if inside(truth.data_down, early):
            dangers.append((early + chance.between(60, 900), "data"))
        if chance.happens(truth.flaky_start):
            dangers.append((early, "flaky"))
        if truth.bug_at == 0:
            dangers.append((started + round(_BUG_AT * init), "bug"))
        if bad and truth.taint and truth.taint.cause == "unloadable":
            dangers.append((early, "unloadable"))
        if truth.flaky_every < FOR_EVER:
            dangers.append((started + chance.after(truth.flaky_every), "flaky"))
        if truth.stop:
            dangers.append((truth.stop.at, "stopped"))
        return [one for one in dangers if one[0] > started]

    def _ran_to_its_end(self, run: _Run, chance: Chance) -> bool:
        """Run the container once; False: SageMaker starts it again in the same job."""
        first = run.clock + run.init
        at, cause = min([*run.dangers, *self._dangers(run, first, chance)])
        at, cause = self._save_until(run, first, at, cause, chance)
        if cause == "finished" and self._goes_down_at_end(at):
            cause = "wandb_down"
        reached = run.step + max(0, at - first)
        ran = max(0, at - run.clock)  # it may end while it waits for another instance
        run.life.trained += ran
        self._age += ran
        if self._age >= self._next_fault:
            self._age_next_fault()
        self._taint(run, first, at)
        if cause not in _RESTARTS:
            run.life.ends(self._end(run, at, cause, reached), cause)
            return True
        self._restart(run, at, cause, chance)
        return False

    def _dangers(self, run: _Run, first: int, chance: Chance) -> list[tuple[int, str]]:
        training, truth, life = self._training, self._truth, run.life
        dangers = [
            (first + training.length - run.step, self._finish(first + training.length - run.step)),
            (run.clock + training.max_runtime - life.trained, "time_limit"),
            (run.clock + self._next_fault - self._age, _fault(chance)),
            (run.clock + truth.leak, "memory"),
        ]
        if truth.bug_at and run.step <= truth.bug_at:
            dangers.append((first + truth.bug_at - run.step, "bug"))
        if training.max_wait is not None:
            dangers.append((life.created + training.max_wait, "max_wait"))
            up = chance.by_deciles(rates.SPOT_UP_HOURS) * HOUR / truth.storm
            ends = chance.happens(rates.SHARE_INTERRUPTED)
            dangers.append((run.clock + max(60, round(up)), "interrupted" if ends else "spot"))
        taint = truth.taint
        if taint and self._goes_bad(run, taint) and run.step <= taint.dies_at:
            # What cannot be loaded does no harm before it is loaded.
            harmless = taint.cause == "unloadable" and not run.tainted
            cause = "machine" if harmless else taint.cause
            dangers.append((first + taint.dies_at - run.step, cause))
        elif taint and run.tainted:
            dangers.append((first + chance.between(60, 600), taint.cause))
        return dangers

    def _goes_down_at_end(self, at: int) -> bool:
        """W&B goes away just when the training has reached its end, once."""
        lasts = self._truth.wandb_down_at_end
        if lasts is None or len(self.wandb_down) > len(self._truth.wandb_down):
            return False
        self.wandb_down.append(Window(at - MINUTE, at + lasts))
        return True

    def _finish(self, at: int) -> str:
        down = inside(self.wandb_down, at) is not None
        return "wandb_down" if down and self._truth.dies_by_wandb else "finished"

    def _goes_bad(self, run: _Run, taint: Taint) -> bool:
        fresh = taint.again or not self._gone_bad
        return run.tainted or (fresh and run.step <= taint.onset)

    def _taint(self, run: _Run, first: int, at: int) -> None:
        taint = self._truth.taint
        if taint and self._goes_bad(run, taint) and run.step + at - first >= taint.onset:
            run.tainted = self._gone_bad = True

    def _save_until(
        self, run: _Run, first: int, at: int, cause: str, chance: Chance
    ) -> tuple[int, str]:
        """Save at every interval; a save may itself be the end."""
        truth, interval, taint = self._truth, self._training.interval, self._truth.taint
        goes_bad = taint is not None and self._goes_bad(run, taint)
        step = run.step - run.step % interval + interval
        while (when := first + step - run.step) <= at:
            if inside(truth.training_key, when):
                return when, "key"
            if when - run.clock > truth.disk:
                return when, "disk"
            outage = inside(self.wandb_down, when)
            if outage and truth.dies_by_wandb:
                return when + 90, "wandb_down"
            committed = when + self._training.upload
            if outage:
                committed = outage.end + chance.between(5, 120)
            bad = run.tainted or (goes_bad and taint is not None and step >= taint.onset)
            run.life.saves.append(Save(step, when, committed, bad))
            step += interval
        return at, cause

    def _restart(self, run: _Run, at: int, cause: str, chance: Chance) -> None:
        """SageMaker repairs the cluster, or finds another spot instance, inside the job."""
        done = [one for one in run.life.saves if one.committed and one.committed <= at]
        if done:
            run.step, run.tainted = done[-1].step, done[-1].bad
        else:
            run.step = run.life.resumed
        gone = chance.between(*rates.REPAIR)
        if cause == "spot":
            gone = rates.SPOT_RESTART + round(chance.by_deciles(rates.SPOT_GONE_HOURS) * HOUR)
        run.clock = at + gone
        for one in run.life.saves:
            if one.committed is not None and one.committed > at:
                one.committed = None
        still = {"stopped", "max_wait"}  # these come whether it runs or not
        run.dangers = [one for one in run.dangers if one[0] > run.clock or one[1] in still]

    def _end(self, run: _Run, at: int, cause: str, reached: int) -> int:
        """Whoever is asked to end may save once more, within the grace."""
        if cause not in _GRACEFUL or not self._training.saves_at_limit or reached <= run.step:
            return at
        upload = min(self._training.upload, _GRACE - 10)
        down = inside(self.wandb_down, at) or inside(self._truth.training_key, at)
        run.life.saves.append(Save(reached, at, None if down else at + upload, run.tainted))
        return at + upload + 5

    def _settle_uploads(self, life: Life, chance: Chance) -> None:
        """An upload that was under way at the end is lost, or is committed a little later."""
        kept = [one for one in life.saves if one.saved <= life.ended]
        for one in kept:
            if one.committed is not None and one.committed > life.ended:
                survives = chance.happens(rates.LATE_AFTER_DEATH)
                lost = not survives or inside(self.wandb_down, one.saved)
                one.committed = None if lost else life.ended + _late(chance)
        taint = self._truth.taint
        if life.cause == "marked_nan" and taint:
            for one in kept:
                one.suspect = one.bad
        life.saves = kept

    def _age_next_fault(self) -> None:
        mean = rates.GPU_HOURS_PER_FAULT * HOUR / self._training.gpus
        shape = rates.CLUSTERED_SHAPE if self._training.clustered else 1.0
        self._next_fault = self._age + self._faults.after(mean, shape)


def _fault(chance: Chance) -> str:
    if chance.happens(rates.SHARE_OF_SOFTWARE):
        return "software"
    return "repaired" if chance.happens(rates.SHARE_REPAIRED_INSIDE) else "machine"


def _late(chance: Chance) -> int:
    share = chance.weighted({(low, high): weight for weight, low, high in rates.LATE})
    return chance.between(*share)
