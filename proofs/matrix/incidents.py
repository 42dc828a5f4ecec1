"""The chapters of the fleet breaker: what strikes many at once, and what people do about it."""

from collections.abc import Iterable

from proofs.matrix import story
from proofs.matrix.faults import Fault
from proofs.matrix.lasting import EVERY, Chapter, Script, live
from proofs.matrix.line import Outage
from proofs.matrix.mails import DAY, HOUR
from proofs.matrix.stage import Stage
from proofs.matrix.steps import Step
from proofs.matrix.story import JOB, SUCCESSOR
from resilience.decide.breaker import Circuit

_MACHINES = 'AlgorithmError: ExecuteUserScriptError: ErrorMessage "CUDA error: ECC error"'
_BUG = "AlgorithmError: ExecuteUserScriptError: ErrorMessage \"KeyError: 'labels'\""
_PINNED = {"WANDB_ENTITY": "example-team", "WANDB_PROJECT": "vision"}
_FLEET = tuple(f"fleet-{number}" for number in range(8))
_FEW = _FLEET[:4]
_RELAUNCHED = dict.fromkeys(_FLEET, "RELAUNCH")
_SUBJECT = "fleet breaker open: relaunches wait"
_TRIPS_AT = 3
_NOTIFY = (Step.TELL_OF_BREAKER, Step.PUBLISH)
_SOON = 300


def incident(hours: int) -> Script:
    """Whatever begins to train dies within minutes, for hours; then everything is well again."""

    def script(stage: Stage) -> str | None:
        stage.breaker_failures = _TRIPS_AT
        for job in _FLEET:
            _dies(stage, job, _MACHINES)
        _suffer(stage, hours * HOUR, _MACHINES)
        tried = sum(one.endswith("-r3") for one in stage.account.jobs)
        return f"{tried} were tried" if not 0 < tried <= hours else None

    return script


def bug(stage: Stage) -> str | None:
    """One team's program dies at its first step; another team's training loses its GPU."""
    stage.breaker_failures = _TRIPS_AT
    for job in _FLEET:
        _dies(stage, job, _BUG)
    stage.sweep()
    _dies(stage, JOB, _MACHINES)
    live(stage, 60)
    if SUCCESSOR not in stage.account.jobs:
        return "the breaker holds what did not die of the bug"
    return _somebody_else(stage)


def _somebody_else(stage: Stage) -> str | None:
    came_back = [one for one in stage.account.jobs if one.endswith("-r2") and one != SUCCESSOR]
    return f"{came_back} came back at once" if came_back else None


def by_hand(word: str) -> Script:
    """A person opens the breaker, or mistypes its word; a job dies, and nobody looks after it."""

    def script(stage: Stage) -> str | None:
        stage.set_breaker(word)
        _dies(stage, JOB, _MACHINES)
        live(stage, 1800)
        early = SUCCESSOR in stage.account.jobs
        _train_on(stage, 2 * HOUR)
        if stage.breaker.state is not Circuit.CLOSED:
            return "the breaker did not close by itself"
        return "the breaker held nothing" if early else None

    return script


def closed_by_hand(stage: Stage) -> str | None:
    """A person closes the breaker, and what it held comes back within half an hour."""
    _dies(stage, JOB, _MACHINES)
    story.fleet(stage)
    stage.sweep()
    live(stage, 300)
    stage.set_breaker("closed")
    live(stage, 1800)
    return None if SUCCESSOR in stage.account.jobs else "the breaker holds though it is closed"


def switched_off_while_open(stage: Stage) -> None:
    """The stack is off for a day while the breaker holds a fleet."""
    stage.breaker_failures = _TRIPS_AT
    for job in _FLEET:
        _dies(stage, job, _MACHINES)
    stage.sweep()
    live(stage, 300)
    stage.switch_off()
    live(stage, DAY, HOUR - 60)


