"""Troubles that no attempt gets over, one function each: somebody has to change something."""

from dataclasses import replace

from proofs.judge.chance import Chance
from proofs.judge.troubles import REFUSALS, onset_of
from proofs.judge.truth import Taint, Training, Truth
from proofs.judge.week import FOR_EVER, HOUR, Window
from proofs.judge.wording import BUGS


def bug_at_start(training: Training, truth: Truth, chance: Chance) -> tuple[Training, Truth]:
    truth = replace(truth, bug_at=0, bug_says=chance.weighted(BUGS))
    return training, replace(truth, hopeless=frozenset({"bug"}))


def bug_at_step(training: Training, truth: Truth, chance: Chance) -> tuple[Training, Truth]:
    at = max(1, chance.between(0.02 * training.length, 0.9 * training.length))
    truth = replace(truth, bug_at=at, bug_says=chance.weighted(BUGS))
    return training, replace(truth, hopeless=frozenset({"bug"}))


def nan_always(training: Training, truth: Truth, chance: Chance) -> tuple[Training, Truth]:
    cause = "marked_nan" if chance.happens(0.7) else "nan"
    dies = onset_of(training, chance) + chance.between(60, training.interval - 60)
    onset = dies - chance.between(30, 0.9 * training.interval)
    taint = Taint(onset, dies, cause, again=True)
    return training, replace(truth, taint=taint, hopeless=frozenset({cause}))


def refused_first(training: Training, truth: Truth, chance: Chance) -> tuple[Training, Truth]:
    return training, replace(
        truth,
        refused=(Window(0, FOR_EVER),),
        refusal=chance.one((*REFUSALS, "no_data")),
        hopeless=frozenset({"refused"}),
    )


def never_starts(training: Training, truth: Truth, _: Chance) -> tuple[Training, Truth]:
    """A container that never starts: SageMaker calls that an internal error, each time."""
    return training, replace(truth, never_starts=True, hopeless=frozenset({"never_starts"}))


def disk_too_small(training: Training, truth: Truth, _: Chance) -> tuple[Training, Truth]:
    return training, replace(truth, disk=0, hopeless=frozenset({"disk"}))


def leak_too_fast(training: Training, truth: Truth, chance: Chance) -> tuple[Training, Truth]:
    """Memory is full before the first checkpoint is saved, each time."""
    share = chance.between(30, 90) / 100
    fills = training.init + round(share * training.interval)
    return training, replace(truth, leak=fills, hopeless=frozenset({"memory"}))


def time_too_short(training: Training, truth: Truth, _: Chance) -> tuple[Training, Truth]:
    """Its time is up before the first checkpoint is saved, each time."""
    interval = max(training.interval, 2 * HOUR)
    training = replace(
        training,
        interval=interval,
        max_runtime=training.init + interval // 2,
        max_wait=None,
        saves_at_limit=False,
    )
    return training, replace(truth, hopeless=frozenset({"time_limit"}))
