"""A request as it arrived, and why it is refused."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

Pairs = tuple[tuple[str, str], ...]


class RefusedError(Exception):
    """The request is not let in; code and message are AWS's own where AWS has some."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


@dataclass(frozen=True)
class Request:
    """Method, path and query as they were sent, and what the query and the headers say."""

    method: str
    path: str
    query_string: str
    query: Pairs
    headers: Pairs

    @classmethod
    def of(cls, scope: Mapping[str, Any]) -> "Request":
        # Decoded as MiniStack decodes it: what was verified must be what is acted on.
        query_string = scope["query_string"].decode("latin-1")
        query = tuple(parse_qsl(query_string, keep_blank_values=True))
        headers = tuple((name.decode("latin-1").lower(), _text(v)) for name, v in scope["headers"])
        path = scope["raw_path"].decode("latin-1")
        return cls(scope["method"], path, query_string, query, headers)

    def header(self, name: str) -> str:
        """The header's value, empty where it is absent; refused where it is there twice."""
        return _only(name, self.headers)

    def argument(self, name: str) -> str:
        """The same of the query."""
        return _only(name, self.query)

    def arguments(self) -> frozenset[str]:
        return frozenset(name.lower() for name, _ in self.query)


def _only(name: str, pairs: Iterable[tuple[str, str]]) -> str:
    found = [value for key, value in pairs if key.lower() == name.lower()]
    if len(found) > 1:
        raise RefusedError("IncompleteSignature", f"{name} is given more than once.")
    return found[0] if found else ""


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")
