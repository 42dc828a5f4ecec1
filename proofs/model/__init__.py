"""The protocol as a finite machine, every state of which is visited: `python -m proofs.model`.

What it shows holds under three assumptions about the world, and each is dropped once, too:

A1  A successor is deleted only after its parent bears its verdict, and after every invocation that
    looked at the parent before has ended (Lambda ends them after a minute). Where a successor is
    created, its worker dies, and a person deletes it before the message comes back, nothing is left
    from which anybody could tell that it ever was: it is launched again, once, under its own name
    and number. No mark made before the create call helps, because it cannot tell a create that
    never arrived from a job that is gone. To end a lineage, stop its job or switch it off.
A2  Reads of tags and of the successor show what was written. If they lag, one verdict may be
    written twice, or a successor be taken for a stranger's.
A3  Of two invocations that look at one ended job at the same moment, of which one stops it and the
    other launches from it, none dies, and no create call is still under way when the other stops.
    They see the same ended job; only W&B's or SageMaker's answer can tell them apart. Otherwise
    STOP may stand on a job that was relaunched: a false alarm; the successor runs, and is decided
    on by its own tags. A WAIT heals when it is due.
"""
