"""The ways in which a training job ends, each with the outcome that the design gives."""

from dataclasses import dataclass, field
from enum import StrEnum

# The demo's first wait is 3 s, and a deployment's is 60 s.
BACKOFF_SECONDS, FASTER = 3, 20


class Blow(StrEnum):
    """What breaks the job, and when."""

    FAULT = "fault"  # a fault of the local SageMaker, in mid-epoch
    STOP = "stop"  # a person calls StopTrainingJob, in mid-epoch
    WANDB_STOP = "wandb-stop"  # a person presses Stop run on W&B's page, in mid-epoch
    BEFORE = "before"  # armed before the job is created
    NONE = "none"  # the job breaks by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one attempt must end: its failure class, and the verdict and reason that stand on it."""

    failure_class: str | None
    verdict: str
    reason: str


_COMPLETED = Outcome(failure_class=None, verdict="IGNORE", reason="completed")


def _relaunched(failure_class: str, reason: str = "resumed_from_checkpoint") -> Outcome:
    return Outcome(failure_class=failure_class, verdict="RELAUNCH", reason=reason)


def _stopped(failure_class: str, reason: str) -> Outcome:
    return Outcome(failure_class=failure_class, verdict="STOP", reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One way to break a job.

    `script` replaces train.py by one that wraps it; with a `command` it is all of the source.
    """

    says: str
    outcomes: tuple[Outcome, ...]
    blow: Blow = Blow.FAULT
    fault: str = ""
    host: str = ""  # of the job, on which the fault falls
    script: str = ""
    command: str = ""
    runs: tuple[str, ...] = ("",)  # of the lineage in W&B: what follows its name
    aws_options: tuple[str, ...] = ()  # of the local AWS
    after_step: int = 20  # a checkpoint of it is committed, then the job is broken
    launch: tuple[str, ...] = ()
    also: tuple[str, ...] = ()  # further faults of the local SageMaker, armed before the blow
    no_start_seconds: float = 0.0  # from the blow on, no job starts for so long, by a fault of AWS
    wandb_down: bool = False  # from the blow until the controller waits
    waits: bool = False  # a WAIT must have come before the lineage's end
    hyperparameters: dict[str, str] = field(default_factory=dict)

    def wanted(self, attempts: int) -> tuple[Outcome, ...]:
        """How so many attempts must end; an incident has as many as it has time for."""
        if not self.no_start_seconds:
            return self.outcomes
        first, again, last = self.outcomes
        return (first, *(again,) * max(1, attempts - 2), last)


# As people start it on two hosts, and resilient-run before it: nothing of the script is changed.
# $SM_… are the variables of SageMaker. All hosts of all jobs are this machine, so each run has a
# port of its own in the place of $SM_MASTER_PORT, which is always 7777.
_TORCHRUN = (
    "torchrun --nnodes=$SM_HOST_COUNT --node_rank=$SM_CURRENT_HOST_RANK --nproc_per_node=1"
    " --master_addr=$SM_MASTER_ADDR --master_port={port} two_hosts.py"
    " --output_dir /opt/ml/work/out --max_steps 50 --save_steps 10 --save_total_limit 2"
    " --use_cpu True --disable_tqdm True --logging_steps 5 --seconds_per_step 0.4"
)
_TWO_HOSTS = ("--instance-count", "2")

SCENARIOS = {
    "gpu": Scenario(
        says="a GPU fault kills the container in mid-epoch (kill -9)",
        fault="gpu",
        outcomes=(_relaunched("infrastructure"), _COMPLETED),
    ),
    "host-lost": Scenario(
        says="a training on two hosts under torchrun loses one of them: its disk is gone, and the"
        " other host cannot go on",
        fault="host-lost",
        host="algo-2",
        script="two_hosts.py",
        command=f"resilient-run -- {_TORCHRUN} --report_to wandb",
        launch=_TWO_HOSTS,
        runs=("", "-checkpoints"),
        outcomes=(_relaunched("infrastructure"), _COMPLETED),
    ),
    "host-frozen": Scenario(
        says="one of two hosts freezes: nothing fails, and nothing goes on",
        fault="host-frozen",
        host="algo-2",
        script="two_hosts.py",
        # In minutes; a real training has more. Rows of W&B would be signs of life, and come up to
        # half a minute late.
        command=f"resilient-run --stalled-after 0.25 -- {_TORCHRUN} --report_to none",
        runs=("-checkpoints",),
        after_step=30,
        # The frozen host does not hear SIGTERM either, and SageMaker gives it 120 s.
        aws_options=("--stop-grace", "10"),
        launch=_TWO_HOSTS,
        outcomes=(_relaunched("infrastructure"), _COMPLETED),
    ),
    "spot": Scenario(
        says="the spot instance is reclaimed, and no other comes within MaxWaitTime",
        fault="spot",
        launch=("--spot", "--max-runtime", "3600", "--max-wait", "7200"),
        outcomes=(_relaunched("interrupted"), _COMPLETED),
    ),
    "timeout": Scenario(
        says="the time limit ends the job: SIGTERM, save, commit, exit 143",
        blow=Blow.NONE,
        launch=("--max-runtime", "25"),
        hyperparameters={"seconds-per-step": "0.3"},
        outcomes=(_relaunched("timeout"), _COMPLETED),
    ),
    "capacity": Scenario(
        says="there is no capacity: the job fails before it starts, and waits",
        blow=Blow.BEFORE,
        fault="capacity",
        waits=True,
        outcomes=(_relaunched("capacity", "restarted_from_beginning"), _COMPLETED),
    ),
    "pending": Scenario(
        says="the job waits for its instances for longer than it may, and SageMaker stops it",
        blow=Blow.BEFORE,
        fault="pending",
        waits=True,
        outcomes=(_relaunched("capacity", "restarted_from_beginning"), _COMPLETED),
    ),
    "bug": Scenario(
        says="the script raises at the same step each time: retried once to confirm, then, after"
        " a wait, from an older checkpoint, then STOP",
        blow=Blow.NONE,
        script="bug.py",
        waits=True,
        outcomes=(
            _relaunched("user_code"),
            _relaunched("user_code", "walked_back"),
            _stopped("user_code", "failed_again_at_same_step"),
        ),
    ),
    "log-only": Scenario(
        says="a machine breaks, and only the job's own log has more than ExitCode 1",
        blow=Blow.NONE,
        script="log_only.py",
        outcomes=(
            # It advanced, so nobody asks why it died.
            _relaunched("user_code"),
            # By the reason alone this is the same death twice: a wait, and an older checkpoint.
            _relaunched("infrastructure"),
            _COMPLETED,
        ),
    ),
    "oom": Scenario(
        says="the host's memory runs out after progress: the training goes on",
        fault="oom",
        outcomes=(_relaunched("out_of_memory"), _COMPLETED),
    ),
    "leak": Scenario(
        says="a leak ends each attempt with out of memory, each farther than the one before",
        blow=Blow.NONE,
        script="leak.py",
        outcomes=(_relaunched("out_of_memory"), _relaunched("out_of_memory"), _COMPLETED),
    ),
    "incident": Scenario(
        says="an AWS incident: the job dies in mid-epoch, and no start succeeds for ten minutes,"
        f" on a clock {FASTER} times as fast",
        fault="gpu",
        no_start_seconds=600 / FASTER,
        waits=True,
        # The start in the middle fails as often as it is tried meanwhile.
        outcomes=(_relaunched("infrastructure"), _relaunched("infrastructure"), _COMPLETED),
    ),
    "user-stop": Scenario(
        says="a person stops the job, and it stays stopped",
        blow=Blow.STOP,
        outcomes=(
            Outcome(failure_class="stopped_by_user", verdict="IGNORE", reason="stopped_by_user"),
        ),
    ),
    "wandb-stop": Scenario(
        says="a person presses W&B's Stop run: save, commit, exit 66, and it stays stopped",
        blow=Blow.WANDB_STOP,
        # The SDK learns of it within a minute; the training is long enough to be stopped.
        hyperparameters={"epochs": "20"},
        outcomes=(
            Outcome(failure_class="stopped_by_user", verdict="IGNORE", reason="stopped_by_user"),
        ),
    ),
    "sigterm": Scenario(
        says='a script that goes on after SIGTERM ends "Completed" without finishing',
        fault="sigterm",
        script="swallow.py",
        hyperparameters={"seconds-per-step": "0.3"},  # nothing may be done before it is broken
        outcomes=(_relaunched("incomplete"), _COMPLETED),
    ),
    "poison": Scenario(
        says="the newest checkpoint cannot be loaded: the lineage walks back to the one before",
        fault="gpu",
        script="poison.py",
        outcomes=(
            _relaunched("infrastructure"),
            _relaunched("data", "walked_back"),
            _COMPLETED,
        ),
    ),
    "lost-event": Scenario(
        says="a GPU fault, and no event of it ever comes: the sweep finds the job",
        fault="gpu",
        also=("drop_events",),
        outcomes=(_relaunched("infrastructure"), _COMPLETED),
    ),
    "wandb-down": Scenario(
        says="a GPU fault while W&B answers 503: the controller waits rather than start over",
        fault="gpu",
        wandb_down=True,
        waits=True,
        outcomes=(_relaunched("infrastructure"), _COMPLETED),
    ),
}
