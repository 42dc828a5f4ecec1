"""Metrics over steps as small drawings."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from local.wandb_server.pages.markup import Html, tag
from local.wandb_server.store.history import sample

WIDTH, HEIGHT, MARGIN = 240, 90, 6
POINTS = 300


@dataclass(frozen=True)
class Curve:
    name: str
    points: list[tuple[float, float]]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def curves_of(rows: Iterable[dict[str, Any]]) -> list[Curve]:
    """One curve per metric that is a number, by name; W&B's own `_…` left out."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        for name, value in row.items():
            if not name.startswith("_") and _is_number(value):
                found.setdefault(name, []).append((float(row.get("_step", 0)), float(value)))
    return [Curve(name, points) for name, points in sorted(found.items())]


def _scale(value: float, lowest: float, highest: float, length: int) -> float:
    """Where between the margins; in the middle, when all values are the same."""
    span = highest - lowest
    share = (value - lowest) / span if span > 0 else 0.5
    return MARGIN + share * (length - 2 * MARGIN)


def draw(curve: Curve) -> Html:
    points = sample(curve.points, POINTS)
    steps, values = [step for step, _ in points], [value for _, value in points]
    placed = [
        (
            _scale(step, min(steps), max(steps), WIDTH),
            HEIGHT - _scale(value, min(values), max(values), HEIGHT),
        )
        for step, value in points
    ]
    line = tag("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in placed))
    end = tag("circle", cx=f"{placed[-1][0]:.1f}", cy=f"{placed[-1][1]:.1f}", r=2.5)
    span = f"{min(values):.5g} to {max(values):.5g}, steps {steps[0]:.0f} to {steps[-1]:.0f}"
    return tag(
        "figure",
        tag("figcaption", tag("span", curve.name), tag("strong", f"{values[-1]:.5g}")),
        tag(
            "svg",
            tag("title", f"{curve.name}: {span}"),
            line,
            end,
            viewBox=f"0 0 {WIDTH} {HEIGHT}",
            preserveAspectRatio="none",
            role="img",
        ),
        tag("div", span, class_="quiet"),
    )
