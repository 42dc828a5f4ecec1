"""What `--dry-run` prints: what would be done."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resilient_training.job import Job
    from resilient_training.run.hosts import Hosts
    from resilient_training.run.options import Options


def preview_of(
    options: Options, job: Job, hosts: Hosts, processes: int, run_id: str | None
) -> Iterator[str]:
    """The lines, one for each thing that is decided before the command starts."""
    named = ", ".join(hosts.names)
    place = ", the first" if hosts.is_first else ""
    yield f"layout:           {options.layout or 'auto: what the first checkpoint looks like'}"
    yield f"checkpoints:      {options.checkpoints}"
    yield f"files go to:      {options.store or 'W&B'}"
    yield f"W&B run:          {_runs(run_id)}"
    yield f"begins at:        {job.pin.name if job.pin else 'the newest of this job, if any'}"
    yield f"resume arguments: {_resume_arguments(options)}"
    yield f"command:          {shlex.join(options.command)}"
    yield f"processes:        {processes} of all hosts together"
    yield f"hosts:            {named} (this is {hosts.current}{place})"
    yield f"stalled after:    {_minutes(options.stalled_after)}"
    yield f"checkpoints kept: {_kept(options.keep)}"


def _kept(keep: int | None) -> str:
    return "all" if keep is None else f"the newest {keep} good ones, those needed, and a ladder"


def _runs(run_id: str | None) -> str:
    if run_id is None:
        return "a new one: set WANDB_RUN_ID to come back to it"
    return f"{run_id}; its checkpoints are logged by {run_id}-checkpoints"


def _resume_arguments(options: Options) -> str:
    if options.resume_arguments is None:
        return "of the layout, where something is restored"
    return options.resume_arguments or "none"


def _minutes(limit: float | None) -> str:
    return "never" if limit is None else f"{limit:g} min of silence"
