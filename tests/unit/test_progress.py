"""How far an attempt came: what it committed, against all that its lineage ever had."""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from resilience.decide import checkpoints
from resilience.decide.decisions import Checkpoint, Facts, Lookup, Progress
from resilience.failures import FailureClass
from tests.unit.lineages import FIRST, V1, V2, V3, attempt, checkpoint, ended
from tests.unit.strategies import FAILED_FACTS

INFRASTRUCTURE = FailureClass.INFRASTRUCTURE
JOB = "root-r2"


def progress(*found: Checkpoint, **more: object) -> Progress:
    """Of an attempt that resumed from v1 at step 10, when v1 was the newest version."""
    more = {"lineage": attempt(2), **more}
    return checkpoints.progress(ended(INFRASTRUCTURE, *found, **more))  # type: ignore[arg-type]  # `ended` checks the names


def best(*found: Checkpoint, **more: object) -> int:
    more = {"lineage": attempt(2), **more}
    return checkpoints.best_step(ended(INFRASTRUCTURE, *found, **more))  # type: ignore[arg-type]  # as above


def test_a_newer_checkpoint_at_a_higher_step_is_an_advance() -> None:
    assert progress(V1, V2) is Progress.ADVANCED
    assert best(V1, V2) == 20


def test_no_newer_checkpoint_is_the_same_step() -> None:
    assert progress(V1) is Progress.SAME
    assert best(V1) == 10


def test_a_first_attempt_without_any_checkpoint_stands_where_it_started() -> None:
    assert progress(lineage=FIRST) is Progress.SAME
    assert best(lineage=FIRST) == -1


@pytest.mark.parametrize("step", [0, 10])
def test_a_first_attempt_that_committed_has_advanced(step: int) -> None:
    assert progress(checkpoint("v0", step), lineage=FIRST) is Progress.ADVANCED
    assert best(checkpoint("v0", step), lineage=FIRST) == step


@pytest.mark.parametrize("lookup", [Lookup.UNAVAILABLE, Lookup.REFUSED, Lookup.NOT_ASKED])
def test_a_question_without_an_answer_is_unknown_not_zero(lookup: Lookup) -> None:
    assert progress(V1, V2, lookup=lookup) is Progress.UNKNOWN


def test_it_is_measured_from_the_highest_step_that_the_lineage_ever_had() -> None:
    went_back = attempt(4, best=30, seen=3)
    assert progress(V1, checkpoint("v4", 30), lineage=went_back) is Progress.SAME
    assert progress(V1, checkpoint("v4", 31), lineage=went_back) is Progress.ADVANCED
    assert best(V1, checkpoint("v4", 25), lineage=went_back) == 30
    assert best(V1, checkpoint("v4", 31), lineage=went_back) == 31


def test_it_is_measured_from_the_step_that_the_attempt_began_with_where_that_is_higher() -> None:
    began_late = attempt(4, started_from="v2", started_step=20, best=10)
    assert progress(V2, checkpoint("v4", 20), lineage=began_late) is Progress.SAME
    assert progress(V2, checkpoint("v4", 21), lineage=began_late) is Progress.ADVANCED
    assert best(V2, lineage=began_late) == 20


def test_an_attempt_from_the_beginning_is_measured_from_before_step_zero() -> None:
    assert progress(checkpoint("v0", 0), lineage=attempt(2, started_from=None)) is (
        Progress.ADVANCED
    )


def test_after_an_unknown_start_any_step_above_the_ledgers_is_an_advance() -> None:
    unknown = attempt(2, started_step=None, best=15)
    assert progress(V1, checkpoint("v2", 15), lineage=unknown) is Progress.SAME
    assert progress(V1, V2, lineage=unknown) is Progress.ADVANCED
    assert best(V1, lineage=unknown) == 15


def test_a_version_of_its_own_whose_step_nobody_told_is_work() -> None:
    unknown = checkpoint("v2", None)
    assert progress(V1, unknown) is Progress.ADVANCED
    assert best(V1, unknown) == 10
    assert best(V1, unknown, checkpoint("v3", 30)) == 30


# --- whose work a version is


def test_a_version_is_the_work_of_the_job_that_its_metadata_names() -> None:
    own = checkpoint("v0", 20, job=JOB)  # its number says nothing then
    assert progress(V1, own) is Progress.ADVANCED
    for other in ("root", "root-r3", ""):
        assert progress(V1, checkpoint("v9", 90, job=other)) is Progress.SAME


def test_a_late_upload_of_the_attempt_before_is_no_work_of_this_one() -> None:
    late = checkpoint("v2", 20, job="root")
    assert progress(V1, late) is Progress.SAME
    assert best(V1, late) == 10


def test_a_version_that_names_no_job_is_the_attempts_where_it_came_after_the_launch() -> None:
    assert progress(V1, checkpoint("v2", 20), lineage=attempt(2, seen=2)) is Progress.SAME
    assert progress(V1, checkpoint("v3", 20), lineage=attempt(2, seen=2)) is Progress.ADVANCED


