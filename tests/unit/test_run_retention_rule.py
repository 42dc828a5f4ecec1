"""Which checkpoints stay."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest

from resilient_training.job import Job
from resilient_training.run import retention
from resilient_training.run.retention import Listed, newer_attempt, plan_line, refusal
from tests.unit.retained import job_of, listed, made_by, saved

MANY = saved(*range(100, 3300, 100))


def kept(versions: list[Listed], job: Job, keep: int, wanted: str | None = None) -> frozenset[str]:
    return retention.kept(versions, job, keep, made_by(versions, job), wanted)


def names(*numbers: int) -> set[str]:
    return {f"v{number}" for number in numbers}


def test_the_newest_stay_and_behind_them_the_rungs_are_twice_as_far_apart_each() -> None:
    stays = kept(MANY, job_of(), keep=3)
    # 3200 was reached; behind it 100 | 200 | 300 - 500 | 600 - 1000 | 1100 - 2000 | 2100 - 3100.
    assert stays == names(31, 30, 29, 26, 21, 11, 0)


def test_what_stays_is_so_much_as_was_asked_for_and_a_ladder_of_the_logarithm() -> None:
    for count in range(1, 300):
        stays = kept(saved(*range(7, 7 * count + 7, 7)), job_of(), keep=4)
        assert len(stays) <= 4 + math.log2(count) + 2


def test_a_ladder_that_is_kept_commit_by_commit_reaches_as_far_back_at_every_moment() -> None:
    there: list[Listed] = []
    for number in range(600):
        there = [replace(one, marks=frozenset()) for one in there]
        there.append(listed(number, (number + 1) * 50, "latest"))
        stays = kept(there, job_of(), keep=2)
        there = [one for one in there if one.name in stays]
        assert len(there) <= 2 + math.log2(number + 1) + 2
        behind = sorted((number + 1) * 50 - one.step for one in there)[1:]
        # From each rung to the next it is less than four times as far: none of them is empty.
        assert all(far < 4 * near for near, far in pairwise(behind))
        assert "v0" in stays


@pytest.mark.parametrize(
    "one",
    [
        listed(3, 400, "best"),
        listed(3, 400, "for-the-paper"),
        listed(3, 400, "suspect"),
        listed(3, 400, "suspect-v3"),
        listed(3, None),
        replace(listed(3, 400), committed=False),
        replace(listed(3, 400), by_wrapper=False),
    ],
)
def test_what_somebody_named_or_nobody_understands_stays(one: Listed) -> None:
    assert "v3" not in kept(MANY, job_of(), keep=2)
    assert "v3" in kept([*MANY[:3], one, *MANY[4:]], job_of(), keep=2)


def test_before_each_version_that_may_prove_bad_the_next_good_one_stays() -> None:
    marked = [replace(one, marks=one.marks | {f"suspect-{one.name}"}) for one in MANY[13:16]]
    suspects = [replace(one, version=replace(one.version, suspect=True)) for one in marked]
    stays = kept([*MANY[:13], *suspects, *MANY[16:]], job_of(), keep=2)
    assert names(12, 13, 14, 15) <= stays
    resumed = [*MANY, *saved(3300, 3400, 3500, attempt=2, first=32)]
    stays = kept(resumed, job_of(2, "v17", 1800), keep=2)
    assert names(16, 17) <= stays


def test_nothing_is_deleted_before_this_attempt_has_committed_one_itself() -> None:
    assert kept(MANY, job_of(2, "v31", 3200), keep=2) == names(*range(32))
    with_one = [*MANY, *saved(3300, attempt=2, first=32)]
    assert len(kept(with_one, job_of(2, "v31", 3200), keep=2)) < 15


def test_what_lies_ahead_of_a_replay_stays_until_the_replay_has_come_past_it() -> None:
    begun = [*MANY, *saved(1100, 1200, attempt=2, first=32)]
    stays = kept(begun, job_of(2, "v9", 1000), keep=2)
    assert names(*range(12, 32)) <= stays
    past = [*begun, *saved(*range(1300, 3600, 100), attempt=2, first=34)]
    assert len(kept(past, job_of(2, "v9", 1000), keep=2)) < 20


def test_of_what_this_process_made_the_newest_stay_whatever_others_claim_of_theirs() -> None:
    liars = [listed(90 + number, 10**15 + number, attempt=2) for number in range(9)]
    versions = [*liars, *saved(*range(100, 3300, 100), attempt=2)]
    made = [f"v{number}" for number in range(32)]
    stays = retention.kept(versions, job_of(2), 2, made)
    assert names(31, 30, 29, 26, 21, 11, 0, *range(90, 99)) == stays


def test_the_newest_of_each_store_stays_for_the_stack_may_allow_that_one_alone() -> None:
    elsewhere = [replace(one, store="s3://bucket/old/") for one in MANY[:9]]
    assert "v8" in kept([*elsewhere, *MANY[9:]], job_of(), keep=2)


def test_a_rejected_version_is_not_among_the_newest_good_ones() -> None:
    versions = [*MANY[:-1], listed(31, 3200), *saved(3000, 3300, attempt=2, first=32)]
    stays = kept(versions, job_of(2, "v28", 2900, "v31", "v30", "v29"), keep=2)
    assert names(32, 33, 28) <= stays
    assert not names(29, 30, 31) & stays


def test_a_version_that_the_jobs_tags_name_by_its_number_stays() -> None:
    assert "v5" not in kept(MANY, job_of(), keep=2)
    assert "v5" in kept(MANY, job_of(), 2, "v5")


def test_a_later_attempts_version_is_seen() -> None:
    assert newer_attempt(MANY, job_of()) is None
    assert newer_attempt([*MANY, *saved(9, attempt=3, first=40)], job_of(2)) == 3


def test_the_plan_is_one_line_however_much_it_deletes() -> None:
    assert plan_line(MANY, MANY[:2], 30) == (
        "--keep 30: 30 of 32 checkpoints stay; to be deleted: v0 (step 100), v1 (step 200)"
    )
    assert plan_line(MANY, MANY, 2).endswith("and 12 more")


def test_where_it_cannot_be_safe_it_is_refused_in_one_line_that_says_what_to_do() -> None:
    assert refusal(job_of(), {}) is None
    assert "WANDB_MODE" in (refusal(job_of(), {"WANDB_MODE": "offline"}) or "")
    assert "TRAINING_JOB_ARN" in (refusal(replace(job_of(), arn=None), {}) or "")
