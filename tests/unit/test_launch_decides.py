"""What was fixed at a job's launch decides; what any container may write does not."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.in_memory import InMemoryWorld
from local.in_memory.weights_and_biases import InMemoryWandb
from resilience.decide.decisions import Checkpoint, Reason, Verdict
from resilience.failures import FailureClass
from resilience.wire import environment, tags
from tests.unit.recovery_world import (
    CAPACITY,
    ENVIRONMENT,
    GPU,
    JOB,
    PROOF,
    SUCCESSOR,
    TAGS,
    WANDB,
    decide,
    deliver,
    described_job,
    dies,
    failed,
    hint,
    never_started,
    trained,
)

# The project and the collection of a neighbour, whose container re-tags this job.
NEIGHBOUR = {"WANDB_CHECKPOINT_NAME": "model-neighbour", "WANDB_RUN_ID": "neighbour"}
STRANGERS_TAGS = {
    "the run and its collection": NEIGHBOUR,
    "only the collection": {"WANDB_CHECKPOINT_NAME": "model-neighbour"},
    "only the run": {"WANDB_RUN_ID": "neighbour"},
    "a collection that nobody has": {"WANDB_CHECKPOINT_NAME": "model-nobody"},
    "a version of another collection": {"WANDB_CHECKPOINT_NAME": "model-neighbour:v0"},
    "an allowed project": {"WANDB_PROJECT": "other"},
    "a project that is not allowed": {"WANDB_ENTITY": "stranger", "WANDB_PROJECT": "other"},
    "no project": {"WANDB_PROJECT": ""},
    "no name": {"WANDB_PROJECT": "../vision"},
    "a place in another lineage": {tags.ROOT: "night", tags.ATTEMPT: "1"},
}


def with_neighbour(world: InMemoryWorld) -> InMemoryWorld:
    """A neighbour's checkpoints of higher steps, in a collection of its own."""
    theirs = replace(WANDB, collection="model-neighbour", runs=("neighbour",))
    for step in (900, 1000):
        world.wandb.commit(theirs, step=step, run="neighbour")
    return world


def retagged(stranger: Mapping[str, str], env: Mapping[str, str] = ENVIRONMENT) -> InMemoryWorld:
    return with_neighbour(failed(tags={**TAGS, **stranger}, environment=env))


@pytest.mark.parametrize("stranger", [one for one in STRANGERS_TAGS if "lineage" not in one])
def test_a_job_that_another_container_has_tagged_anew_stops_and_is_reported_once(
    stranger: str,
) -> None:
    world = retagged(STRANGERS_TAGS[stranger])
    reasons = [decide(world).reason for _ in range(3)]
    assert reasons == [Reason.TAGS_CONTRADICT_LAUNCH, *[Reason.ALREADY_DECIDED] * 2]
    assert [one.reason for one in world.topic.published] == [Reason.TAGS_CONTRADICT_LAUNCH]
    assert world.sagemaker.requests == []
    assert world.wandb.asked == []


def test_the_report_of_a_contradiction_names_the_tags_and_quotes_none() -> None:
    decision = decide(retagged(NEIGHBOUR))
    assert decision.detail == "WANDB_RUN_ID, WANDB_CHECKPOINT_NAME"
    assert "neighbour" not in decision.detail


@pytest.mark.parametrize("stranger", [one for one in STRANGERS_TAGS if "lineage" not in one])
def test_w_and_b_names_alone_in_the_environment_are_authority_enough(stranger: str) -> None:
    """As a job has them that was launched without this project's launcher."""
    plain = {key: ENVIRONMENT[key] for key in ("WANDB_ENTITY", "WANDB_PROJECT", "WANDB_RUN_ID")}
    world = retagged(STRANGERS_TAGS[stranger], plain)
    decision = decide(world)
    assert decision.verdict is Verdict.STOP
    assert world.sagemaker.requests == []
    assert len(world.topic.published) == 1


