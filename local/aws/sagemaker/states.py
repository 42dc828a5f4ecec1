"""The life of a training job as SageMaker tells it: pure functions from one state to the next."""

from dataclasses import dataclass, replace

ENDED = frozenset({"Completed", "Failed", "Stopped"})
# Which primary status each belongs to; where none is named, it stays as it was.
PRIMARY = {
    "Completed": "Completed",
    "Failed": "Failed",
    "Stopped": "Stopped",
    "MaxRuntimeExceeded": "Stopped",
    "MaxWaitTimeExceeded": "Stopped",
    "MaxPendingTimeExceeded": "Stopped",
    "Stopping": "Stopping",
}
MESSAGES = {
    "Starting": "Starting the training job",
    "Pending": "Preparing the instances for training",
    "Downloading": "Downloading input data",
    "Training": "Training image download completed. Training in progress.",
    "Uploading": "Uploading generated training model",
    "Completed": "Training job completed",
    "Failed": "Training job failed",
    "Stopping": "Stopping the training job",
    "Stopped": "Training job stopped",
    "MaxRuntimeExceeded": "Training job runtime exceeded MaxRuntimeInSeconds provided",
    "MaxWaitTimeExceeded": "Training job wait time exceeded MaxWaitTimeInSeconds provided",
    "MaxPendingTimeExceeded": "Training job was pending for longer than MaxPendingTimeInSeconds",
    "Interrupted": "Training job interrupted: the managed spot training instances were reclaimed",
    "Restarting": "Repairing training cluster due to hardware failure",
}
# FailureReason's maximum in the API; AWS cuts what is longer.
REASON_LIMIT = 1024


@dataclass(frozen=True)
class Transition:
    secondary: str
    message: str
    started: float
    ended: float | None = None


@dataclass(frozen=True)
class JobState:
    """Everything about a training job that changes, but for its tags; times in epoch seconds."""

    created: float
    modified: float
    status: str = "InProgress"
    transitions: tuple[Transition, ...] = ()
    started: float | None = None
    ended: float | None = None
    failure_reason: str | None = None
    model_artifacts: str | None = None

    @property
    def secondary(self) -> str:
        return self.transitions[-1].secondary

    @property
    def is_over(self) -> bool:
        return self.status in ENDED


def created(now: float) -> JobState:
    return entered(JobState(now, now), "Starting", now)


def entered(state: JobState, secondary: str, now: float, message: str = "") -> JobState:
    """Close the running transition and open the next; a terminal one is closed at once."""
    closed = tuple(one if one.ended else replace(one, ended=now) for one in state.transitions)
    status = PRIMARY.get(secondary, state.status)
    over = status in ENDED
    told = message or MESSAGES[secondary]
    opened = Transition(secondary, told, now, now if over else None)
    return replace(
        state,
        status=status,
        modified=now,
        transitions=(*closed, opened),
        # AWS counts a training from the moment its instances are there: when data starts to come.
        started=state.started or (now if secondary == "Downloading" else None),
        ended=now if over else None,
    )


def failed(state: JobState, reason: str, now: float) -> JobState:
    return replace(entered(state, "Failed", now), failure_reason=reason[:REASON_LIMIT])
