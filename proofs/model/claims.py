"""What is claimed of the protocol: that whole it breaks nothing, and what each element is for."""

from dataclasses import dataclass, replace

from proofs.model.states import Extent, Protocol

INVARIANTS = {
    "I1": "two accepted successors for one attempt",
    "I2": "a launch though the job has not failed",
    "I3": "an attempt that no ledger counts",
    "I7": "a message acknowledged before its outcome is durable",
    "I8": "a job that a person stopped comes back, or any while the stack is off",
    "I9": "an ended job that is never judged for good, though nothing fails any more",
    "I10": "a job that bears its final verdict is written to again",
    "T1": "RELAUNCH stands on a job, and no successor was ever accepted",
    "T2": "STOP stands on a job whose successor was launched",
}


_TWO_ATTEMPTS = Extent()


@dataclass(frozen=True, slots=True)
class Removal:
    """One element taken out; `breaks` is what it is there for."""

    what: str
    protocol: Protocol
    breaks: str
    extent: Extent = _TWO_ATTEMPTS


WHOLE = Protocol()
WORLDS = {
    "1 attempt": Extent(attempts=1),
    "2 attempts": _TWO_ATTEMPTS,
    "2 attempts, the stack is switched off and on": Extent(modes=True),
    "2 attempts, days pass": Extent(ages=True),
    "2 attempts, the root's name is used again": Extent(reuse=True),
    "2 attempts, Scheduler never answers": Extent(scheduler=False),
    "2 attempts, all of that": Extent(modes=True, ages=True, reuse=True, scheduler=False),
    "2 attempts, a person asks again": Extent(again=True),
    "2 attempts, the fleet breaker opens and closes": Extent(breaker=True),
    "3 attempts": Extent(attempts=3),
}
ELEMENTS = (
    Removal("deterministic name: random", replace(WHOLE, deterministic_name=False), "I1"),
    Removal("fresh observation: the event's word", replace(WHOLE, observes_afresh=False), "I2"),
    Removal("inline tags: tags after create", replace(WHOLE, labels_inline=False), "I3"),
    Removal("ack when durable: ack on receipt", replace(WHOLE, acknowledges_last=False), "I7"),
    Removal("sweep: none", replace(WHOLE, sweeps=False), "I9"),
    Removal("standing verdict: not read", replace(WHOLE, honours_verdicts=False), "I10"),
    Removal("adjudication: in use = ours", replace(WHOLE, adjudicates=False), "T1"),
    Removal(
        "a parent is name and creation time: its name alone",
        replace(WHOLE, knows_parents_by_their_time=False),
        "T1",
        Extent(reuse=True),
    ),
    Removal(
        "create, then verdict: verdict first", replace(WHOLE, creates_before_recording=False), "T1"
    ),
    Removal("look before WAIT and STOP: none", replace(WHOLE, checks_before_holding=False), "T2"),
    Removal("look after WAIT and STOP: none", replace(WHOLE, looks_twice=False), "T2"),
    Removal(
        "a wait is a tag: it is a schedule, then a tag",
        replace(WHOLE, waits_by_tag=False),
        "I9",
        Extent(scheduler=False),
    ),
    Removal("mode: not read", replace(WHOLE, reads_modes=False), "I8", Extent(modes=True)),
    Removal(
        "the sweep looks as far back as is acted on: two days",
        replace(WHOLE, sweeps_as_far_back_as_it_acts=False),
        "I9",
        Extent(ages=True),
    ),
    Removal(
        "what the fleet breaker holds waits: it is left alone",
        replace(WHOLE, holds_by_a_tag=False),
        "I7",
        Extent(breaker=True),
    ),
    Removal(
        "the fleet breaker closes by itself: a person must close it",
        replace(WHOLE, closes_by_itself=False),
        "I9",
        Extent(breaker=True),
    ),
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
        "of two that meet, one stops, one launches, and one dies or is late",
        replace(WHOLE, meets_without_dying=False),
        "T2",
    ),
)