def test_a_collection_of_another_name_throws_no_progress_away() -> None:
    plain = {"WANDB_RUN_ID": "night-1"}
    world = retagged({"WANDB_CHECKPOINT_NAME": "checkpoints"}, plain)
    decision = decide(world)
    assert (decision.verdict, decision.reason) == (Verdict.STOP, Reason.CHECKPOINTS_ELSEWHERE)
    assert decision.detail == "model-night-1"


def test_a_script_with_one_run_for_each_job_is_brought_back_from_its_own_run() -> None:
    """A job's name cannot be changed, so a run of that name is the job's own."""
    env = ENVIRONMENT | {
        "WANDB_RUN_ID": "first",
        "RESILIENCE_COLLECTION": f"{WANDB.path[:-7]}first",
    }
    world = failed(environment=env)
    decision = decide(world)
    assert decision.reason is Reason.RESUMED_FROM_CHECKPOINT
    assert decision.successor is not None
    assert decision.successor.checkpoint is not None
    assert decision.successor.checkpoint.run == "night-1"


FIRST = replace(WANDB, collection="model-first")
LAUNCHED_IN_FIRST = ENVIRONMENT | {"WANDB_RUN_ID": "first", "RESILIENCE_COLLECTION": FIRST.path}


def test_where_the_jobs_own_collection_has_checkpoints_the_launchs_is_not_asked() -> None:
    world = failed(environment=LAUNCHED_IN_FIRST)
    world.wandb.commit(FIRST, step=900, run="night-1")
    decision = decide(world)
    assert [asked.collection for asked in world.wandb.asked] == [WANDB.collection]
    assert decision.successor is not None
    assert decision.successor.checkpoint is not None
    assert decision.successor.checkpoint.step == 200


def test_where_it_has_none_the_successor_is_born_in_the_launchs_collection() -> None:
    world = failed(environment=LAUNCHED_IN_FIRST)
    world.wandb.drop(WANDB)
    world.wandb.commit(FIRST, step=900, run="night-1")
    decide(world)
    [request] = world.sagemaker.requests
    born = environment.read(request)
    assert born[environment.COLLECTION] == FIRST.path
    assert born[environment.CHECKPOINT] == f"{FIRST.path}:v0"


def test_nobody_told_which_run_makes_the_checkpoints_and_nobody_elses_count() -> None:
    own = {key: value for key, value in TAGS.items() if key != tags.RUN_ID}
    world = trained(own | {"WANDB_CHECKPOINT_NAME": "shared"}, {})
    world.wandb.commit(replace(WANDB, collection="shared"), step=900, run="neighbour")
    world.sagemaker.end(JOB, "Failed", "Failed", "InternalServerError: We encountered")
    own_version = decide(world)
    assert own_version.reason is Reason.CHECKPOINTS_ELSEWHERE  # of the run called as the job
    other = with_neighbour(trained(own | {"WANDB_CHECKPOINT_NAME": "shared"}, {}))
    job = described_job(other)
    other.sagemaker.put("x", job, own | {"WANDB_CHECKPOINT_NAME": "shared"})
    other.sagemaker.end("x", "Failed", "Failed", "InternalServerError: We encountered")
    assert decide(other, hint("x")).reason is Reason.RUN_UNKNOWN


# --- completion


def completed(mark: str | None, env: Mapping[str, str] = ENVIRONMENT) -> InMemoryWorld:
    own = {key: value for key, value in TAGS.items() if key != tags.COMPLETED}
    world = trained(own if mark is None else own | {tags.COMPLETED: mark}, env)
    world.sagemaker.end(JOB, "Completed", "Completed")
    return world


NO_TOKEN = {k: v for k, v in ENVIRONMENT.items() if k != environment.COMPLETION_TOKEN}


