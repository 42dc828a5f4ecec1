"""The lineage's run, as W&B shows it to somebody who is no client of that run.

The SDK tells only the run's own client of a stop, and its public API has no word for one that has
not been obeyed yet (wandb 0.31). So W&B is asked in its own language, with the fields that the
SDK's clients ask for: `stopped` (until 0.23), `state` and `historyLineCount` (its public API).
"""

from __future__ import annotations

import base64
import http.client
import json
import netrc
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from resilient_training.run.ports import AwayError, RunSeen

if TYPE_CHECKING:
    from collections.abc import Mapping

_CLOUD = "https://api.wandb.ai"
_ANSWER_SECONDS = 10.0
_MOST_BYTES = 1 << 20
_QUERY = """query LineageRun($entity: String, $project: String!, $run: String!) {
  project(name: $project, entityName: $entity) {
    run(name: $run) { stopped state historyLineCount } } }"""
_RUNNING = "running"


@dataclass(frozen=True)
class Server:
    """Where W&B is, and how to be let in."""

    url: str
    key: str = field(repr=False)


def server_from(environment: Mapping[str, str]) -> Server | None:
    """The server that the SDK would use; None: it is not to be asked, or there is no key."""
    if environment.get("WANDB_MODE", "online") != "online":
        return None
    url = (environment.get("WANDB_BASE_URL") or _CLOUD).rstrip("/")
    if urlsplit(url).scheme not in {"http", "https"}:
        return None
    key = environment.get("WANDB_API_KEY") or _key_at_home(urlsplit(url).hostname or "")
    return Server(url, key) if key else None


def _key_at_home(host: str) -> str | None:
    """The key that `wandb login` left in ~/.netrc."""
    try:
        found = netrc.netrc().authenticators(host)
    except (OSError, netrc.NetrcParseError):
        return None
    return found[2] if found else None


@dataclass(frozen=True)
class RunOfLineage:
    """The run that the training logs to; `entity` None: the key's own."""

    server: Server
    entity: str | None
    project: str
    run: str

    def look(self) -> RunSeen | None:
        """Ask W&B, for ten seconds at most; None: there is no such run (yet).

        Raises:
            AwayError: W&B does not answer, or answers something else.
        """
        variables = {"entity": self.entity, "project": self.project, "run": self.run}
        return run_in(self._answer({"query": _QUERY, "variables": variables}))

    def _answer(self, question: Mapping[str, Any]) -> object:
        token = base64.b64encode(f"api:{self.server.key}".encode()).decode()
        request = urllib.request.Request(  # noqa: S310 - http or https, as server_from sees to
            f"{self.server.url}/graphql",
            data=json.dumps(question).encode(),
            headers={"Content-Type": "application/json", "Authorization": f"Basic {token}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=_ANSWER_SECONDS) as response:  # noqa: S310  # nosec B310 - as above
                return json.loads(response.read(_MOST_BYTES))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise AwayError(f"{self.server.url}: {type(error).__name__}: {error}") from error


def run_in(answer: object) -> RunSeen | None:
    """Read W&B's answer.

    Raises:
        AwayError: it is none.
    """
    match answer:
        case {"data": {"project": None | {"run": None}}}:
            return None
        case {"data": {"project": {"run": {"stopped": stopped, "state": str(state), **more}}}}:
            rows: object = more.get("historyLineCount")
            known = rows if isinstance(rows, int) and not isinstance(rows, bool) else None
            return RunSeen(stopped is True, state == _RUNNING, known)
        case {"errors": [{"message": str(message)}, *_]}:
            raise AwayError(f"W&B refuses the question: {message}")
        case _:
            raise AwayError("W&B answers what is no run")
