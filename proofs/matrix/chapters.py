"""The chapters: what lasts, one script each."""

from collections.abc import Iterable

from proofs.matrix import story
from proofs.matrix.faults import Fault
from proofs.matrix.incidents import INCIDENTS
from proofs.matrix.lasting import EVERY, RARELY, Chapter, Script, live
from proofs.matrix.line import Outage
from proofs.matrix.mails import DAY, HOUR
from proofs.matrix.stage import Stage
from proofs.matrix.steps import SEARCHES, Step
from proofs.matrix.story import JOB, SUCCESSOR, Story

_SCHEDULER = (Step.GET_SCHEDULE, Step.REMIND, Step.CREATE_SCHEDULE)
_PARAMETERS = (Step.READ_SWITCHES, Step.SWEEP_SWITCHES, Step.READ_AGAIN)
_RELAUNCHED = {JOB: "RELAUNCH"}
_ONE_MAIL = {f"RELAUNCH {JOB}": 1}
_WITHIN_A_WAIT = {f"RELAUNCH {JOB}": 0, f"WAIT {JOB}": 0}
_FLEET = tuple(f"night-{number}" for number in range(1, 13))


def down(steps: Iterable[Step], fault: Fault, seconds: int, how: Story = Story.RELAUNCH) -> Script:
    """A job fails while a service is down, and the stack runs on until after it."""

    def script(stage: Stage) -> None:
        stage.line.plans.append(
            Outage(frozenset(steps), fault, stage.clock, stage.clock() + seconds)
        )
        _fails(stage, how)
        live(stage, seconds + HOUR, RARELY if seconds >= DAY else EVERY)

    return script


def meanwhile(steps: Iterable[Step], seconds: int) -> Script:
    """No Scheduler and no capacity: the successor is there before the Scheduler is."""

    def script(stage: Stage) -> str | None:
        stage.line.plans.append(Outage(frozenset(steps), Fault.SERVER_ERROR, stage.clock))
        _fails(stage, Story.WAIT)
        live(stage, seconds, RARELY)
        return None if SUCCESSOR in stage.account.jobs else "the sweep did not take the wait up"

    return script


def switched(
    mode: str, seconds: int, how: Story = Story.RELAUNCH, what: str = "the stack"
) -> Script:
    """A job fails while the stack, or the job itself, does not act."""

    def script(stage: Stage) -> None:
        story.train(stage)
        stage.switch_off(what, mode)
        story.fail(stage, how)
        stage.queue.send(story.event(stage))
        live(stage, seconds, RARELY)

    return script


def switched_while_it_waits(stage: Stage) -> None:
    _fails(stage, Story.WAIT)
    live(stage, 60)
    stage.switch_off()
    live(stage, DAY, RARELY)


def used_again(stage: Stage) -> None:
    """The root is deleted and its name used again, while its first successor is still there."""
    _fails(stage)
    live(stage, 60)
    _anew(stage, JOB)
    live(stage, 60)
    story.fail(stage, job=SUCCESSOR)
    stage.queue.send(story.event(stage, SUCCESSOR))
    live(stage, 60)


def all_used_again(stage: Stage) -> None:
    """The root and its successor are deleted, and the root's name is used again."""
    _fails(stage)
    live(stage, 60)
    story.stop(stage, SUCCESSOR)
    stage.account.delete(SUCCESSOR)
    stage.act("deleted", SUCCESSOR)
    _anew(stage, JOB)
    live(stage, 60)


def hidden(stage: Stage) -> str | None:
    """W&B does not show the project of a job that has trained; nothing is launched from scratch."""
    stage.account.hidden = True
    _fails(stage)
    live(stage, DAY, RARELY)
    stage.account.hidden = False
    return "launched without its checkpoints" if SUCCESSOR in stage.account.jobs else None


