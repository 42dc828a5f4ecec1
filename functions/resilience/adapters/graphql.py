"""Questions to one GraphQL server: bounded in time, bytes and number, and led to no other host."""

import json
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from threading import Timer
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

_MIB = 1024 * 1024
_CHUNK = 64 * 1024
_OK = 200
_REFUSED = frozenset({401, 403, 404})
_REDIRECTED = range(300, 400)
# Asked again at once. 400 and 422 are among them because the second try asks less.
_ASKED_AGAIN = frozenset({400, 422, 500, 502, 503, 504})


class Refused(Exception):  # noqa: N818 — it is an answer
    """The server wants another key or another address: only a person can change either."""


class NoAnswer(Exception):  # noqa: N818 — it says what happened
    """Nothing is known; a later lookup may learn more."""


class TooLarge(NoAnswer):
    """The answer has more bytes than one may have; ask for less."""


class _AskAgain(NoAnswer):
    """The server failed, and may do better at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one lookup may take of a function that has 60 s for two messages, and 512 MB.

    JSON of the worst kind takes about 31 bytes of memory for each of its own when it is parsed. So
    an answer may have 4 MiB: 125 MiB, and twice that while an early lookup runs beside another.
    """

    seconds: float = 15  # the whole lookup, all its requests and tries together
    connect_seconds: float = 2
    read_seconds: float = 5  # without a byte; and for all the headers together
    pause_seconds: float = 0.2  # before the second try; twice that before the third
    tries: int = 3
    requests: int = 16
    bytes_per_answer: int = 4 * _MIB
    bytes_in_all: int = 24 * _MIB


class Exchange:
    """One lookup's requests: what one of them takes, the next ones lack."""

    def __init__(self, pool: urllib3.PoolManager, url: str, key: str, bounds: Bounds) -> None:
        self._pool = pool
        self._url = url
        # "identity", and nothing is decoded: a compressed answer of 1 MB may unpack to 1 GB.
        self._headers = urllib3.make_headers(basic_auth=f"api:{key}", accept_encoding="identity")
        self._bounds = bounds
        self._deadline = time.monotonic() + bounds.seconds
        self._requests_left = bounds.requests
        self._bytes_left = bounds.bytes_in_all
        self._answered = self._simpler = False

    def ask(
        self, query: str, variables: Mapping[str, object], simpler: Mapping[str, object]
    ) -> dict[str, Any]:
        """Return the answer's data; raises Refused or NoAnswer.

        A server may fail at a part of the question that it does not know. So whatever failed is
        asked again with the variables of `simpler` over the others; and as the first answer was
        obtained, so are the further ones: their cursors belong to it.
        """
        for attempt in range(self._bounds.tries):
            time.sleep(attempt * self._bounds.pause_seconds)
            self._simpler = self._simpler or (attempt > 0 and not self._answered)
            asked = {**variables, **(simpler if self._simpler else {})}
            with suppress(_AskAgain, HTTPError):
                data = _data(self._post({"query": query, "variables": asked}))
                self._answered = True
                return data
        raise NoAnswer

    def _post(self, question: object) -> bytes:
        left = self._deadline - time.monotonic()
        if left <= 0 or self._requests_left == 0:
            raise NoAnswer
        self._requests_left -= 1
        response = self._pool.request(
            "POST",
            self._url,
            json=question,
            headers=self._headers,
            timeout=urllib3.Timeout(
                connect=min(left, self._bounds.connect_seconds),
                read=min(left, self._bounds.read_seconds),
            ),
            retries=False,
            redirect=False,
            preload_content=False,
            decode_content=False,
        )
        try:
            _check(response)
            return self._body(response)
        finally:
            response.close()  # what was read to its end has left its connection to the pool

    def _body(self, response: urllib3.BaseHTTPResponse) -> bytes:
        """Read the body; a server that drips it is cut off when the lookup's time is over."""
        watch = Timer(max(0, self._deadline - time.monotonic()), _cut, (response.shutdown,))
        watch.start()
        body = bytearray()
        try:
            for chunk in response.stream(_CHUNK, decode_content=False):
                body += chunk
                self._bytes_left -= len(chunk)
                if self._bytes_left < 0:
                    raise NoAnswer
                if len(body) > self._bounds.bytes_per_answer:
                    raise TooLarge
        finally:
            watch.cancel()
        return bytes(body)


def _check(response: urllib3.BaseHTTPResponse) -> None:
    """Refuse what is no answer by its status.

    A redirect is never followed: it would take the key to a host that nobody chose. It stays until
    somebody corrects the server's address, so it is a refusal, of which a person is notified.
    """
    if response.status in _REFUSED or response.status in _REDIRECTED:
        raise Refused
    if response.status in _ASKED_AGAIN:
        raise _AskAgain
    if response.status != _OK:
        raise NoAnswer


def _data(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        raise NoAnswer from None
    if isinstance(answer, dict) and answer.get("errors"):
        raise _AskAgain
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, dict):
        raise NoAnswer
    return data


def _cut(shutdown: Any, *how: int) -> None:  # noqa: ANN401 — a socket's, or a response's
    """End a read that another thread is in; it may have ended by itself meanwhile."""
    with suppress(OSError, ValueError, RuntimeError):
        shutdown(*how)


class _HeadersInTime(HTTPConnection):
    """A connection on which all the headers together have the time of one read.

    A socket's timeout starts anew with each byte: a server that drips headers would hold up the
    function for ever.
    """

    def getresponse(self) -> urllib3.HTTPResponse:  # type: ignore[override]  # as urllib3's own
        watch = Timer(self.timeout or 0, _cut, (self.sock.shutdown, socket.SHUT_RDWR))
        watch.start()
        try:
            return super().getresponse()
        finally:
            watch.cancel()


class _SecureHeadersInTime(_HeadersInTime, HTTPSConnection):
    """The same over TLS."""


class _Http(urllib3.HTTPConnectionPool):
    ConnectionCls = _HeadersInTime


class _Https(urllib3.HTTPSConnectionPool):
    ConnectionCls = _SecureHeadersInTime


def pool(trust: ssl.SSLContext | None = None) -> urllib3.PoolManager:
    """Connections that no server can hold up; `trust` None: the public authorities."""
    made = urllib3.PoolManager(ssl_context=trust)
    made.pool_classes_by_scheme = {"http": _Http, "https": _Https}
    return made
