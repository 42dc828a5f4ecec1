"""Pages of a list, as Relay describes them: edges, a cursor each, and whether there is more."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from local.wandb_server.graph.resolution import InvalidError

DEFAULT_PAGE = 50
LARGEST_PAGE = 10_000


@dataclass(frozen=True)
class Page:
    first: int | None = None
    after: str | None = None

    def start(self) -> int:
        return 0 if not self.after else _position(self.after) + 1

    def size(self) -> int:
        wanted = DEFAULT_PAGE if self.first is None else self.first
        return max(0, min(wanted, LARGEST_PAGE))


def _cursor(position: int) -> str:
    return base64.b64encode(f"cursor:{position}".encode()).decode()


def _position(cursor: str) -> int:
    try:
        word, _, position = base64.b64decode(cursor, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        word, position = "", ""
    if word != "cursor" or not position.isdecimal():
        raise InvalidError(f"invalid cursor: {cursor}")
    return int(position)


def connect(
    rows: Sequence[Any],
    page: Page,
    node: Callable[[Any], Any],
    extra: Callable[[Any], dict[str, object]] = lambda _: {},
) -> dict[str, object]:
    """A connection over `rows`; only the rows of the page are turned into nodes."""
    start = page.start()
    chosen = rows[start : start + page.size()]
    edges = [
        {"cursor": _cursor(start + offset), "node": node(row), **extra(row)}
        for offset, row in enumerate(chosen)
    ]
    return {
        "edges": edges,
        "totalCount": len(rows),
        "uploadHeaders": [],
        "pageInfo": {
            "startCursor": edges[0]["cursor"] if edges else None,
            "endCursor": edges[-1]["cursor"] if edges else None,
            "hasNextPage": start + len(chosen) < len(rows),
            "hasPreviousPage": start > 0,
        },
    }
