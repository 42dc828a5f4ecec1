"""Stands before every route: what a page of another site has a browser ask for is not served."""

import hmac
import secrets
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from local.door import Door

# What programs ask for, with a key or a signature; everything else is a page for people.
FOR_PROGRAMS = ("/graphql", "/files/", "/_storage/", "/_local/", "/healthz")
COOKIE = "page"
READING = frozenset({"GET", "HEAD"})


class Doorkeeper:
    """A form on a page of ours may be posted: from this origin, with the cookie of this run.

    The pages themselves need no key. The cookie is there so that a form is posted only by who has
    seen a page of this very server, and a browser sends it on no request of another site.
    """

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door
        self._token = secrets.token_urlsafe(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await WebSocketClose()(scope, receive, send)
            return
        page = not scope["path"].startswith(FOR_PROGRAMS)
        refusal = self._door.refusal(scope["method"], scope["headers"], page=page)
        if refusal is None and page:
            refusal = self._forged(scope)
        if refusal is not None:
            await PlainTextResponse(f"refused: {refusal}\n", 403)(scope, receive, send)
        else:
            await self._app(scope, receive, self._with_cookie(send) if page else send)

    def _forged(self, scope: Scope) -> str | None:
        """Why what changes something is refused; the origin, if there, is known to be ours."""
        headers = Headers(scope=scope)
        if scope["method"] in READING:
            return None
        if "origin" not in headers:
            return "a form is posted by a page of this server only"
        given = _cookie(headers.get("cookie", ""))
        return None if hmac.compare_digest(given, self._token.encode()) else "open the page again"

    def _with_cookie(self, send: Send) -> Send:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                value = f"{COOKIE}={self._token}; Path=/; HttpOnly; SameSite=Strict"
                MutableHeaders(scope=message).append("set-cookie", value)
            await send(message)

        return sent


def _cookie(header: str) -> bytes:
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return b""
    return b"" if found is None else found.value.encode()
