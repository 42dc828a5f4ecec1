"""What a template asks for, resolved, and held against what is there."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.deploy.comparison import differences
from local.deploy.resolve import Scope, UnresolvableError

TEMPLATE: dict[str, Any] = {
    "Conditions": {"Loud": {"Fn::Equals": [{"Ref": "Mode"}, "loud"]}},
    "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}},
}


SUBSTITUTED = "eu-west-1/AWS::SQS::Queue|https://sqs/queue|Arn/${Kept}"
# A policy's member of the same name as an expression.
STATEMENT = {"Condition": {"Bool": {"aws:SecureTransport": "false"}}}


def resolve(node: Any, **values: str) -> Any:  # noqa: ANN401 - whatever a template holds
    scope = Scope(
        TEMPLATE,
        {"Mode": "quiet", "AWS::Region": "eu-west-1", **values},
        {"Queue": "https://sqs/queue"},
        lambda kind, physical_id, attribute: f"{kind}|{physical_id}|{attribute}",
    )
    return scope.resolve(node)


@pytest.mark.parametrize(
    ("node", "value"),
    [
        ({"Ref": "Queue"}, "https://sqs/queue"),
        ({"Fn::GetAtt": ["Queue", "Arn"]}, "AWS::SQS::Queue|https://sqs/queue|Arn"),
        ({"Fn::Sub": "${AWS::Region}/${Queue.Arn}/${!Kept}"}, SUBSTITUTED),
        ({"Fn::Sub": ["${a}-${Mode}", {"a": {"Ref": "Mode"}}]}, "quiet-quiet"),
        ({"Fn::Join": ["/", ["a", {"Ref": "Mode"}]]}, "a/quiet"),
        ({"Fn::Select": [1, {"Fn::Split": [",", "a,b"]}]}, "b"),
        ({"Fn::If": ["Loud", "yes", "no"]}, "no"),
        ([1, {"Fn::If": ["Loud", 2, {"Ref": "AWS::NoValue"}]}], [1]),
        ({"a": {"Ref": "AWS::NoValue"}, "b": 1}, {"b": 1}),
        (STATEMENT, STATEMENT),
    ],
)
def test_expressions_come_to_their_values(node: Any, value: Any) -> None:  # noqa: ANN401 - the same
    assert resolve(node) == value


def test_a_condition_follows_its_parameter() -> None:
    assert resolve({"Fn::If": ["Loud", "yes", "no"]}, Mode="loud") == "yes"


@pytest.mark.parametrize("node", [{"Fn::ImportValue": "x"}, {"Ref": "Nothing"}])
def test_what_only_cloudformation_knows_is_said_to_be_unknown(node: dict[str, str]) -> None:
    with pytest.raises(UnresolvableError):
        resolve(node)


def found(wanted: object, there: object) -> list[str]:
    return [str(difference) for difference in differences(wanted, there, "R")]


@pytest.mark.parametrize(
    ("wanted", "there"),
    [
        (5, "5"),
        (5, 5.0),
        (True, "true"),
        ({"a": {"b": 1}}, '{"a": {"b": 1}}'),
        (["x", "y"], ["y", "x"]),
        (["x"], "x"),
        ("x", ["x"]),
        ({"a": 1}, {"a": 1, "more": 2}),
        ([{"Id": "a", "n": 1}, {"Id": "b"}], [{"Id": "b"}, {"Id": "a", "n": 1}]),
        ([{"Key": "k", "Value": "v"}], [{"Key": "k", "Value": "v"}, {"Key": "aws:x"}]),
        ({"Description": ""}, {}),
    ],
)
def test_the_same_in_other_words_is_no_difference(wanted: object, there: object) -> None:
    assert found(wanted, there) == []


@pytest.mark.parametrize(
    ("wanted", "there", "said"),
    [
        ({"a": 1}, {}, "R.a was dropped (asked for 1)"),
        ({"a": {"b": 1}}, {"a": {}}, "R.a.b was dropped (asked for 1)"),
        ({"a": 1}, {"a": 2}, "R.a is 2, asked for 1"),
        ({"a": 0}, {}, "R.a was dropped (asked for 0)"),
        ({"a": False}, {"a": True}, "R.a is true, asked for false"),
        (["x"], ["x", "y"], 'R is ["x", "y"], asked for ["x"]'),
        ([{"Id": "t", "n": 1}], [{"Id": "t", "n": 2}], "R[t].n is 2, asked for 1"),
    ],
)
def test_what_falls_short_is_said_with_its_place(wanted: object, there: object, said: str) -> None:
    assert found(wanted, there) == [said]


DOCUMENTS = st.recursive(
    st.integers() | st.booleans() | st.text("abc", min_size=1),
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3)
        | st.dictionaries(st.text("xyz", min_size=1), inner, min_size=1, max_size=3)
    ),
    max_leaves=12,
)


@given(DOCUMENTS)
def test_a_document_never_differs_from_itself(document: object) -> None:
    assert found(document, document) == []


@given(st.dictionaries(st.text("xyz", min_size=1), DOCUMENTS, min_size=1))
def test_a_dropped_member_is_always_noticed(document: dict[str, object]) -> None:
    for dropped in document:
        rest = {name: value for name, value in document.items() if name != dropped}
        assert len(found(document, rest)) == 1
