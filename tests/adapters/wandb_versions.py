"""A W&B over HTTP that has the versions that a test gives it."""

import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from local.in_memory import graphql
from resilience.adapters.graphql import Bounds, pool
from resilience.adapters.weights_and_biases import WandbCheckpoints
from resilience.decide.decisions import CheckpointRequest
from resilience.ports import Answer
from tests.adapters.answering import Answering, Reply, Script, answering, reply_json

REQUEST = CheckpointRequest(
    entity="example-team", project="vision", collection="model-night", runs=("night",)
)
KEY = secrets.token_hex(20)
Node = Mapping[str, Any]


def version(number: int, *aliases: str, run: str = "night", **more: object) -> dict[str, Any]:
    """A committed version of the collection at step 100 times its number."""
    return {
        "state": "COMMITTED",
        "digest": f"digest{number}",
        "versionIndex": number,
        "aliases": [{"alias": alias} for alias in aliases],
        "metadata": json.dumps({"step": 100 * number}),
        "createdBy": {"name": run},
        **more,
    }


def in_collection(name: str) -> dict[str, Any]:
    """Where a version was logged, if it is not the collection that is asked for."""
    return {"name": name, "project": {"name": "vision", "entityName": "example-team"}}


def knowing(versions: Sequence[Node] | None) -> Callable[[bytes], Reply]:
    """Answer as a W&B that has these versions, in the order in which it lists them."""

    def reply(body: bytes) -> Reply:
        project = graphql.project(json.loads(body)["variables"], versions)
        return reply_json(200, {"data": {"project": project}})

    return reply


@dataclass(frozen=True)
class Asked:
    server: Answering
    checkpoints: WandbCheckpoints

    def newest(self, *replies: Script, request: CheckpointRequest = REQUEST) -> Answer:
        self.server.reply(*replies)
        return self.checkpoints.newest(request)

    def found(self, *versions: Node, request: CheckpointRequest = REQUEST) -> Answer:
        return self.newest(knowing(versions), request=request)

    def sent(self) -> list[dict[str, Any]]:
        """The variables of each request."""
        return [json.loads(body)["variables"] for _, body in self.server.asked]


@contextmanager
def serving(bounds: Bounds, key: str = KEY) -> Iterator[Asked]:
    with answering(Reply()) as server, pool() as connections:
        yield Asked(server, WandbCheckpoints(connections, server.url, lambda: key, bounds))
