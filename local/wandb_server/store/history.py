"""The lines a run streams: metrics (history), machine metrics (events), console output."""

import json
from typing import Any

from local.wandb_server.store.database import Database, Value
from local.wandb_server.store.records import Line

HISTORY, EVENTS, OUTPUT = "history", "events", "output"
NO_STEP_LIMIT = 2**62

JsonObject = dict[str, Any]


def parse_object(text: str) -> JsonObject:
    """A JSON object; anything else, such as a line cut off by a kill, is an empty one."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _step_of(content: str) -> int | None:
    step = parse_object(content).get("_step")
    return step if isinstance(step, int) else None


def store_lines(
    database: Database, run_id: int, stream: str, offset: int, lines: list[str]
) -> None:
    rows: list[tuple[Value, ...]] = [
        (run_id, stream, offset + position, _step_of(line) if stream == HISTORY else None, line)
        for position, line in enumerate(lines)
    ]
    database.write_many("insert or replace into lines values (?, ?, ?, ?, ?)", rows)


def count_lines(database: Database, run_id: int, stream: str) -> int:
    """Lines so far, which is the offset the next line will have."""
    return database.number(
        "select max(number) + 1 from lines where run_id = ? and stream = ?", run_id, stream
    )


def tail(database: Database, run_id: int, stream: str, count: int = 1) -> list[str]:
    newest_first = database.texts(
        "select content from lines where run_id = ? and stream = ? order by number desc limit ?",
        *(run_id, stream, count),
    )
    return newest_first[::-1]


def numbered_lines(database: Database, run_id: int, stream: str) -> list[Line]:
    return database.all(
        Line,
        "select number, content from lines where run_id = ? and stream = ? order by number",
        *(run_id, stream),
    )


def read_lines(database: Database, run_id: int, stream: str) -> list[str]:
    return [line.content for line in numbered_lines(database, run_id, stream)]


def history_between(database: Database, run_id: int, lowest: int, below: int) -> list[str]:
    """Rows whose step is at least `lowest` and below `below`, in step order."""
    return database.texts(
        "select content from lines where run_id = ? and stream = ? and step >= ? and step < ?"
        " order by step, number",
        *(run_id, HISTORY, lowest, below),
    )


def last_step(database: Database, run_id: int) -> int:
    """The highest step logged, or -1."""
    return (
        database.number(
            "select max(step) + 1 from lines where run_id = ? and stream = ?", run_id, HISTORY
        )
        - 1
    )


def sample(rows: list[Any], wanted: int) -> list[Any]:
    """At most `wanted` rows, spread evenly, with the first and the last among them."""
    if wanted <= 0 or len(rows) <= wanted:
        return rows
    if wanted == 1:
        return rows[-1:]
    stride = (len(rows) - 1) / (wanted - 1)
    return [rows[round(position * stride)] for position in range(wanted)]
