"""The command `resilient-run`."""

from __future__ import annotations

import logging
import os
import secrets
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol

from resilient_training.job import (
    CheckpointLoadError,
    CollectionError,
    Job,
    folder_from,
    job_from,
    run_id_for,
)
from resilient_training.run.command_environment import ERROR_FILE, environment_for_command
from resilient_training.run.ends import CHECKPOINT_UNUSABLE, FAILED
from resilient_training.run.failure_file import Reported, write_failure
from resilient_training.run.hosts import Hosts, HostsError, hosts_from
from resilient_training.run.limits import Limits
from resilient_training.run.options import Options, UsageError, asks_for_check, options_from
from resilient_training.run.preview import preview_of
from resilient_training.run.processes import Machine, ProcessesError, world_size
from resilient_training.run.retention import refusal
from resilient_training.run.stops import Stops
from resilient_training.run.wrapper import Plan, Wrapper

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping, Sequence

    from resilient_training.run.ports import Parts

_log = logging.getLogger(__name__)
USAGE = 2


@dataclass(frozen=True)
class Settled:
    """What is known before anything is done; `processes` of all hosts together."""

    options: Options
    job: Job
    hosts: Hosts
    processes: int
    run_id: str | None


class Wiring(Protocol):
    """Puts the parts of one job together, from the table of layouts, W&B and the store."""

    @property
    def layouts(self) -> Sequence[str]:
        """The names that --layout may have."""

    def parts(self, settled: Settled, stops: Stops) -> Parts:
        """Everything that the wrapper works with. Nothing is asked of W&B or the store yet."""


def leave() -> NoReturn:
    """Be the command: run what is asked for, and end this process in any case.

    The SDK's own ways out wait for what has not come to an end, and SageMaker kills after 120 s. By
    then all that has a time of its own was given that time.
    """
    try:
        code: object = main()
    except SystemExit as left:
        code = left.code
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else FAILED)


def main(
    argv: Sequence[str] | None = None, wiring: Wiring | None = None, limits: Limits | None = None
) -> int:
    """Run what is asked for; gives the exit code."""
    logging.basicConfig(format="resilient-run: %(message)s")
    logging.getLogger("resilient_training").setLevel(logging.INFO)
    given = sys.argv[1:] if argv is None else argv
    base = folder_from(os.environ)
    if asks_for_check(given):
        return _check(given, base)
    wired = _real_wiring() if wiring is None else wiring
    try:
        settled = settle(given, wired.layouts, base, os.environ)
    except (UsageError, HostsError, ProcessesError) as error:
        return _refuse(f"UsageError: {error}", USAGE, base)
    except CheckpointLoadError as error:
        return _refuse(f"CheckpointLoadError: {error}", CHECKPOINT_UNUSABLE, base)
    except CollectionError as error:
        return _refuse(f"CollectionError: {error}", FAILED, base)
    if settled.options.dry_run:
        return _preview(settled)
    return _run(settled, wired, base, limits or Limits())


def _check(given: Sequence[str], base: Path) -> int:
    # Late: a job needs none of it.
    from resilient_training.run.check.command import check  # noqa: PLC0415

    return check(given, os.environ, base)


def _real_wiring() -> Wiring:
    # Late: --help and tests with parts of their own need no W&B.
    from resilient_training.run.wiring import RealWiring  # noqa: PLC0415

    return RealWiring()


def settle(
    argv: Sequence[str], layouts: Sequence[str], base: Path, environment: Mapping[str, str]
) -> Settled:
    """Read the arguments, the job and the hosts.

    Raises:
        UsageError, HostsError, ProcessesError: the user has to change something.
        CheckpointLoadError, CollectionError: the job's environment names what cannot be.
    """
    options = options_from(argv, layouts, environment.get("RESILIENCE_STORE"))
    hosts = hosts_from(base, environment)
    if hosts.count > 1 and options.store is None:
        raise UsageError(
            f"{hosts.count} hosts need --store s3://bucket/prefix (or RESILIENCE_STORE): no"
            " host has all files of a checkpoint, and they meet there"
        )
    machine = machine_from(environment)
    found = options.processes or world_size(options.command, hosts.count, machine, environment)
    job = job_from(environment)
    if options.keep is not None and (why := refusal(job, environment)) is not None:
        raise UsageError(why)
    return Settled(options, job, hosts, found, run_id_for(job, environment.get("WANDB_RUN_ID")))


def _with_run(settled: Settled, environment: MutableMapping[str, str]) -> Settled:
    """Give a training that has no name one: its run and its checkpoints have to share it."""
    if settled.run_id is not None:
        return settled
    run_id = secrets.token_hex(4)
    environment.update({"WANDB_RUN_ID": run_id, "WANDB_RESUME": "allow"})
    _log.info("WANDB_RUN_ID=%s continues this training", run_id)
    return replace(settled, run_id=run_id)


def machine_from(environment: Mapping[str, str]) -> Machine:
    """Count this host's GPUs, by SageMaker's word or the driver's devices, and its CPUs."""
    said = environment.get("SM_NUM_GPUS", "")
    devices = sum(1 for one in Path("/dev").glob("nvidia[0-9]*") if one.name[6:].isdecimal())
    return Machine(int(said) if said.isdecimal() else devices, os.cpu_count() or 1)


def _refuse(why: str, code: int, base: Path) -> int:
    sys.stderr.write(f"resilient-run: {why.removeprefix('UsageError: ')}\n")
    write_failure(base / "output" / "failure", why)
    return code


def _preview(settled: Settled) -> int:
    lines = preview_of(
        settled.options, settled.job, settled.hosts, settled.processes, settled.run_id
    )
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    if settled.options.keep is not None:
        # Late: it asks W&B.
        from resilient_training.run.keep_preview import preview_kept  # noqa: PLC0415

        kept = preview_kept(settled.options.keep, settled.job, settled.run_id, os.environ)
        sys.stdout.write("".join(f"{line}\n" for line in kept))
    return 0


def _run(settled: Settled, wiring: Wiring, base: Path, limits: Limits) -> int:
    # Late: it needs boto3.
    from resilient_training.environment import prepare_environment  # noqa: PLC0415

    stops = Stops()
    stops.listen()
    failure_file = base / "output" / "failure"
    with Reported(failure_file), tempfile.TemporaryDirectory(prefix="resilient-run-") as scratch:
        prepare_environment(settled.job)
        settled = _with_run(settled, os.environ)
        environment = environment_for_command(os.environ, Path(scratch) / "error.json")
        silence = settled.options.stalled_after
        settled.options.checkpoints.mkdir(parents=True, exist_ok=True)
        plan = Plan(
            settled.options.command,
            environment,
            settled.hosts,
            may_begin_anew=settled.job.pin is None and settled.hosts.count == 1,
            failure_file=failure_file,
            error_file=Path(environment[ERROR_FILE]),
            stalled_after=None if silence is None else silence * 60,
            limits=limits,
        )
        wrapper = Wrapper(plan, wiring.parts(settled, stops), stops)
        end = wrapper.run()
        wrapper.close()
    _log.info("exit code %d", end.code)
    return end.code
