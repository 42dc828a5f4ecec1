"""The arguments of `resilient-run`, typed."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from resilient_training.run import resume_arguments
from resilient_training.run.place import STORE
from resilient_training.run.retention import FEWEST

if TYPE_CHECKING:
    from collections.abc import Sequence

AUTO = "auto"
_RESUME_ARGS = "--resume-args"
# By these, frameworks are told where their checkpoints go (Hugging Face, Megatron, fairseq).
_FOLDER_OPTIONS = (
    "--output_dir",
    "--output-dir",
    "--save",
    "--save_dir",
    "--save-dir",
    "--save_folder",
    "--checkpoint_dir",
    "--checkpoint-dir",
    "--checkpoints",
)

_ABOUT = """\
Runs a training so that it can be brought back, without a change to its script. It restores the
checkpoint that the controller pinned, starts the command, watches the folder of its checkpoints,
uploads each complete one, and commits it to W&B. It is process 1 of every host:

    exec resilient-run --checkpoints /opt/ml/work/out -- \\
        torchrun --nproc_per_node=8 train.py --output_dir /opt/ml/work/out

It restarts nothing: the controller starts the next attempt. SIGTERM goes to the command, and what
the command has saved is committed within SageMaker's 120 s. Ctrl-C does the same.

Try it first, without W&B or AWS: --check starts the command, kills it with -9 after its first
checkpoint, restores that one, and says whether the losses go on as they did. Its folder has to be
empty, and is so afterwards."""
_CODES = """\
exit codes: 0 the command ended with 0; 143 SIGTERM; 66 a person stopped the run in W&B; 65 the
pinned version cannot be resumed from; 2 these arguments are wrong; 1 any other end. Where the
folder /opt/ml/output is, its file `failure` says why.
of --check: 0 the same losses; 1 silently different, or lost; 2 different, but near; 3 it cannot be
checked."""


class UsageError(Exception):
    """The user has to change the arguments; the message is one line and says how."""


@dataclass(frozen=True)
class Options:
    """What the user asked for.

    Attributes:
        checkpoints: Where the command puts its checkpoints.
        layout: A name of the table of layouts; None: what the first checkpoint looks like.
        store: `s3://bucket/prefix`, without a slash at its end; None: files are uploaded to W&B.
        resume_arguments: Added to the command after a restore; None: those of the layout.
        processes: Of all hosts together; None: by the command.
        stalled_after: Minutes; None: no limit.
        keep: How many of the newest good checkpoints stay, beside what else a resume may need and
            a ladder of older ones; None: all of them.
        check: Try whether the command comes back, instead of running it.
        json: Of a check: report as JSON.
    """

    checkpoints: Path
    command: tuple[str, ...]
    layout: str | None = None
    store: str | None = None
    resume_arguments: str | None = None
    processes: int | None = None
    stalled_after: float | None = None
    keep: int | None = None
    dry_run: bool = False
    check: bool = False
    json: bool = False


def asks_for_check(argv: Sequence[str]) -> bool:
    """Whether `--check` is among the arguments, and not among the command's own."""
    return "--check" in argv[: argv.index("--") if "--" in argv else len(argv)]


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (resilient-run --help)")


def options_from(argv: Sequence[str], layouts: Sequence[str], store: str | None) -> Options:
    """Parse the arguments; `--help` prints and leaves.

    Args:
        argv: Without the program's name.
        layouts: The names that --layout may have, besides `auto`.
        store: RESILIENCE_STORE of the launch, which counts where --store is not given.

    Raises:
        UsageError: they are wrong.
        SystemExit: 0, after the help.
    """
    cut = argv.index("--") if "--" in argv else len(argv)
    given = _parser(layouts).parse_args(_joined(argv[:cut]))
    command = tuple(argv[cut + 1 :])
    if not command:
        raise UsageError("no command: resilient-run --checkpoints DIR -- torchrun … train.py …")
    if (given.json and not given.check) or (given.check and given.dry_run):
        raise UsageError("--json is for --check, which starts the command: not with --dry-run")
    folder = (given.checkpoints or _folder_in(command)).absolute()
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--checkpoints {folder} is no folder")
    return Options(
        checkpoints=folder,
        command=command,
        layout=None if given.layout == AUTO else given.layout,
        store=_store(given.store, store),
        resume_arguments=given.resume_args,
        processes=given.processes,
        stalled_after=given.stalled_after,
        keep=given.keep,
        dry_run=given.dry_run,
        check=given.check,
        json=given.json,
    )


