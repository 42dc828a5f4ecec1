"""What an operator reads: one line with every fact in it, from which the decision replays."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings

from local.replaying.log_line import redecide
from resilience import telemetry
from resilience.decide import policy
from resilience.decide.decisions import Facts, Mode, Reason, Verdict
from resilience.failures import FailureClass
from resilience.wire import words
from resilience.wire.events import Hint, Malformed
from tests.unit.lineages import NOW, attempt, checkpoint, ended
from tests.unit.strategies import FACTS

HINT = Hint(job="root-r2", source="aws.sagemaker", event_id="e-1")
RELAUNCHED = ended(
    FailureClass.INFRASTRUCTURE,
    checkpoint("v1", 10),
    checkpoint("v2", 20),
    checkpoint("v9", 90, run="r2"),
    lineage=attempt(2),
)


@contextmanager
def told() -> Iterator[list[dict[str, Any]]]:
    """The lines that are written meanwhile: Powertools' own, logs and metrics alike."""
    lines: list[dict[str, Any]] = []
    logs, metrics = io.StringIO(), io.StringIO()
    handler = telemetry.logger.registered_handler
    assert isinstance(handler, logging.StreamHandler)
    before = handler.setStream(logs)
    try:
        with redirect_stdout(metrics):
            yield lines
    finally:
        handler.setStream(before or logs)
        written = logs.getvalue().splitlines() + metrics.getvalue().splitlines()
        lines.extend(json.loads(line) for line in written)


@pytest.fixture(autouse=True)
def _namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Resilience")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "resilience")


def metric(lines: list[dict[str, Any]], name: str) -> dict[str, Any]:
    (found,) = (line for line in lines if name in line)
    return found


def test_a_decision_is_one_line_in_the_words_of_the_design() -> None:
    decision = policy.decide(RELAUNCHED)
    with told() as lines:
        telemetry.decided(decision, HINT)
    (line,) = (line for line in lines if line.get("message") == "training job decided")
    expected = {
        "verdict": "RELAUNCH",
        "reason": "resumed_from_checkpoint",
        "job": "root-r2",
        "root": "root",
        "attempt": 2,
        "failure_class": "infrastructure",
        "rule": "some_rule",
        "progress": "advanced",
        "successor": "root-r3",
        "checkpoint": "v2",
        "step": "20",
        "passed_over": {"v9": "other_run"},
        "mode": "act",
        "event_id": "e-1",
        "event_source": "aws.sagemaker",
        "next": "root-r3 continues; nothing to do",
    }
    assert expected.items() <= line.items()


def test_a_decision_is_counted_by_verdict_and_reason_and_a_relaunch_is_timed() -> None:
    with told() as lines:
        telemetry.decided(policy.decide(RELAUNCHED), HINT)
    counted = metric(lines, "Decisions")
    assert (counted["Verdict"], counted["Reason"]) == ("RELAUNCH", "resumed_from_checkpoint")
    timed = metric(lines, "SecondsToRelaunch")
    assert timed["FailureClass"] == "infrastructure"
    assert timed["SecondsToRelaunch"] == [10.0]


@pytest.mark.parametrize(("ended_at", "seconds"), [(NOW + 60, [0.0]), (NOW, [0.0])])
def test_a_clock_that_runs_behind_gives_no_negative_time(
    ended_at: int, seconds: list[float]
) -> None:
    with told() as lines:
        telemetry.decided(policy.decide(replace(RELAUNCHED, ended_at=ended_at)), HINT)
    assert metric(lines, "SecondsToRelaunch")["SecondsToRelaunch"] == seconds


def test_what_is_no_relaunch_or_has_no_end_is_not_timed() -> None:
    with told() as lines:
        telemetry.decided(policy.decide(ended(FailureClass.USER_CODE, lineage=attempt(2))), HINT)
        telemetry.decided(policy.decide(ended(FailureClass.CAPACITY, started=False)), HINT)
        telemetry.decided(policy.decide(replace(RELAUNCHED, ended_at=None)), HINT)
    assert not [line for line in lines if "SecondsToRelaunch" in line]


def test_a_wait_is_told_with_its_due_time_and_an_unknown_step_is_called_so() -> None:
    waits = policy.decide(ended(FailureClass.CAPACITY, started=False))
    assert waits.due is not None
    assert telemetry.record(waits)["due"] == words.stamp(waits.due)
    unknown = policy.decide(ended(FailureClass.INFRASTRUCTURE, checkpoint("v1", None)))
    assert telemetry.record(unknown)["step"] == "unknown"


def test_a_decision_without_a_lineage_or_a_class_says_none_for_them() -> None:
    record = telemetry.record(policy.decide(ended(None, lineage=None)))
    for name in ("root", "attempt", "failure_class", "successor", "checkpoint", "step", "due"):
        assert record[name] is None
    assert record["reason"] == "completed"


def test_a_message_that_needs_nothing_and_one_that_nobody_can_read_are_told_of() -> None:
    with told() as lines:
        telemetry.passed_by(Reason.MODE_OFF, HINT)
        telemetry.passed_by(Reason.OTHER_REGION, None)
        telemetry.quarantined(Malformed("not JSON"))
    passed, unknown, quarantined = lines
    assert (passed["verdict"], passed["reason"], passed["job"]) == ("IGNORE", "mode_off", "root-r2")
    assert "job" not in unknown
    assert (quarantined["level"], quarantined["detail"]) == ("ERROR", "not JSON")


def test_a_schedule_that_could_not_be_made_is_a_warning_with_the_job_and_no_more() -> None:
    with told() as lines:
        telemetry.not_scheduled(policy.decide(ended(FailureClass.CAPACITY, started=False)))
    (line,) = lines
    assert (line["level"], line["job"]) == ("WARNING", "root")
    assert line["message"] == "schedule not created; the sweep re-evaluates it"
    assert "facts" not in line


def test_the_line_says_what_the_attempt_was_measured_by() -> None:
    facts = telemetry.record(policy.decide(RELAUNCHED))["facts"]
    assert isinstance(facts, dict)
    measured = {name: facts[name] for name in ("started", "seconds", "signature", "pending")}
    assert measured == {"started": True, "seconds": 600, "signature": "5191a7e0", "pending": 0}


@settings(max_examples=100)
@given(FACTS)
def test_every_line_is_json_and_replays_to_the_same_decision(facts: Facts) -> None:
    decision = policy.decide(facts)
    with told() as lines:
        telemetry.decided(decision, replace(HINT, job=facts.job))
    (line,) = (line for line in lines if "facts" in line)
    again = redecide(line)
    assert again.same, again.difference()


def test_a_line_that_was_tampered_with_does_not_replay() -> None:
    line = json.loads(json.dumps(telemetry.record(policy.decide(RELAUNCHED))))
    line = {name: value for name, value in line.items() if value is not None}
    assert redecide(line).same
    line["facts"]["mode"] = str(Mode.OFF)
    assert not redecide(line).same


def test_the_line_of_the_largest_answer_stays_far_below_what_a_log_event_may_hold() -> None:
    found = tuple(checkpoint(f"v{number}", number, run="r2") for number in range(100))
    record = telemetry.record(policy.decide(replace(RELAUNCHED, checkpoints=found)))
    assert record["verdict"] == Verdict.STOP
    assert len(json.dumps(record)) < 256 * 1024 // 4
