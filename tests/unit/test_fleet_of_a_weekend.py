"""A hundred lineages under one trouble, through the real sweep and controller; nobody helps."""

from collections import Counter

import pytest

from resilience.decide.breaker import Circuit
from resilience.decide.decisions import Mode, Reason, Verdict
from tests.unit.fleet_story import FRIDAY_NIGHT, HOUR, MINUTE, Story

INCIDENT = (
    "InternalServerError: We encountered an internal error. Please try again.",
    'AlgorithmError: ExecuteUserScriptError: ErrorMessage "CUDA error: uncorrectable ECC error"',
)
BUG = (
    'AlgorithmError: ExecuteUserScriptError: ErrorMessage "ImportError: libcudart.so.12: cannot'
    ' open shared object file"'
)


def incident(hours: int) -> Story:
    """While it lasts, whatever trains dies within minutes, each of another word for it."""

    def dies(now: int, trained: int) -> str | None:
        struck = now <= FRIDAY_NIGHT + hours * HOUR
        return INCIDENT[now // MINUTE % 2] if struck and trained >= 2 * MINUTE else None

    story = Story(dies)
    for number in range(100):
        story.launch(f"fleet{number}", trained=6 * HOUR)
    return story


@pytest.mark.parametrize("hours", [1, 4])
def test_a_fleet_in_an_incident_on_a_friday_night_comes_back_without_a_person(hours: int) -> None:
    story = incident(hours)
    story.goes_on((hours + 5) * HOUR)
    assert story.completed() == story.roots
    assert story.world.breaker.state is Circuit.CLOSED
    assert story.world.mode is Mode.ACT
    assert not [one for one in story.decisions if one.verdict is Verdict.STOP]


def test_an_incident_costs_about_one_attempt_an_hour_and_is_one_mail() -> None:
    story = incident(10)
    story.goes_on(HOUR)
    before = len(story.began)
    assert before <= 300  # the first attempts, and what was relaunched before the breaker opened
    story.goes_on(9 * HOUR)
    assert len(story.began) - before <= 10
    [(subject, text)] = story.world.topic.told
    assert subject == "fleet breaker open: relaunches wait"
    assert "cause: infrastructure" in text
    assert not [one for one in story.world.topic.published if one.reason == _HELD]


_HELD = Reason.FLEET_BREAKER_OPEN


def of_a_bad_image() -> Story:
    """A launch each ten seconds with an image that cannot import."""

    def dies(_: int, trained: int) -> str | None:
        return BUG if trained >= 2 * MINUTE else None

    story = Story(dies)
    for _ in range(17):
        for _ in range(6):
            story.launch(f"fleet{len(story.began)}x", trained=0)
        story.goes_on(MINUTE)
    return story


def test_a_fleet_with_a_bad_image_is_held_with_about_one_attempt_an_hour() -> None:
    story = of_a_bad_image()
    story.goes_on(30 * MINUTE)
    held = {job for job in story.ended if _reason(story, job) == _HELD}
    assert len(held) >= 30
    assert story.world.breaker.cause.startswith("user_code/")
    before = len(story.began)
    story.goes_on(8 * HOUR)
    assert 5 <= len(story.began) - before <= 8
    assert len(story.world.topic.told) == 1
    left = {job for job in held if _reason(story, job) == _HELD}
    assert len(left) >= len(held) - 9
    story.mend()
    story.goes_on(4 * HOUR)
    assert left <= story.completed()
    assert story.world.breaker.state is Circuit.CLOSED


def _reason(story: Story, job: str) -> str | None:
    return (story.world.sagemaker.tags(job) or {}).get("resilience:reason")


def test_a_held_job_is_looked_at_a_few_times_an_hour() -> None:
    story = incident(3)
    story.goes_on(3 * HOUR)
    looks = Counter(one.facts.job for one in story.decisions if one.reason is _HELD)
    assert max(looks.values()) <= 3 * 4
