"""`make bench`: measure, and print every table. Medians and ratios; nothing passes or fails."""

import argparse
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from bench import (
    cold_start,
    cost,
    document,
    first_decision,
    package,
    relaunch,
    resumption,
    stalls,
    storm,
    sweeping,
    training_side,
)
from bench.built import package as package_as_built
from bench.machine import machine
from bench.processes import SubjectError
from bench.progress import Progress
from bench.report import Report, text
from bench.surroundings import Surroundings, surroundings
from local.stack import LAMBDA

FAILED, USAGE, INTERRUPTED = 1, 2, 130


Run = Callable[[Progress, int], Iterator[Report]]


@dataclass(frozen=True, slots=True)
class Benchmark:
    says: str
    repetitions: int
    quick: int
    run: Run


def on_stack(run: Callable[[Surroundings, Progress, int], Iterator[Report]]) -> Run:
    """Give it a stack of its own: what one measurement leaves behind, no other may meet."""

    def with_surroundings(progress: Progress, repetitions: int) -> Iterator[Report]:
        with surroundings(progress.say) as around:
            yield from run(around, progress, repetitions)

    return with_surroundings


BENCHMARKS = {
    "relaunch": Benchmark("event to accepted CreateTrainingJob", 40, 5, on_stack(relaunch.run)),
    "first": Benchmark("import plus first decision", 15, 3, on_stack(first_decision.run)),
    "package": Benchmark("the Lambda zip and its parts", 1, 1, package.run),
    "cold": Benchmark("cold start with and without bytecode", 15, 3, on_stack(cold_start.run)),
    "resumption": Benchmark("a killed job to its first resumed step", 3, 1, resumption.run),
    "training": Benchmark("what the callbacks cost a training", 3, 1, training_side.run),
    "stalls": Benchmark("what a save costs, beside the other ways", 3, 1, stalls.run),
    "storm": Benchmark("many jobs ending at once", 2, 1, on_stack(storm.run)),
    "sweep": Benchmark("a sweep against the number of jobs", 2, 1, on_stack(sweeping.run)),
    "cost": Benchmark("dollars a recovery, and a quiet month", 20, 3, on_stack(cost.run)),
}


def main() -> int:
    options = _options()
    progress = Progress()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if options.into:
            document.check(options.into)
        tables = list(_measure(options, progress))
    except document.NoMarkError as error:
        progress.say(str(error))
        return USAGE
    except SubjectError as error:
        progress.say(f"stopped: {error}")
        return FAILED
    except KeyboardInterrupt:
        progress.say("ended by you; nothing is left running")
        return INTERRUPTED
    if options.into:
        document.write(options.into, tables)
    return 0


def _measure(options: argparse.Namespace, progress: Progress) -> Iterator[str]:
    """Print each table as soon as it is there."""
    for report in _reports(options, progress):
        table = text(report)
        print(table, flush=True)
        yield table


def _reports(options: argparse.Namespace, progress: Progress) -> Iterator[Report]:
    package_as_built()  # before anything else takes its time
    yield machine(["python -m bench", *sys.argv[1:]])
    for name in [options.name] if options.name else BENCHMARKS:
        one = BENCHMARKS[name]
        yield from one.run(progress, one.quick if options.quick else one.repetitions)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(f"  {name:<12}{one.says}" for name, one in BENCHMARKS.items()),
    )
    parser.add_argument(
        "name", nargs="?", choices=BENCHMARKS, metavar="NAME", help="one table only"
    )
    parser.add_argument("--quick", action="store_true", help="few repetitions")
    parser.add_argument("--into", type=Path, metavar="FILE", help="also keep them in this page")
    options = parser.parse_args()
    if not LAMBDA.is_dir():
        sys.exit(f"{LAMBDA} is missing: run `make build-local` first, or `make bench`")
    return options


if __name__ == "__main__":
    sys.exit(main())
