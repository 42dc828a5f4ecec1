"""What a lineage starts from, and when there is nothing left that a person need not look at."""

from dataclasses import replace

import pytest

from resilience.decide import policy
from resilience.decide.decisions import Checkpoint, Lineage, Reason, Verdict, Waiting
from resilience.decide.stores import StoreFault
from resilience.failures import FailureClass
from tests.unit.lineages import (
    FIRST,
    LIMIT,
    NOW,
    OUTSIDE,
    PROGRAM,
    REQUEST,
    TRAINED,
    V1,
    V2,
    at_place,
    attempt,
    checkpoint,
    decided,
    ended,
    outcome,
    succeeded,
    waits,
)

RELAUNCH, WAIT, STOP, IGNORE = Verdict
INFRASTRUCTURE, USER_CODE = FailureClass.INFRASTRUCTURE, FailureClass.USER_CODE
NAMED = replace(REQUEST, alias="best")
SUSPECT = checkpoint("v3", 30, "suspect-v3")


# --- from the beginning


@pytest.mark.parametrize("failure_class", TRAINED)
def test_a_lineage_that_never_had_a_checkpoint_starts_over_whatever_it_died_of(
    failure_class: FailureClass,
) -> None:
    facts = ended(failure_class)
    decision = policy.decide(facts)
    assert (*outcome(decision), decision.rule) == (
        RELAUNCH,
        Reason.RESTARTED_FROM_BEGINNING,
        "some_rule",
    )
    assert succeeded(facts).checkpoint is None
    assert succeeded(facts).ledger.best == -1


@pytest.mark.parametrize("failure_class", PROGRAM)
def test_it_starts_over_once_for_a_program_that_dies_before_its_first_checkpoint(
    failure_class: FailureClass,
) -> None:
    first = succeeded(ended(failure_class)).ledger
    lineage = replace(attempt(2, started_from=None), ledger=first)
    decision = policy.decide(ended(failure_class, lineage=lineage))
    assert (*outcome(decision), decision.rule) == (
        STOP,
        Reason.FAILED_AGAIN_AT_SAME_STEP,
        "some_rule",
    )


@pytest.mark.parametrize("failure_class", LIMIT)
def test_it_starts_over_once_for_a_limit_that_is_shorter_than_the_way_to_a_checkpoint(
    failure_class: FailureClass,
) -> None:
    first = succeeded(ended(failure_class)).ledger
    lineage = replace(attempt(2, started_from=None), ledger=first)
    assert decided(failure_class, lineage=lineage) == (STOP, Reason.NO_PROGRESS)


@pytest.mark.parametrize("failure_class", OUTSIDE)
def test_it_starts_over_as_often_as_a_machine_is_lost(failure_class: FailureClass) -> None:
    first = succeeded(ended(failure_class)).ledger
    lineage = replace(attempt(9, started_from=None), ledger=first)
    assert decided(failure_class, lineage=lineage) == (RELAUNCH, Reason.RESTARTED_FROM_BEGINNING)


# --- a loss that a person must know of


@pytest.mark.parametrize(
    "lineage",
    [
        attempt(2),
        attempt(2, started_from=None, rejected=("v1",)),
        attempt(2, started_from=None, best=0),
        attempt(2, started_from=None, best=40),
    ],
    ids=["began with one", "rejected one", "committed one at step 0", "committed one"],
)
@pytest.mark.parametrize("failure_class", [INFRASTRUCTURE, USER_CODE, FailureClass.TIMEOUT])
def test_checkpoints_that_were_there_and_are_gone_are_for_a_person(
    failure_class: FailureClass, lineage: Lineage
) -> None:
    facts = replace(ended(failure_class), lineage=lineage)
    decision = policy.decide(facts)
    assert (*outcome(decision), decision.rule) == (STOP, Reason.NO_CHECKPOINT, "choose")


def test_so_are_they_for_a_job_that_never_started() -> None:
    found = decided(FailureClass.CAPACITY, lineage=attempt(2), started=False, recorded=waits())
    assert found == (STOP, Reason.NO_CHECKPOINT)


