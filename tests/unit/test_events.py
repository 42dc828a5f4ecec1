"""A message is read at the edge: a hint, none of our business, or something a person must see."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilience.decide.decisions import Reason
from resilience.wire import events
from resilience.wire.events import Hint, Malformed, NotForUs

ACCOUNT, REGION = "111122223333", "eu-west-1"
ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/"


def envelope(detail: object = None, **more: object) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "844e2571-85d4-695f-b930-0153b71dcb42",
        "detail-type": "SageMaker Training Job State Change",
        "source": "aws.sagemaker",
        "account": ACCOUNT,
        "time": "2026-11-23T03:00:00Z",
        "region": REGION,
        "resources": [],
        "detail": {"TrainingJobName": "digits"} if detail is None else detail,
    } | more


def parsed(message: object) -> Hint | NotForUs | Malformed:
    body = message if isinstance(message, str) else json.dumps(message)
    return events.parse(body, account=ACCOUNT, region=REGION)


def hint(message: object) -> Hint:
    found = parsed(message)
    assert isinstance(found, Hint)
    return found


def test_an_event_of_ours_is_a_hint_at_its_job() -> None:
    found = hint(envelope({"TrainingJobName": "digits", "TrainingJobStatus": "Failed"}))
    assert (found.job, found.status, found.source) == ("digits", "Failed", "aws.sagemaker")


def test_where_name_and_arn_differ_the_arn_is_the_identity() -> None:
    detail = {"TrainingJobName": "other", "TrainingJobArn": ARN + "digits"}
    assert hint(envelope(detail)).job == "digits"


@pytest.mark.parametrize(
    ("shape", "read"),
    [
        ({"a": "1", "b": None}, {"a": "1", "b": ""}),
        ([{"Key": "a", "Value": "1"}, {"Key": "b"}, "junk", {"Value": "2"}], {"a": "1", "b": ""}),
        (None, None),
        ("junk", None),
    ],
)
def test_tags_come_as_a_map_as_a_list_or_not_at_all(
    shape: object, read: dict[str, str] | None
) -> None:
    assert hint(envelope({"TrainingJobName": "digits", "Tags": shape})).tags == read


def test_a_job_without_tags_in_its_event_is_not_a_job_without_tags() -> None:
    assert hint(envelope({"TrainingJobName": "digits"})).tags is None
    assert hint(envelope({"TrainingJobName": "digits", "Tags": {}})).tags == {}


@pytest.mark.parametrize("status", [None, 7, ["Failed"]])
def test_a_status_that_is_no_text_is_not_known(status: object) -> None:
    assert hint(envelope({"TrainingJobName": "d", "TrainingJobStatus": status})).status is None


@pytest.mark.parametrize(
    "body", ["", "not json", "[" * 100_000, '{"detail-type":' + "9" * 5000 + "}"]
)
def test_what_is_no_json_is_for_a_person_to_see(body: str) -> None:
    assert parsed(body) == Malformed("not JSON")


@pytest.mark.parametrize("body", ["[1]", '"text"', "null", "{}", '{"detail-type": 7}'])
def test_what_is_no_envelope_is_for_a_person_to_see(body: str) -> None:
    assert parsed(body) == Malformed("not an EventBridge envelope")


@pytest.mark.parametrize(
    "detail",
    [
        {},
        {"TrainingJobName": None},
        {"TrainingJobName": 7},
        {"TrainingJobName": ""},
        {"TrainingJobName": "-digits"},
        {"TrainingJobName": "a/../b"},
        {"TrainingJobName": "digits\n"},
        {"TrainingJobName": "x" * 64},
        {"TrainingJobName": "ümlaut"},
        {"TrainingJobName": "digits", "TrainingJobArn": ARN + "a/b"},
    ],
)
def test_an_envelope_of_ours_without_a_valid_name_is_for_a_person_to_see(detail: object) -> None:
    message = envelope()
    message["detail"] = detail
    assert parsed(message) == Malformed("no valid TrainingJobName")


@pytest.mark.parametrize("detail", ["text", [], 7])
def test_an_envelope_of_ours_without_an_object_inside_is_for_a_person_to_see(
    detail: object,
) -> None:
    assert parsed(envelope(detail)) == Malformed("detail is not an object")


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"detail-type": "SageMaker Model State Change"}, Reason.OTHER_DETAIL_TYPE),
        ({"source": "my.own"}, Reason.OTHER_DETAIL_TYPE),
        ({"source": None}, Reason.OTHER_DETAIL_TYPE),
        ({"source": "resilience.sweep"}, Reason.OTHER_DETAIL_TYPE),
        ({"account": "999988887777"}, Reason.OTHER_ACCOUNT),
        ({"account": None}, Reason.OTHER_ACCOUNT),
        ({"region": "us-east-1"}, Reason.OTHER_REGION),
        (
            {"detail": {"TrainingJobArn": ARN.replace(ACCOUNT, "9" * 12) + "d"}},
            Reason.OTHER_ACCOUNT,
        ),
        (
            {"detail": {"TrainingJobArn": ARN.replace(REGION, "us-east-1") + "d"}},
            Reason.OTHER_REGION,
        ),
    ],
)
def test_what_is_about_others_is_passed_by_with_its_reason(
    more: dict[str, object], reason: Reason
) -> None:
    assert parsed(envelope(**more)) == NotForUs(reason)


@pytest.mark.parametrize("source", ["resilience.sweep", "resilience.wait"])
def test_our_own_request_for_a_check_is_a_hint_and_carries_nothing_else(source: str) -> None:
    found = hint(events.check("digits", source=source, account=ACCOUNT, region=REGION))
    assert found == Hint(job="digits", source=source, event_id=f"{source}:digits")


def test_our_own_request_for_a_check_is_an_eventbridge_event() -> None:
    body = events.check("digits", source="resilience.wait", account=ACCOUNT, region=REGION)
    assert json.loads(body) == {
        "version": "0",
        "id": "resilience.wait:digits",
        "detail-type": "Resilience Training Job Check",
        "source": "resilience.wait",
        "account": ACCOUNT,
        "region": REGION,
        "detail": {"TrainingJobName": "digits"},
    }


@pytest.mark.parametrize("forged", ["a b", "x" * 129, "{canary}", "line\nbreak", ""])
def test_an_id_that_is_no_identifier_does_not_reach_the_log(forged: str) -> None:
    assert hint(envelope(id=forged)).event_id == "unknown"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=12,
)


@given(
    detail=JSON
    | st.fixed_dictionaries(
        {}, optional={"TrainingJobName": JSON, "TrainingJobArn": JSON, "Tags": JSON}
    ),
    more=st.fixed_dictionaries({}, optional={"id": JSON, "source": JSON, "account": JSON}),
)
def test_no_message_breaks_the_reader(detail: object, more: dict[str, object]) -> None:
    message = envelope(**more)
    message["detail"] = detail
    found = parsed(message)
    assert isinstance(found, Hint | NotForUs | Malformed)
    if isinstance(found, Hint):
        assert 1 <= len(found.job) <= 63


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(body: str) -> None:
    assert isinstance(parsed(body), Hint | NotForUs | Malformed)
