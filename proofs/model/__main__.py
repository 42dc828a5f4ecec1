"""Checks the protocol, then takes out one element at a time and shows what breaks (see --help)."""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor

from proofs.model.checker import Found, Trace, found_in
from proofs.model.claims import ASSUMPTIONS, ELEMENTS, INVARIANTS, WHOLE, WORLDS, Removal

Walked = Mapping[str, Future[Found]]


def main(arguments: list[str]) -> int:
    given = _parser().parse_args(arguments)
    _say(_LEGEND)
    worlds = {name: one for name, one in WORLDS.items() if one.attempts <= given.attempts}
    removals = (*ELEMENTS, *ASSUMPTIONS)
    with ProcessPoolExecutor() as pool:
        # The largest world first, so that the others are walked beside it.
        walks = {
            name: pool.submit(found_in, WHOLE, worlds[name]) for name in reversed(list(worlds))
        }
        walks |= {one.what: pool.submit(found_in, one.protocol, one.extent) for one in removals}
        whole = list(_told("The whole protocol", worlds, walks))
        good = not any(found.broken for found in whole)
        traces = not given.quiet
        good &= _take_out("Without one element of the protocol", ELEMENTS, walks, traces=traces)
        good &= _take_out("Without one assumption", ASSUMPTIONS, walks, traces=traces)
    _say(_conclusion(whole, good=good))
    return 0 if good else 1


def _told(title: str, names: Iterable[str], walks: Walked) -> Iterator[Found]:
    """Say a table, a row as soon as it is there."""
    _say(f"\n{title}\n{_HEADER}")
    for name in names:
        found = walks[name].result()
        _say(_row(name, found))
        yield found


def _take_out(title: str, removals: Iterable[Removal], walks: Walked, *, traces: bool) -> bool:
    """Take each out; whether every one of them breaks what it is there for."""
    removed = list(removals)
    walked = list(zip(removed, _told(title, [one.what for one in removed], walks), strict=True))
    if traces:
        _say("\n".join(line for removal, found in walked for line in _story(removal, found)))
    return all(removal.breaks in found.broken for removal, found in walked)


def _story(removal: Removal, found: Found) -> Iterator[str]:
    trace: Trace = found.broken.get(removal.breaks, ())
    yield f"\n{removal.what} -> {removal.breaks}, {INVARIANTS[removal.breaks]}:"
    if not trace:
        yield "  it holds all the same: this element is not needed, or not modelled"
    for number, step in enumerate(trace, start=1):
        yield f"  {number:2} {step}"


def _row(what: str, found: Found) -> str:
    shortest = sorted(found.broken, key=lambda one: (len(found.broken[one]), one))
    breaks = " ".join(f"{one}({len(found.broken[one])})" for one in shortest) or "nothing"
    return f"{what:72} {found.states:>8} {found.moves:>9} {found.seconds:>7.1f}  {breaks}"


def _conclusion(whole: list[Found], *, good: bool) -> str:
    if not good:
        return "\nNOT as claimed: see the rows above."
    sweeps = max(found.sweeps for found in whole)
    return (
        "\nThe whole protocol breaks nothing in any state, and each element is needed.\n"
        f"After the last fault, {sweeps} sweeps at most see every ended job through to its end."
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m proofs.model",
        description="Visit every state of the recovery protocol: two workers, a queue that loses, "
        "repeats and reorders, crashes at every step, lost and late answers, a sweep, people. "
        "Exit code 1 if the whole protocol breaks an invariant, or if an element can be taken out "
        "without breaking what it is there for.",
    )
    parser.add_argument(
        "--attempts",
        type=int,
        choices=(1, 2, 3),
        default=3,
        help="longest lineage that the whole protocol is walked with (default %(default)s)",
    )
    parser.add_argument("--quiet", action="store_true", help="tables only, no counterexamples")
    return parser


_HEADER = (
    f"{'':72} {'states':>8} {'moves':>9} {'seconds':>7}  breaks (shortest way to it, in steps)"
)
_LEGEND = "\n".join(
    [
        "Bounds: 2 workers, lineages of 1 to 3 attempts, a name that is used twice; faults and",
        "waits without number. What may never happen:",
        *(f"  {name:4} {text}" for name, text in INVARIANTS.items()),
    ]
)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
