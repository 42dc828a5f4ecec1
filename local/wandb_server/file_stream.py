"""What a running client posts: lines of metrics and console, summary, heartbeat, and its end."""

import json
from dataclasses import dataclass
from typing import Any

from local.wandb_server.store import history, runs
from local.wandb_server.store.history import EVENTS, HISTORY, OUTPUT
from local.wandb_server.store.records import Run
from local.wandb_server.workspace import Workspace

STREAMS = {
    "wandb-history.jsonl": HISTORY,
    "wandb-events.jsonl": EVENTS,
    "output.log": OUTPUT,
}
SUMMARY = "wandb-summary.json"


class MalformedPostError(Exception):
    """The body of a post is not what a client of W&B sends."""


@dataclass(frozen=True)
class Chunk:
    """Lines of one file, the first of which has the number `offset`."""

    file: str
    offset: int
    lines: list[str]


@dataclass(frozen=True)
class Post:
    chunks: tuple[Chunk, ...]
    exit_code: int | None
    complete: bool
    preempting: bool


def parse_post(body: bytes) -> Post:
    try:
        given = json.loads(body)
        files = (given.get("files") or {}).items()
        return Post(
            chunks=tuple(_chunk(name, chunk) for name, chunk in files),
            exit_code=given.get("exitcode"),
            complete=bool(given.get("complete")),
            preempting=bool(given.get("preempting")),
        )
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise MalformedPostError(f"file_stream: {error}") from None


def _chunk(name: str, given: dict[str, Any]) -> Chunk:
    content = given["content"]
    lines = [content] if isinstance(content, str) else [str(line) for line in content]
    return Chunk(name, int(given.get("offset") or 0), lines)


def apply_post(workspace: Workspace, run: Run, post: Post) -> dict[str, Any]:
    """Store what came; the answer tells the client whether it has been asked to stop."""
    database, now = workspace.database, workspace.clock()
    with database.transaction():
        for chunk in post.chunks:
            _store(workspace, run, chunk)
        runs.heartbeat(database, run.id, now, preempting=post.preempting)
        if post.complete:
            current = runs.run_by_id(database, run.id) or run
            runs.end_run(database, current, post.exit_code or 0, now)
    return {"exitcode": None, "limits": {}, "stopped": bool(run.stop_requested)}


def _store(workspace: Workspace, run: Run, chunk: Chunk) -> None:
    if chunk.file == SUMMARY:
        change = runs.RunChange(summary=chunk.lines[-1] if chunk.lines else None)
        runs.change_run(workspace.database, run.id, change, workspace.clock())
    elif chunk.file in STREAMS:
        history.store_lines(
            workspace.database, run.id, STREAMS[chunk.file], chunk.offset, chunk.lines
        )
