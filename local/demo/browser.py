"""A person at a browser who presses a button on a page of the local W&B."""

import urllib.request
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from urllib.parse import urlencode, urljoin, urlsplit

from typing_extensions import override

_SECONDS = 10.0


class NoSuchButtonError(Exception):
    """The page does not offer the button; the message is its address."""


class _Forms(HTMLParser):
    """Where each button of a page posts to, and what with."""

    def __init__(self) -> None:
        super().__init__()
        self.by_label: dict[str, tuple[str, dict[str, str]]] = {}
        self._action = ""
        self._values: dict[str, str] = {}
        self._in_button = False

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._action, self._values = given["action"], {}
        elif tag == "input":
            self._values[given["name"]] = given["value"]
        self._in_button = tag == "button"

    @override
    def handle_data(self, data: str) -> None:
        if self._in_button:
            self.by_label[data] = (self._action, dict(self._values))
            self._in_button = False


def press(address: str, label: str) -> None:
    """Open the page and post the form of the button called `label`, as a browser does.

    Raises:
        NoSuchButtonError: there is none.
        HTTPError: the server refuses.
    """
    # The servers are on loopback, whatever proxy this machine uses for the rest.
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(CookieJar())
    )
    forms = _Forms()
    with opener.open(address, timeout=_SECONDS) as page:
        forms.feed(page.read().decode())
    if label not in forms.by_label:
        raise NoSuchButtonError(address)
    action, values = forms.by_label[label]
    parts = urlsplit(address)
    headers = {"Origin": f"{parts.scheme}://{parts.netloc}", "Sec-Fetch-Site": "same-origin"}
    form = urllib.request.Request(  # noqa: S310 - the address of a server of ours
        urljoin(address, action), urlencode(values).encode(), headers
    )
    with opener.open(form, timeout=_SECONDS):
        pass
