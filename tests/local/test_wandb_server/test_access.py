"""The local W&B does nothing for a page of another site, and little for who has no key."""

import stat
from base64 import b64encode
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from local.wandb_server import LocalWandb
from tests.local.raw_requests import Answer, ask

PAGES = [
    {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://localhost:3000"},
    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate"},
]  # fmt: skip
ROUTES = [
    ("GET", "/"), ("GET", "/local/p"), ("GET", "/local/p/runs/r"), ("POST", "/local/p/runs/r"),
    ("POST", "/graphql"), ("POST", "/files/local/p/r/file_stream"), ("GET", "/files/local/p/r/f"),
    ("GET", "/_storage/k"), ("PUT", "/_storage/k"), ("POST", "/_local/faults"),
    ("DELETE", "/_local/faults"), ("GET", "/_local/requests"), ("GET", "/healthz"),
]  # fmt: skip
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def key(server: LocalWandb) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'api:{server.api_key}'.encode()).decode()}"}


def posted(server: LocalWandb, headers: dict[str, str]) -> Answer:
    """A form of a page: nobody serves it here, so that what comes through is not found."""
    return ask(f"{server.url}/local/no-such/runs/r/form", "POST", {**FORM, **headers}, "a=b")


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_page_of_another_site_gets_nothing_even_with_the_key(
    server: LocalWandb, method: str, path: str, page: dict[str, str]
) -> None:
    answer = ask(server.url + path, method, {**key(server), **page}, "{}")
    assert (answer.status, answer.lets_pages_read) == (403, False)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_name_that_was_rebound_to_this_machine_gets_nothing(
    server: LocalWandb, method: str, path: str
) -> None:
    port = urlsplit(server.url).port
    for host in (f"evil.example:{port}", "evil.example", "127.0.0.1", "localhost:1"):
        answer = ask(server.url + path, method, {**key(server), "Host": host}, "{}")
        assert answer.status == 403


def test_a_browser_that_asks_first_is_refused(server: LocalWandb) -> None:
    for _, path in ROUTES:
        asks = {"Origin": server.url, "Access-Control-Request-Method": "POST"}
        answer = ask(server.url + path, "OPTIONS", asks)
        assert (answer.status, answer.lets_pages_read) == (403, False)


@pytest.mark.parametrize("site", ["none", "same-origin"])
def test_a_person_sees_the_pages_in_a_browser(server: LocalWandb, site: str) -> None:
    opened = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert ask(server.url, "GET", opened).status == 200
    by_name = f"http://localhost:{urlsplit(server.url).port}"
    assert ask(by_name, "GET", opened).status == 200


def test_a_form_is_taken_from_a_page_of_this_server_alone(server: LocalWandb) -> None:
    by_name = f"localhost:{urlsplit(server.url).port}"
    assert posted(server, {"Origin": server.url}).status in {404, 405}
    same_origin = {"Origin": f"http://{by_name}", "Host": by_name, "Sec-Fetch-Site": "same-origin"}
    assert posted(server, same_origin).status in {404, 405}
    for origin in (
        "http://localhost:3000", f"http://{by_name}", f"https://{urlsplit(server.url).netloc}",
        f"{server.url}.evil.example", "null", "",
    ):  # fmt: skip
        assert posted(server, {"Origin": origin}).status == 403
    assert posted(server, {}).status == 403


def test_what_programs_ask_for_is_never_given_to_a_page_of_this_server(server: LocalWandb) -> None:
    ours = {**key(server), "Origin": server.url}
    assert (
        ask(f"{server.url}/graphql", "POST", ours, '{"query": "{ viewer { id } }"}').status == 403
    )
    assert ask(f"{server.url}/_local/faults", "DELETE", ours).status == 403


def test_without_the_key_nothing_is_told_and_nothing_is_done(server: LocalWandb) -> None:
    for headers in ({}, {"Authorization": f"Basic {b64encode(b'api:guessed').decode()}"}):
        for method, path in ROUTES:
            if path.startswith(("/graphql", "/files/", "/_local/")):
                body = '{"query": "{ viewer { id } }"}'
                assert ask(server.url + path, method, headers, body).status == 401
    assert ask(f"{server.url}/_storage/k?expires=9999999999&signature=%C3%A9").status == 403


def test_what_was_stored_runs_nothing_in_a_browser(server: LocalWandb, project: str) -> None:
    make = """
    mutation ($p: String!) {
      upsertBucket(input: {name: "r", modelName: $p}) { inserted }
      createRunFiles(input: {projectName: $p, runName: "r", files: ["a.html"]}) {
        files { uploadUrl }
      }
    }
    """
    files = server.graphql(make, p=project)["createRunFiles"]["files"]
    assert ask(files[0]["uploadUrl"], "PUT", {}, "<script>alert(1)</script>").status == 200
    stored = ask(f"{server.url}/files/local/{project}/r/a.html", "GET", key(server))
    assert stored.headers["content-disposition"] == "attachment"
    assert stored.headers["content-security-policy"].startswith("sandbox")


def test_what_it_keeps_is_for_its_owner_alone(tmp_path: Path) -> None:
    with LocalWandb.start(tmp_path / "data"):
        assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