@pytest.mark.parametrize("failure_class", [INFRASTRUCTURE, USER_CODE])
def test_checkpoints_that_are_all_barred_are_no_reason_to_start_over(
    failure_class: FailureClass,
) -> None:
    decision = policy.decide(ended(failure_class, SUSPECT))
    assert outcome(decision) == (STOP, Reason.NO_CHECKPOINT)
    assert decision.passed_over == (("v3", "suspect"),)


@pytest.mark.parametrize(
    "theirs",
    [checkpoint("v3", 30, run="r2"), checkpoint("v3", 30, committed=False)],
    ids=["another run's", "never whole"],
)
def test_versions_that_never_were_the_lineages_own_are_no_loss(theirs: Checkpoint) -> None:
    decision = policy.decide(ended(INFRASTRUCTURE, theirs))
    assert outcome(decision) == (RELAUNCH, Reason.RESTARTED_FROM_BEGINNING)
    assert [version for version, _ in decision.passed_over] == ["v3"]


def test_where_every_checkpoint_was_rejected_nothing_is_left() -> None:
    lineage = attempt(5, rejected=("v2",), seen=2)
    facts = ended(FailureClass.DATA, V1, V2, lineage=lineage, checkpoint_load_error=True)
    decision = policy.decide(facts)
    assert outcome(decision) == (STOP, Reason.NO_CHECKPOINT)
    assert decision.passed_over == (("v2", "rejected"), ("v1", "rejected"))


def test_a_death_that_was_confirmed_at_the_only_checkpoint_is_tried_once_more_and_later() -> None:
    """There is nothing older to go back to; and it may fail at its start only now and then."""
    only = replace(at_place(1), checkpoints=(V2,))
    assert outcome(policy.decide(only)) == (WAIT, Reason.FAILING_AGAIN)
    later = succeeded(replace(only, recorded=waits(Reason.FAILING_AGAIN)))
    assert (later.checkpoint, later.rejected) == (V2, ())
    third = replace(at_place(2), checkpoints=(V2,))
    decision = policy.decide(third)
    assert outcome(decision) == (STOP, Reason.FAILED_AGAIN_AT_SAME_STEP)


def test_a_wait_says_which_checkpoints_it_will_pass_over() -> None:
    decision = policy.decide(at_place(1))
    assert outcome(decision) == (WAIT, Reason.FAILING_AGAIN)
    assert decision.passed_over == (("v2", "rejected"),)


def test_a_lost_machine_stops_at_once_where_the_checkpoints_are_gone() -> None:
    lineage = attempt(3, waiting=Waiting(3, NOW - 700))
    assert decided(INFRASTRUCTURE, lineage=lineage) == (STOP, Reason.NO_CHECKPOINT)


# --- checkpoints that lie where nobody allows it


@pytest.mark.parametrize(
    ("fault", "lacks"),
    [
        (
            StoreFault.NOT_OF_THE_STACK,
            "its store is below none of the stack's parameter CheckpointStores; add it there",
        ),
        (
            StoreFault.NOT_OF_THE_LAUNCH,
            "its store is not below RESILIENCE_STORE of the job's Environment",
        ),
        (StoreFault.NO_STORE, "its metadata `store` is no s3://bucket/prefix/"),
    ],
)
@pytest.mark.parametrize("lineage", [FIRST, attempt(2)], ids=["first", "second"])
def test_checkpoints_in_a_store_that_is_not_allowed_stop_and_say_what_to_set(
    lineage: Lineage, fault: StoreFault, lacks: str
) -> None:
    """Never from the beginning, and not as if they were gone."""
    other = StoreFault.NO_STORE if fault is not StoreFault.NO_STORE else StoreFault.NOT_OF_THE_STACK
    faults = (("v1", other), ("v2", fault))
    facts = ended(INFRASTRUCTURE, V1, V2, lineage=lineage, store_faults=faults)
    decision = policy.decide(facts)
    assert (*outcome(decision), decision.rule) == (STOP, Reason.STORE_NOT_ALLOWED, "choose")
    assert decision.detail == f"v2: {lacks}"
    assert decision.passed_over == (("v2", "store_not_allowed"), ("v1", "store_not_allowed"))


