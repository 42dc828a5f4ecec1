"""The command `python -m proofs.matrix`."""

import argparse
import sys
from collections.abc import Iterable
from time import process_time
from timeit import default_timer

from local.doubts import KNOWN, Doubts
from proofs.matrix import lasting, pairs
from proofs.matrix.cells import all_cells, impossible, judge
from proofs.matrix.chapters import CHAPTERS
from proofs.matrix.doubts import Setting, settings
from proofs.matrix.lasting import tell
from proofs.matrix.report import Results, in_short, report
from proofs.matrix.run import Cell
from proofs.matrix.stage import Connections

_EVERY = 50


def main() -> int:
    """Run the cells that are asked for; 1 where one of them does not hold."""
    parser = argparse.ArgumentParser(
        prog="python -m proofs.matrix",
        description="The real controller under every fault at every remote call, in each situation."
        " Every cell is brought to rest and judged by the invariants.",
    )
    parser.add_argument(
        "--only",
        metavar="TEXT",
        default="",
        help="only cells whose name has this text, such as 'create the successor'",
    )
    parser.add_argument(
        "--pairs",
        action="store_true",
        help="instead every two faults on the way of one message: some minutes",
    )
    parser.add_argument(
        "--known",
        action="store_true",
        help="only with AWS as the sources make likely, and with no doubt about it flipped",
    )
    options = parser.parse_args()
    if options.pairs:
        return of_pairs()
    wanted = options.only
    cells = [cell for cell in all_cells() if wanted in str(cell)]
    if not cells and not any(wanted in str(one) for one in CHAPTERS):
        _say(f"no cell has {wanted!r} in its name; a name is 'call / fault / situation'")
        return 2
    started, worked = default_timer(), process_time()
    connections = Connections()
    results = run(cells, connections)
    for line in report(results, default_timer() - started, process_time() - worked):
        _say(line)
    bad = bool(results.bad)
    for setting in () if options.known else settings():
        bad |= of_setting(setting, wanted, connections)
    bad |= of_what_lasts(wanted, connections)
    return 1 if bad else 0


def of_what_lasts(wanted: str, connections: Connections) -> bool:
    """Live through the chapters; whether one of them does not hold."""
    told = [tell(one, connections) for one in CHAPTERS if wanted in str(one)]
    for line in lasting.report(told):
        _say(line)
    return any(one.violated for one in told)


def of_setting(setting: Setting, wanted: str, connections: Connections) -> bool:
    """Run the cells that a doubt about AWS can matter to; whether one of them does not hold."""
    cells = (cell for cell in setting.cells() if wanted in str(cell))
    started = default_timer()
    results = run(cells, connections, setting.doubts)
    for line in in_short(setting.name, results, default_timer() - started):
        _say(line)
    return bool(results.bad)


def of_pairs() -> int:
    """Run every pair of faults; 1 where one of them does not hold."""
    tell, started = sys.stderr.isatty(), default_timer()

    def progress(number: int) -> None:
        if tell and number % _EVERY == 0:
            sys.stderr.write(f"\r{number} pairs")

    tally = pairs.run(pairs.all_pairs(), Connections(), progress)
    if tell:
        sys.stderr.write("\r")
    for line in pairs.report(tally, default_timer() - started):
        _say(line)
    return 1 if tally.bad else 0


def run(cells: Iterable[Cell], connections: Connections, doubts: Doubts = KNOWN) -> Results:
    results, tell = Results(), sys.stderr.isatty()
    for cell in cells:
        reason = impossible(cell)
        if reason is not None:
            results.impossible[reason].append(cell)
            continue
        results.outcomes.append(judge(cell, connections, doubts))
        if tell and len(results.outcomes) % _EVERY == 0:
            sys.stderr.write(f"\r{len(results.outcomes)} cells")
    if tell:
        sys.stderr.write("\r")
    return results


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
