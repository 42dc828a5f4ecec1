"""The course of things: jobs end, events come late or never, the controller and people act."""

import heapq
import itertools
from collections.abc import Callable, Sequence
from functools import partial

from local.in_memory import ACCOUNT, REGION, Clock, InMemoryWorld
from proofs.at_once import AtOnce
from proofs.judge import account, rates, requests
from proofs.judge.attempt import Life
from proofs.judge.chance import Chance
from proofs.judge.contestant import Contestant
from proofs.judge.lineage import Lineage
from proofs.judge.people import People
from proofs.judge.record import Record
from proofs.judge.truth import Case
from proofs.judge.week import DAY, FOR_EVER
from proofs.judge.wording import Wording
from resilience.decide.decisions import Decision, Mode, Verdict
from resilience.errors import Retry
from resilience.wire import events, verdict_tags
from resilience.wire.events import Hint

_SWEEP_EVERY = 300
_VISIBILITY, _MOST_RECEIVES = 360, 12  # of the queue, as template.yaml sets them
_IN_VAIN = 500  # sweeps that change nothing: it goes on so for ever
_PATIENCE = 60 * DAY


class Course:
    """One account with its lineages, from the first launch until nothing is left to happen."""

    def __init__(
        self, cases: Sequence[Case], contestant: Contestant, wording: Wording, seed: object
    ) -> None:
        chance = Chance(seed, "course", cases[0].number)
        self._contestant, self._chance = contestant, chance.of("events")
        self._clock = Clock(min(case.training.launched for case in cases))
        self._world = InMemoryWorld(self._clock)
        self._world.wandb.have_project(requests.ENTITY, requests.PROJECT)
        self._lineages = [
            Lineage(case, self._world, wording, Chance(seed, case.number)) for case in cases
        ]
        self._of: dict[str, Lineage] = {}
        self._weather = _weather(self._lineages)
        ports = account.ports(self._world, self._weather, chance.of("calls"))
        self._ports = contestant.seen(ports)
        self._settings = contestant.settings(self._world)
        self._people = People(self._world, self._lineages, self._of, self._at)
        self._heap: list[tuple[int, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._requests = self._in_vain = 0
        self._scheduled: set[tuple[str, int | str]] = set()
        self._sweep_at = FOR_EVER
        self._ends = max(
            case.training.launched + 4 * case.training.length + _PATIENCE for case in cases
        )
        for lineage in self._lineages:
            self._plan(lineage)

    def run(self) -> list[Record]:
        while self._heap and not all(one.record.done for one in self._lineages):
            at, _, act = heapq.heappop(self._heap)
            if at > self._ends:
                break
            self._clock.now = max(self._clock.now, at)
            act()
            self._plan_sweep()
        for lineage in self._lineages:
            record = lineage.record
            if not record.done and record.person_stopped is None:
                record.lost = self._clock.now
                record.reason = "nobody looks at it any more"
        return [one.record for one in self._lineages]

    def _at(self, when: int, act: Callable[[], None]) -> None:
        heapq.heappush(self._heap, (when, next(self._order), act))

    def _plan(self, lineage: Lineage) -> None:
        training, truth = lineage.case.training, lineage.case.truth
        self._at(training.launched, partial(self._launch, lineage))
        if truth.stop:
            self._at(truth.stop.at, partial(self._people.stop, lineage))
        for mode in truth.modes:
            self._at(mode.window.begin, partial(self._world.set_mode, Mode(mode.word)))
            self._at(mode.window.end, partial(self._world.set_mode, Mode.ACT))

    # Jobs

    def _launch(self, lineage: Lineage) -> None:
        self._of[lineage.case.training.root] = lineage
        self._world.sagemaker.create(requests.launch(lineage.case.training))
        self._follow()

    def _begin(self, lineage: Lineage, life: Life) -> None:
        if life.ended < FOR_EVER:
            self._at(life.ended, partial(self._end, lineage, life))

    def _end(self, lineage: Lineage, life: Life) -> None:
        if lineage.record.done:
            return
        lineage.end(life)
        lineage.open[life.job] = self._clock() + self._contestant.sweep_settings.grace_seconds
        for when, version in lineage.late:
            self._at(when, partial(lineage.end_upload, version))
        lineage.late.clear()
        times = 0 if self._chance.happens(rates.EVENT_LOST) else 1
        times += self._chance.happens(rates.EVENT_TWICE)
        for _ in range(times):
            when = self._clock() + self._chance.between(*rates.EVENT_DELAY)
            self._at(when, partial(self._take, self._event(life.job), 1))

    def _event(self, job: str) -> Hint:
        described = self._world.sagemaker.describe(job)
        status = str(described.described["TrainingJobStatus"]) if described else None
        own = self._world.sagemaker.tags(job)
        return Hint(job=job, source="aws.sagemaker", event_id="an-event", status=status, tags=own)

    # The controller

    def _take(self, hint: Hint, receives: int) -> None:
        try:
            outcome = self._contestant.recover(hint, self._ports, self._settings, AtOnce())
        except Retry as error:
            self._comes_again(hint, receives, error)
        else:
            if isinstance(outcome, Decision):
                self._note(outcome)
        self._follow()
        self._close(hint.job)

    def _comes_again(self, hint: Hint, receives: int, error: Retry) -> None:
        lineage = self._of.get(hint.job)
        if lineage:
            lineage.says(f"{hint.job}: {error}")
        if receives < _MOST_RECEIVES:
            when = self._clock() + _VISIBILITY
            self._at(when, partial(self._take, hint, receives + 1))
        elif lineage:
            lineage.record.dead_letters += 1

    def _note(self, decision: Decision) -> None:
        lineage = self._of[decision.facts.job]
        due = ""
        if decision.due is not None:
            due = f", due in {(decision.due - self._clock()) / 60:.0f} min"
        lineage.says(
            f"{decision.facts.job}: {decision.facts.failure_class}"
            f" -> {decision.verdict} {decision.reason} ({decision.rule}){due}"
        )

    def _follow(self) -> None:
        """Whatever the controller has done begins to have its effect."""
        created = self._world.sagemaker.requests
        while self._requests < len(created):
            request = created[self._requests]
            self._requests += 1
            lineage = self._lineage_of(request)
            self._of[str(request["TrainingJobName"])] = lineage
            self._begin(lineage, lineage.begin(request))
        for key, due in list(self._world.schedules.due.items()):
            if key not in self._scheduled:
                self._scheduled.add(key)
                self._at(due, self._fire)
        self._people.read_mails()

    def _lineage_of(self, request: dict[str, object]) -> Lineage:
        env = request["Environment"]
        root = env.get("RESILIENCE_ROOT") if isinstance(env, dict) else None
        return self._of[str(root or request["TrainingJobName"])]

    def _fire(self) -> None:
        for key in [one for one in self._scheduled if one not in self._world.schedules.due]:
            self._scheduled.discard(key)
        for body in self._world.schedules.fire(self._clock()):
            self._hear(body)

    def _hear(self, body: str) -> None:
        hint = events.parse(body, account=ACCOUNT, region=REGION)
        if isinstance(hint, Hint):
            self._at(self._clock() + 1, partial(self._take, hint, 1))

    def _close(self, job: str) -> None:
        """See what stands on the job now, as a sweep would see it."""
        lineage = self._of.get(job)
        if lineage is None or job not in lineage.open:
            return
        own = self._world.sagemaker.tags(job) or {}
        judged = verdict_tags.recorded(own)
        if judged is None:
            return
        if judged.verdict == Verdict.WAIT:
            grace = self._contestant.sweep_settings.grace_seconds
            lineage.open[job] = (judged.due or self._clock()) + grace
            return
        del lineage.open[job]
        self._in_vain = 0
        record = lineage.record
        ended = judged.verdict in (Verdict.STOP, Verdict.IGNORE) and job == lineage.newest.job
        if ended and record.completed is None and record.person_stopped is None:
            record.given_up, record.reason = self._clock(), judged.reason

    # The sweep

    def _plan_sweep(self) -> None:
        """Plan the next sweep that may find something; the others find nothing."""
        if not self._contestant.sweeps or self._in_vain > _IN_VAIN:
            return
        ready = min(
            (when for one in self._lineages if not one.record.done for when in one.open.values()),
            default=None,
        )
        if ready is None:
            return
        at = max(ready, self._clock() + 1)
        at += -at % _SWEEP_EVERY
        if at < self._sweep_at:
            self._sweep_at = at
            self._at(at, self._sweep)

    def _sweep(self) -> None:
        if self._clock() < self._sweep_at:
            return
        self._sweep_at = FOR_EVER
        self._in_vain += self._world.mode is Mode.ACT
        settings = self._contestant.sweep_settings
        self._contestant.sweep(self._world.fleet(), settings, self._clock())
        bodies, self._world.queue.bodies = self._world.queue.bodies, []
        for body in bodies:
            self._hear(body)
        self._people.read_mails()


def _weather(lineages: Sequence[Lineage]) -> account.Weather:
    """The region is one: what one lineage meets there, all do."""
    first = lineages[0]
    return account.Weather(
        incidents=[one for each in lineages for one in each.case.truth.incidents],
        wandb_down=first.outages,
        key_refused=first.case.truth.controller_key,
        add_tags_down=first.case.truth.add_tags_down,
        scheduler_down=first.case.truth.scheduler_down,
    )
