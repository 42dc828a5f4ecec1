"""W&B's GraphQL API, asked directly: one request, where the SDK would start a sidecar for eight."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from typing import Any

import urllib3

from resilience.adapters.graphql import Bounds, Exchange, NoAnswer, Refused, TooLarge
from resilience.adapters.wandb_versions import Seen, is_good
from resilience.decide.decisions import Checkpoint, CheckpointRequest, Lookup
from resilience.errors import KeyUnusable
from resilience.ports import Answer

# `bucket` is W&B's older word for a run: with missingOk, one that is not there is null.
_RUN = "    run{0}: bucket(name: $run{0}, missingOk: true) {{ ...Logged }}\n"
_QUESTION = """
query ResilienceCheckpoints(
  $entity: String!, $project: String!, $collection: String!, $alias: String!,
  $whole: Boolean!, $named: Boolean!, $order: String{declared}
) {{
  project(entityName: $entity, name: $project) {{
    artifactCollection(name: $collection) @include(if: $whole) {{
      newest: artifacts(first: 100, order: $order) {{
        edges {{ node {{ state versionIndex createdBy {{ ... on Run {{ name }} }} }} }}
      }}
      artifactMembership(aliasName: $alias) @include(if: $named) {{
        artifact {{ ...Version }}
      }}
    }}
{runs}  }}
}}
"""
_LOGGED = """
fragment Logged on Run {
  state
  heartbeatAt
  outputArtifacts(first: $first, after: $after, order: $order) {
    pageInfo { endCursor hasNextPage }
    edges { node { ...Version } }
  }
}
"""
_VERSION = """
fragment Version on Artifact {
  state
  digest
  versionIndex
  metadata
  artifactType { name }
  artifactSequence { name project { name entityName } }
  aliases { alias artifactCollection { name project { name entityName } } }
  createdBy { ... on Run { name } }
}
"""
_NEWEST_FIRST = "-created_at"
_LATEST = "latest"
# Metadata can be large: a page that is too large is asked for again with fewer versions.
_PAGE, _SMALLER = 100, 10
# What a header can carry. A key that holds anything else was not copied whole or not stored well.
_KEY = re.compile(r"[!-~]{1,1024}")
# States of a run whose client said that it ended; a run that is silent has crashed, or is about to.
_ENDED = frozenset({"finished", "failed", "crashed", "killed", "preempted"})
_NOT_AS_ASKED = (KeyError, TypeError, AttributeError)


@cache
def question(runs: int) -> str:
    """The question for so many runs; their names, and all others, go as variables."""
    names = "".join(f", $run{place}: String!" for place in range(runs))
    declared = f", $first: Int!, $after: String{names}" if runs else ""
    asked = "".join(map(_RUN.format, range(runs)))
    return _QUESTION.format(declared=declared, runs=asked) + (_LOGGED if runs else "") + _VERSION


class WandbCheckpoints:
    """Fulfils ports.Checkpoints. The key is asked for at each request and kept nowhere here."""

    def __init__(
        self,
        pool: urllib3.PoolManager,
        base_url: str,
        key: Callable[[], str],
        bounds: Bounds | None = None,
    ) -> None:
        self._pool = pool
        self._url = f"{base_url}/graphql"
        self._key = key
        self._bounds = bounds or Bounds()

    def newest(self, request: CheckpointRequest) -> Answer:
        """Look up what the request's runs logged. What is no answer is never read as "none"."""
        try:
            key = self._key().strip()
        except KeyUnusable:
            return Answer(Lookup.REFUSED)
        if _KEY.fullmatch(key) is None:
            return Answer(Lookup.REFUSED)
        exchange = Exchange(self._pool, self._url, key, self._bounds)
        try:
            return _Lookup(exchange, request).answer()
        except Refused:
            return Answer(Lookup.REFUSED)
        except (NoAnswer, *_NOT_AS_ASKED):
            return Answer(Lookup.UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class _Page:
    """What one page of a run has shown: its checkpoints, and where the next page begins."""

    found: tuple[Checkpoint, ...]
    more: bool
    cursor: str | None


class _Lookup:
    """One lookup: the first page of all that is asked, and further pages where one must read on."""

    def __init__(self, exchange: Exchange, request: CheckpointRequest) -> None:
        self._exchange = exchange
        self._request = request
        self._seen = Seen(request)
        self._page = _PAGE
        self._beats: list[int] = []

    def answer(self) -> Answer:
        runs = self._request.runs
        project = self._ask(runs, whole=True)
        if project is None:
            return Answer(Lookup.FOUND, project_exists=False)
        collection = project["artifactCollection"]
        if collection is not None:
            self._read_collection(collection)
        pages = [(run, self._take(project[f"run{place}"])) for place, run in enumerate(runs)]
        for run, page in pages:
            self._read_on(run, page)
        return self._answer()

    def _answer(self) -> Answer:
        seen = self._seen
        if seen.says_none_falsely():
            raise NoAnswer
        return Answer(
            Lookup.FOUND,
            seen.checkpoints,
            elsewhere=seen.elsewhere,
            foreign=seen.foreign,
            pending=seen.pending,
            heartbeat_at=max(self._beats, default=None),
        )

    def _read_collection(self, collection: dict[str, Any]) -> None:
        for edge in collection["newest"]["edges"]:
            self._seen.take_head(edge["node"])
        named = collection.get("artifactMembership")
        if named is not None and named["artifact"] is not None:
            self._seen.take(named["artifact"])

    def _take(self, run: dict[str, Any] | None) -> _Page:
        """Note what one page of a run shows; a run that is not there shows nothing."""
        if run is None:
            return _Page((), more=False, cursor=None)
        self._beats += _beat(run)
        listed = run["outputArtifacts"]
        taken = tuple(self._seen.take(edge["node"]) for edge in listed["edges"])
        goes_on = listed["pageInfo"]
        return _Page(
            found=tuple(one for one in taken if one is not None),
            more=goes_on["hasNextPage"],
            cursor=goes_on["endCursor"],
        )

    def _read_on(self, run: str, page: _Page) -> None:
        """Read a run's pages until the rest cannot matter; raises NoAnswer where bounds end it."""
        found = page.found
        while page.more and not (_suffices(found) or self._seen.has_the_newest_of(run)):
            project = self._ask((run,), whole=False, after=page.cursor)
            page = self._take(project["run0"])  # type: ignore[index]  # a project that is gone is no answer
            found += page.found

    def _ask(
        self, runs: Sequence[str], *, whole: bool, after: str | None = None
    ) -> dict[str, Any] | None:
        """Ask for a page; by fewer versions where their metadata makes it too large."""
        variables = {
            "entity": self._request.entity,
            "project": self._request.project,
            "collection": self._request.collection,
            "alias": self._request.alias,
            "whole": whole,
            "named": whole and self._request.alias != _LATEST,
            "after": after,
            "order": _NEWEST_FIRST,
            **{f"run{place}": run for place, run in enumerate(runs)},
        }
        while True:
            try:
                asked = {**variables, "first": self._page}
                data = self._exchange.ask(question(len(runs)), asked, {"order": None})
            except TooLarge:
                if self._page == 1:
                    raise
                self._page //= _SMALLER
            else:
                project: dict[str, Any] | None = data["project"]
                return project


def _beat(run: dict[str, Any]) -> Iterator[int]:
    """When a client last wrote to the run, unless that client has said that it ended."""
    if run.get("state") in _ENDED:
        return
    try:
        beat = datetime.fromisoformat(run["heartbeatAt"])
    except (ValueError, *_NOT_AS_ASKED):
        return  # a server that does not say so says nothing
    yield int((beat if beat.tzinfo else beat.replace(tzinfo=UTC)).timestamp())


def _suffices(found: Sequence[Checkpoint]) -> bool:
    """Whether older pages cannot matter.

    W&B was asked for the newest first and does not promise it; so the numbers must fall. And what
    they fall from must hold one that can be resumed from.
    """
    falling = all(newer.number > older.number for newer, older in pairwise(found))
    return falling and any(map(is_good, found))
