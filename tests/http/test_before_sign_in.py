"""The work of an unauthenticated request is bounded, on every route."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, quote_from_bytes, urlencode

import httpx
import pytest

from issue_tracker.app import declared_routes
from issue_tracker.clock import now
from issue_tracker.http.routes import Route
from issue_tracker.http.validation import read_query
from issue_tracker.pages import forms
from issue_tracker.retention import Retention
from tests.cases import cases
from tests.clients import Client
from tests.connections import Connections
from tests.world import World

LARGE_ANSWERS = ("/openapi.json", "/docs", "/static/{version}/{name}", "/static/{version}/{folder}/{name}")
"""Documents that are large for every client, whatever was sent."""

ANSWER = 100_000
"""Bytes of the largest response to an unauthenticated request: an address of 30 kB, repeated three times."""

FIELDS = b"&".join([b"a=b"] * 250_000)
OWN_SITE = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}


class Parsed:
    """Counts the form fields and query parameters that the server has read, at most of one request."""

    def __init__(self) -> None:
        self.most = 0

    def form(self, *arguments: Any, **options: Any) -> list[tuple[str, str]]:
        pairs = parse_qsl(*arguments, **options)
        self.most = max(self.most, len(pairs))
        return pairs

    def query(self, parameters: list[tuple[str, str]], type_: type[Any], most_values: int) -> Any:
        self.most = max(self.most, len(parameters))
        return read_query(parameters, type_, most_values)


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Parsed:
    counting = Parsed()
    monkeypatch.setattr(forms, "parse_qsl", counting.form)
    monkeypatch.setattr("issue_tracker.http.routes.read_query", counting.query)
    return counting


MANY = "&".join(["a=b"] * 7000)
OBJECT = b"{%s}" % b",".join(b'"a%d":1' % number for number in range(1500))
UNKNOWN: tuple[dict[str, str], ...] = (
    {},
    {"Cookie": "issue_tracker_session=" + "x" * 43, "If-None-Match": ",".join(['"a"'] * 5000)},
    {"Cookie": "; ".join(f"c{number}=x" for number in range(1500)), "Accept": ",".join(["text/html;q=0.1"] * 1000)},
)


Exchange = tuple[str, str, list[tuple[str, str]], bytes | None]
"""The method, target, headers and body of a request."""

MANY_PARAMETERS = httpx.URL(f"http://127.0.0.1?{MANY}").raw_path.decode().removeprefix("/")
LONG_PARAMETER = f"?next={'%22' * 10_000}"


def inputs(route: Route) -> Iterator[Exchange]:
    """The largest unauthenticated requests, and some unusual ones. They are sent without a client, which would take
    longer to read the parameters and write them again than the server takes to respond.
    """
    path = re.sub(r"{\w+}", "1", route.path)

    def request(headers: dict[str, str], body: bytes | None = None, query: str = "") -> Exchange:
        sized = {} if route.safe else {"Content-Length": str(len(body or b""))}
        return route.method, path + query, list({**OWN_SITE, **headers, **sized}.items()), body

    for headers in UNKNOWN:
        yield request(headers)
        if not route.safe:
            yield request({**headers, **FORM}, FIELDS[:16_000])
    if not route.safe:
        yield request(FORM, FIELDS[:100_000])
        yield request(JSON, OBJECT)
    yield request({}, query=MANY_PARAMETERS)
    yield request({}, query=LONG_PARAMETER)


@pytest.mark.long
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_no_route_does_much_for_an_unauthenticated_request(world: World, parsed: Parsed) -> None:
    base = httpx.URL(world.server.url)
    address, host = (base.host, base.port or 80), ("Host", base.netloc.decode())
    connections = Connections()
    for route in declared_routes():
        for method, target, sent, body in inputs(route):
            status, headers, content = connections.exchange(address, method, target, [host, *sent], body, 30)
            description = f"{method} {target[:200]} {str(sent)[:200]}: {status}"
            assert status < 500, description
            assert len(content) < ANSWER or route.path in LARGE_ANSWERS, description
            assert sum(len(value) for _, value in headers) < ANSWER, description
            assert parsed.most <= 100, description
    connections.end()


@cases("query", ["&".join(["a=b"] * 101), "a=" + "b" * 4095])
def test_an_unauthenticated_query_is_limited_in_bytes_and_in_parameters(world: World, query: str) -> None:
    longest = ("&".join(["a=b"] * 100), "a=" + "b" * 4094)
    details = [world.anonymous().call("GET", f"/healthz?{text}", 422)["detail"] for text in (query, *longest)]
    assert ["Without a session" in detail for detail in details] == [True, False, False]


LONG_PATHS = {
    "slashes": "/api" + "/" * 30_000,
    "slashes between segments": "/api" + "/a//" * 7_000,
    "segments": "/api/issues" + "/%41" * 7_000,
    "letters": "/api/issues/" + "%41" * 10_000,
    "a page": "/issues/" + "%20" * 10_000,
}


# The path is limited before the database is read.
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@cases("kind", LONG_PATHS)
def test_a_long_unauthenticated_path_costs_little(world: World, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    quoted: list[int] = []

    def quote(segment: bytes, safe: str) -> str:
        quoted.append(len(segment))
        return quote_from_bytes(segment, safe=safe)

    monkeypatch.setattr("issue_tracker.http.middleware.quote_from_bytes", quote)
    assert world.anonymous().get(LONG_PATHS[kind]).status_code in (303, 401, 404)
    assert 0 < len(quoted) < 100 and sum(quoted) < 8_000, (len(quoted), sum(quoted))
    name = "a" + " " * 4_200 + "b"
    world.empty_issues()
    world.given_issue("a")
    world.client("tess").call("GET", f"/api/issues/{name.replace(' ', '%20')}", 404)


@cases("cookie", [None, "issue_tracker_session=" + "x" * 43])
def test_an_unauthenticated_form_is_not_read(world: World, parsed: Parsed, cookie: str | None) -> None:
    headers = {**OWN_SITE, **FORM, **({"Cookie": cookie} if cookie else {})}
    response = world.anonymous().post("/issues/new", content=FIELDS, headers=headers)
    assert (response.status_code, response.headers["location"]) == (303, "/login?next=%2F")
    assert len(response.content) == 0 and parsed.most == 0
    for content in (FIELDS[:16_000], FIELDS):
        refused = world.anonymous().post("/login", content=content, headers=headers)
        assert refused.status_code == 413 and ("16,384 bytes" in refused.text or "100 fields" in refused.text)
        assert parsed.most == 0
    refused = world.anonymous().post("/api/auth/login", content=b"[" * 20_000, headers={**headers, **JSON})
    assert (refused.status_code, refused.json()["detail"]) == (413, "The body is over 16,384 bytes.")


def test_a_signed_in_user_may_send_more(world: World) -> None:
    tess = world.client("tess")
    fields = [("_csrf", tess.headers["X-CSRF-Token"]), ("name", "VPN"), *[("other", "x")] * 2000]
    response = tess.post("/issues/new", content=urlencode(fields), headers=FORM)
    assert response.status_code == 303 and response.headers["location"].startswith("/issues/")
    refused = tess.post("/issues/new", content=urlencode([*fields, *[("other", "x")] * 10_000]), headers=FORM)
    assert refused.status_code == 413 and "10,000 fields" in refused.text


def post_late(world: World, description: str) -> tuple[Client, httpx.Response]:
    """Sends a form after its session has not been used for 13 hours."""
    tess = world.client("tess")
    world.clock.advance(hours=13)
    form = {"_csrf": tess.headers["X-CSRF-Token"], "name": "Late", "description": description}
    return tess, tess.post("/issues/new", data=form, headers=OWN_SITE)


def test_the_form_of_an_ended_session_is_carried(world: World) -> None:
    tess, shown = post_late(world, "d" * 60_000)
    assert shown.status_code == 401 and "d" * 60_000 in shown.text
    carried = re.search(r'name="carried" value="([^"]*)"', shown.text)
    assert carried
    fields = {
        "next": "/", "carried": carried[1].replace("&#34;", '"'),
        "email": "tess@helpdesk.example", "password": "correct horse battery staple",
    }  # fmt: skip
    signed_in = tess.post("/login", data=fields, headers=OWN_SITE)
    assert signed_in.status_code == 200 and "d" * 60_000 in signed_in.text and "Send it now" in signed_in.text
    assert world.client("ada").call("GET", "/api/issues", 200)["total"] == 0


def test_a_body_that_is_not_a_form_is_not_carried(world: World) -> None:
    tess = world.client("tess")
    world.clock.advance(hours=13)
    for content, headers in ((b"{}", JSON), (b"&".join([b"a=b"] * 15_000), FORM)):
        assert tess.post("/issues/new", content=content, headers={**OWN_SITE, **headers}).status_code == 303


def test_a_form_over_the_limit_is_not_carried(world: World) -> None:
    _, response = post_late(world, "d" * 70_000)
    assert response.status_code == 303 and "d" * 100 not in response.text


def test_a_session_that_ended_long_ago_is_unknown(world: World) -> None:
    tess = world.client("tess")
    world.clock.advance(days=60)
    Retention(world.database, world.server.settings).prune(now())
    form = {"_csrf": tess.headers["X-CSRF-Token"], "name": "Late"}
    assert tess.post("/issues/new", data=form, headers=OWN_SITE).status_code == 303
