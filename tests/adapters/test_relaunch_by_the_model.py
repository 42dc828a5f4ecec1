"""No member of a job's specification is lost: generated from botocore's own service model."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from local.in_memory import create_shape
from resilience import relaunch
from resilience.decide.decisions import Checkpoint, CheckpointRequest, Ledger, Successor
from resilience.relaunch import DROPPED, NEVER_CARRIED, REFUSED, Source, compose, obstacles

WANDB = CheckpointRequest(entity="example-team", project="vision", collection="model-night")
SUCCESSOR = Successor(
    name="night-1-r2",
    root="night-1",
    parent="night-1",
    attempt=2,
    checkpoint=Checkpoint(version="v3", step=400, digest="d", run="night-1", committed=True),
    ledger=Ledger(),
    rejected=("v4",),
    waiting=None,
)


def describe_shape() -> Any:  # noqa: ANN401 — botocore has no types
    model = botocore.session.get_session().get_service_model("sagemaker")
    return model.operation_model("DescribeTrainingJob").output_shape


SHARED = sorted(set(create_shape().members) & set(describe_shape().members))
COMPOSED = {"TrainingJobName", "Environment"}  # ours to set; tested by themselves below


def plausible(shape: Any) -> Any:  # noqa: ANN401 — as above
    """A value that is not empty, for any shape, with every member of every structure."""
    if shape.type_name == "structure":
        return {name: plausible(member) for name, member in shape.members.items()}
    if shape.type_name == "list":
        return [plausible(shape.member)]
    if shape.type_name == "map":
        return {plausible(shape.key): plausible(shape.value)}
    if shape.type_name == "string":
        return shape.enum[0] if shape.enum else "x" * _least(shape)
    return _SCALARS[shape.type_name](_least(shape))


def _least(shape: Any) -> int:  # noqa: ANN401 — as above
    return max(1, int(shape.metadata.get("min", 1)))


_SCALARS: dict[str, Callable[[int], object]] = {
    "integer": int,
    "long": int,
    "float": float,
    "double": float,
    "boolean": bool,
    "timestamp": lambda _: datetime(2026, 1, 31, tzinfo=UTC),
}


def whole_job() -> dict[str, Any]:
    shape = describe_shape()
    return {name: plausible(member) for name, member in shape.members.items()}


def composed(described: dict[str, Any], tags: dict[str, str] | None = None) -> dict[str, Any]:
    return compose(Source(described, tags or {}, WANDB, "night"), SUCCESSOR, create_shape())


def without_echoes(described: Any) -> Any:  # noqa: ANN401 — JSON
    """What Describe shows of a choice that SageMaker made itself is none of the specification."""
    echoed = ("SelectedInstanceType", "SelectedInstanceCount")
    return {name: value for name, value in described.items() if name not in echoed}


def test_create_and_describe_still_share_what_this_test_is_about() -> None:
    assert len(SHARED) >= 26
    assert set(DROPPED) | set(NEVER_CARRIED) <= set(SHARED)
    assert set(REFUSED) <= set(create_shape().members)


@pytest.mark.parametrize("member", [one for one in SHARED if one not in COMPOSED])
def test_every_shared_member_is_carried_whole_or_left_for_a_reason(member: str) -> None:
    job = whole_job()
    request = composed(job)
    if member in DROPPED or member in NEVER_CARRIED:
        assert member not in request
    elif member in REFUSED:
        reasons = [culprit for _, culprit in obstacles(job, {}, ("*",), ())]
        assert member in reasons
    elif member == "ResourceConfig":
        assert request[member] == without_echoes(job[member])
    else:
        assert request[member] == job[member]


def test_every_member_that_only_create_has_is_set_or_refused() -> None:
    only_create = set(create_shape().members) - set(describe_shape().members)
    assert only_create - {"Tags"} <= set(REFUSED)


def test_debug_rules_are_kept_when_their_owner_asks_for_it() -> None:
    job = whole_job()
    request = composed(job, {"resilience:debug-rules": "keep"})
    assert {name: request[name] for name in DROPPED} == {name: job[name] for name in DROPPED}


def test_the_environment_is_carried_and_the_lineage_added() -> None:
    job = whole_job() | {"Environment": {"MINE": "kept", "RESILIENCE_ATTEMPT": "1"}}
    assert composed(job)["Environment"] == {
        "MINE": "kept",
        "WANDB_RUN_ID": "night",
        "WANDB_RESUME": "allow",
        "RESILIENCE_ROOT": "night-1",
        "RESILIENCE_ATTEMPT": "2",
        "RESILIENCE_PARENT": "night-1",
        "RESILIENCE_LEDGER": "new",
        "RESILIENCE_COLLECTION": "example-team/vision/model-night",
        "RESILIENCE_CHECKPOINT": "example-team/vision/model-night:v3",
        "RESILIENCE_CHECKPOINT_DIGEST": "d",
        "RESILIENCE_CHECKPOINT_STEP": "400",
        "RESILIENCE_REJECTED": "v4",
    }


def errors(request: dict[str, Any]) -> str:
    return str(ParamValidator().validate(request, create_shape()).generate_report())


def test_a_whole_request_is_valid_by_the_model() -> None:
    assert errors(composed(whole_job())) == ""


@pytest.mark.parametrize("member", SHARED)
def test_a_job_with_the_required_members_and_one_more_gives_a_valid_request(member: str) -> None:
    wanted = {*create_shape().required_members, member}
    job = {name: value for name, value in whole_job().items() if name in wanted}
    assert errors(composed(job)) == ""


def test_what_describe_shows_as_empty_is_left_out() -> None:
    empty: dict[str, Any] = {
        "VpcConfig": {},
        "HyperParameters": {},
        "InputDataConfig": [],
        "OutputDataConfig": {"S3OutputPath": "s3://bucket", "KmsKeyId": ""},
        "RetryStrategy": None,
    }
    request = composed(whole_job() | empty)
    assert request["OutputDataConfig"] == {"S3OutputPath": "s3://bucket"}
    assert {"VpcConfig", "HyperParameters", "InputDataConfig", "RetryStrategy"} & set(
        request
    ) == set()


def test_a_user_keeps_an_empty_value_in_a_map_of_their_own() -> None:
    job = whole_job() | {"HyperParameters": {"suffix": ""}}
    assert composed(job)["HyperParameters"] == {"suffix": ""}


def test_a_member_that_sagemaker_adds_tomorrow_is_carried(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = create_shape()
    tomorrow = {**shape.members, "FutureConfig": shape.members["CheckpointConfig"]}
    monkeypatch.setitem(shape.__dict__, "members", tomorrow)
    job = whole_job() | {"FutureConfig": {"S3Uri": "s3://bucket/future"}}
    assert composed(job)["FutureConfig"] == {"S3Uri": "s3://bucket/future"}
    assert relaunch.limit_reached(composed(job)) is None
