"""What may never happen (I1 to I16), each as a check of a run that can fail.

A check yields one sentence for each violation. It judges by what the services saw and by what
people did, never by what the controller says of itself.
"""

from collections.abc import Callable, Iterator, Mapping

from proofs.matrix.launches import (
    budget_counts,
    fresh_terminal,
    held_by_the_fleet,
    newest_checkpoint,
    nothing_lost,
    one_successor,
    people_are_obeyed,
)
from proofs.matrix.mails import told_in_measure
from proofs.matrix.outcomes import (
    durable_before_acknowledged,
    no_secret_told,
    repeated_without_effect,
    replays_alike,
    told_of,
    verdict_for_all,
    verdict_is_true,
    waits_are_tags,
)
from proofs.matrix.record import Record

Check = Callable[[Record], Iterator[str]]
INVARIANTS: Mapping[str, Check] = {
    "I1": one_successor,
    "I2": fresh_terminal,
    "I3": budget_counts,
    "I4": newest_checkpoint,
    "I5": nothing_lost,
    "I6": no_secret_told,
    "I7": durable_before_acknowledged,
    "I8": people_are_obeyed,
    "I9": verdict_for_all,
    "I10": repeated_without_effect,
    "I11": replays_alike,
    "I12": verdict_is_true,
    "I13": told_of,
    "I14": told_in_measure,
    "I15": waits_are_tags,
    "I16": held_by_the_fleet,
}


_FORGIVE_IN_PART = frozenset({"I1", "I12"})


def violations(record: Record) -> tuple[str, ...]:
    """All that a run has violated; some know themselves what may be forgiven."""
    judged = INVARIANTS.keys() - (record.forgiven - _FORGIVE_IN_PART)
    return tuple(
        f"{name}: {text}"
        for name, check in INVARIANTS.items()
        if name in judged
        for text in check(record)
    )