@pytest.mark.parametrize(
    "more",
    [
        {"elsewhere": ("model-other",)},
        {"run": None},
        {"lineage": attempt(3, rejected=("v1",), seen=2, best=20)},
        {"checkpoints": (V2, SUSPECT)},
        {"seconds": 10**6},
        {"failure_class": USER_CODE, "lineage": at_place(2).lineage},
        {"heartbeat_at": NOW, "ended_at": NOW - 600},
    ],
    ids=["elsewhere", "no run", "rejected", "suspect", "lost time", "same place", "another writer"],
)
def test_a_store_that_is_not_allowed_is_told_before_all_that_it_alone_may_explain(
    more: dict[str, object],
) -> None:
    faults = (("v2", StoreFault.NOT_OF_THE_STACK),)
    facts = replace(ended(INFRASTRUCTURE, V2, store_faults=faults), **more)  # type: ignore[arg-type]  # dataclasses.replace checks the names
    assert policy.decide(facts).reason is Reason.STORE_NOT_ALLOWED


def test_while_an_older_checkpoint_is_left_it_is_resumed_from() -> None:
    faults = (("v2", StoreFault.NOT_OF_THE_STACK),)
    decision = policy.decide(ended(INFRASTRUCTURE, V1, V2, store_faults=faults))
    assert outcome(decision) == (RELAUNCH, Reason.RESUMED_FROM_CHECKPOINT)
    assert decision.passed_over == (("v2", "store_not_allowed"),)


def test_an_alias_that_names_nothing_is_missing_wherever_the_others_lie() -> None:
    faults = (("v1", StoreFault.NOT_OF_THE_STACK),)
    decision = policy.decide(ended(INFRASTRUCTURE, V1, request=NAMED, store_faults=faults))
    assert decision.reason is Reason.CHECKPOINT_ALIAS_MISSING


# --- checkpoints that cannot be told


def test_nothing_is_restarted_beside_checkpoints_in_another_collection() -> None:
    decision = policy.decide(ended(INFRASTRUCTURE, elsewhere=("model-other", "model-b")))
    assert (*outcome(decision), decision.rule) == (STOP, Reason.CHECKPOINTS_ELSEWHERE, "choose")
    assert decision.detail == "model-other, model-b"
    found = decided(INFRASTRUCTURE, V1, elsewhere=("model-other",))
    assert found == (RELAUNCH, Reason.RESUMED_FROM_CHECKPOINT)


def test_nothing_is_restarted_where_nobody_told_which_run_makes_the_checkpoints() -> None:
    decision = policy.decide(ended(INFRASTRUCTURE, run=None))
    assert (*outcome(decision), decision.rule) == (STOP, Reason.RUN_UNKNOWN, "choose")


def test_an_alias_that_is_wanted_and_missing_is_for_a_person_and_without_versions_it_is_not() -> (
    None
):
    decision = policy.decide(ended(INFRASTRUCTURE, V1, request=NAMED))
    assert (*outcome(decision), decision.rule) == (
        STOP,
        Reason.CHECKPOINT_ALIAS_MISSING,
        "choose",
    )
    found = decided(INFRASTRUCTURE, request=NAMED)
    assert found == (RELAUNCH, Reason.RESTARTED_FROM_BEGINNING)


# --- back or on


def test_to_go_back_is_called_so_and_to_go_on_is_not() -> None:
    unloadable = ended(
        FailureClass.DATA, V1, V2, lineage=attempt(4, started_from="v2", started_step=20)
    )
    went_back = policy.decide(replace(unloadable, checkpoint_load_error=True))
    assert went_back.reason is Reason.WALKED_BACK
    before = ended(INFRASTRUCTURE, V1, V2, lineage=attempt(4, rejected=("v2",), seen=2))
    assert policy.decide(before).reason is Reason.RESUMED_FROM_CHECKPOINT
    assert policy.decide(before).passed_over == (("v2", "rejected"),)


def test_a_first_attempt_has_no_checkpoint_to_go_back_from() -> None:
    facts = ended(FailureClass.DATA, V1, checkpoint_load_error=True, lineage=FIRST)
    assert policy.decide(facts).reason is Reason.RESUMED_FROM_CHECKPOINT
    assert succeeded(facts).rejected == ()
