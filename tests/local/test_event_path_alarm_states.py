"""The state of an alarm by its points alone."""

import pytest

from local.aws.event_path.alarms import state

NOW = 10_000.0
ALARM = {
    "Statistic": "Sum",
    "Period": 60,
    "EvaluationPeriods": 1,
    "Threshold": 0,
    "ComparisonOperator": "GreaterThanThreshold",
}


def points(*ages_and_values: tuple[float, float]) -> list[dict[str, float]]:
    return [{"Timestamp": NOW - age, "Value": value} for age, value in ages_and_values]


@pytest.mark.parametrize(
    ("treatment", "found"),
    [
        ("missing", "INSUFFICIENT_DATA"),
        ("ignore", None),
        ("breaching", "ALARM"),
        ("notBreaching", "OK"),
    ],
)
def test_missing_data_is_what_the_alarm_takes_it_for(treatment: str, found: str | None) -> None:
    assert state({**ALARM, "TreatMissingData": treatment}, [], NOW) == found


def test_the_statistic_is_of_the_period() -> None:
    assert state(ALARM, points((10, 1.0)), NOW) == "ALARM"
    assert state(ALARM, points((10, 0.0), (70, 5.0)), NOW) == "OK"


def test_every_evaluated_period_must_breach() -> None:
    three = {**ALARM, "EvaluationPeriods": 3, "TreatMissingData": "notBreaching"}
    assert state(three, points((10, 1.0), (70, 1.0)), NOW) == "OK"
    assert state(three, points((10, 1.0), (70, 1.0), (130, 1.0)), NOW) == "ALARM"


def test_datapoints_to_alarm_may_be_fewer() -> None:
    two_of_three = {**ALARM, "EvaluationPeriods": 3, "DatapointsToAlarm": 2}
    assert state(two_of_three, points((10, 1.0), (130, 1.0)), NOW) == "ALARM"
