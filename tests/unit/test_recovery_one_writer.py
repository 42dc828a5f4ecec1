"""Whose checkpoints and whose run: what W&B shows beside the versions themselves."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from local.in_memory import InMemoryWorld
from resilience.decide.checkpoints import may_be_own
from resilience.decide.decisions import (
    Checkpoint,
    CheckpointRequest,
    Ledger,
    Lookup,
    Progress,
    Reason,
    Upload,
    Verdict,
)
from resilience.wire import environment
from resilience.wire import tags as tag_names
from tests.unit.recovery_world import (
    CAPACITY,
    ENVIRONMENT,
    GPU,
    JOB,
    SUCCESSOR,
    TAGS,
    WANDB,
    decide,
    deliver,
    described_job,
    forgotten,
    hint,
    never_started,
    take_up_the_waits,
    trained,
)

HOUR = 3600


def died(
    tags: Mapping[str, str] = TAGS, environment: Mapping[str, str] = ENVIRONMENT
) -> InMemoryWorld:
    """The job trained for a minute and has failed."""
    world = trained(tags, environment)
    end(world, JOB)
    return world


def end(world: InMemoryWorld, job: str, reason: str = GPU) -> None:
    world.sagemaker.begin(job)
    world.clock.pass_by(60)
    world.sagemaker.end(job, "Failed", "Failed", reason)


def born(world: InMemoryWorld) -> dict[str, str]:
    """The Environment of the one job that was launched."""
    (request,) = world.sagemaker.requests
    return environment.read(request)


def pending(number: int, job: str | None = None) -> Checkpoint:
    return Checkpoint(
        version=f"v{number}", step=None, digest="", run="night-1", committed=False, job=job
    )


def test_a_run_that_a_person_continues_by_hand_is_left_to_them_until_they_end() -> None:
    world = died()
    world.clock.pass_by(HOUR)
    world.wandb.beat(WANDB, "night-1", world.clock())
    held = decide(world)
    assert (held.verdict, held.reason) == (Verdict.WAIT, Reason.RUN_IN_USE)
    assert [one.reason for one in world.topic.published] == [Reason.RUN_IN_USE]
    world.wandb.commit(WANDB, step=300, run="night-1")
    world.wandb.beat(WANDB, "night-1", None)
    assert take_up_the_waits(world)[-1].verdict is Verdict.RELAUNCH
    assert born(world)["RESILIENCE_CHECKPOINT"] == f"{WANDB.path}:v2"


def test_a_wrapper_that_still_logs_checkpoints_holds_the_launch_back_as_the_training_does() -> None:
    """Its host outlived the others: it would commit into the collection beside the successor."""
    world = died()
    world.clock.pass_by(HOUR)
    world.wandb.beat(WANDB, "night-1-checkpoints", world.clock())
    assert decide(world).reason is Reason.RUN_IN_USE


def test_checkpoints_that_resilient_run_logged_are_the_lineages_and_its_run_is_not() -> None:
    world = died()
    saved = world.wandb.commit(WANDB, step=300, run="night-1-checkpoints", job=JOB)
    decision = decide(world)
    assert decision.progress is Progress.ADVANCED
    assert born(world)["RESILIENCE_CHECKPOINT"] == f"{WANDB.path}:{saved.version}"
    assert born(world)[tag_names.RUN_ID] == "night-1"


def test_a_successor_that_a_dead_worker_launched_is_found_though_it_writes_to_the_run() -> None:
    world = died()
    deliver(world)
    world.sagemaker.put(JOB, described_job(world), TAGS)  # the worker died before it tagged
    world.clock.pass_by(HOUR)
    world.wandb.beat(WANDB, "night-1", world.clock())
    assert decide(world).reason is Reason.ALREADY_RELAUNCHED
    assert world.sagemaker.names() == (JOB, SUCCESSOR)


@pytest.mark.parametrize("of_checkpoints", ["", "-checkpoints"])
@pytest.mark.parametrize("collection", [WANDB.collection, "weights"])
def test_a_successor_is_told_the_run_that_it_goes_on_in(
    collection: str, of_checkpoints: str
) -> None:
    """By its launch, or, where nothing names it, by the versions that it goes on from."""
    own = {key: value for key, value in TAGS.items() if key != tag_names.RUN_ID}
    there = replace(WANDB, collection=collection)
    world = died(own | {tag_names.CHECKPOINT_NAME: collection}, {})
    world.wandb.commit(there, step=300, run=f"night-1-algo-1{of_checkpoints}")
    decide(world)
    assert born(world)[tag_names.RUN_ID] == ("night-1" if there == WANDB else "night-1-algo-1")


@pytest.mark.parametrize("zombie", [pending(1), pending(9, job="night-0")], ids=str)
def test_an_upload_that_an_earlier_attempt_left_is_not_waited_for(zombie: Checkpoint) -> None:
    world = died()
    deliver(world)
    end(world, SUCCESSOR)
    world.wandb.add(WANDB, zombie)
    assert decide(world, hint(SUCCESSOR)).reason is not Reason.UPLOAD_PENDING


@pytest.mark.parametrize("upload", [pending(9), pending(9, job=SUCCESSOR)], ids=str)
def test_an_upload_of_this_attempt_is_waited_for(upload: Checkpoint) -> None:
    world = died()
    deliver(world)
    end(world, SUCCESSOR)
    world.wandb.add(WANDB, upload)
    assert decide(world, hint(SUCCESSOR)).reason is Reason.UPLOAD_PENDING


# A job that opted itself in: its own name gives the collection that it tagged.
OWN_TAGS = TAGS | {"WANDB_CHECKPOINT_NAME": f"model-{JOB}"}
PINNED = replace(WANDB, collection="model-of-the-team")
BORN = ENVIRONMENT | {"RESILIENCE_COLLECTION": PINNED.path}


def self_tagged(there: CheckpointRequest, made_by: str | None = None) -> InMemoryWorld:
    world = died(OWN_TAGS, BORN)
    world.wandb.drop(WANDB)
    for step in (100, 200):
        world.wandb.commit(there, step=step, run="night-1", job=made_by)
    return world


def test_a_job_that_tagged_an_empty_collection_goes_on_from_the_one_of_its_launch() -> None:
    world = self_tagged(PINNED)
    assert decide(world).reason is Reason.RESUMED_FROM_CHECKPOINT
    assert born(world)["RESILIENCE_CHECKPOINT"] == f"{PINNED.path}:v1"
    assert born(world)["RESILIENCE_COLLECTION"] == PINNED.path
    end(world, SUCCESSOR)
    assert decide(world, hint(SUCCESSOR)).verdict is not Verdict.STOP  # no tag contradicts


def test_what_the_job_tagged_itself_comes_first_where_it_has_a_checkpoint() -> None:
    world = self_tagged(PINNED)
    world.wandb.commit(WANDB, step=300, run="night-1")
    decide(world)
    assert born(world)["RESILIENCE_CHECKPOINT"] == f"{WANDB.path}:v0"
    assert len(world.wandb.asked) == 1


def test_an_upload_into_the_collection_that_the_job_tagged_is_waited_for_first() -> None:
    world = self_tagged(PINNED, made_by="an-earlier-job")
    world.wandb.add(WANDB, pending(0))
    assert decide(world).reason is Reason.UPLOAD_PENDING


def test_a_collection_that_nothing_of_the_launch_names_is_no_place_to_go_on_from() -> None:
    other = replace(WANDB, collection="model-by-hand")
    assert decide(self_tagged(other)).reason is Reason.CHECKPOINTS_ELSEWHERE


def test_a_launchs_collection_that_cannot_be_read_now_is_waited_for() -> None:
    world = self_tagged(PINNED)
    real = world.wandb.newest

    def down_for(request: CheckpointRequest) -> object:
        answer = real(request)
        if request.collection == PINNED.collection:
            return replace(answer, lookup=Lookup.UNAVAILABLE, checkpoints=(), pending=())
        return answer

    world.wandb.newest = down_for  # type: ignore[method-assign, assignment]  # one lookup fails
    assert decide(world).reason is Reason.WANDB_UNAVAILABLE


def test_a_project_that_w_and_b_hides_starts_no_lineage_over_that_ever_trained() -> None:
    world = died()
    world.wandb.drop(WANDB)
    assert decide(world).reason is Reason.RESTARTED_FROM_BEGINNING
    world.sagemaker.end(SUCCESSOR, "Failed", "Failed", "CapacityError: none to be had")
    world.wandb.hide_project(WANDB.entity, WANDB.project)
    assert decide(world, hint(SUCCESSOR)).reason is Reason.CAPACITY_UNAVAILABLE
    world.clock.pass_by(HOUR)
    assert decide(world, hint(SUCCESSOR)).reason is Reason.WANDB_REFUSED


def test_a_project_that_is_not_there_yet_is_no_reason_to_wait_for_a_job_that_never_trained() -> (
    None
):
    """Whether it is missing or hidden, there can be no checkpoint in it."""
    world = never_started(CAPACITY)
    world.wandb.hide_project(WANDB.entity, WANDB.project)
    assert decide(world).reason is Reason.CAPACITY_UNAVAILABLE
    world.clock.pass_by(HOUR)
    assert decide(world).reason is Reason.RESTARTED_FROM_BEGINNING


@pytest.mark.parametrize("job", [JOB, "of-another"])
def test_an_upload_of_which_wandb_knows_neither_number_nor_job_may_be_this_attempts(
    job: str,
) -> None:
    """One that names its job is that job's, whatever number it gets."""
    facts = decide(died()).facts
    assert may_be_own(Upload(None), facts)
    assert may_be_own(Upload(None, job), facts) is (job == JOB)


