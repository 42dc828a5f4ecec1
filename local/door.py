"""What a port on this machine refuses first: a web page that has the browser ask for it.

A page of the web can send requests to loopback addresses, and a browser marks them: `Origin` on
what a script or a form sends, `Sec-Fetch-Site` on everything, `OPTIONS` before what is not simple.
A page that points a host name of its own at this machine (DNS rebinding) is of one origin with us,
but asks under that name.
"""

from collections.abc import Iterable
from dataclasses import dataclass

LOOPBACK = (b"127.0.0.1", b"localhost")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
HTTP_PORT = 80
# `none` is a person's own doing: an address that was typed, or opened from a terminal.
SITES = frozenset({b"none"})
PAGE_SITES = frozenset({b"none", b"same-origin"})

Headers = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Door:
    """Stands before one port."""

    port: int

    def refusal(self, method: str, headers: Headers, *, page: bool = False) -> str | None:
        """Why the request is refused, or None.

        page: it is for a page for people, to which pages of this very server link and post.
        """
        if method not in METHODS:
            return f"the method {method} is not served"
        given = [(name.lower(), value) for name, value in headers]
        hosts = [value for name, value in given if name == b"host"]
        if len(hosts) != 1 or not self._is_ours(hosts[0].lower()):
            return "the request is for another host"
        sites, origin = (PAGE_SITES, b"http://" + hosts[0].lower()) if page else (SITES, None)
        if any(site not in sites for site in _values(given, b"sec-fetch-site")):
            return "a page of another site asks for this; type the address, or copy it"
        if any(given_origin != origin for given_origin in _values(given, b"origin")):
            return "a web page asks for this"
        return None

    def _is_ours(self, host: bytes) -> bool:
        name, _, port = host.partition(b":")
        if port != b"%d" % self.port and not (port == b"" and self.port == HTTP_PORT):
            return False
        return name in LOOPBACK


def _values(headers: list[tuple[bytes, bytes]], name: bytes) -> list[bytes]:
    return [value.strip().lower() for key, value in headers if key == name]