def while_down(
    steps: Iterable[Step], fault: Fault, seconds: int, state: Circuit | None = None
) -> Script:
    """A fleet dies again and again while a service that the breaker needs is down."""

    def script(stage: Stage) -> str | None:
        stage.breaker_failures = _TRIPS_AT
        down = Outage(frozenset(steps), fault, stage.clock, stage.clock() + seconds)
        stage.line.plans.append(down)
        for job in _FEW:
            _dies(stage, job, _MACHINES)
        _suffer(stage, seconds, _MACHINES)
        found = stage.breaker.state
        return None if state in (None, found) else f"the breaker was {found} all the while"

    return script


def _dies(stage: Stage, job: str, reason: str) -> None:
    """A job of an allowed project trains for some minutes, saves nothing, and dies."""
    story.launch(stage, job, pinned=_PINNED)
    stage.account.begin(job, stage.clock() - _SOON)
    _fails(stage, job, reason)


def _fails(stage: Stage, job: str, reason: str) -> None:
    stage.account.end(job, "Failed", "Failed", reason)
    stage.act("failed", job)
    stage.queue.send(story.event(stage, job))


def _suffer(stage: Stage, seconds: int, reason: str) -> None:
    """Whatever comes by its instances dies within minutes."""
    until = stage.clock() + seconds
    while stage.clock() < until:
        live(stage, _SOON)
        for job, kept in list(stage.account.jobs.items()):
            if (kept.described.now or {}).get("SecondaryStatus") == "Training":
                _fails(stage, job, reason)
        story.begin_all(stage)


def _train_on(stage: Stage, seconds: int) -> None:
    """Whatever comes by its instances trains."""
    until = stage.clock() + seconds
    while stage.clock() < until:
        live(stage, EVERY)
        story.begin_all(stage)


_ONE_MAIL_EACH = {f"RELAUNCH {job}": 1 for job in _FLEET}
_ONE_MAIL_OF_EACH = {f"RELAUNCH {job}": 1 for job in _FEW}
INCIDENTS = (
    Chapter(
        "an incident of three hours hits a fleet of eight",
        incident(3),
        _RELAUNCHED,
        _ONE_MAIL_EACH | {_SUBJECT: 1},
    ),
    Chapter(
        "an incident of a day hits a fleet of eight",
        incident(25),
        _RELAUNCHED,
        _ONE_MAIL_EACH | {_SUBJECT: 2},
        others=len(_FLEET),  # waits that last for a day
    ),
    Chapter(
        "a bug of one team holds its own jobs",
        bug,
        _RELAUNCHED | {JOB: "RELAUNCH"},
        {_SUBJECT: 1, f"RELAUNCH {JOB}": 1},
    ),
    Chapter("a person opens the breaker", by_hand("open"), {JOB: "RELAUNCH"}, {_SUBJECT: 1}),
    Chapter("a person mistypes", by_hand("opne"), {JOB: "RELAUNCH"}, {_SUBJECT: 1}),
    Chapter("a person closes the breaker", closed_by_hand, {JOB: "RELAUNCH"}, {_SUBJECT: 1}),
    Chapter(
        "off for a day while the breaker is open",
        switched_off_while_open,
        _RELAUNCHED,
        {_SUBJECT: 2},
    ),
    Chapter(
        "the breaker cannot be set for an hour",
        while_down([Step.SET_BREAKER], Fault.ACCESS_DENIED, HOUR),
        dict.fromkeys(_FEW, "RELAUNCH"),
        _ONE_MAIL_OF_EACH | {_SUBJECT: 0},  # then each lineage's own back-off holds it
    ),
    Chapter(
        "SNS is down for an hour when the breaker trips",
        while_down(_NOTIFY, Fault.SERVER_ERROR, HOUR, Circuit.OPEN),
        dict.fromkeys(_FEW, "RELAUNCH"),
        _ONE_MAIL_OF_EACH | {_SUBJECT: 1},
        dead=70,
    ),
)
