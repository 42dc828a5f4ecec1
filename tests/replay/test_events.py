"""Every file in events/ through the controller's own way, against the table in events/README.md."""

import json
import re
from pathlib import Path

import pytest

from local.replaying.event import Replayed, replay
from local.replaying.log_line import redecide_all
from local.replaying.surroundings import load
from resilience.decide.attempts import measure
from resilience.decide.decisions import Decision, Mode, Reason, Verdict

EVENTS = Path(__file__).parent.parent.parent / "events"
_ROW = re.compile(r"^\| `(?P<file>[^`]+\.json)` \| (?P<verdict>[A-Z]+) \| (?P<reason>[a-z_]+) \|")
EXPECTED = {
    row["file"]: (row["verdict"], row["reason"])
    for line in (EVENTS / "README.md").read_text().splitlines()
    if (row := _ROW.match(line))
}
SAME_PLACE = [
    "training-failed.collective-timeout-alike.json",
    "training-failed.user-bug-again.json",
    "check-asked.confirming-wait-is-over.json",
    "training-failed.user-bug-thrice.json",
    "training-stopped.time-limit-without-progress-again.json",
]
FILES = sorted(path.name for path in EVENTS.glob("*.json"))


@pytest.fixture(autouse=True)
def _namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Resilience")


def replayed(name: str) -> Replayed:
    return replay(load(EVENTS / name), {})


def decided(name: str) -> Decision:
    outcome = replayed(name).outcome
    assert isinstance(outcome, Decision)
    return outcome


def test_every_event_has_a_row_and_every_row_an_event() -> None:
    assert sorted(EXPECTED) == FILES


def test_every_world_belongs_to_an_event() -> None:
    assert {path.name for path in (EVENTS / "worlds").glob("*.json")} <= set(FILES)


def test_every_reason_has_an_event_that_shows_it() -> None:
    assert {reason for _, reason in EXPECTED.values()} == set(map(str, Reason))


@pytest.mark.parametrize("name", FILES)
def test_an_event_is_decided_as_the_table_says(name: str) -> None:
    outcome = replayed(name).outcome
    verdict = outcome.verdict if isinstance(outcome, Decision) else Verdict.IGNORE
    assert (str(verdict), str(outcome.reason)) == EXPECTED[name]


@pytest.mark.parametrize("name", SAME_PLACE)
def test_an_event_about_the_same_place_has_that_place_in_its_ledger(name: str) -> None:
    """Show the right one where how a place is hashed has changed."""
    facts = decided(name).facts
    assert facts.lineage is not None
    assert facts.failure_class is not None
    counted = measure(facts, facts.lineage, facts.failure_class).ledger
    before = facts.lineage.ledger
    assert (counted.place, counted.same) == (before.place, before.same + 1)


@pytest.mark.parametrize("name", FILES)
def test_only_a_relaunch_creates_and_only_in_act_mode(name: str) -> None:
    after = replayed(name)
    relaunched = (
        isinstance(after.outcome, Decision)
        and after.outcome.verdict is Verdict.RELAUNCH
        and after.outcome.facts.mode is Mode.ACT
        and after.outcome.reason is not Reason.ALREADY_RELAUNCHED
    )
    assert len(after.world.sagemaker.requests) == relaunched


@pytest.mark.parametrize("name", FILES)
def test_one_canonical_line_tells_the_outcome(name: str) -> None:
    after = replayed(name)
    lines = [json.loads(line) for line in after.lines]
    told = [line for line in lines if "_aws" not in line]
    assert [(line["verdict"], line["reason"]) for line in told] == [EXPECTED[name]]


@pytest.mark.parametrize("name", FILES)
def test_a_decision_taken_again_from_its_log_line_is_the_same(name: str) -> None:
    after = replayed(name)
    if isinstance(after.outcome, Decision):
        assert [one.same for one in redecide_all(after.canonical_line)] == [True]


@pytest.mark.parametrize("name", [name for name in FILES if ".tags-" in name])
def test_nothing_of_a_hostile_tag_gets_into_the_log(name: str) -> None:
    message = load(EVENTS / name)
    hostile = [value for value in message.tags.values() if value not in _HARMLESS]
    assert hostile
    told = "".join(replay(message, {}).lines)
    assert [value for value in hostile if json.dumps(value)[1:-1] in told or value in told] == []


_HARMLESS = {"example-team", "vision", "model-night-1"}


@pytest.mark.parametrize("name", [name for name in FILES if name.startswith("queue-body.")])
def test_a_body_that_is_no_event_is_quarantined_as_it_came(name: str) -> None:
    message = load(EVENTS / name)
    quarantined = replay(message, {}).world.dead_letters.quarantined
    assert [body for body, _ in quarantined] == [message.body]