@pytest.mark.parametrize(
    ("mark", "env", "verdict", "reason"),
    [
        (PROOF, ENVIRONMENT, Verdict.IGNORE, Reason.COMPLETED),
        ("no", ENVIRONMENT, Verdict.RELAUNCH, Reason.RESUMED_FROM_CHECKPOINT),
        (None, ENVIRONMENT, Verdict.IGNORE, Reason.COMPLETED),
        ("yes", ENVIRONMENT, Verdict.STOP, Reason.TAGS_CONTRADICT_LAUNCH),
        (PROOF[::-1], ENVIRONMENT, Verdict.STOP, Reason.TAGS_CONTRADICT_LAUNCH),
        ("", ENVIRONMENT, Verdict.STOP, Reason.TAGS_CONTRADICT_LAUNCH),
        ("no", NO_TOKEN, Verdict.STOP, Reason.TAGS_CONTRADICT_LAUNCH),
        ("no", {}, Verdict.STOP, Reason.TAGS_CONTRADICT_LAUNCH),
        ("yes", NO_TOKEN, Verdict.IGNORE, Reason.COMPLETED),
        (None, {}, Verdict.IGNORE, Reason.COMPLETED),
    ],
)
def test_completed_counts_as_unfinished_only_where_the_launch_agreed_on_a_mark(
    mark: str | None, env: Mapping[str, str], verdict: Verdict, reason: Reason
) -> None:
    world = completed(mark, env)
    decision = decide(world)
    assert (decision.verdict, decision.reason) == (verdict, reason)
    assert len(world.sagemaker.requests) == (verdict is Verdict.RELAUNCH)


def test_a_job_that_completed_and_never_opted_in_is_not_launched_again_by_tags() -> None:
    world = completed("no", {"WANDB_PROJECT": "vision"})
    for _ in range(3):
        deliver(world)
    assert world.sagemaker.requests == []


def test_each_attempt_has_a_completion_token_of_its_own_that_follows_from_its_parents() -> None:
    first, second = failed(), failed()
    for world in (first, second):
        deliver(world)
    tokens = {
        env[environment.COMPLETION_TOKEN]
        for world in (first, second)
        for env in [world.sagemaker.requests[0]["Environment"]]
        if isinstance(env, dict)
    }
    assert len(tokens) == 1
    assert tokens != {ENVIRONMENT[environment.COMPLETION_TOKEN]}


# --- a successor's own facts


@pytest.mark.parametrize("text", ["", "0", "1", "99", "v1", "9" * 200, "infrastructure=0", JOB])
@pytest.mark.parametrize("key", [*sorted(tags.OF_EVERY_SUCCESSOR), tags.REJECTED])
def test_an_edited_lineage_tag_stops_the_lineage_and_gives_no_other_budget(
    key: str, text: str
) -> None:
    world = failed()
    deliver(world)
    world.sagemaker.end(SUCCESSOR, "Failed", "Failed", GPU)
    own = world.sagemaker.tags(SUCCESSOR) or {}
    text = f"{text}7" if own.get(key, "") == text else text
    world.sagemaker.add_tags(world.sagemaker.arn(SUCCESSOR), {key: text})
    decision = decide(world, hint(SUCCESSOR))
    assert (decision.verdict, decision.reason) == (Verdict.STOP, Reason.TAGS_CONTRADICT_LAUNCH)
    assert decision.detail == key
    assert world.sagemaker.names() == (JOB, SUCCESSOR)


def test_tags_alone_make_no_job_a_successor() -> None:
    world = failed()
    deliver(world)
    copied = world.sagemaker.tags(SUCCESSOR) or {}
    world.sagemaker.delete(SUCCESSOR)
    world.sagemaker.put(SUCCESSOR, described_job(world), copied)
    world.sagemaker.end(SUCCESSOR, "Failed", "Failed", GPU)
    decision = decide(world, hint(SUCCESSOR))
    assert (decision.reason, decision.detail) == (Reason.TAGS_CONTRADICT_LAUNCH, tags.ROOT)


def test_a_clone_of_a_successor_under_another_name_begins_a_lineage_of_its_own() -> None:
    world = failed()
    deliver(world)
    successor = world.sagemaker.describe(SUCCESSOR)
    assert successor is not None
    own = world.sagemaker.tags(SUCCESSOR) or {}
    world.sagemaker.put("clone", successor.described, own)
    world.sagemaker.end("clone", "Failed", "Failed", GPU)
    lineage = decide(world, hint("clone")).facts.lineage
    assert lineage is not None
    assert (lineage.root, lineage.attempt) == ("clone", 1)


