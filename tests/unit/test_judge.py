"""The judge finds mistakes that are planted, and its truth does not hang on the controller."""

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import replace
from hashlib import sha256

import pytest

from proofs.judge import mix, table
from proofs.judge.ablation import answering, describing
from proofs.judge.chance import Chance
from proofs.judge.contestant import Contestant
from proofs.judge.course import Course
from proofs.judge.record import Record
from proofs.judge.week import DAY, HOUR, MONDAY, Window, next_look, overlap
from proofs.judge.wording import SAID, Wording
from resilience.controller import recover
from resilience.decide.decisions import Decision, Policy
from resilience.ports import Answer, World
from resilience.settings import Settings
from resilience.wire import tags
from resilience.wire.events import Hint, NotForUs

SEED = 7
PLAIN, MIXED = Wording(0.0), Wording(0.3)


def course(trouble: str, number: int, contestant: Contestant, wording: Wording = PLAIN) -> Record:
    return Course([mix.case(SEED, number, trouble)], contestant, wording, SEED).run()[0]


def courses(trouble: str, contestant: Contestant, count: int = 12) -> list[Record]:
    return [course(trouble, number, contestant) for number in range(count)]


def hasty(hint: Hint, world: World, settings: Settings, executor: Executor) -> Decision | NotForUs:
    """Gives up at the first error of AWS's own."""
    job = world.jobs.describe(hint.job)
    if job is not None and "InternalServerError" in str(job.described.get("FailureReason")):
        world.jobs.add_tags(job.arn, {tags.VERDICT: "STOP", tags.REASON: "no_progress"})
    return recover(hint, world, settings, executor)


def test_stopping_at_the_first_infrastructure_error_shows_as_wrong_stops() -> None:
    records = courses("incident", Contestant(recover=hasty))
    assert (table.share_wrong(records) or 0) > 50
    assert any("stopped wrongly" in aim for aim in table.missed(records, mixed=False))
    assert sum(one.idle_until_a_person_looks for one in records) > DAY
    assert "no_progress" in "\n".join(table.worst_groups(records))


def test_the_controller_as_it_is_comes_through_the_same_incidents() -> None:
    assert table.share_wrong(courses("incident", Contestant())) == 0


def test_starting_over_where_there_are_checkpoints_shows_as_training_lost() -> None:
    def no_versions(answer: Answer) -> Answer:
        return replace(answer, checkpoints=())

    records = courses("leak", Contestant(seen=answering(no_versions)), count=6)
    assert (table.hours_lost(records) or 0) > 10


def test_never_giving_up_shows_as_attempts_on_hopeless_lineages() -> None:
    def of_aws(described: Mapping[str, object]) -> Mapping[str, object]:
        """An error of AWS's own, and never the same words twice."""
        digest = sha256(str(described["TrainingJobName"]).encode()).hexdigest()
        word = "".join(chr(ord("a") + int(digit, 16)) for digit in digest[:8])
        return {**described, "FailureReason": f"InternalServerError: {word} failed"}

    never = Contestant(
        policy=Policy(max_jobs=1000, max_failing=1000, max_lost_seconds=10**9),
        seen=describing(of_aws),
    )
    records = courses("bug_at_start", never, count=6)
    assert (table.attempts_worst(records) or 0) > 3
    assert all(one.person_ended for one in records)  # somebody reads the mails and looks


def test_taking_a_persons_stop_for_a_lost_spot_instance_shows_as_coming_back() -> None:
    def interrupted(described: Mapping[str, object]) -> Mapping[str, object]:
        stopped = described.get("SecondaryStatus") == "Stopped"
        return {**described, "SecondaryStatus": "Interrupted"} if stopped else described

    assert table.came_back(courses("person_stops", Contestant(seen=describing(interrupted)))) > 0
    assert table.came_back(courses("person_stops", Contestant())) == 0


def test_a_wait_that_nothing_takes_up_is_lost() -> None:
    records = courses("scheduler_down", Contestant(sweeps=False), count=4)
    assert [one.reason for one in records if one.lost] != []


@pytest.mark.parametrize("trouble", sorted(mix.TROUBLES))
def test_every_trouble_runs_to_an_end_that_the_oracle_can_name(trouble: str) -> None:
    record = course(trouble, 1, Contestant(), MIXED)
    assert record.done or record.person_stopped
    assert record.lives[0].cause
    assert not (record.hopeless and record.completed)


def test_the_same_seed_gives_the_same_story() -> None:
    first, again = (course("flaky", 3, Contestant(), MIXED).told() for _ in range(2))
    assert first == again


def test_the_truth_is_the_same_whatever_the_controller_does() -> None:
    """Each attempt of the same name that begins at the same time lives the same life."""
    real, rash = (
        course("incident", 2, Contestant()),
        course("incident", 2, Contestant(recover=hasty)),
    )
    assert real.case == rash.case
    assert real.lives[0] == rash.lives[0]


def test_all_kinds_of_trouble_are_in_the_mix() -> None:
    assert mix.WEIGHTS.keys() == mix.TROUBLES.keys()
    assert all(weight > 0 for weight in mix.WEIGHTS.values())


@pytest.mark.parametrize("cause", sorted(SAID))
def test_every_cause_has_texts_of_its_own_and_mixed_ones(cause: str) -> None:
    said = {MIXED.text(cause, Chance(number)) for number in range(80)}
    plain = {PLAIN.text(cause, Chance(number)) for number in range(80)}
    assert all(0 < len(text) <= 1024 for text in said)
    assert bool(said - plain) is not bool(SAID[cause].exactly)


def test_mails_are_read_within_hours_of_a_working_day_and_else_the_next_morning() -> None:
    monday_ten, friday_evening = MONDAY + 10 * HOUR, MONDAY + 4 * DAY + 20 * HOUR
    assert next_look(monday_ten) == monday_ten + 3 * HOUR
    assert next_look(friday_evening) == MONDAY + 7 * DAY + 9 * HOUR


def test_windows_that_overlap_are_counted_once() -> None:
    assert overlap((Window(0, 10), Window(5, 20), Window(30, 40)), 2, 35) == 23
