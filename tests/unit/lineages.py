"""Facts of ended attempts, as tests tell them: only what matters to a test is named in it."""

from dataclasses import fields, replace

from resilience.decide import policy
from resilience.decide.decisions import (
    Checkpoint,
    CheckpointRequest,
    Decision,
    Facts,
    Ledger,
    Lineage,
    Lookup,
    Mode,
    Policy,
    Reason,
    Recorded,
    Successor,
    Verdict,
    Waiting,
)
from resilience.failures import Blame, FailureClass, row

NOW = 1_800_000_000
RUN = "r1"
REQUEST = CheckpointRequest(entity="team", project="digits", collection="model-r1", runs=(RUN,))


def checkpoint(
    version: str,
    step: int | None,
    *aliases: str,
    run: str | None = RUN,
    committed: bool = True,
    job: str | None = None,
) -> Checkpoint:
    return Checkpoint(
        version=version,
        step=step,
        digest=f"digest-{version}",
        run=run,
        committed=committed,
        aliases=aliases,
        job=job,
    )


V1, V2, V3 = checkpoint("v1", 10), checkpoint("v2", 20), checkpoint("v3", 30)


def attempt(
    number: int = 2,
    *,
    started_from: str | None = "v1",
    started_step: int | None = 10,
    rejected: tuple[str, ...] = (),
    waiting: Waiting | None = None,
    **ledger: object,
) -> Lineage:
    """A successor of `root`; the ledger's fields may be given beside the lineage's own."""
    known = {field.name for field in fields(Ledger)}
    assert ledger.keys() <= known
    seen = -1 if started_from is None else int(started_from[1:])
    return Lineage(
        root="root",
        attempt=number,
        started_from=started_from,
        started_step=started_step if started_from else 0,
        ledger=Ledger(**{"seen": seen, **ledger}),  # type: ignore[arg-type]  # names checked above
        rejected=rejected,
        waiting=waiting,
    )


PLACE = "35a9cec8"  # of step 10 and the signature of `ended`
TRAINED = [one for one in FailureClass if one is not FailureClass.STOPPED_BY_USER]
PROGRAM = [one for one in TRAINED if row(one).blame is Blame.PROGRAM]
OUTSIDE = [one for one in TRAINED if row(one).blame is Blame.OUTSIDE]
LIMIT = [one for one in TRAINED if row(one).blame is Blame.LIMIT]
# Those that go on or stop at once; a missing right waits for a person.
AT_ONCE = [*PROGRAM, *OUTSIDE, *LIMIT]

FIRST = Lineage(root="root", attempt=1)


def ended(
    failure_class: FailureClass | None = FailureClass.INFRASTRUCTURE,
    *checkpoints: Checkpoint,
    lineage: Lineage | None = FIRST,
    **more: object,
) -> Facts:
    """A job of an opted-in lineage that has just ended, in an account that lets it come back."""
    facts = Facts(
        job="root" if lineage is None or lineage.attempt == 1 else f"root-r{lineage.attempt}",
        status="Completed" if failure_class is None else "Failed",
        secondary_status="Completed" if failure_class is None else "Failed",
        observed_at=NOW,
        created_at=NOW - 4000,
        ended_at=NOW - 10,
        started=True,
        seconds=600,
        signature="5191a7e0",
        mode=Mode.ACT,
        request=REQUEST,
        tags_invalid=False,
        contradictions=(),
        project_allowed=True,
        owner=None,
        lineage=lineage,
        recorded=None,
        again=None,
        failure_class=failure_class,
        failure_rule="completed" if failure_class is None else "some_rule",
        checkpoint_load_error=False,
        run=RUN,
        lookup=Lookup.FOUND,
        checkpoints=checkpoints,
        pending=0,
        elsewhere=(),
        obstacles=(),
        policy=Policy(),
    )
    return changed(facts, **more)


def changed(facts: Facts, **more: object) -> Facts:
    return replace(facts, **more)  # type: ignore[arg-type]  # dataclasses.replace checks the names


def waits(reason: Reason = Reason.WANDB_UNAVAILABLE, due: int | None = NOW) -> Recorded:
    """The verdict of a job that waits."""
    return Recorded(verdict=str(Verdict.WAIT), reason=str(reason), due=due)


def outcome(decision: Decision) -> tuple[Verdict, Reason]:
    return decision.verdict, decision.reason


def decided(
    failure_class: FailureClass | None, *checkpoints: Checkpoint, **more: object
) -> tuple[Verdict, Reason]:
    return outcome(policy.decide(ended(failure_class, *checkpoints, **more)))  # type: ignore[arg-type]  # as above


def at_place(before: int) -> Facts:
    """A death of the program, begun at v2, where it had died so often before."""
    lineage = attempt(3, started_from="v2", started_step=20, same=before, place="e6903cb2", best=20)
    return ended(FailureClass.USER_CODE, V1, V2, lineage=lineage)


def succeeded(facts: Facts) -> Successor:
    """The successor of an attempt that is relaunched."""
    decision = policy.decide(facts)
    assert decision.successor is not None, outcome(decision)
    return decision.successor
