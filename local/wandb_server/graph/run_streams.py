"""What a run has streamed, as the fields of type Run that read it."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from local.wandb_server.graph.connection import Page, connect
from local.wandb_server.graph.resolution import InvalidError
from local.wandb_server.store import history
from local.wandb_server.store.history import EVENTS, HISTORY, OUTPUT, parse_object, sample
from local.wandb_server.store.records import Run
from local.wandb_server.workspace import Workspace

JsonObject = dict[str, Any]
_MEDIA_TYPE = "_type"


@dataclass(frozen=True)
class RunStreams:
    workspace: Workspace
    record: Run

    def _count(self, stream: str) -> int:
        return history.count_lines(self.workspace.database, self.record.id, stream)

    def _tail(self, stream: str) -> str:
        """A JSON list of JSON strings: the SDK reads where to go on from."""
        return json.dumps(history.tail(self.workspace.database, self.record.id, stream))

    def _rows(self, lowest: int = 0, below: int = history.NO_STEP_LIMIT) -> list[JsonObject]:
        lines = history.history_between(self.workspace.database, self.record.id, lowest, below)
        return [parse_object(line) for line in lines]

    def history_line_count(self) -> int:
        return self._count(HISTORY)

    def events_line_count(self) -> int:
        return self._count(EVENTS)

    def log_line_count(self) -> int:
        return self._count(OUTPUT)

    def history_tail(self) -> str:
        return self._tail(HISTORY)

    def events_tail(self) -> str:
        return self._tail(EVENTS)

    def system_metrics(self) -> str:
        last = history.tail(self.workspace.database, self.record.id, EVENTS)
        return last[0] if last else "{}"

    def history(
        self,
        min_step: int | None = None,
        max_step: int | None = None,
        samples: int | None = None,
    ) -> list[str]:
        """Rows from `min_step` up to but without `max_step`, sampled down to `samples`."""
        below = history.NO_STEP_LIMIT if max_step is None else max_step
        lines = history.history_between(
            self.workspace.database, self.record.id, min_step or 0, below
        )
        return sample(lines, samples or sys.maxsize)

    def events(self, samples: int | None = None) -> list[str]:
        lines = history.read_lines(self.workspace.database, self.record.id, EVENTS)
        return sample(lines, samples or sys.maxsize)

    def sampled_history(self, specs: list[str]) -> list[list[JsonObject]]:
        """For each spec the rows that hold all its keys, cut down to them."""
        return [self._sampled(_parse_spec(spec)) for spec in specs]

    def _sampled(self, spec: JsonObject) -> list[JsonObject]:
        """`maxStep` of a spec is the last step wanted, unlike that of `history`."""
        keys = list(spec.get("keys") or [])
        last = spec.get("maxStep")
        below = history.NO_STEP_LIMIT if last is None else last + 1
        rows = self._rows(spec.get("minStep") or 0, below)
        full = [row for row in rows if all(key in row for key in keys)]
        chosen = sample(full, int(spec.get("samples") or 500))
        return [{key: row[key] for key in keys} for row in chosen] if keys else chosen

    def parquet_history(self, live_keys: list[str]) -> JsonObject:
        """This server exports no Parquet files: all the history is live data."""
        rows = self._rows()
        if live_keys:
            wanted = {*live_keys, "_step", "_timestamp", "_runtime"}
            rows = [{key: row[key] for key in row if key in wanted} for row in rows]
        return {"parquetUrls": [], "liveData": rows}

    def history_keys(self) -> JsonObject:
        """Which metrics there are, how often, of which type, and the last step.

        A nested metric is one key with dots, as the SDK's own `wandb verify` expects.
        """
        keys: dict[str, JsonObject] = {}
        for row in self._rows():
            for key, value in _flat(row):
                _count_key(keys, key, value)
        last = history.last_step(self.workspace.database, self.record.id)
        return {"sets": [], "keys": keys, "lastStep": last}

    def log_lines(
        self,
        first: int | None = None,
        last: int | None = None,
        after: str | None = None,
        *,
        use_improved_pagination: bool | None = None,
    ) -> JsonObject:
        del use_improved_pagination
        lines = history.numbered_lines(self.workspace.database, self.record.id, OUTPUT)
        if last is not None:
            lines = lines[max(0, len(lines) - last) :]
            first = last
        return connect(lines, Page(first, after), lambda row: _log_line(row.number, row.content))


def _parse_spec(spec: str) -> JsonObject:
    try:
        parsed = json.loads(spec)
    except json.JSONDecodeError:
        parsed = None
    if not isinstance(parsed, dict):
        raise InvalidError("sampledHistory: a spec must be a JSON object")
    return parsed


def _flat(row: JsonObject, prefix: str = "") -> Iterator[tuple[str, object]]:
    """The row's values by their dotted keys; media, which name their type, are one value each."""
    for key, value in row.items():
        if isinstance(value, dict) and value and _MEDIA_TYPE not in value:
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _type_of(value: object) -> str:
    match value:
        case {"_type": str() as media}:
            return media
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "string"
        case _:
            return "map" if isinstance(value, dict) else "list"


def _count_key(keys: dict[str, JsonObject], key: str, value: object) -> None:
    known = keys.setdefault(
        key, {"typeCounts": [{"type": _type_of(value), "count": 0}], "monotonic": True}
    )
    known["typeCounts"][0]["count"] += 1
    previous = known.get("previousValue")
    if isinstance(previous, int | float) and isinstance(value, int | float):
        known["monotonic"] = known["monotonic"] and value >= previous
    known["previousValue"] = value


def _log_line(number: int, content: str) -> JsonObject:
    """Console lines come as `ERROR 2024-… text`, or with the stream's mark in front."""
    level, _, rest = content.partition(" ")
    marked = level in {"ERROR", "INFO"}
    return {
        "number": number,
        "timestamp": None,
        "level": "error" if level == "ERROR" else "info",
        "label": "",
        "line": rest if marked else content,
    }
