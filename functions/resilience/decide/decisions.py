"""What is decided, and the facts it is decided from: frozen, closed, serialisable."""

from dataclasses import dataclass, field
from enum import StrEnum

from resilience.decide import naming
from resilience.decide.breaker import Breaker
from resilience.decide.stores import NoStore, Store, StoreFault
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
    NOT_STARTED = "not_started"
    START_REFUSED = "start_refused"
    ACCESS_DENIED = "access_denied"
    FAILING_AGAIN = "failing_again"
    FAILING_ALIKE = "failing_alike"
    UPLOAD_PENDING = "upload_pending"
    FLEET_BREAKER_OPEN = "fleet_breaker_open"
    RUN_IN_USE = "run_in_use"
    THROTTLED = "throttled"
    CREATE_DENIED = "create_denied"
    WANDB_UNAVAILABLE = "wandb_unavailable"
    WANDB_REFUSED = "wandb_refused"
    # STOP
    ATTEMPTS_EXHAUSTED = "attempts_exhausted"
    NO_PROGRESS = "no_progress"
    FAILED_AGAIN_AT_SAME_STEP = "failed_again_at_same_step"
    NO_CHECKPOINT = "no_checkpoint"
    CHECKPOINT_ALIAS_MISSING = "checkpoint_alias_missing"
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
    STORE_NOT_ALLOWED = "store_not_allowed"
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
    ALREADY_DECIDED = "already_decided"
    NOT_DUE = "not_due"
    MODE_OFF = "mode_off"
    JOB_NOT_FOUND = "job_not_found"
    OTHER_DETAIL_TYPE = "other_detail_type"
    OTHER_ACCOUNT = "other_account"
    OTHER_REGION = "other_region"
    MESSAGE_MALFORMED = "message_malformed"


class Progress(StrEnum):
    """What the attempt committed against the highest step that its lineage ever had."""

    ADVANCED = "advanced"
    SAME = "same"
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


class LogRead(StrEnum):
    """What became of the question for the job's own log."""

    NOT_ASKED = "not_asked"
    FOUND = "found"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A version of the lineage's artifact collection, as W&B tells of it."""

    version: str
    step: int | None  # global step; None: unknown, which is not zero
    digest: str
    run: str | None
    committed: bool
    aliases: tuple[str, ...] = ()
    job: str | None = None  # the training job that its metadata names
    hashed: bool = False  # its metadata has its file's sha256, as the training side writes it
    # Where its metadata says that its bytes lie; None: in W&B. Text of others, which no line has.
    store: Store | NoStore | None = None

    @property
    def number(self) -> int:
        """Version numbers only grow, and one that is deleted is never given again."""
        return int(self.version.removeprefix("v"))


@dataclass(frozen=True, slots=True)
class Upload:
    """A version whose upload has not ended."""

    number: int | None  # W&B may give it with the commit only
    job: str | None = None  # as a checkpoint's


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
    """What a lineage has spent and learnt. It travels forward in a successor's Environment.

    Only attempts that trained are counted. What counts in a row is cleared by an attempt that
    committed work of its own.
    """

    ends: tuple[tuple[str, int], ...] = ()  # (failure class, how many attempts ended so)
    refused: int = 0  # starts that AWS refused, of a configuration that has never trained
    unpaid: int = 0  # attempts that did not work long enough to pay for their successor
    without_work: int = 0  # attempts in a row, but for those that a missing right has ended
    by_program: int = 0  # of those, the last in a row that the program may be to blame for
    lost_seconds: int = 0  # trained in a row without committing anything
    same: int = 0  # deaths in a row at the same place, after about the same time
    place: str = ""  # hash of the step and the reason's signature of the last such death
    after: int = 0  # seconds that the last such attempt trained; 0: nothing to compare with
    best: int = -1  # highest step that a good checkpoint of the lineage ever had; -1: none known
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

    @property
    def next_name(self) -> str:
        """The name that the successor has or would have."""
        return naming.successor_name(self.root, self.attempt + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The verdict that already stands on a job; a word that is not ours is `unknown`."""

    verdict: str
    reason: str
    due: int | None = None  # epoch seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Every number of the policy. Each can be overridden per job by the tag `resilience:<name>`."""

    max_without_work: int = 3  # in a row, where the program may be to blame
    max_failing: int = 24  # in a row without work, whatever is to blame: about a day of tries
    max_lost_seconds: int = 172_800  # trained in a row without committing anything
    max_jobs: int = 100  # attempts that did not pay for their successor
    # Since the job ended; an older one needs a person's word. Longer than a dead letter is kept
    # (14 days), so that whatever a person redrives is acted on.
    max_age_days: int = 15
    backoff_base_seconds: int = 60
    backoff_max_seconds: int = 3600


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
    seconds: int  # trained; 0 where it never began
    signature: str  # of the failure's text: a hash
    mode: Mode
    request: CheckpointRequest | None
    tags_invalid: bool
    contradictions: tuple[str, ...]  # tags that say other than what was fixed at the launch
    project_allowed: bool
    owner: str | None
    lineage: Lineage | None  # None: its lineage tags cannot be read
    recorded: Recorded | None
    again: str | None  # a person asks for another decision: a hash of the word
    failure_class: FailureClass | None
    failure_rule: str
    checkpoint_load_error: bool
    run: str | None
    lookup: Lookup = Lookup.NOT_ASKED
    checkpoints: tuple[Checkpoint, ...] = ()
    # Versions whose bytes lie where neither the stack nor the launch allows it, and why.
    store_faults: tuple[tuple[str, StoreFault], ...] = ()
    pending: int = 0  # versions that this attempt may have begun to upload, and has not ended
    elsewhere: tuple[str, ...] = ()  # other collections where the lineage's runs have checkpoints
    obstacles: tuple[tuple[Reason, str], ...]  # what forbids a faithful successor, and its detail
    policy: Policy
    log_read: LogRead = LogRead.NOT_ASKED  # FOUND: class and rule may be by the log
    heartbeat_at: int | None = None  # of the lineage's runs, as ports.Answer has it
    succession: Succession = Succession.UNKNOWN
    refusal: tuple[FailureClass, str] | None = None  # CreateTrainingJob refused: class and rule
    breaker: Breaker = field(default_factory=Breaker)  # the fleet's, as it was read with the mode
    cause: str = ""  # what the fleet breaker counts this end as


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
