"""`resilient-run --check`: tells before a night is lost whether a training would come back."""

from __future__ import annotations

import json
import logging
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from resilient_training.job import CheckpointLoadError, CollectionError
from resilient_training.run.check.findings import Verdict
from resilient_training.run.check.folder import NotCheckedError, borrowed
from resilient_training.run.check.report import lines_of, record_of, report_of
from resilient_training.run.check.trial import Trial
from resilient_training.run.command import Settled, settle
from resilient_training.run.hosts import HostsError
from resilient_training.run.layouts import LAYOUTS
from resilient_training.run.options import UsageError
from resilient_training.run.processes import ProcessesError
from resilient_training.run.stops import Stops

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from resilient_training.run.check.report import Report

_log = logging.getLogger(__name__)
# Of a job or a run, which the training that is checked is not part of.
_OF_A_JOB = re.compile(r"(TRAINING_JOB_|RESILIENCE_|SM_HOSTS|SM_CURRENT_HOST).*|SAGEMAKER_BASE_DIR")
_OF_A_RUN = re.compile(r"WANDB_(RUN_ID|RESUME|SWEEP_ID|SERVICE)")
_OURS = re.compile(r"^\s*(?:from|import)\s+resilient_training\b", re.MULTILINE)
_MOST_SCRIPT = 1 << 20


def check(argv: Sequence[str], environment: Mapping[str, str], base: Path) -> int:
    """Check what is asked for; gives the exit code.

    Args:
        argv: As of `resilient-run`.
        environment: Of this process. What in it is of a job or a run does not count.
        base: SageMaker's folder, or what stands for it.
    """
    as_json = "--json" in argv
    try:
        settled = _settled(argv, environment, base)
        as_json = settled.options.json
        report = _checked(settled, environment)
    except (UsageError, HostsError, ProcessesError, NotCheckedError) as error:
        return _refuse(str(error), as_json=as_json)
    except (CheckpointLoadError, CollectionError, OSError) as error:
        return _refuse(f"{type(error).__name__}: {error}", as_json=as_json)
    if as_json:
        _print(json.dumps(record_of(report)))
    else:
        for line in lines_of(report, colours=_colours(environment)):
            _print(line)
    return report.verdict.code


def _settled(argv: Sequence[str], environment: Mapping[str, str], base: Path) -> Settled:
    mine = {name: value for name, value in environment.items() if not _OF_A_JOB.fullmatch(name)}
    settled = settle(argv, [layout.name for layout in LAYOUTS], base, mine)
    if settled.hosts.count > 1:
        raise UsageError("--check runs on one host: leave the others out of it")
    _require_no_callbacks(settled.options.command)
    return settled


def _require_no_callbacks(command: Sequence[str]) -> None:
    """A script that saves by our callbacks has a check that sees more."""
    scripts = [Path(word) for word in command if word.endswith(".py")]
    for script in scripts:
        text = script.read_text(errors="replace")[:_MOST_SCRIPT] if script.is_file() else ""
        if _OURS.search(text) and "resilient(" in text:
            raise NotCheckedError(
                f"{script} saves by resilient_training itself: check it with"
                f" python -m resilient_training.check -- python {script} … (it compares weights)"
            )


def _checked(settled: Settled, environment: Mapping[str, str]) -> Report:
    stops = Stops()
    stops.listen()
    given = {
        name: value
        for name, value in environment.items()
        if not _OF_A_JOB.fullmatch(name) and not _OF_A_RUN.fullmatch(name)
    }
    options = settled.options
    with borrowed(options.checkpoints) as own:
        trial = Trial(settled, {**given, "WANDB_MODE": "disabled"}, own, stops)
        return report_of(trial.run(), options.store or "W&B", trial.again)


def _refuse(why: str, *, as_json: bool) -> int:
    code = Verdict.UNKNOWN.code
    sys.stderr.write(f"resilient-run: it cannot be checked: {why}\n")
    if as_json:
        _print(json.dumps({"verdict": "unknown", "exit_code": code, "why": why}))
    return code


def _colours(environment: Mapping[str, str]) -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in environment


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
