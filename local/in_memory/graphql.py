"""What W&B answers to the controller's question, from versions as GraphQL shows them."""

from collections.abc import Mapping, Sequence
from typing import Any

Fields = Mapping[str, Any]
_HEADS, _HEAD = 100, ("state", "versionIndex", "createdBy")


def project(asked: Fields, versions: Sequence[Fields] | None) -> dict[str, Any]:
    """Answer for one project that has these versions, newest first; None: no such collection.

    A version may leave out what all of its collection have alike.
    """
    shown = [_shown(asked, one) for one in versions or []]
    runs = {key: asked[key] for key in asked if key.startswith("run")}
    logged = {key: _logged(asked, run, shown) for key, run in runs.items()}
    if not asked["whole"]:
        return logged
    collection = None if versions is None else _collection(asked, shown)
    return {"artifactCollection": collection, **logged}


def _collection(asked: Fields, shown: Sequence[Fields]) -> dict[str, Any]:
    here = [one for one in shown if _is_in(one, asked["collection"])]
    heads = [{key: one[key] for key in _HEAD} for one in here[:_HEADS]]
    listed = {"newest": {"edges": [{"node": head} for head in heads]}}
    if not asked["named"]:
        return listed
    named = next((one for one in here if _is_named(one, asked["alias"])), None)
    return {**listed, "artifactMembership": named and {"artifact": named}}


def _is_in(version: Fields, collection: str) -> bool:
    sequence = version["artifactSequence"]
    return sequence is None or sequence["name"] == collection


def _is_named(version: Fields, alias: str) -> bool:
    aliases = version["aliases"]
    own = [one and one.get("alias") for one in aliases] if isinstance(aliases, list) else []
    return alias in own or alias == f"v{version['versionIndex']}"


def _logged(asked: Fields, run: str, shown: Sequence[Fields]) -> dict[str, Any] | None:
    """A page of what a run logged; null for a run that is not there."""
    own = [one for one in shown if isinstance(one["createdBy"], dict)]
    own = [one for one in own if one["createdBy"].get("name") == run]
    if not own:
        return None
    start = int(asked.get("after") or 0)
    end = start + int(asked["first"])
    return {
        "outputArtifacts": {
            "pageInfo": {"endCursor": str(end), "hasNextPage": end < len(own)},
            "edges": [{"node": one} for one in own[start:end]],
        }
    }


def _shown(asked: Fields, version: Fields) -> dict[str, Any]:
    home = {
        "name": asked["collection"],
        "project": {"name": asked["project"], "entityName": asked["entity"]},
    }
    aliases = version["aliases"]
    if isinstance(aliases, list):
        aliases = [one and {"artifactCollection": home, **one} for one in aliases]
    filled = {"artifactType": {"name": "model"}, "artifactSequence": home, "createdBy": None}
    return {**filled, **version, "aliases": aliases}
