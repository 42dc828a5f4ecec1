"""One training job and how it ends; what SageMaker says of it; what people do meanwhile."""

import json
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from local.in_memory import ACCOUNT, REGION
from proofs.matrix.account import JOB_ARN
from proofs.matrix.deployment import IMAGE, ROLE
from proofs.matrix.faults import Fault
from proofs.matrix.line import Outage, Plan
from proofs.matrix.queue import VISIBILITY
from proofs.matrix.stage import Stage
from proofs.matrix.steps import OF_THE_SWEEP, Step
from proofs.matrix.subject import subject, tags_of_aws
from resilience.decide.breaker import OPEN_SECONDS
from resilience.wire import events

JOB, SUCCESSOR, RUN = "night-1", "night-1-r2", "night-1"
_BEFORE = "night-0"  # a person went on from its checkpoint, in its W&B run
TAGS = {
    "WANDB_ENTITY": "example-team",
    "WANDB_PROJECT": "vision",
    "WANDB_CHECKPOINT_NAME": f"model-{RUN}",
    "WANDB_RUN_ID": RUN,
    "resilience:completed": "no",
    "team": "vision",
}
_TRAINED_FOR = 3600  # seconds
_SOON = 300  # seconds that the fleet trained
_GPU = 'AlgorithmError: ExecuteUserScriptError: ErrorMessage "CUDA error: uncorrectable ECC error"'
_CAPACITY = "CapacityError: Unable to provision requested ML compute capacity."


class Story(StrEnum):
    """What there is to recover."""

    RELAUNCH = "a GPU fails"
    RELAUNCHED = "a GPU fails, and an earlier try died after its create"
    WAIT = "no capacity"
    UNRECORDED = "a GPU fails, and its tags cannot be written"
    MALFORMED = "a message that nobody can read"
    FLEET = "many jobs fail at once"
    HELD = "the breaker holds a job, and it is time to try it"
    TRIED = "the breaker has tried a job, and its successor trains"


EARLIER_DEATH = {Story.RELAUNCHED: Step.CREATE}
_OF_STEP = {
    Step.ADJUDICATE: Story.RELAUNCHED,
    Step.LOOK_AGAIN: Story.RELAUNCHED,
    Step.REMIND: Story.UNRECORDED,
    Step.CREATE_SCHEDULE: Story.WAIT,
    Step.LOOK_TWICE: Story.WAIT,
    Step.QUARANTINE: Story.MALFORMED,
    Step.TELL_OF_BREAKER: Story.FLEET,
    Step.READ_AGAIN: Story.FLEET,
    Step.SET_BREAKER: Story.FLEET,
    Step.FIND_HELD: Story.HELD,
    Step.ASK_TO_TRY: Story.HELD,
    Step.FIND_PROBE: Story.TRIED,
    Step.FIND_TRIAL: Story.TRIED,
}


def story_of(step: Step) -> Story:
    """The story in which the call is made."""
    return _OF_STEP.get(step, Story.RELAUNCH)


def process_of(step: Step) -> str:
    return "sweep" if step in OF_THE_SWEEP else "A"


def train(stage: Stage, job: str = JOB) -> None:
    """Have a training job that waits for its instances, with its tags and an earlier checkpoint."""
    launch(stage, job)
    stage.account.commit(100, job, _BEFORE)