def used_again() -> InMemoryWorld:
    """A root was relaunched and deleted; its name was used again, and that job died as well."""
    world = died()
    deliver(world)
    end(world, SUCCESSOR)
    use_the_name_again(world)
    return world


def use_the_name_again(world: InMemoryWorld) -> None:
    """Delete the root, and launch another job of its name, which dies."""
    world.sagemaker.delete(JOB)
    created = datetime.fromtimestamp(world.clock(), UTC)
    running = {"TrainingJobStatus": "InProgress", "CreationTime": created}
    world.sagemaker.put(JOB, described_job(died()) | running, TAGS)
    end(world, JOB)


def test_a_root_name_that_is_used_again_begins_a_lineage_with_names_of_its_own() -> None:
    world = used_again()
    decision = decide(world)
    assert decision.verdict is Verdict.RELAUNCH
    assert decision.facts.lineage is not None
    assert decision.facts.lineage.ledger == Ledger()
    *older, newest = world.sagemaker.names()
    assert older == [SUCCESSOR, JOB]
    assert re.fullmatch(f"{JOB}-[0-9a-f]{{6}}-r2", newest)
    tags = world.sagemaker.tags(JOB) or {}
    assert (tags[tag_names.VERDICT], tags[tag_names.SUCCESSOR]) == ("RELAUNCH", newest)
    # Its own successors keep to these names.
    end(world, newest)
    decide(world, hint(newest))
    assert world.sagemaker.names()[-1] == newest.removesuffix("2") + "3"


