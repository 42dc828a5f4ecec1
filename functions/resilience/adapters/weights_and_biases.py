"""W&B's GraphQL API, asked directly: one request, where the SDK would start a sidecar for eight."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError

from resilience import tags
from resilience.decisions import Checkpoint, CheckpointRequest, Lookup
from resilience.ports import Answer

QUERY = """
query ResilienceCheckpoints(
  $entity: String!, $project: String!, $collection: String!, $filters: JSONString, $first: Int!
) {
  project(entityName: $entity, name: $project) {
    artifactCollection(name: $collection) {
      artifacts(first: $first, filters: $filters) {
        edges {
          node {
            state
            digest
            versionIndex
            aliases { alias }
            metadata
            createdBy { ... on Run { name } }
          }
        }
      }
    }
  }
}
"""
_MOST_VERSIONS = 100
_OK = 200
_REFUSED = frozenset({401, 403, 404})
_FILENAME_STEP = re.compile(r"step=(\d{1,18})")
_MOST_DIGITS = 18
# Whoever may write an artifact may give any digest; it goes into an Environment and a log.
_DIGEST = re.compile(r"[A-Za-z0-9+/=_-]{1,128}")
_COMMITTED = json.dumps({"state": "COMMITTED"})


class WandbCheckpoints:
    """Fulfils ports.Checkpoints. The key is asked for at each request and kept nowhere here."""

    def __init__(self, pool: urllib3.PoolManager, base_url: str, key: Callable[[], str]) -> None:
        self._pool = pool
        self._url = f"{base_url}/graphql"
        self._key = key

    def newest(self, request: CheckpointRequest) -> Answer:
        """Ask once, with variables: a W&B name may hold what a tag may not, and the reverse."""
        variables = {
            "entity": request.entity,
            "project": request.project,
            "collection": request.collection,
            "filters": _COMMITTED,
            "first": _MOST_VERSIONS,
        }
        try:
            response = self._pool.request(
                "POST",
                self._url,
                json={"query": QUERY, "variables": variables},
                headers=urllib3.make_headers(basic_auth=f"api:{self._key()}"),
            )
        except HTTPError:
            return Answer(Lookup.UNAVAILABLE)
        if response.status in _REFUSED:
            return Answer(Lookup.REFUSED)
        if response.status != _OK:
            return Answer(Lookup.UNAVAILABLE)
        return _read(response.data, request.runs)


def _read(body: bytes, runs: tuple[str, ...]) -> Answer:
    """An answer that is not what was asked for says nothing: unavailable, never "none"."""
    try:
        answer = json.loads(body)
        if answer.get("errors") or "project" not in answer["data"]:
            return Answer(Lookup.UNAVAILABLE)
        project = answer["data"]["project"]
        if project is None:
            return Answer(Lookup.FOUND, project_exists=False)
        collection = project["artifactCollection"]
        edges = collection["artifacts"]["edges"] if collection else []
        found = tuple(_checkpoints(edges))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return Answer(Lookup.UNAVAILABLE)
    if not _has_newest(found):
        return Answer(Lookup.UNAVAILABLE)
    own = tuple(one for one in found if one.run in runs)
    return Answer(
        Lookup.FOUND,
        own,
        collection_exists=collection is not None,
        foreign=len(found) - len(own),
    )


def _has_newest(found: tuple[Checkpoint, ...]) -> bool:
    """W&B does not promise the order: a full page counts only with the version named latest."""
    return len(found) < _MOST_VERSIONS or any("latest" in one.aliases for one in found)


def _checkpoints(edges: list[Mapping[str, Any]]) -> Iterator[Checkpoint]:
    for edge in edges:
        node = edge["node"]
        maker = (node.get("createdBy") or {}).get("name")
        digest = str(node["digest"])
        pinnable = _DIGEST.fullmatch(digest) is not None
        yield Checkpoint(
            version=f"v{int(node['versionIndex'])}",
            step=_step(node.get("metadata")),
            digest=digest if pinnable else "",
            run=maker if isinstance(maker, str) and tags.is_wandb_name(maker) else None,
            committed=node["state"] == "COMMITTED" and pinnable,
            aliases=tuple(alias["alias"] for alias in node["aliases"]),
        )


def _step(metadata: object) -> int | None:
    """The global step, where the metadata tells it as a number or as its digits."""
    try:
        parsed = json.loads(metadata) if isinstance(metadata, str) else metadata
    except (ValueError, RecursionError):
        return None
    if not isinstance(parsed, dict):
        return None
    if "step" in parsed:
        return _whole(parsed["step"])
    # WandbLogger's own checkpoints tell it in their file's name only.
    named = _FILENAME_STEP.search(str(parsed.get("original_filename", "")))
    return int(named[1]) if named else None


def _whole(step: object) -> int | None:
    if isinstance(step, str):
        digits = step.isascii() and step.isdigit() and len(step) <= _MOST_DIGITS
        return int(step) if digits else None
    if isinstance(step, bool) or not isinstance(step, int | float):
        return None
    sensible = 0 <= step < 10**_MOST_DIGITS
    return int(step) if sensible and float(step).is_integer() else None
