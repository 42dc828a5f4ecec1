"""The command `python -m resilient_training.check`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resilient_training.check.plan import Break
from resilient_training.check.processes import Command
from resilient_training.check.table import lines_of, record_of
from resilient_training.check.trial import NotCheckedError, Outcome, Trial, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_ABOUT = """\
Runs a training some steps unbroken, then the same again but broken and resumed in a fresh process
with a fresh folder, and prints what is equal. Needs no W&B account and no network: within the check
`resilient()` keeps checkpoints and history in a folder.

Each step of --kill-at is tried twice: kill -9 right after a checkpoint of that very step, and kill
-9 at that step with the newest checkpoint some steps behind. With enough steps for an epoch or two,
its validation, schedulers and early stopping are part of what is compared."""
_CODES = """\
exit codes: 0 the same; 1 silently different, or lost; 2 different, and a line of the training said
so; 3 it cannot be checked"""
_BEHIND = 3


@dataclass(frozen=True)
class Place:
    """One break and the steps that are saved on the way there."""

    title: str
    at: Break
    save_at: tuple[int, ...]


def places(kills: Sequence[int], stops: Sequence[int]) -> Iterator[Place]:
    """The breaks that the options ask for."""
    for step in kills:
        at = Break("committed", step, signal.SIGKILL)
        yield Place(f"kill -9 right after the checkpoint of step {step}", at, (step,))
        if step > 1:
            saved = max(1, step - _BEHIND)
            title = f"kill -9 at step {step}, {step - saved} after a checkpoint"
            yield Place(title, Break("step", step, signal.SIGKILL), (saved,))
    for step in stops:
        yield Place(f"SIGTERM at step {step}", Break("step", step, signal.SIGTERM), ())


def check(
    command: Command, wanted: Sequence[Place], *, steps: int, results: Sequence[str] = ()
) -> Iterator[tuple[str, Outcome]]:
    """Try each place; gives its title and what came of it.

    Raises:
        NotCheckedError: the training does not let itself be checked; the message says why.
    """
    with tempfile.TemporaryDirectory(prefix="check-") as folder:
        trial = Trial(Path(folder), command, steps, results)
        _say(f"unbroken, {steps} steps …")
        made = trial.unbroken().steps()
        repeatable = False
        for number, place in enumerate(wanted):
            if place.at.number > made:
                raise NotCheckedError(
                    f"the training ended at step {made}, and the break would be at step"
                    f" {place.at.number}: give an earlier one"
                )
            _say(f"{place.title} …")
            outcome = trial.broken(f"broken-{number}", place.at, place.save_at)
            if outcome.verdict is Verdict.SILENT and not repeatable:
                _require_repeatable(trial)
                repeatable = True
            yield place.title, outcome


def _require_repeatable(trial: Trial) -> None:
    _say("different: unbroken once more, to see whether the training repeats itself …")
    differing = trial.is_repeatable()
    if differing:
        first = differing[0]
        raise NotCheckedError(
            "two unbroken trainings differ already, so a resumed one must; seed the weights and"
            f" use deterministic kernels. First: {first.name}: {first.detail}"
        )


def main(argv: Sequence[str] | None = None) -> int:
    """Check what is asked for; gives the exit code."""
    options = _parser().parse_args(argv)
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        return _refuse("no command: python -m resilient_training.check -- python train.py …")
    kills = options.kill_at or ([] if options.sigterm_at else [max(1, options.steps // 2)])
    late = [step for step in [*kills, *options.sigterm_at] if not 0 < step < options.steps]
    if late:
        return _refuse(f"a break at step {late[0]} does not lie within --steps {options.steps}")
    found = check(
        Command(command, Path.cwd(), options.timeout),
        list(places(kills, options.sigterm_at)),
        steps=options.steps,
        results=options.compare,
    )
    try:
        return _report(found, as_json=options.json)
    except NotCheckedError as error:
        return _refuse(str(error))


def _report(found: Iterator[tuple[str, Outcome]], *, as_json: bool) -> int:
    verdicts = []
    for title, outcome in found:
        verdicts.append(outcome.verdict)
        if as_json:
            _print(json.dumps(record_of(title, outcome)))
        else:
            for line in lines_of(title, outcome, colours=_colours()):
                _print(line)
    return exit_code_of(verdicts)


def exit_code_of(verdicts: Sequence[Verdict]) -> int:
    """The worst of them."""
    if Verdict.SILENT in verdicts or Verdict.LOST in verdicts:
        return 1
    return 2 if Verdict.SAID in verdicts else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m resilient_training.check",
        description=_ABOUT,
        epilog=_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--steps",
        type=_whole,
        default=20,
        metavar="N",
        help="end each training after optimizer step N, saved (20)",
    )
    for name, word in (("--kill-at", "kill -9"), ("--sigterm-at", "SIGTERM")):
        parser.add_argument(
            name,
            type=_whole,
            action="append",
            default=[],
            metavar="K",
            help=f"{word} at step K; can be repeated"
            + (" (half of the steps)" if name == "--kill-at" else ""),
        )
    parser.add_argument(
        "--compare",
        action="append",
        default=[],
        metavar="FILE",
        help="compare also this file, which the training writes at its own end; can be repeated",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=600,
        metavar="SECONDS",
        help="for one process of the training (600)",
    )
    parser.add_argument("--json", action="store_true", help="a line of JSON for each break")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="-- python train.py …")
    return parser


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no step: 1, 2, 3 …")
    return int(text)


def _colours() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ


def _refuse(why: str) -> int:
    _say(f"it cannot be checked: {why}")
    return 3


def _say(line: str) -> None:
    sys.stderr.write(f"check: {line}\n")
    sys.stderr.flush()


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
