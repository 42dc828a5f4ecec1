"""Stands before every route: what a page of another site has a browser ask for is not served."""

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from local.door import Door

# What programs ask for, with a key or a signature; everything else is a page for people.
FOR_PROGRAMS = ("/graphql", "/files/", "/_storage/", "/_local/", "/healthz")
READING = frozenset({"GET", "HEAD"})


class Doorkeeper:
    """What changes something on a page comes from a form of this very origin, and names it.

    A browser sends `Origin` with every form, and no page can take it away. The pages themselves
    need no key: they are read-only, and the server is heard on this machine alone.
    """

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await WebSocketClose()(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await PlainTextResponse(f"refused: {refusal}\n", 403)(scope, receive, send)

    def _refusal(self, scope: Scope) -> str | None:
        page = not scope["path"].startswith(FOR_PROGRAMS)
        refusal = self._door.refusal(scope["method"], scope["headers"], page=page)
        if refusal is not None or not page or scope["method"] in READING:
            return refusal
        named = "origin" in Headers(scope=scope)
        return None if named else "a form is posted by a page of this server only"
