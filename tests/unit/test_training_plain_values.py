import enum
import io
from fractions import Fraction

import numpy as np
import pytest
import torch
import wandb

from resilient_training.plain_values import has_media, plain_row


class Colour(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (True, True),
        (3, 3),
        (0.5, 0.5),
        ("a", "a"),
        (Colour.RED, "red"),
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.float32(1.0) > 0, True),
        (np.array([0.5]), 0.5),
        (Fraction(1, 2), 0.5),
        (torch.tensor(0.5), 0.5),
        (torch.tensor([3]), 3),
        (torch.tensor(0.5, dtype=torch.bfloat16), 0.5),
        ({"inner": np.float32(0.5), "image": object()}, {"inner": 0.5}),
    ],
)
def test_a_number_of_any_library_becomes_pythons(value: object, plain: object) -> None:
    row = plain_row({"key": value})
    assert row == {"key": plain}
    assert type(row["key"]) is type(plain)
    saved = io.BytesIO()
    torch.save(row, saved)
    saved.seek(0)
    assert torch.load(saved, weights_only=True) == row


@pytest.mark.parametrize(
    "value",
    [
        wandb.Html("<p>"),
        wandb.Table(columns=["a"], data=[[1]]),
        np.array([1.0, 2.0]),
        torch.ones(2),
        [1.0, 2.0],
        np.datetime64("2026-01-01"),
    ],
)
def test_media_are_left_out(value: object) -> None:
    assert plain_row({"media": value, "loss": 1.0}) == {"loss": 1.0}
    assert has_media({"media": value, "loss": 1.0})


def test_a_row_of_numbers_and_of_nothing_has_no_media() -> None:
    assert not has_media({"loss": np.float32(1.0), "missing": None, "name": "a"})
    assert plain_row({"missing": None}) == {}