def test_each_use_of_a_root_name_has_names_of_its_own() -> None:
    world = used_again()
    decide(world)
    second = world.sagemaker.names()[-1]
    end(world, second)
    use_the_name_again(world)
    assert decide(world).verdict is Verdict.RELAUNCH
    *_, third = world.sagemaker.names()
    assert re.fullmatch(f"{JOB}-[0-9a-f]{{6}}-r2", third)
    assert third != second


def test_a_root_name_that_is_used_again_is_relaunched_once_however_often_it_is_told() -> None:
    world = used_again()
    decide(world)
    names = world.sagemaker.names()
    assert decide(world).reason is Reason.ALREADY_DECIDED
    forgotten(world)  # the verdict was never written
    decision = decide(world)
    assert (decision.verdict, decision.reason) == (Verdict.RELAUNCH, Reason.ALREADY_RELAUNCHED)
    assert world.sagemaker.names() == names
    tags = world.sagemaker.tags(JOB) or {}
    assert (tags[tag_names.VERDICT], tags[tag_names.SUCCESSOR]) == ("RELAUNCH", names[-1])


def test_a_wait_over_a_name_used_again_finds_the_successor_that_an_earlier_try_made() -> None:
    world = used_again()
    decide(world)
    forgotten(world)
    names = world.sagemaker.names()
    world.wandb.lookup = Lookup.UNAVAILABLE
    assert decide(world).reason is Reason.ALREADY_RELAUNCHED
    assert world.sagemaker.names() == names
