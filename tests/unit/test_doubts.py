"""Open beliefs about AWS, by name; what each double of AWS adds and refuses for them."""

import pytest

from local.doubts import (
    ALGORITHM_REGISTRY,
    INJECTED_METRICS,
    KNOWN,
    NAMES,
    Doubts,
    Missing,
    PendingTimeOut,
    echoed,
    every_one,
    flipped,
    refusal,
    unechoed,
)

GROUPS = [{"InstanceGroupName": "gpus", "InstanceType": "ml.g5.xlarge", "InstanceCount": 2}]
JOB = {
    "AlgorithmSpecification": {"TrainingImage": f"{ALGORITHM_REGISTRY}us-east-1.amazonaws.com/x:1"},
    "ResourceConfig": {"InstanceGroups": GROUPS, "VolumeSizeInGB": 1},
}


def test_a_word_flips_one_doubt_and_all_flips_every_one() -> None:
    assert flipped([]) == KNOWN
    assert flipped(["tags-lag"]) == Doubts(tags_lag=True)
    assert flipped(["list-tags-of-missing=denied", "tags-lag"]) == Doubts(
        list_tags_of_missing=Missing.DENIED, tags_lag=True
    )
    assert flipped(["all"]) == every_one() == flipped(NAMES)
    for name in NAMES:
        field = name.replace("-", "_")
        assert getattr(every_one(), field) != getattr(KNOWN, field)
    assert every_one().pending_time_out is PendingTimeOut.OWN_WORD


@pytest.mark.parametrize("word", ["tag-lags", "tags-lag=yes", "list-tags-of-missing=gone", ""])
def test_a_word_that_is_no_doubt_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="there are: list-tags-of-missing, "):
        flipped([word])


def test_what_sagemaker_adds_is_what_it_refuses_to_be_given_back() -> None:
    other = every_one()
    assert echoed(JOB, KNOWN) == JOB
    shown = echoed(JOB, other)
    assert shown["ResourceConfig"]["InstanceCount"] == 0
    assert shown["AlgorithmSpecification"]["MetricDefinitions"] == INJECTED_METRICS
    assert unechoed(shown) == JOB
    assert refusal(JOB, other) is None
    assert "InstanceCount" in (
        refusal({**JOB, "ResourceConfig": shown["ResourceConfig"]}, KNOWN) or ""
    )
    metrics = {**JOB, "AlgorithmSpecification": shown["AlgorithmSpecification"]}
    assert "metric definitions" in (refusal(metrics, other) or "")
    assert refusal(metrics, KNOWN) is None


@pytest.mark.parametrize("key", ["sagemaker:domain-arn", "SageMaker:x"])
def test_whether_sagemakers_own_tags_may_be_sent_is_in_doubt(key: str) -> None:
    request = {**JOB, "Tags": [{"Key": key, "Value": "x"}]}
    assert refusal(request, KNOWN) is None
    assert "sagemaker:" in (refusal(request, every_one()) or "")
