"""Several processes of one training: each its share, and one of them speaks."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resilient_training import Position, ResumableSampler, ResumePoint, Share
from resilient_training.ranks import RankZeroMissingError, hand_over, handed_over, is_follower

BATCH = 3


def order(size: int, share: Share, at: Position) -> list[int]:
    sampler = ResumableSampler(size, batch_size=BATCH, seed=1, position=lambda: at, share=share)
    return list(sampler)


@given(st.integers(1, 60), st.integers(1, 5), st.integers(0, 4))
def test_the_shares_are_even_and_together_they_are_all_samples(
    size: int, processes: int, epoch: int
) -> None:
    at = Position(epoch, 0)
    shares = [order(size, Share(rank, processes), at) for rank in range(processes)]
    assert {len(share) for share in shares} == {-(-size // processes)}
    assert {index for share in shares for index in share} == set(range(size))


@given(st.integers(1, 60), st.integers(1, 5), st.integers(0, 10))
def test_each_resumes_behind_its_own_batches(size: int, processes: int, batches: int) -> None:
    for rank in range(processes):
        whole = order(size, Share(rank, processes), Position(2, 0))
        rest = order(size, Share(rank, processes), Position(2, batches))
        assert rest == whole[batches * BATCH :]


@pytest.mark.parametrize("variable", ["LOCAL_RANK", "NODE_RANK", "RANK"])
def test_every_rank_but_the_first_follows(variable: str) -> None:
    assert is_follower({variable: "1"})
    assert not is_follower({variable: "0"})
    assert not is_follower({})


@pytest.mark.parametrize("point", [None, ResumePoint("v3", Path("/tmp/x/model.ckpt"), 12)])  # noqa: S108  # only named
def test_all_resume_from_what_rank_zero_found(point: ResumePoint | None) -> None:
    environment: dict[str, str] = {}
    hand_over(point, environment)
    assert handed_over(environment) == point


def test_a_process_that_rank_zero_did_not_start_says_what_to_do() -> None:
    with pytest.raises(RankZeroMissingError, match="not torchrun"):
        handed_over({"RANK": "1"})
