"""`make bench`: measure, and print every table. Medians and ratios; nothing passes or fails."""

import argparse
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench import (
    cold_start,
    cost,
    first_decision,
    package,
    relaunch,
    resumption,
    storm,
    sweeping,
)
from bench.progress import Progress
from bench.report import Report, text
from bench.surroundings import Surroundings, surroundings
from local.stack import LAMBDA

USAGE, INTERRUPTED = 2, 130


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
    "storm": Benchmark("many jobs ending at once", 2, 1, on_stack(storm.run)),
    "sweep": Benchmark("a sweep against the number of jobs", 2, 1, on_stack(sweeping.run)),
    "cost": Benchmark("dollars a recovery, and a quiet month", 20, 3, on_stack(cost.run)),
}


def main() -> int:
    options = _options()
    progress = Progress()
    if not LAMBDA.is_dir():
        progress.say(f"{LAMBDA} is missing: run `make build-local` first, or `make bench`")
        return USAGE
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        for name in [options.name] if options.name else BENCHMARKS:
            one = BENCHMARKS[name]
            for report in one.run(progress, one.quick if options.quick else one.repetitions):
                print(text(report), flush=True)
    except KeyboardInterrupt:
        progress.say("ended by you; nothing is left running")
        return INTERRUPTED
    return 0


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
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
