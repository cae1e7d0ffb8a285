"""Unusual requests get a clear response, change nothing, and never cause a 500 (contract, sections 1 and 2)."""

import base64
import re
import socket
from itertools import product
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec
import pytest

from tests.cases import cases
from tests.clients import Client
from tests.engines import decided_in_python
from tests.world import PASSWORD, World

DIGITS = "9" * 5000
"""More digits than Python converts to a number."""


@pytest.fixture
def vpn(world: World) -> World:
    world.given_issue("VPN", {"Contoso": "new"})
    return world


def test_a_truncated_form_changes_nothing(world: World) -> None:
    """The received part is also a valid form, with fewer companies and half of a description."""
    issue = world.given_issue("VPN", {"Contoso": "new", "Fabrikam": "new"}, "As it was")
    tess = world.client("tess")
    form = {
        "_csrf": tess.headers["X-CSRF-Token"],
        "seen_name": "VPN",
        "seen_description": "As it was",
        "name": "VPN",
        "description": "Reboot the relay, and on no account the server.",
    }
    body = urlencode(form).encode()
    head = (
        f"POST /issues/{issue}/edit HTTP/1.1\r\nHost: {urlsplit(world.server.url).netloc}\r\n"
        f"Cookie: issue_tracker_session={tess.cookies['issue_tracker_session']}\r\n"
        f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    place = urlsplit(world.server.url)
    for cut in (len(body) - 20, len(body) - 1, len(body)):
        with socket.create_connection((str(place.hostname), place.port or 80), 5) as connection:
            connection.sendall(head + body[:cut])
            if cut < len(body):
                connection.shutdown(socket.SHUT_WR)
                assert connection.recv(1000) == b"", "the server closes the connection, too"
            else:
                assert connection.recv(1000).startswith(b"HTTP/1.1 303")
        stored = tess.call("GET", "/api/issues/VPN", 200)["description"]
        assert stored == ("As it was" if cut < len(body) else form["description"])
    assert [event.type for event in world.history()].count("issue.updated") == 1


@cases(
    ("path", "status"),
    [
        ("/api/companies?search=%00", 200),
        ("/companies?search=%00", 200),
        ("/activity?issueName=%00x", 200),
        ("/activity?companyName=%00x", 200),
        (f"/activity?before={DIGITS}", 422),
        (f"/issues/{DIGITS}", 404),
        (f"/companies/{DIGITS}", 404),
        (f"/api/companies/{DIGITS}", 405),
        (f"/api/companies/{2 * DIGITS}", 404),
        ("/issues/%EF%BC%91", 404),
        ("/matrix?" + "status=new&" * 400, 200),
        ("/api/issues?" + "status=new&" * 400, 200),
        ("/api/issues?" + "companyId=999999998&companyId=999999999&" * 140, 404),
        ("/?" + "status=new&" * 400, 200),
        ("/?search=%00", 200),
        ("/matrix?search=%FF", 200),
    ],
)
def test_unusual_targets_get_a_clear_response(world: World, path: str, status: int) -> None:
    response = world.client("ada").get(path)
    assert response.status_code in ((status, 422) if "search" in path else (status,)), response.text[:300]


def test_a_repeated_status_counts_once(world: World) -> None:
    world.given_issue("VPN", {"Contoso": "new", "Fabrikam": "resolved", "Acme Manufacturing": "closed"})
    page = world.client("tess").get("/matrix?" + "&".join(["status=new"] * 6)).text
    assert re.findall(r'<td class=\w+ aria-label="(\w+)"', page) == ["New"]


@decided_in_python
@cases(("header", "path"), product(("Origin", "Referer"), ("/api/auth/login", "/login", "/logout", "/undo")))
def test_invalid_addresses_are_rejected(world: World, header: str, path: str) -> None:
    kind, content = ("json", {"email": "x", "password": "y"}) if path.startswith("/api") else ("data", {"email": "x"})
    sent: dict[str, Any] = {kind: content}
    for client in (world.anonymous(), world.client("tess")):
        response = client.post(path, headers={header: "http://["}, follow_redirects=False, **sent)
        assert response.status_code < 500, response.text


def test_signing_in_leads_to_any_path_of_the_site(world: World) -> None:
    form = {"email": "tess@helpdesk.example", "password": PASSWORD, "next": "/?search=日本&open=true"}
    response = world.anonymous().post("/login", data=form, follow_redirects=False)
    assert response.status_code == 303
    assert response.headers["location"] == "/?search=%E6%97%A5%E6%9C%AC&open=true"


def test_undo_rejects_an_invalid_request_id(world: World) -> None:
    tess = world.client("tess")
    data = {"_csrf": tess.headers["X-CSRF-Token"], "request_id": "\0", "next": "/"}
    assert tess.post("/undo", data=data, follow_redirects=False).status_code < 500


@cases("value", [DIGITS, "-1", "1.5", "٣"])
def test_invalid_last_event_ids_are_rejected(world: World, value: str) -> None:
    sent = {b"Last-Event-ID": value.encode()}
    assert world.client("tess").get("/api/events/stream", headers=sent).status_code in (400, 422)


@decided_in_python
def test_a_hundred_thousand_errors_are_not_all_listed(world: World) -> None:
    many, tess = {f"f{number}": 1 for number in range(60_000)}, world.client("tess")
    members = [{"company_name": "", "status": "?"}] * 20_000
    for body, listed in ((many, 100), ({"companies": members}, 1000), ({"company_groups": ["A"] * 20_000}, 1000)):
        refused = tess.post("/api/issues", json={"name": "VPN", **body})
        assert refused.status_code == 400
        assert len(refused.content) < 200_000
        assert len(refused.json()["errors"]) == listed


def test_the_total_counts_all_matches_at_any_cursor(world: World) -> None:
    for number in range(3):
        world.given_issue(f"Fault {number}")
    tess: Client = world.client("tess")
    following = tess.get("/api/issues?limit=1").links["next"]["url"].replace("limit=1&", "").replace("&limit=1", "")
    rest = tess.call("GET", following, 200)
    assert len(rest["items"]) == 2 and rest["total"] == 3


def test_the_retry_link_stays_on_this_site(world: World) -> None:
    response = world.anonymous().get("//evil.example/x", headers={"Accept": "text/html"})
    assert "evil.example" not in response.text


@cases(
    ("path", "headers", "status"),
    [
        ("/api/issues?companyName=Nope", {"If-None-Match": "*"}, 404),
        ("/api/issues?cursor=zzz", {"If-None-Match": "*"}, 422),
        ("/api/issues", {"If-None-Match": "*"}, 304),
        ("/api/issues?updatedSince=1700000000", {}, 422),
        ("/api/issues?updatedSince=253402300800", {}, 422),
        ("/api/issues?updatedSince=2025-01-04T10:15:00Z", {}, 200),
        ("/api/issues?limit=1.0", {}, 422),
        ("/api/issues?companyId=1e0", {}, 422),
        ("/api/companies?search=%00", {}, 422),
        ("/api/companies?search=" + "x" * 30_000, {}, 422),
        ("/companies?search=" + "x" * 30_000, {}, 422),
        ("/api/events?requestId=%00", {}, 422),
        ("/api/events?" + "type=issue.created&" * 400, {}, 200),
        ("/api//issues", {}, 404),
        ("/api/issues//", {}, 404),
        ("/api/issues//VPN", {}, 404),
        ("/api/issues/", {}, 200),
    ],
)
def test_unusual_values_get_a_clear_response(vpn: World, path: str, headers: dict[str, str], status: int) -> None:
    response = vpn.client("tess").get(path, headers=headers)
    assert response.status_code == status, response.text[:300]


@decided_in_python
@cases(
    ("accept", "type_"),
    [
        ("text/csv", "text/csv"),
        ("TEXT/CSV, */*", "text/csv"),
        ("text/csv, */*;q=0.1", "text/csv"),
        ("text/csv;q=0", "application/json"),
        ("application/json, text/csv;q=0.1", "application/json"),
        ("text/csv;q=0.5, */*", "application/json"),
        ("text/csvx", "application/json"),
        ("*/*", "application/json"),
        ("text/csv;q=much", "application/json"),
    ],
)
def test_accept_selects_the_preferred_media_type(world: World, accept: str, type_: str) -> None:
    response = world.client("tess").get("/api/issues", headers={"Accept": accept})
    assert response.headers["content-type"].partition(";")[0] == type_


@decided_in_python
@cases(
    ("accept", "problem"),
    [
        ("application/problem+json", True),
        ("Application/Problem+JSON", True),
        ("application/json, application/problem+json", True),
        ("application/problem+json;q=0", False),
    ],
)
def test_an_error_is_a_problem_document_on_request(world: World, accept: str, problem: bool) -> None:
    response = world.anonymous().get("/api/issues", headers={"Accept": accept})
    assert (response.headers["content-type"] == "application/problem+json") is problem


TWICE = [{"company_name": "Contoso"}, {"company_name": "contoso"}]


@decided_in_python
@cases(
    ("method", "path", "body", "fields"),
    [
        ("POST", "/api/issues", {"name": " ", "companies": TWICE}, ["name", "companies[1].company_name"]),
        ("POST", "/api/issues", {"name": "STATUS", "companies": TWICE}, ["name", "companies[1].company_name"]),
        ("POST", "/api/issues", {"name": "status", "more": 1}, ["more", "name"]),
        ("PUT", "/api/issues/none", {"add_companies": TWICE}, ["add_companies[1].company_name"]),
        ("PUT", "/api/issues/VPN", {"new_name": ".."}, ["new_name"]),
        (
            "POST",
            "/api/issues/status/bulk",
            {"issue_name": "none", "status": "new", "companies": ["Contoso", " contoso"], "exclude": ["A", "a"]},
            ["companies[1]", "exclude[1]"],
        ),
        (
            "POST",
            "/api/webhooks",
            {"url": "https://h.example", "company_ids": [0, "1"], "description": "a\nb"},
            ["company_ids[0]", "company_ids[1]", "description"],
        ),
        ("POST", "/api/webhooks", {"url": "nowhere", "event_types": ["x"]}, ["url", "event_types"]),
        (
            "POST",
            "/api/auth/tokens",
            {"name": "t", "scopes": [], "expires_at": "2020-01-01T00:00:00Z"},
            ["expires_at", "scopes"],
        ),
        ("POST", "/api/auth/logout", {"all": True}, ["all"]),
    ],
)
def test_all_invalid_fields_are_reported_together(
    vpn: World, method: str, path: str, body: object, fields: list[str]
) -> None:
    refused = vpn.client("ada").call(method, path, 400, json=body, headers={"If-Match": '"stale"'})
    assert [error["field"] for error in refused["errors"]] == fields
    assert vpn.client().call("GET", "/api/issues/VPN", 200)["assignments"][0]["status"] == "new"


def test_an_unknown_company_is_reported_before_an_old_etag(world: World) -> None:
    world.given_issue("VPN")
    body = {"add_companies": [{"company_name": "Nobody"}, {"company_name": "No one"}]}
    refused = world.client().call("PUT", "/api/issues/VPN", 404, json=body, headers={"If-Match": '"stale"'})
    assert refused["detail"] == "There are no companies called “Nobody”, “No one”."


@cases(
    ("method", "path", "status"),
    [("POST", "/api/auth/tokens", 403), ("POST", "/api/auth/password", 403), ("GET", "/api/auth/session?x=1", 401)],
)
def test_a_missing_session_is_reported_before_the_body_is_read(
    world: World, method: str, path: str, status: int
) -> None:
    world.bearer("tess", name=path).call(method, path, status, **({"json": {}} if method == "POST" else {}))


@cases(("method", "path"), [("GET", "/api/nope"), ("PATCH", "/api/issues"), ("OPTIONS", "/api/issues")])
def test_a_member_learns_nothing_about_paths_and_methods(world: World, method: str, path: str) -> None:
    assert world.client("mia").request(method, path).status_code == 403


def test_a_dry_run_rejects_what_the_change_would_reject(world: World) -> None:
    world.given_issue("VPN")
    ada = world.client("ada")
    archived = world.given_companies("Gone Ltd")["Gone Ltd"]
    ada.call("PUT", f"/api/companies/{archived}", 200, json={"archived": True})
    body = {"issue_name": "VPN", "status": "new", "companies": ["Gone Ltd"]}
    for dry_run in (True, False):
        ada.call("POST", "/api/issues/status/bulk", 400, json=body | {"dry_run": dry_run})


def test_a_company_of_a_webhook_cannot_be_deleted(world: World) -> None:
    ada = world.client("ada")
    company = world.given_companies("Hooked Ltd")["Hooked Ltd"]
    ada.call("POST", "/api/webhooks", 201, json={"url": "https://h.example/", "company_ids": [company]})
    ada.call("DELETE", f"/api/companies/{company}", 400)
    assert "Hooked Ltd" in ada.get("/api/companies").text


@cases("number", [DIGITS, str(2**63), "\u0663" * 20])
def test_a_number_of_any_length_in_a_form_is_not_a_failure(world: World, number: str) -> None:
    tess = world.client()
    for name, status in (("", 400), (f"With {number[:3]}", 303)):
        assert tess.post("/issues/new", data={"name": name, "like": number}).status_code == status
    refused = tess.post("/account/security/totp/verify", data={"id": number, "code": "000000"})
    assert 400 <= refused.status_code < 500
    assert tess.get("/activity", params={"actor": number}).status_code in (200, 422)
    cursor = msgspec.msgpack.encode(["open_count", f"-{number}", 1])
    text = base64.urlsafe_b64encode(cursor).decode().rstrip("=")
    assert tess.get("/api/issues", params={"sort": "open_count", "cursor": text}).status_code in (200, 422)