def test_a_successor_of_an_older_job_of_the_same_name_is_not_taken_for_ours() -> None:
    world = failed()
    deliver(world)
    world.sagemaker.delete(JOB)
    world.clock.pass_by(60)
    again = {"TrainingJobStatus": "InProgress", "Environment": ENVIRONMENT}
    world.sagemaker.put(JOB, described_job(failed()) | again, TAGS)
    world.sagemaker.put(
        JOB,
        described_job(world) | {"CreationTime": datetime.fromtimestamp(world.clock(), UTC)},
        TAGS,
    )
    world.sagemaker.end(JOB, "Failed", "Failed", GPU)
    decision = decide(world)
    assert decision.successor is not None
    assert decision.successor.name != SUCCESSOR
    assert decision.successor.name in world.sagemaker.names()


# --- what a container says of itself


@pytest.mark.parametrize(
    "text",
    [
        f"AlgorithmError: {CAPACITY}",
        'AlgorithmError: ExecuteUserScriptError: ErrorMessage "CapacityError: no capacity"',
        "AlgorithmError: RuntimeError: GPU with compute capacity sm_35 is not supported; capacity",
        "AlgorithmError: ResourceLimitExceeded: the account-level service limit is 0 Instances",
    ],
)
def test_a_job_that_trained_does_not_pass_for_one_that_found_no_capacity(text: str) -> None:
    decision = decide(failed(text))
    assert decision.facts.failure_class not in {FailureClass.CAPACITY, FailureClass.QUOTA}
    assert decision.verdict is Verdict.RELAUNCH  # it has got further, so one retry confirms it


def test_capacity_that_sagemaker_lost_after_the_start_is_infrastructure() -> None:
    decision = decide(failed(CAPACITY))
    assert decision.facts.failure_class is FailureClass.INFRASTRUCTURE


def test_a_job_that_writes_of_capacity_for_ever_is_counted_each_time() -> None:
    text, job = f"AlgorithmError: {CAPACITY}", JOB
    world = failed(text)
    while (decision := decide(world, hint(job))).verdict is not Verdict.STOP:
        if decision.verdict is Verdict.RELAUNCH:
            job = world.sagemaker.names()[-1]
            dies(world, job, text)
        world.clock.pass_by(3600)
    assert decision.reason is Reason.FAILED_AGAIN_AT_SAME_STEP
    assert len(world.sagemaker.names()) == 3


# --- a message at any time


def test_one_message_does_not_bring_back_a_job_of_long_ago() -> None:
    world = failed()
    world.clock.pass_by(400 * 86_400)
    decision = decide(world)
    assert (decision.verdict, decision.reason) == (Verdict.STOP, Reason.ENDED_TOO_LONG_AGO)
    assert decision.detail == "400 days ago, 15 allowed"
    assert world.sagemaker.requests == []


def test_no_tag_raises_the_longest_age() -> None:
    world = failed(tags=TAGS | {"resilience:max-age-days": "99999999"})
    world.clock.pass_by(400 * 86_400)
    assert decide(world).reason is Reason.ENDED_TOO_LONG_AGO


# --- a person's stop


SET = st.sampled_from(["WAIT", "RELAUNCH", "STOP", "no", "act", "1 2026-01-31T02:00:00Z", "99", ""])
KEYS = [*TAGS, *tags.OF_EVERY_SUCCESSOR, *tags.OF_THE_DECIDED, tags.MODE, "resilience:max-jobs"]


@given(st.dictionaries(st.sampled_from(KEYS), SET | st.text(max_size=20)), st.booleans())
def test_no_set_of_tags_relaunches_what_a_person_stopped(
    own: dict[str, str],
    fixed: bool,  # noqa: FBT001 — hypothesis gives it by place
) -> None:
    world = trained(TAGS | own, ENVIRONMENT if fixed else {})
    world.sagemaker.end(JOB, "Stopped", "Stopped")
    for _ in range(2):
        deliver(world)
        world.clock.pass_by(3600)
    assert world.sagemaker.requests == []