def launch(stage: Stage, job: str = JOB, *, pinned: Mapping[str, str] | None = None) -> None:
    """Have a training job that waits for its instances, in the W&B run of its own name."""
    described: dict[str, Any] = {
        "CreationTime": stage.clock() - _TRAINED_FOR,
        "AlgorithmSpecification": {"TrainingImage": IMAGE, "TrainingInputMode": "File"},
        "RoleArn": ROLE,
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/output"},
        "ResourceConfig": {
            "InstanceType": "ml.g5.2xlarge",
            "InstanceCount": 1,
            "VolumeSizeInGB": 100,
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": 86_400},
        "HyperParameters": {"epochs": "20", "note": stage.canaries["parameter"]},
        "Environment": {"MINE": "kept", "API_KEY": stage.canaries["environment"]}
        | dict(pinned or {}),
        "RetryStrategy": {"MaximumRetryAttempts": 2},
        "EnableManagedSpotTraining": False,
        "TrainingJobStatus": "InProgress",
        "SecondaryStatus": "Starting",
        **subject(stage.doubts),
    }
    told = {"WANDB_CHECKPOINT_NAME": f"model-{job}", "WANDB_RUN_ID": job}
    stage.account.put(job, described, tags_of_aws(stage.doubts))
    stage.account.tag(job, TAGS | told)


def fail(
    stage: Stage,
    story: Story = Story.RELAUNCH,
    job: str = JOB,
    *,
    saved: bool = True,
    begun: bool = False,
) -> None:
    """Have a job never come by its instances, or train and then lose its GPU.

    Where the breaker matters it has saved nothing: what advances is not held.
    """
    cause = _CAPACITY
    if story is not Story.WAIT:
        cause = _GPU
        if not begun:
            work(stage, job, saved=saved and story not in OF_THE_BREAKER)
    stage.account.end(job, "Failed", "Failed", f"{cause} {stage.canaries['reason']}")
    stage.act("failed" if cause is _GPU else "failed before it trained", job)


def work(stage: Stage, job: str, *, saved: bool = True) -> None:
    """Have a job train since it was made, and save a step that nobody had reached."""
    stage.account.begin(job)
    if saved:
        run = stage.account.standing(job)["WANDB_RUN_ID"]
        stage.account.commit(100 * (len(stage.account.versions.now) + 1), run, job)


def stop(stage: Stage, job: str) -> None:
    """A person stops a job."""
    stage.account.end(job, "Stopped", "Stopped")
    stage.act("stopped", job)


def event(stage: Stage, job: str = JOB, number: int = 1, status: str | None = None) -> str:
    """What SageMaker says of a job as it is now, or of the status that it had before."""
    described = stage.account.jobs[job].described.now or {}
    shown = ("TrainingJobStatus", "SecondaryStatus", "HyperParameters", "FailureReason")
    detail = {name: described[name] for name in shown if name in described}
    if status is not None:
        detail["TrainingJobStatus"] = status
    envelope = {
        "version": "0",
        "id": str(uuid5(NAMESPACE_URL, f"{job}/{number}/{status}")),
        "detail-type": events.DETAIL_TYPE,
        "source": "aws.sagemaker",
        "account": ACCOUNT,
        "region": REGION,
        "detail": {
            "TrainingJobName": job,
            "TrainingJobArn": JOB_ARN + job,
            "Tags": stage.account.standing(job),
            **detail,
        },
    }
    return json.dumps(envelope)


def message(stage: Stage, story: Story, number: int = 1) -> str:
    if story is Story.MALFORMED:
        return json.dumps({"detail-type": events.DETAIL_TYPE, "source": "aws.sagemaker"})
    return event(stage, number=number)


def earlier_try(stage: Stage, story: Story) -> None:
    """A worker took the message, had one effect, and died before it could record it."""
    if story is Story.UNRECORDED:
        down = frozenset({Step.ADD_TAGS})
        stage.line.plans.append(Outage(down, Fault.SERVER_ERROR, stage.clock))
    step = EARLIER_DEATH.get(story)
    if step is None:
        return
    death = Plan(step, Fault.CRASH_AFTER)
    stage.line.plans.append(death)
    stage.receive()
    stage.line.plans.remove(death)
    if not death.attempts:
        raise AssertionError(f"no earlier try died at {step}")
    stage.pass_by(VISIBILITY)


def fleet(stage: Stage) -> None:
    """Jobs of other lineages have died soon, just enough of them to trip the breaker.

    They bear their verdicts already, so that only the breaker looks at them.
    """
    stage.breaker_failures = 3
    for number in range(stage.breaker_failures):
        job = f"bad-{number}"
        soon = {
            "TrainingStartTime": stage.clock() - _SOON,
            "Environment": {"RESILIENCE_COLLECTION": "example-team/vision/model-bad"},
        }
        verdict = {"resilience:verdict": "RELAUNCH", "resilience:successor": f"{job}-r2"}
        stage.account.put(job, soon, TAGS | verdict)
        stage.act("relaunched before", job)
        fail(stage, job=job, saved=False, begun=True)


def hold(stage: Stage) -> None:
    """The breaker has tripped, and holds the job for as long as it holds all."""
    fleet(stage)
    stage.sweep()
    stage.queue.send(event(stage, number=5))
    stage.receive()
    stage.pass_by(OPEN_SECONDS)
    while stage.receive():
        pass


def let_through(stage: Stage) -> None:
    """The sweep tries the job, and its successor trains for longer than the others did."""
    hold(stage)
    stage.sweep()
    stage.receive()
    begin_all(stage)
    stage.pass_by(2 * _SOON + 100)


def begin_all(stage: Stage) -> None:
    """Whatever waits for its instances comes by them."""
    for name, job in stage.account.jobs.items():
        if (job.described.now or {}).get("SecondaryStatus") == "Starting":
            stage.account.begin(name, stage.clock())


_BREAKER: dict[Story, Callable[[Stage], None]] = {
    Story.FLEET: fleet,
    Story.HELD: hold,
    Story.TRIED: let_through,
}
OF_THE_BREAKER = frozenset(_BREAKER)


def fleet_acts(stage: Stage, story: Story) -> None:
    """What the story tells of the breaker before its fault."""
    if story in _BREAKER:
        _BREAKER[story](stage)
