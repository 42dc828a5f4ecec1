"""Which events come in: matched by the local AWS's own EventBridge."""

import json
from pathlib import Path
from typing import Any

import pytest
from ministack.services.eventbridge import _test_event_pattern

from tests.template.stack import ACCOUNT, ROOT, stack

# A queue body that is no envelope never comes by the rule.
EVENTS = sorted(
    file for file in (ROOT / "events").glob("*.json") if not file.name.startswith("queue-body.")
)
TERMINAL = {"Completed", "Failed", "Stopped"}


def envelope(**changes: Any) -> dict[str, Any]:  # noqa: ANN401 — an envelope holds anything
    return {
        "version": "0",
        "id": "8f4e2f0e-0001-4c5d-9d3a-000000000000",
        "detail-type": "SageMaker Training Job State Change",
        "source": "aws.sagemaker",
        "account": ACCOUNT,
        "time": "2026-01-31T03:00:00Z",
        "region": "eu-west-1",
        "resources": [f"arn:aws:sagemaker:eu-west-1:{ACCOUNT}:training-job/a-job"],
        "detail": {"TrainingJobName": "a-job", "TrainingJobStatus": "Failed"},
    } | changes


def comes_in(event: dict[str, Any], account: str = ACCOUNT) -> bool:
    pattern = dict(stack().properties("TrainingEnded")["EventPattern"])
    assert pattern["account"] == [ACCOUNT]
    pattern["account"] = [account]
    status, _, body = _test_event_pattern(
        {"Event": json.dumps(event), "EventPattern": json.dumps(pattern)}
    )
    assert status == 200, body
    return bool(json.loads(body)["Result"])


@pytest.mark.parametrize("file", EVENTS, ids=[file.stem for file in EVENTS])
def test_an_event_of_the_collection_comes_in_exactly_if_its_job_has_ended(file: Path) -> None:
    event = json.loads(file.read_text())
    has_ended = event["detail"].get("TrainingJobStatus") in TERMINAL
    from_sagemaker = event["source"] == "aws.sagemaker"
    assert comes_in(event, event["account"]) == (has_ended and from_sagemaker)


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_a_terminal_state_comes_in(status: str) -> None:
    assert comes_in(envelope(detail={"TrainingJobStatus": status}))


@pytest.mark.parametrize("tags", [None, {}, {"a": "b"}, [{"Key": "a", "Value": "b"}]])
def test_tags_of_any_shape_or_none_come_in(tags: object) -> None:
    assert comes_in(envelope(detail={"TrainingJobStatus": "Failed", "Tags": tags}))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"detail": {"TrainingJobStatus": "InProgress"}}, id="still-training"),
        pytest.param({"detail": {"TrainingJobStatus": "Stopping"}}, id="stopping"),
        pytest.param({"detail": {"TrainingJobStatus": "Deleting"}}, id="deleting"),
        pytest.param({"detail": {"TrainingJobStatus": "failed"}}, id="another-case"),
        pytest.param({"detail": {"TrainingJobStatus": None}}, id="null-status"),
        pytest.param({"detail": {}}, id="no-status"),
        pytest.param({"detail": {"SecondaryStatus": "Failed"}}, id="only-a-secondary-status"),
        pytest.param({"account": "999999999999"}, id="another-account"),
        pytest.param({"source": "my.sagemaker"}, id="a-source-of-ones-own"),
        pytest.param({"source": "aws.sagemaker.fake"}, id="a-longer-source"),
        pytest.param({"detail-type": "SageMaker Transform Job State Change"}, id="a-transform-job"),
        pytest.param(
            {"detail-type": "SageMaker HyperParameter Tuning Job State Change"}, id="a-tuning-job"
        ),
    ],
)
def test_nothing_else_comes_in(changes: dict[str, Any]) -> None:
    assert not comes_in(envelope(**changes))
