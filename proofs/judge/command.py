"""The command `python -m proofs.judge`."""

import argparse
import sys
from collections.abc import Iterator
from time import process_time

from proofs.judge import mix, rates
from proofs.judge.ablation import ABLATIONS
from proofs.judge.contestant import Contestant
from proofs.judge.course import Course
from proofs.judge.curves import CURVES
from proofs.judge.record import Record
from proofs.judge.table import (
    attempts_mean,
    attempts_worst,
    by_trouble,
    costly,
    hours_lost,
    idle_mean,
    missed,
    share_wrong,
    table,
    worst_groups,
)
from proofs.judge.wording import Wording

_EVERY = 50


def main() -> int:
    """Have the lineages run; 1 where an aim is missed."""
    options = _parser().parse_args()
    began = process_time()
    if options.sources:
        for one in rates.SOURCES:
            _say(f"{one.what}\n    {one.source}")
        return 0
    if options.story is not None:
        record = lineage(options.seed, options.story, _wording(options), options.only)
        _say("\n".join(record.told()))
        return 0
    if options.curve:
        code = _curves(options)
    elif options.ablate:
        code = _ablate(options)
    else:
        code = _table(options)
    _say(f"{process_time() - began:.0f} s on the processor")
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m proofs.judge",
        description="Simulated lineages, each with a true cause that only the oracle knows, go"
        " through the real controller and sweep. 1 where an aim is missed.",
    )
    parser.add_argument("--lineages", type=int, default=3000, metavar="N", help="default 3000")
    parser.add_argument("--seed", type=int, default=1, metavar="S")
    parser.add_argument("--mixed", action="store_true", help="texts as mixed as life is")
    parser.add_argument("--only", choices=sorted(mix.WEIGHTS), help="lineages of one trouble")
    parser.add_argument("--curve", choices=[*CURVES, "all"], help="instead: one thing as it grows")
    parser.add_argument("--each", type=int, default=40, help="lineages at each point of a curve")
    parser.add_argument("--ablate", action="store_true", help="instead: the worth of each rule")
    parser.add_argument("--story", type=int, metavar="NUMBER", help="instead: one lineage's story")
    parser.add_argument(
        "--sources", action="store_true", help="instead: where the numbers are from"
    )
    return parser


def lineage(
    seed: int, number: int, wording: Wording, only: str | None, contestant: Contestant | None = None
) -> Record:
    case = mix.case(seed, number, only)
    return Course([case], contestant or Contestant(), wording, seed).run()[0]


def run(
    options: argparse.Namespace, contestant: Contestant, *, tell: bool = False
) -> Iterator[Record]:
    wording = _wording(options)
    for number in range(options.lineages):
        if tell and number % _EVERY == 0:
            sys.stderr.write(f"\r{number} lineages")
        yield lineage(options.seed, number, wording, options.only, contestant)
    if tell:
        sys.stderr.write("\r")


def _wording(options: argparse.Namespace) -> Wording:
    return Wording(rates.MIXED if options.mixed else 0.0)


def _table(options: argparse.Namespace) -> int:
    records = list(run(options, Contestant(), tell=sys.stderr.isatty()))
    parts = (
        table(records, mixed=options.mixed),
        by_trouble(records),
        worst_groups(records),
        costly(records),
    )
    for part in parts:
        _say("\n".join(part) + "\n")
    return _verdict(missed(records, mixed=options.mixed))


def _verdict(aims: list[str]) -> int:
    if not aims:
        return 0
    _say(f"missed: {'; '.join(aims)}")
    return 1


def _curves(options: argparse.Namespace) -> int:
    names = list(CURVES) if options.curve == "all" else [options.curve]
    for name in names:
        for line in CURVES[name](Contestant(), _wording(options), options.seed, options.each):
            _say(line)
        _say("")
    return 0


def _ablate(options: argparse.Namespace) -> int:
    names = ("wrong %", "lost h", "idle h", "hopeless", "worst", "back")
    _say(f"{'':28}" + "".join(f"{name:>10}" for name in names))
    for contestant in ABLATIONS:
        records = list(run(options, contestant, tell=sys.stderr.isatty()))
        cells = (
            share_wrong(records),
            hours_lost(records),
            idle_mean(records),
            attempts_mean(records),
            attempts_worst(records),
            sum(one.came_back for one in records),
        )
        _say(f"{contestant.name:28}" + "".join(f"{cell or 0:10.2f}" for cell in cells))
    return 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
