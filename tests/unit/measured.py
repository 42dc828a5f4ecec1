"""An attempt measured, in a lineage that has spent something of everything."""

from resilience.decide import attempts
from resilience.decide.attempts import Case
from resilience.decide.decisions import Checkpoint, Lineage
from resilience.failures import Blame, FailureClass, row
from tests.unit.lineages import attempt, ended

HOUR = 3600
PROGRAM, OUTSIDE, LIMIT = (
    [one for one in FailureClass if row(one).blame is blame]
    for blame in (Blame.PROGRAM, Blame.OUTSIDE, Blame.LIMIT)
)
SPENT = attempt(
    5,
    ends=(("interrupted", 2), ("timeout", 1)),
    unpaid=3,
    without_work=1,
    lost_seconds=700,
    same=1,
    place="0123abcd",
    best=10,
    seen=1,
)


def measured(
    failure_class: FailureClass, *found: Checkpoint, lineage: Lineage = SPENT, **more: object
) -> Case:
    facts = ended(failure_class, *found, lineage=lineage, **more)
    return attempts.measure(facts, lineage, failure_class)


def place_of(case: Case) -> str:
    assert case.ledger.place
    return case.ledger.place
