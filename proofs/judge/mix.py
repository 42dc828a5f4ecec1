"""Draws lineages: a training, the weather that it meets, and the trouble it is made for."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from proofs.judge import hopeless, rates, troubles
from proofs.judge.chance import Chance
from proofs.judge.troubles import least_length
from proofs.judge.truth import Case, Training, Truth, Windows
from proofs.judge.week import DAY, HOUR, MINUTE, MONDAY, WEEK, Window

# How often each is drawn, relative to the others. Of real jobs 42.9 % (Seren), 39.7 % (Kalos),
# 30.5 % (Philly) or 15.5 % (Helios) fail, most by their program. Here more do: each kind is seen.
WEIGHTS: Mapping[str, float] = {
    "none": 22,
    "incident": 7,
    "drought": 7,
    "wandb_outage": 4,
    "wandb_down_at_end": 3,
    "spot_storm": 5,
    "flaky": 5,
    "flaky_start": 2,
    "leak": 5,
    "poison": 4,
    "nan": 3,
    "expired_key": 4,
    "data_outage": 4,
    "disk_full": 2,
    "refused_later": 4,
    "exits_zero": 1.5,
    "mode_weekend": 2.5,
    "scheduler_down": 2,
    "add_tags_down": 2,
    "person_stops": 4,
    "person_stops_in_wandb": 1,
    "bug_at_start": 5,
    "bug_at_step": 5,
    "nan_always": 2,
    "refused_first": 4,
    "never_starts": 1,
    "disk_too_small": 1,
    "leak_too_fast": 1,
    "time_too_short": 1,
}
Trouble = Callable[[Training, Truth, Chance], tuple[Training, Truth]]
# A trouble is a function of its name.
TROUBLES: Mapping[str, Trouble] = {
    name: getattr(hopeless if hasattr(hopeless, name) else troubles, name) for name in WEIGHTS
}
_WEEKS = 4
LENGTH_CLASSES = (("under 1 d", DAY), ("1 to 4 d", 4 * DAY), ("4 to 15 d", 15 * DAY))
LONGEST = "over 15 d"
_SMALL = 8  # GPUs; below that there is capacity


def case(seed: int, number: int, trouble: str | None = None) -> Case:
    """The lineage of this number; the trouble is drawn where none is asked for."""
    chance = Chance(seed, number)
    wanted = trouble or chance.weighted(WEIGHTS)
    return of(training(chance.of("training"), f"t-{seed}-{number}"), wanted, number, chance)


def of(drawn: Training, trouble: str, number: int, chance: Chance) -> Case:
    drawn = replace(drawn, length=max(drawn.length, least_length(trouble)))
    own, truth = TROUBLES[trouble](drawn, Truth(trouble=trouble), chance.of("trouble"))
    truth = _with(truth, weather(own, chance.of("weather")))
    return Case(number, own, truth, length_class(own.length))


def _with(truth: Truth, weather_: Truth) -> Truth:
    return replace(
        truth,
        incidents=(*truth.incidents, *weather_.incidents),
        deaths=(*truth.deaths, *weather_.deaths),
        droughts=(*truth.droughts, *weather_.droughts),
        wandb_down=(*truth.wandb_down, *weather_.wandb_down),
        dies_by_wandb=truth.dies_by_wandb or weather_.dies_by_wandb,
    )


def training(chance: Chance, root: str, length: int | None = None) -> Training:
    span = chance.weighted(rates.LENGTHS)
    day = chance.between(0, _WEEKS * 7 - 1)
    launched = MONDAY + day * DAY + chance.between(8 * HOUR, 22 * HOUR)
    max_runtime = chance.weighted(rates.MAX_RUNTIMES)
    spot = chance.happens(rates.SHARE_SPOT)
    interval = chance.weighted(rates.INTERVALS) * MINUTE
    return Training(
        root=root,
        launched=launched,
        length=length or chance.log_between(*span),
        interval=min(interval, HOUR) if spot else interval,
        upload=chance.log_between(*rates.UPLOAD),
        init=chance.log_between(*rates.INIT),
        startup=rates.STARTUP,
        max_runtime=max_runtime,
        max_wait=min(28 * DAY, round(max_runtime * 1.5)) if spot else None,
        gpus=chance.weighted(rates.GPUS),
        clustered=chance.happens(rates.SHARE_CLUSTERED),
        names_job=chance.happens(rates.SHARE_NAMING_THE_JOB),
        tells_steps=chance.happens(rates.SHARE_TELLING_STEPS),
        saves_at_limit=chance.happens(rates.SHARE_SAVING_AT_THE_LIMIT),
    )


def weather(drawn: Training, chance: Chance) -> Truth:
    """What any training of this length may meet."""
    until = drawn.launched + 2 * drawn.length + WEEK
    incidents = _now_and_then(drawn, until, rates.BETWEEN_INCIDENTS, rates.INCIDENT, chance)
    droughts = _now_and_then(drawn, until, rates.BETWEEN_DROUGHTS, rates.DROUGHT, chance)
    return Truth(
        incidents=incidents,
        deaths=tuple(killed(incidents, chance)),
        droughts=droughts if drawn.gpus > _SMALL else (),
        wandb_down=_now_and_then(drawn, until, rates.BETWEEN_OUTAGES, rates.OUTAGE, chance),
        dies_by_wandb=chance.happens(0.3),
    )


def killed(incidents: Windows, chance: Chance) -> list[tuple[int, str]]:
    """When incidents end what runs, if they do."""
    return [
        (chance.between(one.begin, one.end), "incident_running")
        for one in incidents
        if chance.happens(rates.KILLED_BY_INCIDENT)
    ]


def _now_and_then(
    drawn: Training, until: int, mean: float, lasts: tuple[int, int], chance: Chance
) -> Windows:
    found: list[Window] = []
    at = drawn.launched + chance.after(mean)
    while at < until:
        found.append(Window(at, at + chance.log_between(*lasts)))
        at = found[-1].end + chance.after(mean)
    return tuple(found)


def length_class(length: int) -> str:
    return next((name for name, most in LENGTH_CLASSES if length < most), LONGEST)
