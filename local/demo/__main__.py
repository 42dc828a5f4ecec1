"""`make demo`: break a training job and watch it come back, on this machine alone."""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from local import doubts
from local.demo.lineage import Observer
from local.demo.run import PATIENCE_SECONDS, ROOT, DemoError, Run
from local.demo.scenarios import BACKOFF_SECONDS, SCENARIOS
from local.demo.story import Story
from local.demo.timeline import defects, show
from local.stack import REPOSITORY, LocalStack, local_stack

# Seconds where a deployment has minutes, so that a wait fits into a demo.
PARAMETERS = {
    "BackoffBaseSeconds": str(BACKOFF_SECONDS),
    "BackoffMaxSeconds": str(2 * BACKOFF_SECONDS),
    "SweepGraceSeconds": "0",
}
INTERRUPTED = 130
_LOG_SECONDS = 0.5


def main() -> int:
    options = _options()
    console = Console()
    scenario = SCENARIOS[options.fault]
    story = Story(console)
    story.say("demo", f"FAULT={options.fault}: {scenario.says}")
    home = REPOSITORY / ".local"
    home.mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix=f"demo-{options.fault}-", dir=home))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with local_stack(
            directory,
            lambda text: story.say("stack", text),
            PARAMETERS,
            aws_options=[*scenario.aws_options, *doubts.options_of(options.doubt)],
        ) as stack:
            run = Run(stack, scenario, story, directory, options.patience)
            code = _play(run, console)
            if options.keep:
                _keep(stack, console)
            return code
    except DemoError as error:
        console.print(f"demo: {error}", style="red", markup=False)
        return 1
    except KeyboardInterrupt:
        console.print("\nended by you; nothing is left running")
        return INTERRUPTED
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make demo",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"  {name:<12}{one.says}" for name, one in SCENARIOS.items()),
    )
    parser.add_argument("fault", nargs="?", default="gpu", choices=SCENARIOS, metavar="FAULT")
    parser.add_argument(
        "--patience",
        type=float,
        default=PATIENCE_SECONDS,
        metavar="SECONDS",
        help="for how long the lineage may take (default %(default).0f); more on a busy machine",
    )
    parser.add_argument("--keep", action="store_true", help="leave it running until Ctrl-C")
    parser.add_argument(
        "--doubt",
        action="append",
        default=[],
        type=doubts.word,
        metavar="NAME",
        help=doubts.HELP,
    )
    return parser.parse_args()


def _play(run: Run, console: Console) -> int:
    observer = Observer(run.stack, ROOT)
    try:
        run.play(observer)
        found = []
    except DemoError as error:
        found = [str(error)]
    # The verdict's tag comes before its log line is flushed.
    time.sleep(_LOG_SECONDS)
    judgements = observer.judgements()
    show(console, run, judgements)
    found += defects(run, judgements)
    for defect in found:
        console.print(f"not as it must be: {defect}", style="bold red", markup=False)
    if not found:
        jobs = len(run.attempts)
        console.print(
            f"\n[bold green]as it must be[/]: {jobs} attempt{'s' * (jobs > 1)}, no duplicate, "
            f"{run.story.seconds:.0f} s in all",
            highlight=False,
        )
    return 1 if found else 0


def _keep(stack: LocalStack, console: Console) -> None:
    console.print("\nIt goes on running. In another shell:\n", highlight=False)
    for name, value in stack.environment().items():
        console.print(f"  export {name}={value}", soft_wrap=True, highlight=False, markup=False)
    console.print("\nthen, for example: aws sagemaker list-training-jobs. Ctrl-C ends it.")
    signal.pause()


if __name__ == "__main__":
    sys.exit(main())
