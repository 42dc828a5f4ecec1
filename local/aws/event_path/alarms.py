# ruff: noqa: SLF001 - private names of the pinned MiniStack are what this file is about
"""Alarms that fire for what they name, when it happens.

MiniStack evaluates an alarm when a client puts a metric, over every metric of that name whatever
its dimensions, without evaluation periods, and has no idea of missing data.
"""

import contextvars
import logging
import operator
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ministack.core.responses import set_request_account_id, set_request_region
from ministack.services import cloudwatch, sqs

from local.aws import metrics

TICK_SECONDS = 2.0
COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
logger = logging.getLogger("local.event_path")

Alarm = dict[str, Any]
Point = Mapping[str, Any]


def install() -> None:
    cloudwatch._evaluate_alarm = evaluate
    threading.Thread(target=_watch, name="alarms", daemon=True).start()


def state(alarm: Mapping[str, Any], points: Sequence[Point], now: float) -> str | None:
    """The alarm's state by these points of its metric; None leaves it as it is."""
    periods = int(alarm.get("EvaluationPeriods", 1))
    needed = int(alarm.get("DatapointsToAlarm") or periods)
    values = [_value(alarm, points, now, number) for number in range(periods)]
    missing = alarm.get("TreatMissingData", "missing")
    if all(value is None for value in values) and missing in ("missing", "ignore"):
        return "INSUFFICIENT_DATA" if missing == "missing" else None
    compare = COMPARISONS[alarm["ComparisonOperator"]]
    breaching = [
        missing == "breaching" if value is None else compare(value, float(alarm["Threshold"]))
        for value in values
    ]
    return "ALARM" if sum(breaching) >= needed else "OK"


def _value(
    alarm: Mapping[str, Any], points: Sequence[Point], now: float, number: int
) -> float | None:
    """The statistic of the number-th period before now."""
    period = float(alarm.get("Period", 60))
    end = now - number * period
    within = [point for point in points if end - period < point["Timestamp"] <= end]
    if not within:
        return None
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic", "Average")
    found = cloudwatch._stat_value(cloudwatch._calc_stats(within), statistic, within)
    return None if found is None else float(found)


def evaluate(alarm: Alarm) -> None:
    """Put the alarm into its state, and tell when that is another."""
    if alarm.get("ComparisonOperator") not in COMPARISONS or not alarm.get("MetricName"):
        return
    before, points, now = alarm["StateValue"], _points(alarm), time.time()
    young = now - alarm["AlarmConfigurationUpdatedTimestamp"] < alarm["Period"]
    if not points and young and alarm.get("TreatMissingData") == "breaching":
        return  # what could it miss yet
    after = state(alarm, points, now)
    if after is None or after == before:
        return
    reason = f"{alarm['MetricName']}: {before} to {after}, threshold {alarm['Threshold']}"
    alarm.update(StateValue=after, StateReason=reason, StateUpdatedTimestamp=int(time.time()))
    cloudwatch._record_history(alarm["AlarmName"], before, after, reason)
    cloudwatch._dispatch_alarm_actions(alarm, before, after, reason)
    cloudwatch._evaluate_parent_alarms(alarm)


def _points(alarm: Alarm) -> list[Point]:
    dimensions = {d["Name"]: d["Value"] for d in alarm.get("Dimensions") or []}
    key = (alarm["Namespace"], alarm["MetricName"], cloudwatch._dims_key(dimensions))
    return list(cloudwatch._metrics.get(key) or [])


def _watch() -> None:
    busy: set[tuple[str, str, str]] = set()
    while True:
        time.sleep(TICK_SECONDS)
        try:
            busy = _measure_queues(busy)
            for account, region in {(key[0], key[1]) for key in list(cloudwatch._alarms._data)}:
                contextvars.copy_context().run(_evaluate_in, account, region)
        except RuntimeError:
            # A store changed while it was walked; the next tick walks it again.
            logger.debug("alarms not evaluated this time", exc_info=True)


def _measure_queues(busy: set[tuple[str, str, str]]) -> set[tuple[str, str, str]]:
    """Measure the queues that hold something, and once more those that did; returns the former."""
    holding: set[tuple[str, str, str]] = set()
    for account, region, name, messages in _queues():
        place = (account, region, name)
        if messages:
            holding.add(place)
        if messages or place in busy:
            contextvars.copy_context().run(_measure, account, region, name, messages)
    return holding


def _queues() -> Iterator[tuple[str, str, str, list[Mapping[str, Any]]]]:
    for (account, region, _), queue in list(sqs._queues._data.items()):
        name = queue["attributes"]["QueueArn"].rsplit(":", 1)[-1]
        yield account, region, name, list(queue["messages"])


def _measure(account: str, region: str, name: str, messages: list[Mapping[str, Any]]) -> None:
    _enter(account, region)
    for measurement in metrics.of_queue(name, messages, time.time()):
        measurement.record()


def _evaluate_in(account: str, region: str) -> None:
    _enter(account, region)
    cloudwatch._evaluate_all_alarms()


def _enter(account: str, region: str) -> None:
    set_request_account_id(account)
    set_request_region(region)
