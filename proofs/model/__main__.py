"""Checks the protocol, then takes out one element at a time and shows what breaks (see --help)."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from proofs.model.checker import Trace, Walk, walk
from proofs.model.states import Protocol

INVARIANTS = {
    "I1": "two accepted successors for one attempt",
    "I2": "a launch though the job has not failed",
    "I3": "an attempt that no ledger counts",
    "I7": "a message acknowledged before its outcome is durable",
    "I8": "a job that a person stopped comes back",
    "I9": "an ended job that is never judged for good, though nothing fails any more",
    "I10": "a job that bears its final verdict is written to again",
    "T1": "RELAUNCH stands on a job, and no successor was ever accepted",
    "T2": "STOP stands on a job whose successor was launched",
}


@dataclass(frozen=True, slots=True)
class Removal:
    """One element taken out; `breaks` is what it is there for."""

    what: str
    protocol: Protocol
    breaks: str


WHOLE = Protocol()
ELEMENTS = (
    Removal("deterministic name: random", replace(WHOLE, deterministic_name=False), "I1"),
    Removal("fresh observation: the event's word", replace(WHOLE, observes_afresh=False), "I2"),
    Removal("inline tags: tags after create", replace(WHOLE, labels_inline=False), "I3"),
    Removal("ack when durable: ack on receipt", replace(WHOLE, acknowledges_last=False), "I7"),
    Removal("sweep: none", replace(WHOLE, sweeps=False), "I9"),
    Removal("standing verdict: not read", replace(WHOLE, honours_verdicts=False), "I10"),
    Removal("adjudication: in use = ours", replace(WHOLE, adjudicates=False), "T1"),
    Removal(
        "create, then verdict: verdict first", replace(WHOLE, creates_before_recording=False), "T1"
    ),
    Removal("look before WAIT and STOP: none", replace(WHOLE, checks_before_holding=False), "T2"),
)
ASSUMPTIONS = (
    Removal(
        "a successor is deleted before its parent's verdict stands",
        replace(WHOLE, names_stay_taken=False),
        "I1",
    ),
    Removal(
        "reads of tags and of the successor lag behind writes",
        replace(WHOLE, reads_are_fresh=False),
        "I10",
    ),
    Removal(
        "two invocations look at one job at once, and one of them holds it back",
        replace(WHOLE, holds_alone=False),
        "T2",
    ),
)


def main(arguments: list[str]) -> int:
    given = _parser().parse_args(arguments)
    _say(_LEGEND)
    whole = [walk(WHOLE, attempts) for attempts in range(1, given.attempts + 1)]
    _say(_HEADER)
    for found in whole:
        _say(_row(f"whole protocol, {found.attempts} attempts", found))
    good = not any(found.broken for found in whole)
    good &= _take_out("Without one element of the protocol", ELEMENTS, traces=not given.quiet)
    good &= _take_out("Without one assumption about the world", ASSUMPTIONS, traces=not given.quiet)
    _say(_conclusion(whole, good=good))
    return 0 if good else 1


def _take_out(title: str, removals: Iterable[Removal], *, traces: bool) -> bool:
    """Walk each; whether every one of them breaks what it is there for."""
    _say(f"\n{title}\n{_HEADER}")
    walked = []
    for removal in removals:
        found = walk(removal.protocol, _ATTEMPTS_OF_A_REMOVAL)
        _say(_row(removal.what, found))
        walked.append((removal, found))
    if traces:
        _say("\n".join(line for removal, found in walked for line in _story(removal, found)))
    return all(removal.breaks in found.broken for removal, found in walked)


def _story(removal: Removal, found: Walk) -> Iterator[str]:
    trace: Trace = found.broken.get(removal.breaks, ())
    yield f"\n{removal.what} -> {removal.breaks}, {INVARIANTS[removal.breaks]}:"
    if not trace:
        yield "  it holds all the same: this element is not needed, or not modelled"
    for number, step in enumerate(trace, start=1):
        yield f"  {number:2} {step}"


def _row(what: str, found: Walk) -> str:
    shortest = sorted(found.broken, key=lambda one: (len(found.broken[one]), one))
    breaks = " ".join(f"{one}({len(found.broken[one])})" for one in shortest) or "nothing"
    size = f"{len(found.came_from):>8} {found.transitions:>9} {found.seconds:>7.1f}"
    return f"{what:72} {size}  {breaks}"


def _conclusion(whole: list[Walk], *, good: bool) -> str:
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


_ATTEMPTS_OF_A_REMOVAL = 2
_HEADER = (
    f"{'':72} {'states':>8} {'moves':>9} {'seconds':>7}  breaks (shortest way to it, in steps)"
)
_LEGEND = "\n".join(
    [
        "Bounds: 2 workers, lineages of 1 to 3 attempts, one wait before its time is over; faults",
        "without number. What may never happen:",
        *(f"  {name:4} {text}" for name, text in INVARIANTS.items()),
        "",
    ]
)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
