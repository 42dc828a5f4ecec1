"""What is to be launched, and what a job has to carry so that it can be brought back."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from launching.account import LaunchError
from launching.command import RUN, check_command, is_wrapped
from launching.opt_in import check_opt_in
from launching.stores import check_store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from launching.hosts import Group

# SageMaker shows some ARNs in lower case, and a policy compares them letter by letter.
_JOB_PREFIX = re.compile(r"([a-z0-9][a-z0-9-]{0,40})?")
_SECRET_NAME = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")
# Of what S3 takes, that which is no wildcard in a policy and no step up in a path.
_HOME = re.compile(r"[a-z0-9.-]{3,63}(/[A-Za-z0-9!_.'()-]+)+")
_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_MOST_METRICS = 40
_LONGEST_KEEP_ALIVE = 3600

# What the container installs. pip itself enforces hashes for all of a file that has this line.
REQUIREMENTS = "requirements.lock"
_HASHES = "--require-hashes"

# What train.py says about itself, so that Describe and the console have it too.
METRICS = {
    "step": r"step (\d+)",
    "train_loss": r"train_loss=([-+.\deE]+)",
    "val_loss": r"val_loss=([-+.\deE]+)",
    "val_accuracy": r"val_accuracy=([-+.\deE]+)",
}


@dataclass(frozen=True)
class TrainingSpec:
    """One training to launch.

    `home` is `bucket/prefix`, below which all of its objects lie. Durations are in seconds;
    `max_wait` counts for spot only; `keep_alive` is how long a warm pool outlives the job.
    `metrics` maps a name to a regular expression whose one group is the value in a line of the log.
    `completion_token` is drawn anew for each launch; a training proves with it that it has ended.
    `command` is what the container runs, None for train.py. `groups` stand in the place of
    `instance_type` and `instance_count`, where there are any. `store` is `s3://bucket/prefix`,
    without a slash at its end, or None.
    """

    name: str
    role_arn: str
    image: str
    source: Path
    home: str
    project: str
    secret_name: str
    base_url: str
    entity: str | None = None
    data: Path | None = None
    command: str | None = None
    store: str | None = None
    instance_type: str = "ml.m5.large"
    instance_count: int = 1
    groups: tuple[Group, ...] = ()
    volume_gb: int = 30
    max_runtime: int = 24 * 3600
    spot: bool = False
    max_wait: int = 48 * 3600
    keep_alive: int = 0
    install: bool = False
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, str] = field(default_factory=lambda: METRICS)
    environment: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    job_prefix: str = ""
    completion_token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    @property
    def account(self) -> str:
        """The number of the account that all of it belongs to."""
        return self.role_arn.split(":")[4]

    @property
    def hosts(self) -> int:
        """How many machines work on it together."""
        return sum(group.count for group in self.groups) or self.instance_count

    @property
    def output_uri(self) -> str:
        return f"s3://{self.home}/output/"

    @property
    def checkpoint_uri(self) -> str | None:
        """Where SageMaker mirrors train.py's local checkpoints.

        Not those of a command: SageMaker deletes there what the container deletes, and all hosts
        of a job share the place.
        """
        return None if self.command else f"s3://{self.home}/checkpoints/{self.name}/"


def check(spec: TrainingSpec) -> None:
    """Refuse what SageMaker or its SDK would only refuse, or break on, later.

    Raises:
        LaunchError: says what is wrong and what to give instead.
    """
    if not _NAME.fullmatch(spec.name):
        raise LaunchError(f"{spec.name!r}: a job name is 1 to 63 letters, digits and inner hyphens")
    _check_program(spec)
    if spec.data is not None and not any(spec.data.glob("*")):
        raise LaunchError(f"{spec.data} holds no data: give --data a folder with files")
    _check_times(spec)
    _check_words(spec)
    _check_places(spec)
    _check_requirements(spec)
    check_store(spec)
    check_opt_in(spec)


def _check_program(spec: TrainingSpec) -> None:
    if spec.command is not None:
        check_command(spec.command, spec.source)
    elif not (spec.source / "train.py").is_file():
        raise LaunchError(
            f"{spec.source} has no train.py: give --source the folder that does, or --command"
        )
    if is_wrapped(spec.command):
        return
    if spec.hosts > 1:
        raise LaunchError(
            f"{spec.hosts} hosts need {RUN}, which no host's checkpoint is torn by: --command"
            f' "{RUN} -- torchrun … train.py …"'
        )
    if spec.store is not None:
        raise LaunchError(f"--store is {RUN}'s: without it in --command nothing is put there")


def _check_times(spec: TrainingSpec) -> None:
    if spec.spot and spec.max_wait < spec.max_runtime:
        raise LaunchError("--max-wait may not be below --max-runtime")
    if not 0 <= spec.keep_alive <= _LONGEST_KEEP_ALIVE:
        raise LaunchError(f"--keep-alive is 0 to {_LONGEST_KEEP_ALIVE} seconds")
    if spec.spot and spec.keep_alive:
        raise LaunchError("SageMaker keeps no spot instances warm: --spot or --keep-alive")


def _check_words(spec: TrainingSpec) -> None:
    # The SDK's own start script puts each value between apostrophes for the shell.
    quoted = [name for name, value in spec.hyperparameters.items() if "'" in name + value]
    if quoted:
        raise LaunchError(f"--hyperparameter {quoted[0]}: the SDK cannot pass an apostrophe")
    if len(spec.metrics) > _MOST_METRICS:
        raise LaunchError(f"SageMaker takes {_MOST_METRICS} metrics at most")
    for name, pattern in spec.metrics.items():
        _check_pattern(name, pattern)


def _check_pattern(name: str, pattern: str) -> None:
    try:
        groups = re.compile(pattern).groups
    except re.error as error:
        raise LaunchError(f"--metric {name}: {error}") from None
    if groups != 1:
        raise LaunchError(f"--metric {name}: one group is the value, as in loss=([0-9.]+)")


def _check_places(spec: TrainingSpec) -> None:
    """These go into the role's policy, where a wildcard would widen it."""
    if not _HOME.fullmatch(spec.home) or ".." in spec.home:
        raise LaunchError(f"{spec.home}: --bucket and --prefix are plain names, without wildcards")
    if not _SECRET_NAME.fullmatch(spec.secret_name):
        raise LaunchError(f"--secret-name {spec.secret_name!r}: letters, digits and /_+=.@-")
    if not _JOB_PREFIX.fullmatch(spec.job_prefix):
        raise LaunchError(f"--job-prefix {spec.job_prefix!r}: lower case letters, digits, hyphens")
    if not spec.name.startswith(spec.job_prefix):
        raise LaunchError(f"--name {spec.name} does not begin with --job-prefix {spec.job_prefix}")


def _check_requirements(spec: TrainingSpec) -> None:
    """Unattended, at each attempt, the container installs what this file names."""
    if not spec.install:
        return
    file = spec.source / REQUIREMENTS
    if not file.is_file():
        raise LaunchError(f"{spec.source} has no {REQUIREMENTS}: lock it, or give --no-install")
    if _HASHES not in [line.strip() for line in file.read_text().splitlines()]:
        raise LaunchError(f"{file} has no line {_HASHES}: its packages could change under a job")
