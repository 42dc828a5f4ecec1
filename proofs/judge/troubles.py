"""Troubles that a training gets over, one function each: what it truly is and when."""

from dataclasses import replace

from proofs.judge import rates
from proofs.judge.chance import Chance
from proofs.judge.truth import Mode, Stop, Taint, Training, Truth
from proofs.judge.week import DAY, HOUR, MINUTE, WEEK, Window, friday, next_morning

REFUSALS = ("refused_role", "refused_image", "refused_subnet", "refused_data")
_SLACK = 8 * HOUR


def least_length(trouble: str) -> int:
    """A weekend needs a training that is still there."""
    return 2 * DAY if trouble in {"expired_key", "mode_weekend"} else 6 * HOUR


def _within(training: Training, chance: Chance) -> int:
    """A time at which the training is under way, if all went well before."""
    begin = training.launched + rates.STARTUP[1] + training.init
    return begin + chance.between(0.05 * training.length, 0.9 * training.length)


def _dies_then(truth: Truth, at: int, cause: str = "machine") -> Truth:
    return replace(truth, deaths=(*truth.deaths, (at, cause)))


def none(training: Training, truth: Truth, _: Chance) -> tuple[Training, Truth]:
    return training, truth


def incident(training: Training, truth: Truth, chance: Chance) -> tuple[Training, Truth]:
    """AWS has an incident while the training runs, or starts: it dies and cannot start."""
    at = training.launched - 60 if chance.happens(0.15) else _within(training, chance)
    window = Window(at, at + chance.log_between(*rates.INCIDENT))
    truth = _dies_then(truth, chance.between(at, window.end), "incident_running")
    return training, replace(truth, incidents=(*truth.incidents, window))


def drought(training: Training, truth: Truth, chance: Chance) -> tuple[Training, Truth]:
    """A machine dies and there is no other for a long time."""
    at = _within(training, chance)
    window = Window(at - chance.between(0, HOUR), at + chance.log_between(*rates.DROUGHT))
    cause = "capacity_lost" if chance.happens(rates.SHARE_DEAD_OF_CAPACITY) else "machine"
    return training, replace(_dies_then(truth, at, cause), droughts=(*truth.droughts, window))


def wandb_outage(training: Training, truth: Truth, chance: Chance) -> tuple[Training, Truth]:
    at = _within(training, chance)
    window = Window(at, at + chance.log_between(*rates.OUTAGE))
    truth = replace(
        truth, wandb_down=(*truth.wandb_down, window), dies_by_wandb=chance.happens(0.5)
    )
    return training, _dies_then(truth, chance.between(at, window.end))


def wandb_down_at_end(training: Training, truth: Truth, chance: Chance) -> tuple[Training, Truth]:
    return training, replace(truth, wandb_down_at_end=chance.log_between(*rates.OUTAGE))


def spot_storm(training: Training, truth: Truth, chance: Chance) -> tuple[Training, Truth]:
    most = chance.one((training.max_runtime, round(1.5 * training.max_runtime)))
    training = replace(
        training, max_wait=min(28 * DAY, most), interval=min(training.interval, HOUR)
    )
    return training, replace(truth, storm=chance.one((1.0, 2.0, 4.0)))


def flaky(training: Training, truth: Truth, chance: Chance) -> tuple[Training, Truth]:
    """A race or a leak of handles: the program dies now and then, anywhere.

    Not so often that hardly an attempt comes to a checkpoint; a person would mend that.
    """
    least = max(3 * HOUR, round(1.5 * (training.interval + training.init)))
    return training, replace(truth, flaky_every=chance.log_between(least, 48 * HOUR))


def flaky_start(training: Training, truth: Truth, chance: Chance) -> tuple[Training, Truth]:
    """A port that is taken, a rendezvous that is missed: one start in ten to three dies."""
    truth = replace(truth, flaky_start=chance.between(10, 30) / 100)
    return training, _dies_then(truth, _within(training, chance))


def leak(training: Training, truth: Truth, chance: Chance) -> tuple[Training, Truth]:
    slowest = max(2 * HOUR, 2 * training.interval + training.init)
    return training, replace(truth, leak=chance.log_between(slowest, 24 * HOUR))


def disk_full(training: Training, truth: Truth, chance: Chance) -> tuple[Training, Truth]:
    slowest = max(4 * HOUR, 3 * training.interval + training.init)
    return training, replace(truth, disk=chance.log_between(slowest, 36 * HOUR))


