"""What a deployment sets, read once from the environment that template.yaml gives a function."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase

from resilience.decide.decisions import CheckpointRequest, Mode, Policy
from resilience.decide.stores import Store, parse
from resilience.errors import SettingsMissing
from resilience.registries import with_accounts

_DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class _Allowlist:
    allowed_projects: tuple[str, ...]  # globs of entity/project

    def allows_project(self, request: CheckpointRequest) -> bool:
        path = f"{request.entity}/{request.project}"
        return any(fnmatchcase(path, glob) for glob in self.allowed_projects)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(_Allowlist):
    """Settings of on_training_ended."""

    wandb_base_url: str
    wandb_secret_name: str
    wandb_ca_parameter: str  # empty: the public authorities
    mode: Mode  # the ceiling: the parameter can only make it more careful
    mode_parameter: str
    breaker_parameter: str
    allowed_images: tuple[str, ...]  # globs of image URIs
    allowed_stores: tuple[Store, ...]  # where checkpoints may lie beside W&B itself; empty: nowhere
    training_roles: tuple[str, ...]  # ARNs; iam:PassRole bars the others as well
    queue_arn: str
    dead_letter_url: str
    topic_arn: str
    schedule_group: str
    schedule_role_arn: str
    reads_job_logs: bool
    policy: Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepSettings(_Allowlist):
    """Settings of sweep."""

    mode: Mode
    mode_parameter: str
    breaker_parameter: str
    queue_url: str
    grace_seconds: int
    lookback_seconds: int
    topic_arn: str
    breaker_failures: int
    breaker_window_seconds: int


def of_on_training_ended(environment: Mapping[str, str]) -> Settings:
    """Read and check; raises SettingsMissing with the name of what is missing or malformed."""
    return Settings(
        wandb_base_url=_text(environment, "WANDB_BASE_URL").rstrip("/"),
        wandb_secret_name=_text(environment, "WANDB_SECRET_NAME"),
        wandb_ca_parameter=environment.get("WANDB_CA_PARAMETER", "").strip(),
        mode=_mode(environment),
        mode_parameter=_text(environment, "RESILIENCE_MODE_PARAMETER"),
        breaker_parameter=_text(environment, "RESILIENCE_BREAKER_PARAMETER"),
        allowed_projects=_words(environment, "RESILIENCE_ALLOWED_PROJECTS"),
        allowed_images=_images(environment),
        allowed_stores=tuple(_stores(environment)),
        training_roles=_words(environment, "RESILIENCE_TRAINING_ROLES"),
        queue_arn=_text(environment, "RESILIENCE_QUEUE_ARN"),
        dead_letter_url=_text(environment, "RESILIENCE_DEAD_LETTER_URL"),
        topic_arn=_text(environment, "RESILIENCE_TOPIC_ARN"),
        schedule_group=_text(environment, "RESILIENCE_SCHEDULE_GROUP"),
        schedule_role_arn=_text(environment, "RESILIENCE_SCHEDULE_ROLE_ARN"),
        reads_job_logs=_yes(environment, "RESILIENCE_READ_JOB_LOGS"),
        policy=_policy(environment),
    )


def of_sweep(environment: Mapping[str, str]) -> SweepSettings:
    """Read and check; raises SettingsMissing with the name of what is missing or malformed."""
    return SweepSettings(
        mode=_mode(environment),
        mode_parameter=_text(environment, "RESILIENCE_MODE_PARAMETER"),
        breaker_parameter=_text(environment, "RESILIENCE_BREAKER_PARAMETER"),
        allowed_projects=_words(environment, "RESILIENCE_ALLOWED_PROJECTS"),
        queue_url=_text(environment, "RESILIENCE_QUEUE_URL"),
        grace_seconds=_number(environment, "RESILIENCE_SWEEP_GRACE_SECONDS"),
        # As far as a job may be relaunched: whatever ended while the stack was off is taken up.
        lookback_seconds=_number(environment, "RESILIENCE_MAX_AGE_DAYS") * _DAY,
        topic_arn=_text(environment, "RESILIENCE_TOPIC_ARN"),
        breaker_failures=_number(environment, "RESILIENCE_BREAKER_FAILURES"),
        breaker_window_seconds=_number(environment, "RESILIENCE_BREAKER_WINDOW_SECONDS"),
    )


def _policy(environment: Mapping[str, str]) -> Policy:
    """Read the numbers: RESILIENCE_MAX_JOBS and so on; one that is not set has its default."""
    names = {field.name: f"RESILIENCE_{field.name.upper()}" for field in fields(Policy)}
    given = set(environment)
    return Policy(
        **{field: _number(environment, name) for field, name in names.items() if name in given}
    )


def _mode(environment: Mapping[str, str]) -> Mode:
    word = _text(environment, "RESILIENCE_MODE")
    if word not in set(Mode):
        raise SettingsMissing(f"RESILIENCE_MODE must be one of {', '.join(Mode)}, not {word!r}")
    return Mode(word)


def _yes(environment: Mapping[str, str], name: str) -> bool:
    word = _text(environment, name)
    if word not in {"yes", "no"}:
        raise SettingsMissing(f"{name} must be yes or no, not {word!r}")
    return word == "yes"


def _images(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The globs, with the account of AWS's registry in the region where the queue is."""
    _, _, _, region, *_ = (*_text(environment, "RESILIENCE_QUEUE_ARN").split(":"), "", "", "")
    return with_accounts(_words(environment, "RESILIENCE_ALLOWED_IMAGES"), region)


def _stores(environment: Mapping[str, str]) -> Iterator[Store]:
    name = "RESILIENCE_ALLOWED_STORES"
    for word in filter(None, map(str.strip, environment.get(name, "").split(","))):
        store = parse(word)
        if not isinstance(store, Store):
            raise SettingsMissing(f"{name} must hold s3://bucket/prefix/ and more, not {word!r}")
        yield store


def _text(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "").strip()
    if not value:
        raise SettingsMissing(f"{name} is not set; template.yaml gives it to the function")
    return value


def _words(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    words = tuple(word.strip() for word in _text(environment, name).split(",") if word.strip())
    if not words:
        raise SettingsMissing(f"{name} names nothing")
    return words


def _number(environment: Mapping[str, str], name: str) -> int:
    value = _text(environment, name)
    if not (value.isascii() and value.isdigit()):
        raise SettingsMissing(f"{name} must be a whole number, not {value!r}")
    return int(value)