def test_an_attempt_that_never_trained_made_no_version_that_names_nobody() -> None:
    assert progress(V1, V2, started=False) is Progress.SAME
    assert progress(V1, checkpoint("v2", 20, job=JOB), started=False) is Progress.ADVANCED


def test_of_a_job_whose_lineage_cannot_be_read_nothing_is_known_to_be_its_own() -> None:
    assert progress(V1, lineage=None) is Progress.SAME
    assert best(V1, lineage=None) == -1


def test_trap_an_old_checkpoint_without_a_step_is_no_work() -> None:
    assert progress(checkpoint("v0", None), V1) is Progress.SAME


@pytest.mark.parametrize("left", [(), (checkpoint("v0", 5),), (checkpoint("v0", None),)])
def test_trap_versions_that_were_deleted_or_expired_are_no_work(
    left: tuple[Checkpoint, ...],
) -> None:
    assert progress(*left) is Progress.SAME
    assert best(*left) == 10


def test_trap_the_version_resumed_from_expired_while_the_attempt_went_on() -> None:
    assert progress(V2) is Progress.ADVANCED


@pytest.mark.parametrize(
    "other",
    [
        checkpoint("v2", 999, run="r2"),
        checkpoint("v2", 999, run=None),
        checkpoint("v2", 999, committed=False),
        checkpoint("v2", 999, "suspect"),
        checkpoint("v2", 999, "suspect-v2"),
        checkpoint("v2", 999, run="r2", job=JOB),
    ],
    ids=["another run's", "nobody's", "cut off", "excluded", "excluded by us", "said to be ours"],
)
def test_trap_what_may_not_be_resumed_from_is_no_work(other: Checkpoint) -> None:
    assert progress(V1, other) is Progress.SAME
    assert best(V1, other) == 10


def test_trap_a_version_that_was_committed_again_at_the_same_step_is_no_advance() -> None:
    assert progress(V1, checkpoint("v2", 10)) is Progress.SAME


def test_trap_a_new_version_at_a_lower_step_is_no_advance() -> None:
    assert progress(V1, checkpoint("v2", 5)) is Progress.SAME


def test_trap_after_a_walk_back_the_rejected_version_is_no_work() -> None:
    assert progress(V1, V3, lineage=attempt(3, rejected=("v3",))) is Progress.SAME


def test_trap_versions_that_an_alias_passed_over_are_no_work() -> None:
    assert progress(V1, V2, V3, lineage=attempt(2, seen=3)) is Progress.SAME


def test_the_newest_number_outlives_the_versions() -> None:
    there = ended(INFRASTRUCTURE, V2, V1, lineage=attempt(2, seen=1))
    assert checkpoints.newest_number(there) == 2
    assert checkpoints.newest_number(replace(there, checkpoints=())) == 1
    assert checkpoints.newest_number(ended(INFRASTRUCTURE, lineage=None)) == -1


def test_a_suspect_is_told_by_its_alias_and_by_its_version() -> None:
    facts = ended(INFRASTRUCTURE, V1, checkpoint("v2", 20, "best", "suspect-v2"))
    assert checkpoints.is_suspect("v2", facts)
    assert not checkpoints.is_suspect("v1", facts)
    assert not checkpoints.is_suspect("v9", facts)


@pytest.mark.parametrize(
    ("alias", "bars"),
    [
        ("suspect", True),
        ("suspect-v1", True),
        ("suspect-v123456789", True),
        ("suspect-v", False),
        ("suspect-v1234567890", False),
        ("suspect-1", False),
        ("suspected", False),
        ("not-suspect", False),
        ("Suspect", False),
        ("", False),
    ],
)
def test_only_the_word_itself_bars_a_version(alias: str, *, bars: bool) -> None:
    assert checkpoints.excludes(alias) is bars


@settings(max_examples=200)
@given(FAILED_FACTS)
def test_an_advance_is_always_a_good_version_of_its_own_beyond_all_that_was_before(
    facts: Facts,
) -> None:
    lineage = facts.lineage
    assert lineage is not None
    beyond = [
        one
        for one in facts.checkpoints
        if one.committed
        and one.run == "r1"
        and "suspect" not in one.aliases
        and one.version not in lineage.rejected
        and (one.step is None or one.step > lineage.ledger.best)
        and (
            one.job == facts.job
            or (one.job is None and facts.started and one.number > lineage.ledger.seen)
        )
    ]
    found = checkpoints.progress(facts)
    if found is Progress.ADVANCED:
        assert beyond
    else:
        assert found is Progress.SAME
        begun = lineage.started_step if lineage.started_from else None
        assert all(begun is not None and one.step is not None for one in beyond)
        assert all((one.step or 0) <= (begun or 0) for one in beyond)
    assert checkpoints.best_step(facts) >= lineage.ledger.best