def onset_of(training: Training, chance: Chance) -> int:
    """A step at which something is saved, with an older checkpoint before it."""
    most = max(2, training.length // training.interval - 1)
    return chance.between(2, most) * training.interval


def poison(training: Training, truth: Truth, chance: Chance) -> tuple[Training, Truth]:
    """One checkpoint that cannot be passed, or not be loaded."""
    onset = onset_of(training, chance)
    if chance.happens(0.3):
        training = replace(training, upload=min(training.upload, 30))
        return training, replace(truth, taint=Taint(onset, onset + 240, "unloadable"))
    dies = onset + chance.between(0.1 * training.interval, 0.9 * training.interval)
    return training, replace(truth, taint=Taint(onset, dies, "poison"))


def nan(training: Training, truth: Truth, chance: Chance) -> tuple[Training, Truth]:
    """The loss diverges; with other data order it would not. Half of them mark their suspects."""
    marks = chance.happens(0.7)
    dies = onset_of(training, chance) + chance.between(60, training.interval - 60)
    back = 2.0 if marks else 0.9
    # The first checkpoint is healthy: who has none left has to start over, which is another matter.
    onset = max(training.interval + 1, dies - chance.between(60, back * training.interval))
    return training, replace(truth, taint=Taint(onset, dies, "marked_nan" if marks else "nan"))


def expired_key(training: Training, truth: Truth, chance: Chance) -> tuple[Training, Truth]:
    """A key expires on a Friday evening; a person renews it on Monday morning."""
    begin = friday(_week(training), chance.between(17, 23))
    window = Window(begin, next_morning(begin) + chance.between(0, 2 * HOUR))
    truth = replace(truth, training_key=(window,))
    if chance.happens(0.6):
        truth = replace(truth, controller_key=(window,))
    return _launched_before(training, begin, chance), truth


def data_outage(training: Training, truth: Truth, chance: Chance) -> tuple[Training, Truth]:
    at = _within(training, chance)
    window = Window(at, at + chance.log_between(10 * MINUTE, 12 * HOUR))
    return training, _dies_then(
        replace(truth, data_down=(window,)), at + chance.between(60, 900), "data"
    )


def refused_later(training: Training, truth: Truth, chance: Chance) -> tuple[Training, Truth]:
    """A person takes a right, an image or a subnet away, and gives it back a working day later."""
    at = _within(training, chance)
    window = Window(at, next_morning(at) + chance.between(0, 4 * HOUR))
    truth = replace(truth, refused=(window,), refusal=chance.one(REFUSALS))
    return training, _dies_then(truth, at + chance.between(60, 4 * HOUR))


def exits_zero(training: Training, truth: Truth, _: Chance) -> tuple[Training, Truth]:
    """Its time is up, and it ends as if it had finished."""
    training = replace(training, max_runtime=DAY, length=max(training.length, 2 * DAY))
    return training, replace(truth, exits_zero=True)


def mode_weekend(training: Training, truth: Truth, chance: Chance) -> tuple[Training, Truth]:
    """The stack is switched off for a weekend, and back; a machine dies meanwhile."""
    begin = friday(_week(training), 18)
    window = Window(begin, next_morning(begin))
    training = _launched_before(training, begin, chance)
    truth = replace(truth, modes=(Mode(window, chance.one(("off", "observe"))),))
    return training, _dies_then(truth, chance.between(begin, begin + 20 * HOUR))


def scheduler_down(training: Training, truth: Truth, chance: Chance) -> tuple[Training, Truth]:
    """No schedule is taken for 60 hours, in a drought."""
    training, truth = drought(training, truth, chance)
    begin = truth.deaths[-1][0] - HOUR
    return training, replace(truth, scheduler_down=(Window(begin, begin + 60 * HOUR),))


def add_tags_down(training: Training, truth: Truth, chance: Chance) -> tuple[Training, Truth]:
    at = _within(training, chance)
    return training, replace(_dies_then(truth, at), add_tags_down=(Window(at, at + HOUR),))


def person_stops(training: Training, truth: Truth, chance: Chance) -> tuple[Training, Truth]:
    how = "fails" if chance.happens(0.3) else "stop"
    return training, replace(truth, stop=Stop(_within(training, chance), how))


def person_stops_in_wandb(
    training: Training, truth: Truth, chance: Chance
) -> tuple[Training, Truth]:
    return training, replace(truth, stop=Stop(_within(training, chance), "wandb"))


def _week(training: Training) -> int:
    return 1 + training.launched // WEEK % 4


def _launched_before(training: Training, begin: int, chance: Chance) -> Training:
    """Launched so that it is under way then, with work left for a day and more."""
    done = chance.between(_SLACK, min(4 * DAY, training.length - DAY))
    return replace(training, launched=begin - done)