def _joined(argv: Sequence[str]) -> list[str]:
    """Make one word of --resume-args and its value, which argparse takes for an option."""
    words = list(argv)
    if _RESUME_ARGS in words[:-1]:
        place = words.index(_RESUME_ARGS)
        words[place : place + 2] = ["=".join(words[place : place + 2])]
    return words


def _parser(layouts: Sequence[str]) -> argparse.ArgumentParser:
    parser = _Parser(
        prog="resilient-run",
        usage="resilient-run [options] -- command …",
        description=_ABOUT,
        epilog=_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    for name, metavar, kind, text in (
        ("checkpoints", "DIR", Path, "where the command puts its checkpoints (its --output_dir)"),
        ("store", "S3", _s3, "s3://bucket/prefix for the files (RESILIENCE_STORE; else W&B)"),
        ("resume-args", "TEXT", _words, "added to the command after a restore (of the layout)"),
        ("processes", "N", _whole, "of all hosts together (torchrun's own; else 1)"),
        ("stalled-after", "MINUTES", _minutes, "of silence, then the command is killed (never)"),
        ("keep", "N", _kept, "how many of the newest good checkpoints stay, and a ladder (all)"),
    ):
        parser.add_argument(f"--{name}", metavar=metavar, type=kind, help=text)
    parser.add_argument(
        "--layout",
        choices=[AUTO, *layouts],
        default=AUTO,
        metavar="NAME",
        help=f"how checkpoints lie on disk: {', '.join([AUTO, *layouts])} (auto)",
    )
    for name, text in (
        ("dry-run", "print the plan, start nothing"),
        ("check", "try whether this training would come back"),
        ("json", "with --check: the report as one line of JSON"),
    ):
        parser.add_argument(f"--{name}", action="store_true", help=text)
    return parser


def _folder_in(command: Sequence[str]) -> Path:
    """The one folder that the command's own options name.

    Raises:
        UsageError: there is none, or more than one.
    """
    found = set()
    for place, word in enumerate(command):
        option, equals, value = word.partition("=")
        if option in _FOLDER_OPTIONS:
            found.add(value if equals else next(iter(command[place + 1 : place + 2]), ""))
    if len(found) != 1:
        raise UsageError(
            "--checkpoints DIR is missing: the folder in which the command puts its checkpoints"
        )
    return Path(found.pop())


def _store(given: str | None, launched: str | None) -> str | None:
    wanted = None if given is None else given.rstrip("/")
    settled = launched.rstrip("/") if launched else None
    if settled is not None and not STORE.fullmatch(settled):
        raise UsageError(f"RESILIENCE_STORE is not s3://bucket/prefix: {settled}")
    if wanted is None or settled is None:
        return wanted or settled
    if not f"{wanted}/".startswith(f"{settled}/"):
        raise UsageError(
            f"--store {wanted} is not below {settled}, which the launch has set"
            " (RESILIENCE_STORE): the controller would pass over each checkpoint"
        )
    return wanted


def _s3(text: str) -> str:
    if not STORE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text} is not s3://bucket/prefix")
    return text


def _words(text: str) -> str:
    try:
        resume_arguments.check(text)
    except resume_arguments.ResumeArgumentsError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _whole(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1, 2, 3 …")
    return int(text)


def _kept(text: str) -> int:
    if (keep := _whole(text)) < FEWEST:
        raise argparse.ArgumentTypeError(
            f"{text} is less than {FEWEST}: if the newest one cannot be loaded, the one before it"
            " has to be there"
        )
    return keep


def _minutes(text: str) -> float:
    if not re.fullmatch(r"\d+(\.\d+)?", text) or float(text) == 0:
        raise argparse.ArgumentTypeError(f"{text} is no number of minutes")
    return float(text)
