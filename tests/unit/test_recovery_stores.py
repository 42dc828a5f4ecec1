"""Checkpoints whose bytes lie in S3: followed where stack and launch allow it, else reported."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from local.in_memory import InMemoryWorld
from local.replaying import deployment
from local.replaying.log_line import redecide
from resilience.adapters.messages import message
from resilience.controller import recover
from resilience.decide.decisions import Decision, Progress, Reason, Verdict
from resilience.decide.stores import parse
from resilience.telemetry import record
from resilience.wire import environment, tags
from tests.unit.recovery_world import ENVIRONMENT, JOB, SUCCESSOR, WANDB, decide, dies, failed, hint

ALLOWED, ELSEWHERE = "s3://example-checkpoints/vision/", "s3://example-checkpoints/vision-evil/"
LAUNCHED = ENVIRONMENT | {"RESILIENCE_STORE": "s3://example-checkpoints/vision/night"}


def saved(world: InMemoryWorld, text: str, step: int = 300, job: str = JOB) -> InMemoryWorld:
    """As `resilient-run` saves: by a run of its own, and the bytes in a store."""
    run = "night-1-checkpoints"
    world.wandb.commit(WANDB, step=step, run=run, job=job, store=parse(text))
    return world


def only_in(text: str) -> InMemoryWorld:
    world = failed()
    world.wandb.drop(WANDB)
    return saved(world, text)


def allowing(world: InMemoryWorld, stores: str) -> Decision:
    """Decide as a stack does whose parameter has these stores."""
    settings = deployment.of(world, {"RESILIENCE_ALLOWED_STORES": stores})
    with ThreadPoolExecutor(3) as executor:
        outcome = recover(hint(), world.ports(), settings, executor)
    assert isinstance(outcome, Decision)
    return outcome


def born(world: InMemoryWorld, job: str = SUCCESSOR) -> dict[str, str]:
    found = world.sagemaker.describe(job)
    assert found is not None
    return environment.read(found.described)


def test_a_checkpoint_in_a_store_that_is_allowed_is_work_and_is_resumed_from() -> None:
    world = saved(failed(), ALLOWED)
    decision = decide(world)
    assert decision.progress is Progress.ADVANCED
    assert born(world)["RESILIENCE_CHECKPOINT"] == f"{WANDB.path}:v2"


def test_one_in_another_store_is_passed_over_and_the_mail_says_so() -> None:
    world = saved(saved(failed(), ELSEWHERE), "s3://example-checkpoints/vision/../", step=400)
    decision = decide(world)
    assert born(world)["RESILIENCE_CHECKPOINT"] == f"{WANDB.path}:v1"
    assert record(decision)["passed_over"] == {
        "v3": "store_not_allowed",
        "v2": "store_not_allowed",
    }
    said = "passed over: v3 and 1 more; docs/runbook.md#store_not_allowed"
    assert said in message(decision).splitlines()
    assert "passed over: v2; " in message(decide(saved(failed(), ELSEWHERE)))
    assert "passed over" not in message(decide(failed()))


@pytest.mark.parametrize("stores", ["", "s3://other/x/", "s3://example-checkpoints/vis/"])
def test_where_there_are_no_others_a_person_is_told_once_which_parameter_to_set(
    stores: str,
) -> None:
    world = only_in(ALLOWED)
    decision = allowing(world, stores)
    assert (decision.verdict, decision.reason) == (Verdict.STOP, Reason.STORE_NOT_ALLOWED)
    assert allowing(world, stores).reason is Reason.ALREADY_DECIDED
    (told,) = world.topic.published
    assert "CheckpointStores" in message(told)
    assert "docs/runbook.md#store_not_allowed" in message(told)
    assert world.sagemaker.requests == []


def test_with_the_parameter_set_and_asked_again_it_goes_on_from_the_checkpoint() -> None:
    world = only_in(ALLOWED)
    allowing(world, "")
    world.sagemaker.add_tags(world.sagemaker.arn(JOB), {tags.AGAIN: "set"})
    assert allowing(world, ALLOWED).reason is Reason.RESUMED_FROM_CHECKPOINT
    assert born(world)["RESILIENCE_CHECKPOINT"] == f"{WANDB.path}:v0"


def test_each_attempt_is_bound_to_the_store_of_the_first_launch() -> None:
    world = saved(failed(environment=LAUNCHED), f"{ALLOWED}night/")
    decide(world)
    assert born(world)["RESILIENCE_STORE"] == LAUNCHED["RESILIENCE_STORE"]
    dies(world, SUCCESSOR)
    saved(world, f"{ALLOWED}day/", step=400, job=SUCCESSOR)
    second = decide(world, hint(SUCCESSOR))
    assert second.passed_over == (("v3", "store_not_allowed"),)
    assert born(world, "night-1-r3")["RESILIENCE_CHECKPOINT"] == f"{WANDB.path}:v2"
    assert born(world, "night-1-r3")["RESILIENCE_STORE"] == LAUNCHED["RESILIENCE_STORE"]


@pytest.mark.parametrize("text", [ALLOWED, ELSEWHERE])
def test_the_line_of_such_a_decision_replays_and_names_no_store(text: str) -> None:
    decision = decide(only_in(text))
    line = {name: value for name, value in record(decision).items() if value is not None}
    assert redecide(line).same
    assert "s3://" not in str(line)
    assert "example-checkpoints" not in str(line)
