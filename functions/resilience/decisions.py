"""What is decided, and the facts it is decided from: frozen, closed, serialisable."""

from dataclasses import dataclass, field
from enum import StrEnum

from resilience.failures import FailureClass


class Verdict(StrEnum):
    RELAUNCH = "RELAUNCH"
    WAIT = "WAIT"
    STOP = "STOP"
    IGNORE = "IGNORE"


class Reason(StrEnum):
    """Why: the same word in code, logs, tags and metrics; one section each in docs/runbook.md."""

    # RELAUNCH
    RESUMED_FROM_CHECKPOINT = "resumed_from_checkpoint"
    WALKED_BACK = "walked_back"
    ALREADY_RELAUNCHED = "already_relaunched"
    RESTARTED_FROM_BEGINNING = "restarted_from_beginning"
    # WAIT
    CAPACITY_UNAVAILABLE = "capacity_unavailable"
    QUOTA_REACHED = "quota_reached"
    THROTTLED = "throttled"
    CREATE_DENIED = "create_denied"
    WANDB_UNAVAILABLE = "wandb_unavailable"
    WANDB_REFUSED = "wandb_refused"
    # STOP
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    NO_PROGRESS = "no_progress"
    CLASS_BUDGET_EXHAUSTED = "class_budget_exhausted"
    WAIT_TIME_EXHAUSTED = "wait_time_exhausted"
    FAILED_AGAIN_AT_SAME_STEP = "failed_again_at_same_step"
    NO_CHECKPOINT = "no_checkpoint"
    CHECKPOINT_ALIAS_MISSING = "checkpoint_alias_missing"
    OUT_OF_MEMORY = "out_of_memory"
    PERMISSION_DENIED = "permission_denied"
    CONFIGURATION_INVALID = "configuration_invalid"
    NAME_TAKEN = "name_taken"
    NOT_CLONABLE = "not_clonable"
    LIMIT_REACHED = "limit_reached"
    REQUEST_REJECTED = "request_rejected"
    IMAGE_NOT_ALLOWED = "image_not_allowed"
    ROLE_NOT_ALLOWED = "role_not_allowed"
    LINEAGE_TAGS_MALFORMED = "lineage_tags_malformed"
    TAGS_INVALID = "tags_invalid"
    TAGS_CONTRADICT_LAUNCH = "tags_contradict_launch"
    RUN_UNKNOWN = "run_unknown"
    CHECKPOINTS_ELSEWHERE = "checkpoints_elsewhere"
    TERMINATION_UNKNOWN = "termination_unknown"
    ENDED_TOO_LONG_AGO = "ended_too_long_ago"
    # IGNORE
    NOT_OPTED_IN = "not_opted_in"
    PROJECT_NOT_ALLOWED = "project_not_allowed"
    NOT_ENDED = "not_ended"
    STATUS_UNKNOWN = "status_unknown"
    COMPLETED = "completed"
    STOPPED_BY_USER = "stopped_by_user"
    OWNED_ELSEWHERE = "owned_elsewhere"
    ALREADY_JUDGED = "already_judged"
    NOT_DUE = "not_due"
    MODE_OFF = "mode_off"
    JOB_NOT_FOUND = "job_not_found"
    OTHER_DETAIL_TYPE = "other_detail_type"
    OTHER_ACCOUNT = "other_account"
    OTHER_REGION = "other_region"
    MESSAGE_MALFORMED = "message_malformed"


class Progress(StrEnum):
    """The newest checkpoint's step against the step that the attempt started from."""

    ADVANCED = "advanced"
    SAME = "same"
    REGRESSED = "regressed"
    UNKNOWN = "unknown"


class Mode(StrEnum):
    ACT = "act"
    OBSERVE = "observe"
    OFF = "off"


class Succession(StrEnum):
    """What is known of a job that bears the successor's name."""

    UNKNOWN = "unknown"
    OURS = "ours"
    FOREIGN = "foreign"


class Lookup(StrEnum):
    """What became of the question for checkpoints. Only FOUND may be read as "there are these"."""

    FOUND = "found"
    UNAVAILABLE = "unavailable"
    REFUSED = "refused"
    NOT_ASKED = "not_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A version of the lineage's artifact collection, as W&B tells of it."""

    version: str
    step: int | None  # global step; None: unknown, which is not zero
    digest: str
    run: str | None
    committed: bool
    aliases: tuple[str, ...] = ()

    @property
    def number(self) -> int:
        """Version numbers only grow, and one that is deleted is never given again."""
        return int(self.version.removeprefix("v"))


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointRequest:
    """Where a job's checkpoints are, and the W&B runs whose versions count."""

    entity: str
    project: str
    collection: str
    alias: str = "latest"
    runs: tuple[str, ...] = ()  # told by the job, never inferred from who made versions

    @property
    def path(self) -> str:
        return f"{self.entity}/{self.project}/{self.collection}"