@given(st.dictionaries(st.sampled_from(KEYS), SET | st.text(max_size=20)))
def test_whatever_the_tags_say_a_successor_goes_on_in_the_run_that_was_fixed(
    own: dict[str, str],
) -> None:
    world = with_neighbour(failed(tags=TAGS | own))
    deliver(world)
    for request in world.sagemaker.requests:
        env = request["Environment"]
        assert isinstance(env, dict)
        assert env["WANDB_RUN_ID"] == "night-1"
        assert env["RESILIENCE_COLLECTION"] == WANDB.path
        assert env["RESILIENCE_CHECKPOINT"].startswith(f"{WANDB.path}:")


def test_a_job_that_failed_while_it_was_being_stopped_stays_stopped() -> None:
    world = failed(GPU)
    stopping = [{"Status": "Stopping", "StatusMessage": "Stopping the training job"}]
    world.sagemaker.put(JOB, described_job(world) | {"SecondaryStatusTransitions": stopping}, TAGS)
    assert decide(world).reason is Reason.STOPPED_BY_USER


def test_a_job_that_failed_while_it_was_stopped_for_its_time_limit_timed_out() -> None:
    world = failed(GPU)
    more = {
        "SecondaryStatusTransitions": [{"Status": "Stopping", "StatusMessage": "x"}],
        "StoppingCondition": {"MaxRuntimeInSeconds": 3600},
    }
    world.sagemaker.put(JOB, described_job(world) | more, TAGS)
    assert decide(world).facts.failure_class is FailureClass.TIMEOUT


# --- a start that never came


@pytest.mark.parametrize(
    ("secondary", "message"),
    [
        ("Stopped", "Training job stopped: it was pending for longer than MaxPendingTimeInSeconds"),
        ("MaxPendingTimeExceeded", "Preparing the instances for training"),
        ("Stopped", "Insufficient capacity; stopping the job"),
    ],
)
def test_a_job_that_timed_out_while_it_waited_for_capacity_waits_for_capacity(
    secondary: str, message: str
) -> None:
    world = never_started()
    messages = [{"Status": "Starting", "StatusMessage": message}]
    job = described_job(world) | {"SecondaryStatusTransitions": messages}
    del job["FailureReason"]
    world.sagemaker.put(JOB, job, TAGS)
    world.sagemaker.end(JOB, "Stopped", secondary)
    decision = decide(world)
    assert (decision.verdict, decision.reason) == (Verdict.WAIT, Reason.CAPACITY_UNAVAILABLE)


# --- jobs that others look after


@pytest.mark.parametrize(
    "mark",
    [
        "MANAGED_BY_AWS",
        "AWS_STEP_FUNCTIONS_EXECUTION_ARN",
        "sagemaker:pipeline-execution-arn",
    ],
)
def test_a_job_that_another_service_has_tagged_as_its_own_is_left_to_it(mark: str) -> None:
    world = failed(tags=TAGS | {mark: "x"})
    assert decide(world).reason is Reason.OWNED_ELSEWHERE


# --- what runs already, and what somebody has excluded


def test_a_successor_that_runs_is_recorded_however_old_its_parent_has_become() -> None:
    world = failed()
    deliver(world)
    world.sagemaker.put(JOB, described_job(world), TAGS)  # the verdict was never written
    world.clock.pass_by(400 * 86_400)
    assert decide(world).reason is Reason.ALREADY_RELAUNCHED


def test_nothing_is_restarted_beside_versions_that_somebody_has_excluded() -> None:
    world = trained()
    world.wandb = InMemoryWandb()
    suspects = [
        Checkpoint(
            version=f"v{number}",
            step=number,
            digest="d",
            run="night-1",
            committed=True,
            aliases=(f"suspect-v{number}",),
        )
        for number in range(3)
    ]
    world.wandb.add(WANDB, *suspects)
    world.sagemaker.end(JOB, "Failed", "Failed", "InternalServerError: We encountered")
    assert decide(world).reason is Reason.NO_CHECKPOINT