def suspect(stage: Stage) -> str | None:
    """A person has barred the newest checkpoint before the job failed."""
    story.train(stage)
    story.work(stage, JOB)
    stage.account.suspect(1)
    _ends(stage)
    stage.queue.send(story.event(stage))
    live(stage, 60)
    resumed_from = stage.account.standing(SUCCESSOR)["resilience:checkpoint"]
    return None if resumed_from == "v0" else f"resumed from {resumed_from}"


def foreign(stage: Stage) -> None:
    """Another's job has the successor's name, and keeps it."""
    story.launch(stage, SUCCESSOR)
    stage.act("another's", SUCCESSOR)
    _fails(stage)
    live(stage, HOUR)


def taken(stage: Stage) -> None:
    """Another's job has the successor's name when it is created, and is gone a moment later."""

    def goes(_: object, step: Step) -> None:
        if step is Step.ADJUDICATE and SUCCESSOR in stage.account.jobs:
            stage.account.delete(SUCCESSOR)
            stage.act("another's gone", SUCCESSOR)
            stage.line.on_request.remove(goes)

    story.launch(stage, SUCCESSOR)
    stage.act("another's", SUCCESSOR)
    stage.line.on_request.append(goes)
    _fails(stage)
    live(stage, HOUR)


def again(stage: Stage) -> None:
    """A person puts right what stopped a job, and asks to have it decided on again, a month on."""
    story.train(stage)
    story.work(stage, JOB)
    stage.account.tag(JOB, {"WANDB_PROJECT": "not/a/name"})
    _ends(stage)
    stage.queue.send(story.event(stage))
    live(stage, 60)
    stage.pass_by(30 * DAY)
    stage.account.tag(JOB, {"WANDB_PROJECT": "vision", "resilience:again": "1"})
    stage.act("asked again", JOB)
    live(stage, HOUR)


def fleet(stage: Stage) -> None:
    """A dozen jobs fail in one minute, each with its event three times, some with none."""
    for job in _FLEET:
        story.train(stage, job)
        story.fail(stage, job=job)
        for number in range(3 if job != _FLEET[0] else 0):
            stage.queue.send(story.event(stage, job, number))
    live(stage, 900)


def storm(stage: Stage) -> None:
    """One event comes fifty times."""
    story.train(stage)
    story.fail(stage)
    for _ in range(50):
        stage.queue.send(story.event(stage))
    live(stage, 900)


def _fails(stage: Stage, how: Story = Story.RELAUNCH) -> None:
    story.train(stage)
    story.fail(stage, how)
    stage.queue.send(story.event(stage))


def _ends(stage: Stage) -> None:
    stage.account.end(JOB, "Failed", "Failed", "InternalServerError: retry")
    stage.act("failed", JOB)


def _anew(stage: Stage, job: str) -> None:
    """A person deletes a job, and launches and loses another of its name."""
    stage.pass_by(HOUR)
    stage.account.delete(job)
    stage.act("deleted", job)
    story.launch(stage, job)
    stage.act("launched anew", job)
    story.fail(stage, job=job)
    stage.queue.send(story.event(stage, job, number=7))


