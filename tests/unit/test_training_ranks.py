"""Several processes of one training, one of which speaks for all."""

from pathlib import Path

import pytest

from resilient_training import ResumePoint
from resilient_training.ranks import RankZeroMissingError, hand_over, handed_over, is_follower


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