@dataclass(frozen=True, slots=True)
class Ledger:
    """What a lineage has spent. Class counts only ever grow; it travels forward in a tag."""

    ends: tuple[tuple[str, int], ...] = ()  # (failure class, how many attempts ended so)
    without_progress: int = 0  # attempts in a row
    at_checkpoint: int = 0  # attempts in a row that died at the checkpoint they resumed from
    seen: int = -1  # newest version number that was there when the attempt was launched; -1: none

    def count(self, failure_class: str) -> int:
        return dict(self.ends).get(failure_class, 0)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A wait that goes on: how often it was taken up so far, and since when (epoch seconds)."""

    times: int
    since: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """A job's place in its lineage, read from its own Environment."""

    root: str
    attempt: int
    started_from: str | None = None  # version; None: from the beginning
    started_step: int | None = 0  # None: unknown
    ledger: Ledger = field(default_factory=Ledger)
    rejected: tuple[str, ...] = ()
    waiting: Waiting | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The verdict that already stands on a job; a word that is not ours is `unknown`."""

    verdict: str
    reason: str
    due: int | None = None  # epoch seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Every number of the policy. Each can be overridden per job by the tag `resilience:<name>`."""

    max_attempts: int = 10
    max_without_progress: int = 3
    max_infrastructure: int = 9
    max_interrupted: int = 9
    max_timeout: int = 9
    max_incomplete: int = 3
    max_user_code: int = 3
    max_data: int = 3
    max_unknown: int = 3
    max_jobs: int = 100
    # Since the job ended; an older one needs a person's word. Longer than a dead letter is kept
    # (14 days), so that whatever a person redrives is acted on.
    max_age_days: int = 15
    backoff_base_seconds: int = 60
    backoff_max_seconds: int = 3600
    wait_total_seconds: int = 86_400

    def budget(self, failure_class: FailureClass) -> int:
        """How many ends of one class a lineage may have; those not named wait or stop instead."""
        return int(getattr(self, f"max_{failure_class}", self.max_jobs))


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything one decision was taken from. No free text of the job is in it: it is logged."""

    job: str
    status: str
    secondary_status: str
    observed_at: int  # epoch seconds
    created_at: int | None
    ended_at: int | None
    started: bool  # whether the training ever began; what a job says of itself does not count
    mode: Mode
    request: CheckpointRequest | None
    tags_invalid: bool
    contradictions: tuple[str, ...]  # tags that say other than what was fixed at the launch
    project_allowed: bool
    owner: str | None
    lineage: Lineage | None  # None: its lineage tags cannot be read
    judged: Judged | None
    failure_class: FailureClass | None
    failure_rule: str
    checkpoint_load_error: bool
    run: str | None
    lookup: Lookup
    checkpoints: tuple[Checkpoint, ...]
    elsewhere: tuple[str, ...]  # other collections in which the lineage's runs have checkpoints
    obstacles: tuple[tuple[Reason, str], ...]  # what forbids a faithful successor, and its detail
    policy: Policy
    succession: Succession = Succession.UNKNOWN
    refusal: tuple[FailureClass, str] | None = None  # CreateTrainingJob refused: class and rule
    scheduled: int | None = None  # an earlier try has set this wait's due time already


@dataclass(frozen=True, slots=True, kw_only=True)
class Successor:
    """The job that continues a job: all that its tags and Environment must say."""

    name: str
    root: str
    parent: str
    attempt: int
    checkpoint: Checkpoint | None
    ledger: Ledger
    rejected: tuple[str, ...]
    waiting: Waiting | None
    parent_created: int | None = None  # epoch seconds
    diverged: bool = False  # the parent's loss did


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    verdict: Verdict
    reason: Reason
    rule: str
    facts: Facts
    detail: str = ""
    progress: Progress = Progress.UNKNOWN
    successor: Successor | None = None  # with RELAUNCH
    due: int | None = None  # with WAIT, epoch seconds
    waiting: Waiting | None = None  # with WAIT
    passed_over: tuple[tuple[str, str], ...] = ()  # (version, why it was not resumed from)
