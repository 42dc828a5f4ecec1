"""`make bench`: measure, and print every table. Medians and ratios; nothing passes or fails."""

import argparse
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bench import cold_start, first_decision, package, relaunch
from bench.progress import Progress
from bench.report import Report, text
from bench.surroundings import Surroundings, surroundings

INTERRUPTED = 130


@dataclass(frozen=True, slots=True)
class Benchmark:
    says: str
    repetitions: int
    quick: int
    run: Callable[[Surroundings, Progress, int], Iterator[Report]]


ON_THE_STACK = {
    "relaunch": Benchmark("event in to CreateTrainingJob accepted", 40, 5, relaunch.run),
    "first": Benchmark("import plus first decision in a fresh process", 15, 3, first_decision.run),
    "package": Benchmark("the Lambda zip and its cold start", 15, 3, cold_start.run),
}


def main() -> int:
    options = _options()
    progress = Progress()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    wanted = [options.name] if options.name else list(ON_THE_STACK)
    try:
        with surroundings(progress.say) as around:
            for name in wanted:
                one = ON_THE_STACK[name]
                for report in one.run(
                    around, progress, one.quick if options.quick else one.repetitions
                ):
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
        epilog="\n".join(f"  {name:<12}{one.says}" for name, one in ON_THE_STACK.items()),
    )
    parser.add_argument(
        "name", nargs="?", choices=ON_THE_STACK, metavar="NAME", help="one table only"
    )
    parser.add_argument("--quick", action="store_true", help="few repetitions")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
