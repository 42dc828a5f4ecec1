"""What is seen of a job is what the facts say: read once, from where it is known best."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from local.in_memory import InMemoryWorld
from local.replaying import deployment
from proofs.at_once import AtOnce
from resilience.decide import work
from resilience.decide.breaker import Breaker, Circuit
from resilience.decide.decisions import (
    CheckpointRequest,
    Facts,
    LogRead,
    Lookup,
    Mode,
    Policy,
    Reason,
    Verdict,
)
from resilience.decide.stores import StoreFault, parse
from resilience.errors import ResilienceError, Retry
from resilience.failures import FailureClass
from resilience.observation import Observed, observe
from resilience.wire import tags
from resilience.wire.events import Hint
from tests.unit.recovery_world import (
    BUG,
    CAPACITY,
    ENVIRONMENT,
    GPU,
    JOB,
    NIGHT,
    PROOF,
    TAGS,
    WANDB,
    decide,
    event,
    failed,
    hint,
    never_started,
    trained,
)

OPEN = Breaker(state=Circuit.OPEN, since=NIGHT - 60, cause="infrastructure")
SAYS_NOTHING = "AlgorithmError: , exit code: 1"


def observed(
    world: InMemoryWorld, told: Hint | None = None, settings: Mapping[str, str] | None = None
) -> Facts:
    ports = world.ports()
    settled = deployment.of(world, settings or {})
    found = observe(told or hint(), ports, settled, ports.switches(), AtOnce())
    assert found is not None
    return found.facts


def shown(world: InMemoryWorld, **members: object) -> InMemoryWorld:
    world.sagemaker.show(JOB, members)
    return world


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_the_facts_of_a_job_that_has_just_failed_are_all_that_is_known_of_it() -> None:
    world = failed(BUG)
    world.breaker = OPEN
    world.clock.pass_by(30)
    facts = observed(world)
    assert facts.lineage is not None
    assert facts == Facts(
        job=JOB,
        status="Failed",
        secondary_status="Failed",
        observed_at=NIGHT + 30,
        created_at=NIGHT - 3600,
        ended_at=NIGHT,
        started=True,
        seconds=3600,
        signature=work.signature({"FailureReason": BUG}),
        mode=Mode.ACT,
        request=WANDB,
        tags_invalid=False,
        contradictions=(),
        project_allowed=True,
        owner=None,
        lineage=facts.lineage,
        recorded=None,
        again=None,
        failure_class=FailureClass.USER_CODE,
        failure_rule="programming_error",
        checkpoint_load_error=False,
        run="night-1",
        lookup=Lookup.FOUND,
        checkpoints=tuple(reversed(world.wandb.versions(WANDB) or ())),
        pending=0,
        elsewhere=(),
        obstacles=(),
        policy=Policy(),
        heartbeat_at=None,
        breaker=OPEN,
        cause=work.cause({"TrainingJobStatus": "Failed", "FailureReason": BUG}),
    )


@pytest.mark.parametrize(
    ("members", "ended_at"),
    [
        ({"TrainingEndTime": at(NIGHT - 5), "LastModifiedTime": at(NIGHT)}, NIGHT - 5),
        ({"TrainingEndTime": None, "LastModifiedTime": at(NIGHT - 7)}, NIGHT - 7),
        ({"TrainingEndTime": None, "LastModifiedTime": None}, None),
        ({"TrainingEndTime": "yesterday", "LastModifiedTime": at(NIGHT)}, None),
    ],
)
def test_a_job_ended_when_its_training_did_or_else_at_its_last_change(
    members: dict[str, object], ended_at: int | None
) -> None:
    assert observed(shown(failed(), **members)).ended_at == ended_at


def test_a_verdict_that_stands_is_seen_until_a_person_asks_for_another() -> None:
    world = never_started()
    decide(world)
    found = observed(world)
    assert found.recorded is not None
    assert (found.recorded.verdict, found.again) == (Verdict.WAIT, None)
    world.sagemaker.add_tags(world.sagemaker.arn(JOB), {tags.AGAIN: "Jo"})
    again = observed(world)
    assert again.recorded is None
    assert again.again is not None


def test_an_allowed_place_is_where_the_tags_or_the_launch_say_that_the_job_belongs() -> None:
    elsewhere = failed(tags=TAGS | {"WANDB_ENTITY": "stranger"})
    assert observed(elsewhere).project_allowed
    assert observed(elsewhere).contradictions == (tags.ENTITY,)
    by_variable = failed(
        tags=TAGS | {"WANDB_PROJECT": "else"}, environment={"WANDB_PROJECT": "vision"}
    )
    only = {"RESILIENCE_ALLOWED_PROJECTS": "example-team/vision"}
    assert observed(by_variable, settings=only).project_allowed
    nowhere = failed(tags=TAGS | {"WANDB_ENTITY": "stranger"}, environment={})
    assert not observed(nowhere).project_allowed


def test_tags_that_no_longer_name_a_place_are_invalid_where_the_job_had_opted_in() -> None:
    facts = observed(failed(tags=TAGS | {"WANDB_PROJECT": ""}))
    assert (facts.request, facts.tags_invalid) == (None, True)
    facts = observed(failed(tags={}, environment={}))
    assert (facts.request, facts.tags_invalid) == (None, False)
    assert facts.contradictions == ()


def completed(mark: str, **other: str) -> InMemoryWorld:
    world = trained(TAGS | {tags.COMPLETED: mark} | other)
    world.sagemaker.end(JOB, "Completed", "Completed")
    return world


def test_of_a_job_that_completed_only_its_mark_counts_unless_it_says_that_it_goes_on() -> None:
    assert observed(completed(PROOF, WANDB_RUN_ID="r2")).contradictions == ()
    assert observed(completed("forged", WANDB_RUN_ID="r2")).contradictions == (tags.COMPLETED,)
    assert observed(completed("no", WANDB_RUN_ID="r2")).contradictions == (tags.RUN_ID,)
    assert observed(completed("no")).contradictions == ()
    assert observed(completed("no", WANDB_RUN_ID=JOB)).contradictions == (), "its own name"
    assert observed(completed(PROOF)).failure_class is None
    assert observed(completed("no")).failure_class is FailureClass.INCOMPLETE


# --- what W&B answers


def test_a_project_that_is_not_shown_is_hidden_from_a_job_that_trained_and_empty_before() -> None:
    world = failed()
    world.wandb.hide_project(WANDB.entity, WANDB.project)
    hidden = observed(world)
    assert hidden.lookup is Lookup.REFUSED
    assert (hidden.checkpoints, hidden.pending, hidden.elsewhere) == ((), 0, ())
    world = never_started(CAPACITY)
    world.wandb.hide_project(WANDB.entity, WANDB.project)
    assert observed(world).lookup is Lookup.FOUND


@pytest.mark.parametrize("lookup", [Lookup.UNAVAILABLE, Lookup.REFUSED])
def test_what_wandb_does_not_answer_is_a_fact_of_its_own(lookup: Lookup) -> None:
    world = failed()
    world.wandb.lookup = lookup
    assert observed(world).lookup is lookup


def test_of_a_job_that_is_not_decided_by_its_checkpoints_wandb_is_not_asked() -> None:
    world = failed()
    assert observed(shown(world, RoleArn="arn:aws:iam::1:role/other")).lookup is Lookup.NOT_ASKED
    assert world.wandb.asked == []


NAMELESS = {key: value for key, value in TAGS.items() if key != tags.RUN_ID} | {
    "WANDB_CHECKPOINT_NAME": "shared"
}


def test_where_nobody_names_the_run_it_is_the_jobs_own_that_has_a_version() -> None:
    world = failed(tags=NAMELESS, environment={})
    assert observed(world).run is None
    shared = replace(WANDB, collection="shared")
    world.wandb.commit(shared, step=1, run="neighbour")
    assert observed(world).run is None
    world.wandb.commit(shared, step=1, run=f"{JOB}-algo-1")
    assert observed(world).run == f"{JOB}-algo-1"
    world.wandb.commit(shared, step=2, run=JOB)
    assert observed(world).run == JOB


def test_where_only_resilient_run_logged_the_run_is_the_one_that_it_logged_for() -> None:
    world = failed(tags=NAMELESS, environment={})
    world.wandb.commit(replace(WANDB, collection="shared"), step=1, run=f"{JOB}-checkpoints")
    facts = observed(world)
    assert [one.run for one in facts.checkpoints] == [f"{JOB}-checkpoints"]
    assert facts.run == JOB


@pytest.mark.parametrize("run", ["night-1", "night-1-checkpoints"])
def test_when_a_client_last_wrote_to_the_run_or_logged_its_checkpoints_is_seen(run: str) -> None:
    world = failed()
    world.wandb.beat(WANDB, run, NIGHT - 20)
    assert observed(world).heartbeat_at == NIGHT - 20


PLACES = {
    "s3://example-checkpoints/vision/": None,
    "s3://example-checkpoints/vision/a/": None,
    "s3://example-checkpoints/vision-evil/": StoreFault.NOT_OF_THE_STACK,
    "s3://example-checkpoints/": StoreFault.NO_STORE,
}


@pytest.mark.parametrize(("text", "fault"), PLACES.items())
def test_what_is_known_of_a_store_is_whether_it_is_allowed(
    text: str, fault: StoreFault | None
) -> None:
    world = failed()
    made = world.wandb.commit(WANDB, step=300, run="night-1-checkpoints", store=parse(text))
    facts = observed(world)
    assert facts.store_faults == (() if fault is None else ((made.version, fault),))
    allowed = {"RESILIENCE_ALLOWED_STORES": "s3://other/x/"}
    assert dict(observed(world, settings=allowed).store_faults).keys() == {made.version}


def test_a_launch_that_named_its_store_trusts_no_other_of_the_stack() -> None:
    environment = ENVIRONMENT | {"RESILIENCE_STORE": "s3://example-checkpoints/vision/a"}
    world = failed(environment=environment)
    for folder in ("a", "b"):
        store = parse(f"s3://example-checkpoints/vision/{folder}/")
        world.wandb.commit(WANDB, step=300, run="night-1-checkpoints", store=store)
    assert observed(world).store_faults == (("v3", StoreFault.NOT_OF_THE_LAUNCH),)


def test_the_events_own_tags_ask_early_and_what_the_job_bears_now_is_what_counts() -> None:
    world = failed()
    assert observed(world, event()).checkpoints
    assert len(world.wandb.asked) == 1
    world = failed()
    early = event(TAGS | {"WANDB_CHECKPOINT_NAME": "model-else", "WANDB_RUN_ID": "else"})
    assert [one.run for one in observed(world, early).checkpoints] == ["night-1"] * 2
    assert [one.collection for one in world.wandb.asked] == ["model-else", WANDB.collection]


@pytest.mark.parametrize(
    "told",
    [
        replace(event(), status="Completed"),
        replace(event(), status=None),
        event(None),
        event({}),
        event(TAGS | {"WANDB_PROJECT": ""}),
        event(TAGS | {"WANDB_ENTITY": "stranger"}),
    ],
    ids=["completed", "no status", "no tags", "not opted in", "no place", "not allowed"],
)
def test_nothing_is_asked_early_that_the_event_does_not_call_for(told: Hint) -> None:
    world = shown(failed(), RoleArn="arn:aws:iam::1:role/other")
    observed(world, told)
    assert world.wandb.asked == []


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_of_what_ended_badly_by_its_event_wandb_is_asked_before_all_else_is_known(
    status: str,
) -> None:
    world = shown(failed(), RoleArn="arn:aws:iam::1:role/other")
    assert observed(world, replace(event(), status=status)).lookup is Lookup.NOT_ASKED
    assert [one.collection for one in world.wandb.asked] == [WANDB.collection]


class Tagless:
    """Jobs as they are, of whose tags there is no more than this answer."""

    def __init__(self, world: InMemoryWorld, answer: ResilienceError | None) -> None:
        self.describe = world.sagemaker.describe
        self._answer = answer

    def tags(self, name: str) -> None:
        if self._answer is not None:
            raise self._answer
        assert name == JOB


@pytest.mark.parametrize("answer", [None, Retry("ListTags: ValidationException")])
def test_a_job_that_is_gone_is_not_observed_however_list_tags_answers(
    answer: ResilienceError | None,
) -> None:
    world = failed()
    world.sagemaker.delete(JOB)
    assert seen(world, answer) is None


def test_a_job_that_is_deleted_while_it_is_described_is_not_observed() -> None:
    assert seen(failed(), None) is None


def seen(world: InMemoryWorld, answer: ResilienceError | None) -> Observed | None:
    tagless: Any = Tagless(world, answer)
    ports = replace(world.ports(), jobs=tagless)
    return observe(hint(), ports, deployment.of(world, {}), ports.switches(), AtOnce())


FIRST = CheckpointRequest(
    entity=WANDB.entity, project=WANDB.project, collection="model-first", runs=WANDB.runs
)


def test_checkpoints_where_the_launch_said_are_found_though_the_jobs_own_tag_leads_to_none() -> (
    None
):
    world = failed(environment=ENVIRONMENT | {"RESILIENCE_COLLECTION": FIRST.path})
    own = observed(world)
    assert own.request == WANDB
    assert own.elsewhere == ()
    world.wandb.drop(WANDB)
    world.wandb.commit(FIRST, step=900, run="night-1")
    facts = observed(world)
    assert facts.request == FIRST
    assert [one.step for one in facts.checkpoints] == [900]


def test_of_other_collections_than_the_launchs_only_the_names_are_seen() -> None:
    world = failed(environment={})
    world.wandb.drop(WANDB)
    for collection in ("XXXX", "a b/c"):
        world.wandb.commit(replace(FIRST, collection=collection), step=900, run="night-1")
    facts = observed(world)
    assert (facts.request, facts.checkpoints) == (WANDB, ())
    assert facts.elsewhere == ("XXXX",)


# --- what its log says


def stuck(reason: str = SAYS_NOTHING) -> InMemoryWorld:
    """A job that saved nothing, and whose reason names no cause."""
    world = failed(reason)
    world.wandb.drop(WANDB)
    return shown(world, ResourceConfig={"InstanceType": "ml.g5.xlarge", "InstanceCount": 2})


@pytest.mark.parametrize("reason", [SAYS_NOTHING, "it is broken"])
def test_the_cause_that_a_host_names_in_the_log_takes_the_place_of_a_reason_that_names_none(
    reason: str,
) -> None:
    world = stuck(reason)
    world.logs.write(JOB, "up", host=1)
    world.logs.write(JOB, "RuntimeError: CUDA error: uncorrectable ECC error encountered", host=2)
    facts = observed(world)
    assert facts.log_read is LogRead.FOUND
    assert facts.failure_class is FailureClass.INFRASTRUCTURE
    assert facts.failure_rule == "gpu_memory_error"


def test_a_log_that_names_none_or_cannot_be_read_leaves_the_reason_as_it_is() -> None:
    by_reason = work.classification(
        {"TrainingJobStatus": "Failed", "FailureReason": SAYS_NOTHING}, None
    )
    silent, refused = stuck(), stuck()
    silent.logs.write(JOB, "up")
    refused.logs.refused = True
    for world, read in ((silent, LogRead.FOUND), (refused, LogRead.UNAVAILABLE)):
        facts = observed(world)
        assert facts.log_read is read
        assert (facts.failure_class, facts.failure_rule) == (
            by_reason.failure_class,
            by_reason.rule,
        )


def test_no_log_is_read_of_a_job_that_advanced_or_says_why_or_where_the_stack_reads_none() -> None:
    advanced, explained, unread = failed(SAYS_NOTHING), failed(GPU), stuck()
    for world in (advanced, explained):
        assert observed(world).log_read is LogRead.NOT_ASKED
        assert world.logs.asked == []
    ports = replace(unread.ports(), logs=None)
    found = observe(hint(), ports, deployment.of(unread, {}), ports.switches(), AtOnce())
    assert found is not None
    assert found.facts.log_read is LogRead.NOT_ASKED


def test_a_reason_of_a_persons_making_is_seen_as_such() -> None:
    world = trained()
    world.sagemaker.end(JOB, "Stopped", "Stopped")
    assert observed(world).failure_class is FailureClass.STOPPED_BY_USER
    assert decide(world).reason is Reason.STOPPED_BY_USER
