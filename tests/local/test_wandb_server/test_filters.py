from typing import Any

import pytest

from local.wandb_server.graph.filters import matches, parse_filters, sorted_by
from local.wandb_server.graph.resolution import InvalidError
from local.wandb_server.pages.curves import curves_of
from local.wandb_server.store.history import sample

RUN: dict[str, Any] = {
    "state": "finished",
    "loss": 0.5,
    "tags": ["good", "spot"],
    "display_name": "baseline 3",
    "exit": 0,
}


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ("{}", True),
        ("", True),
        ("null", True),
        ('{"state": "finished"}', True),
        ('{"state": "failed"}', False),
        ('{"state": "finished", "loss": 1}', False),
        ('{"tags": "spot"}', True),
        ('{"tags": {"$in": ["other", "good"]}}', True),
        ('{"tags": {"$nin": ["good"]}}', False),
        ('{"loss": {"$gt": 0.4, "$lte": 0.5}}', True),
        ('{"loss": {"$lt": 0.5}}', False),
        ('{"state": {"$gt": 3}}', False),
        ('{"missing": {"$gte": 0}}', False),
        ('{"missing": {"$exists": false}}', True),
        ('{"exit": {"$exists": true}}', True),
        ('{"missing": null}', True),
        ('{"state": {"$ne": "failed"}}', True),
        ('{"display_name": {"$regex": "^base.*3$"}}', True),
        ('{"$or": [{"state": "failed"}, {"loss": 0.5}]}', True),
        ('{"$and": [{"state": "failed"}, {"loss": 0.5}]}', False),
        ('{"$nor": [{"state": "failed"}]}', True),
        ('{"$not": {"state": "finished"}}', False),
        ('{"loss": {"$not": {"$gt": 0.9}}}', True),
        ('{"$and": [{"$or": [{"exit": 0}, {"exit": 1}]}, {"tags": {"$in": ["spot"]}}]}', True),
    ],
)
def test_a_filter_matches_as_in_mongodb(filters: str, *, expected: bool) -> None:
    assert matches(parse_filters(filters), RUN.get) is expected


@pytest.mark.parametrize("filters", ["{", "[]", "3"])
def test_what_is_no_filter_is_refused(filters: str) -> None:
    with pytest.raises(InvalidError):
        parse_filters(filters)


def test_an_unknown_operator_is_refused_and_not_ignored() -> None:
    for filters in ('{"state": {"$near": 1}}', '{"$xor": []}'):
        with pytest.raises(InvalidError, match="unknown operator"):
            matches(parse_filters(filters), RUN.get)


@pytest.mark.parametrize("descending", [True, False])
def test_what_has_no_value_comes_last_in_either_order(*, descending: bool) -> None:
    rows = [{"loss": 2}, {}, {"loss": 1}]
    ordered = sorted_by(rows, lambda row: row.get("loss"), descending=descending)
    assert ordered[-1] == {}
    assert [row["loss"] for row in ordered[:2]] == ([2, 1] if descending else [1, 2])


@pytest.mark.parametrize(("have", "want"), [(0, 5), (3, 5), (5, 5), (1000, 5), (1000, 2), (7, 1)])
def test_a_sample_has_at_most_as_many_rows_as_wanted_in_order_with_the_last(
    have: int, want: int
) -> None:
    rows = list(range(have))
    chosen = sample(rows, want)
    assert len(chosen) == min(have, want)
    assert chosen == sorted(set(chosen))
    assert chosen[-1:] == rows[-1:]


def test_curves_are_drawn_of_finite_numbers_only() -> None:
    rows: list[dict[str, Any]] = [
        {"_step": 0, "loss": 1, "name": "a", "flag": True},
        {"_step": 1, "loss": float("nan"), "_private": 3},
        {"_step": 2, "loss": float("inf")},
        {"_step": 3, "loss": 2.5},
    ]
    curves = curves_of(rows)
    assert [(curve.name, curve.points) for curve in curves] == [("loss", [(0.0, 1.0), (3.0, 2.5)])]