CHAPTERS = (
    Chapter(
        "AddTags is down for an hour, a GPU fails",
        down([Step.ADD_TAGS], Fault.SERVER_ERROR, HOUR),
        _RELAUNCHED,
        _ONE_MAIL,
        dead=12,
    ),
    Chapter(
        "AddTags is down for an hour, no capacity",
        down([Step.ADD_TAGS], Fault.THROTTLED, HOUR, Story.WAIT),
        _RELAUNCHED,
        _WITHIN_A_WAIT,
        dead=20,
    ),
    Chapter(
        "AddTags is denied for two days",
        down([Step.ADD_TAGS], Fault.ACCESS_DENIED, 2 * DAY),
        _RELAUNCHED,
        {f"RELAUNCH {JOB}": 3},
        dead=60,
    ),
    Chapter(
        "Scheduler is down for a day, no capacity",
        meanwhile(_SCHEDULER, DAY),
        _RELAUNCHED,
        _WITHIN_A_WAIT,
    ),
    Chapter(
        "Scheduler is down for a day, a GPU fails",
        down(_SCHEDULER, Fault.SERVER_ERROR, DAY),
        _RELAUNCHED,
        _ONE_MAIL,
    ),
    Chapter(
        "W&B is down for a day",
        down([Step.ASK_WANDB], Fault.SERVER_ERROR, DAY),
        _RELAUNCHED,
        _ONE_MAIL | {f"WAIT {JOB}": 1},
    ),
    Chapter(
        "W&B refuses the key for two days",
        down([Step.ASK_WANDB], Fault.ACCESS_DENIED, 2 * DAY),
        _RELAUNCHED,
        _ONE_MAIL | {f"WAIT {JOB}": 3},
    ),
    Chapter(
        "SageMaker describes nothing for three hours: dead letters that nobody redrives",
        down([Step.DESCRIBE], Fault.ACCESS_DENIED, 3 * HOUR),
        _RELAUNCHED,
        _ONE_MAIL,
        dead=40,
    ),
    Chapter(
        "SSM is down for an hour",
        down(_PARAMETERS, Fault.SERVER_ERROR, HOUR),
        _RELAUNCHED,
        _ONE_MAIL,
        dead=1,
    ),
    Chapter(
        "Search is down for a day, no capacity",
        down(SEARCHES, Fault.THROTTLED, DAY, Story.WAIT),
        _RELAUNCHED,
        _WITHIN_A_WAIT,
    ),
    Chapter(
        "SNS is down for two hours: what nobody was notified of is not recorded",
        down([Step.PUBLISH], Fault.SERVER_ERROR, 2 * HOUR),
        _RELAUNCHED,
        _ONE_MAIL,
        dead=30,
    ),
    Chapter("observed for three days", switched("observe", 3 * DAY), _RELAUNCHED, _ONE_MAIL),
    Chapter("off for ten days", switched("off", 10 * DAY), _RELAUNCHED, _ONE_MAIL),
    Chapter(
        "off for a day, no capacity", switched("off", DAY, Story.WAIT), _RELAUNCHED, _WITHIN_A_WAIT
    ),
    Chapter("the job off for a day", switched("off", DAY, what=JOB), _RELAUNCHED, _ONE_MAIL),
    Chapter("off while it waits", switched_while_it_waits, _RELAUNCHED, _WITHIN_A_WAIT),
    Chapter(
        "the root's name is used again, its successor is there",
        used_again,
        _RELAUNCHED | {SUCCESSOR: "RELAUNCH"},
        {f"RELAUNCH {JOB}": 2, f"RELAUNCH {SUCCESSOR}": 1},
    ),
    Chapter("all names are used again", all_used_again, _RELAUNCHED, {f"RELAUNCH {JOB}": 2}),
    Chapter("the project is hidden for a day", hidden, _RELAUNCHED, _ONE_MAIL | {f"WAIT {JOB}": 2}),
    Chapter("the newest checkpoint is a suspect", suspect, _RELAUNCHED, _ONE_MAIL),
    Chapter(
        "there is no quota for a day",
        down([Step.CREATE], Fault.QUOTA, DAY),
        _RELAUNCHED,
        _ONE_MAIL | {f"WAIT {JOB}": 1},
    ),
    Chapter("another's job has the successor's name", foreign, {JOB: "STOP"}, {f"STOP {JOB}": 1}),
    Chapter(
        "another's job has the successor's name, and is gone when it is looked at",
        taken,
        _RELAUNCHED,
        _ONE_MAIL,
    ),
    Chapter("a person asks again", again, _RELAUNCHED, _ONE_MAIL | {f"STOP {JOB}": 1}),
    Chapter(
        "a fleet of twelve fails at once",
        fleet,
        dict.fromkeys(_FLEET, "RELAUNCH"),
        {f"RELAUNCH {job}": 1 for job in _FLEET},
    ),
    Chapter("one event comes fifty times", storm, _RELAUNCHED, _ONE_MAIL),
    *INCIDENTS,
)
