"""Curves: what one thing does as it grows, everything else being calm. All aim at 0."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from proofs.judge import mix, rates
from proofs.judge.chance import Chance
from proofs.judge.contestant import Contestant
from proofs.judge.course import Course
from proofs.judge.record import Record
from proofs.judge.table import share_wrong
from proofs.judge.truth import Case, Training, Truth
from proofs.judge.week import DAY, HOUR, MINUTE, Window, friday
from proofs.judge.wording import Wording

Curve = Callable[[Contestant, Wording, int, int], Iterator[str]]
_CALM_GPUS = 1  # a machine fault in six years


def _training(seed: object, number: int, length: int, **more: object) -> Training:
    drawn = mix.training(Chance(seed, "curve", number), f"c-{number}", length)
    return replace(drawn, max_wait=None, **more)  # type: ignore[arg-type]  # replace checks names


def _run(
    cases: Sequence[Case], contestant: Contestant, wording: Wording, seed: int
) -> list[Record]:
    """Each lineage in an account of its own."""
    return [record for case in cases for record in Course([case], contestant, wording, seed).run()]


def _line(name: str, records: Sequence[Record]) -> str:
    able = [one for one in records if one.recoverable]
    idle = sum(one.idle for one in able) / max(1, len(able)) / HOUR
    jobs = sum(len(one.lives) for one in able) / max(1, len(able))
    lost = sum(one.lost_steps for one in able) / HOUR
    wrong = share_wrong(records) or 0.0
    bar = "#" * round(wrong / 2.5)
    measured = f"{idle:6.2f} h idle  {lost:6.1f} h lost  {jobs:5.1f} jobs"
    return f"{name:>20} {wrong:6.1f} %  {measured}  {bar}".rstrip()


def _struck(number: int, seed: int, seconds: int, what: str) -> Case:
    """A training of days, struck somewhere in its middle; it dies of that."""
    chance = Chance(seed, what, number)
    training = _training(seed, number, chance.between(DAY, 4 * DAY), gpus=_CALM_GPUS)
    at = training.launched + chance.between(0.2 * training.length, 0.8 * training.length)
    window = Window(at, at + seconds)
    dies = "incident_running" if what == "incidents" else "machine"
    when = chance.between(at, window.end) if what == "incidents" else at + 60
    truth = Truth(trouble=what, deaths=((when, dies),))
    return Case(number, training, replace(truth, **{what: (window,)}))  # type: ignore[arg-type]


def incident(contestant: Contestant, wording: Wording, seed: int, each: int) -> Iterator[str]:
    yield "incident of so many minutes: wrongly stopped, of the lineages that it kills"
    for minutes in (5, 10, 20, 30, 60, 120, 240, 480):
        cases = [_struck(n, seed, minutes * MINUTE, "incidents") for n in range(each)]
        yield _line(f"{minutes} min", _run(cases, contestant, wording, seed))


def drought(contestant: Contestant, wording: Wording, seed: int, each: int) -> Iterator[str]:
    yield "drought of so many hours, after a machine fault"
    for hours in (0.5, 1, 3, 6, 12, 24, 36, 48, 60):
        cases = [_struck(n, seed, round(hours * HOUR), "droughts") for n in range(each)]
        yield _line(f"{hours:g} h", _run(cases, contestant, wording, seed))


def length(contestant: Contestant, wording: Wording, seed: int, each: int) -> Iterator[str]:
    yield "length of the training, on 64 GPUs in the usual weather"
    for days in (0.25, 0.5, 1, 2, 4, 8, 15, 30):
        cases = []
        for number in range(each):
            training = _training(seed, number, round(days * DAY), gpus=64)
            truth = mix.weather(training, Chance(seed, "length", days, number))
            cases.append(Case(number, training, truth))
        yield _line(f"{days:g} d", _run(cases, contestant, wording, seed))


def chain(contestant: Contestant, wording: Wording, seed: int, each: int) -> Iterator[str]:
    yield "chains: nothing goes wrong but that MaxRuntime is shorter than the training"
    for days, hours in ((3, 6), (11, 24), (11, 12), (30, 24), (30, 120), (30, 6)):
        cases = [
            Case(
                n,
                _training(seed, n, days * DAY, gpus=_CALM_GPUS, max_runtime=hours * HOUR),
                Truth(),
            )
            for n in range(each)
        ]
        yield _line(f"{days} d of {hours} h", _run(cases, contestant, wording, seed))


def fleet(contestant: Contestant, wording: Wording, seed: int, each: int) -> Iterator[str]:
    yield "a fleet in one account, an incident on Friday at 20:00: lineages that do not come back"
    for size in (10, 30, 100):
        for minutes in (15, 30, 60, 240):
            cases = _fleet(size, minutes * MINUTE, seed)
            records = Course(cases, contestant, wording, seed).run()
            alerts = sum("breaker" in line.text for line in records[0].story)
            told = f", breaker {alerts} x" if alerts else ""
            yield _line(f"{size} x {minutes} min", records) + told
    del each  # a fleet is as large as it is


def _fleet(size: int, seconds: int, seed: int) -> list[Case]:
    begin = friday(1, 20)
    window = Window(begin, begin + seconds)
    cases = []
    for number in range(size):
        chance = Chance(seed, "fleet", number)
        training = _training(seed, number, chance.between(3 * DAY, 8 * DAY), gpus=_CALM_GPUS)
        training = replace(training, launched=begin - chance.between(6 * HOUR, 2 * DAY))
        dies = ((chance.between(begin, window.end), "incident_running"),)
        cases.append(
            Case(number, training, Truth(trouble="fleet", incidents=(window,), deaths=dies))
        )
    return cases


def unsaved(contestant: Contestant, wording: Wording, seed: int, each: int) -> Iterator[str]:
    yield "a training that saves nothing, on machines that last so many hours: trained in vain"
    without = replace(contestant, policy=replace(contestant.policy, max_lost_seconds=10**9))
    for hours in (1, 3, 6, 12, 24, 48):
        cases = [_never_saves(number, seed, hours) for number in range(each)]
        bounded, unbounded = (
            [sum(life.trained for life in one.lives) / HOUR for one in records]
            for records in (
                _run(cases, contestant, wording, seed),
                _run(cases, without, wording, seed),
            )
        )
        yield (
            f"{f'{hours} h':>20} {sum(bounded) / each:6.0f} h each, at most {max(bounded):5.0f} h;"
            f" without MaxLostSeconds {sum(unbounded) / each:6.0f} h, {max(unbounded):5.0f} h"
        )


def _never_saves(number: int, seed: int, hours: int) -> Case:
    training = _training(
        seed,
        number,
        30 * DAY,
        gpus=round(rates.GPU_HOURS_PER_FAULT / hours),
        interval=365 * DAY,
        max_runtime=28 * DAY,
        saves_at_limit=False,
        clustered=False,
    )
    return Case(number, training, Truth(hopeless=frozenset({"machine"})))


CURVES: Mapping[str, Curve] = {
    one.__name__: one for one in (incident, drought, length, chain, fleet, unsaved)
}
