"""The session workflow (contract, section 3)."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from issue_tracker.auth import passwords
from issue_tracker.database.tables import users
from issue_tracker.settings import Settings
from tests.cases import cases
from tests.clients import Client, get
from tests.engines import decided_in_python
from tests.server import serving
from tests.world import CAST, PASSWORD, World

TESS = {"email": "tess@helpdesk.example", "password": PASSWORD}
WRONG = {"detail": "The email address or the password is wrong."}


def sign_in(world: World, **changes: Any) -> httpx.Response:
    return world.anonymous().post("/api/auth/login", json=TESS | changes)


def test_signing_in_returns_the_user_the_csrf_token_and_the_expiry(world: World) -> None:
    world.clock.freeze(datetime(2025, 1, 4, 10, 15, tzinfo=UTC))
    client = world.anonymous()

    response = client.call("POST", "/api/auth/login", 200, json=TESS)

    assert set(response) == {"user", "csrf_token", "expires_at"}
    assert response["user"] | {"user_id": 0} == {
        "user_id": 0,
        "email": "tess@helpdesk.example",
        "name": "Tess Ngo",
        "role": "technician",
    }
    assert response["expires_at"] == "2025-02-03T10:15:00+00:00"
    assert client.call("GET", "/api/auth/session", 200) == response
    client.headers["X-CSRF-Token"] = response["csrf_token"]
    assert client.call("POST", "/api/issues", 201, json={"name": "Fault"})["name"] == "Fault"


@decided_in_python
def test_the_cookie_is_hidden_from_scripts_and_other_sites(world: World) -> None:
    world.clock.freeze(datetime(2025, 1, 4, 10, 15, tzinfo=UTC))
    signed_in = sign_in(world)
    name, *attributes = signed_in.headers["Set-Cookie"].split("; ")
    assert signed_in.headers["Cache-Control"] == "no-store"
    assert name.startswith("issue_tracker_session=") and len(name) > 60
    assert set(attributes) == {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=2592000"}


@decided_in_python
def test_with_https_the_cookie_is_secure_and_bound_to_the_host(world: World) -> None:
    world.clock.freeze(datetime(2025, 1, 4, 10, 15, tzinfo=UTC))
    settings = Settings(database_url=world.server.settings.database_url, log_level="error")
    with serving(settings, public_url="https://issues.example.com") as server:
        client = Client(base_url=server.url)
        response = client.post("/api/auth/login", json=TESS)
        cookie, *attributes = response.headers["Set-Cookie"].split("; ")
        assert cookie.startswith("__Host-issue_tracker_session=")
        assert set(attributes) == {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=2592000", "Secure"}
        assert response.headers["Strict-Transport-Security"]
        value = cookie.partition("=")[2]
        headers = {"Cookie": f"__Host-issue_tracker_session={value}"}
        assert get(f"{server.url}/api/auth/session", headers=headers).json() == response.json()
        for name in ("issue_tracker_session", "x__Host-issue_tracker_session", "x=__Host-issue_tracker_session"):
            other = {"Cookie": f"{name}={value}"}  # a neighbouring host may have set it
            assert get(f"{server.url}/api/auth/session", headers=other).status_code == 401
        client.close()


@decided_in_python
def test_every_sign_in_gets_its_own_token(world: World) -> None:
    first, second = sign_in(world), sign_in(world)
    assert first.cookies["issue_tracker_session"] != second.cookies["issue_tracker_session"]
    assert first.json()["csrf_token"] != second.json()["csrf_token"]


def test_the_address_is_compared_regardless_of_case(world: World) -> None:
    assert sign_in(world, email=" TESS@HelpDesk.example ").json()["user"]["email"] == "tess@helpdesk.example"


@decided_in_python
def test_every_wrong_address_or_password_gets_the_same_response(world: World) -> None:
    mia = next(
        user for user in world.client("ada").call("GET", "/api/users", 200)["items"] if user["name"] == "Mia Member"
    )
    world.client("ada").call("PUT", f"/api/users/{mia['user_id']}", 200, json={"active": False})
    responses = [
        sign_in(world, password="wrong"),
        sign_in(world, email="nobody@helpdesk.example"),
        sign_in(world, email="mia@helpdesk.example"),
        sign_in(world, email="mia@helpdesk.example", password="wrong"),
        sign_in(world, email="no address"),
        sign_in(world, email="a\u0000b@c.example"),
        sign_in(world, password=""),
    ]
    assert [response.status_code for response in responses] == [401] * 7
    assert [response.json() for response in responses] == [WRONG] * 7
    assert all(
        "Set-Cookie" not in response.headers and "WWW-Authenticate" in response.headers for response in responses
    )


@decided_in_python
@cases(
    "given",
    [
        {"password": "wrong"},
        {"email": "nobody@helpdesk.example"},
        {"email": "no address"},
        {"email": "mia@helpdesk.example"},
        {"email": "mia@helpdesk.example", "password": "wrong"},
        {"password": ""},
    ],
)
def test_every_wrong_address_or_password_costs_one_verification(
    world: World, monkeypatch: pytest.MonkeyPatch, given: dict[str, str]
) -> None:
    """Nearly all of the time is Argon2's; for an unknown account a hash with the same cost is verified."""
    with world.database.write() as tx:
        tx.execute(update(users).where(users.c.email == CAST["mia"][0]).values(active=False))
    looked: list[str] = []
    hasher = passwords._hasher

    class Counting:
        """A hasher that records which hash is verified."""

        def verify(self, hash_: str, password: bytes) -> bool:
            looked.append(hash_)
            return hasher.verify(hash_, password)

        def __getattr__(self, name: str) -> Any:
            return getattr(hasher, name)

    monkeypatch.setattr(passwords, "_hasher", Counting())
    assert sign_in(world, **given).status_code == 401
    assert len(looked) == 1
    assert not hasher.check_needs_rehash(passwords._random_hash())


def test_a_member_signs_in_too(world: World) -> None:
    assert sign_in(world, email=CAST["mia"][0]).json()["user"]["role"] == "member"


@decided_in_python
@cases(
    ("body", "fields"),
    [
        ({}, ["email", "password"]),
        ({"email": 1, "password": None}, ["email", "password"]),
        (TESS | {"remember": True}, ["remember"]),
        (TESS | {"password": "x" * 1025}, ["password"]),
    ],
)
def test_an_invalid_body_names_its_fields(world: World, body: dict[str, Any], fields: list[str]) -> None:
    response = world.anonymous().call("POST", "/api/auth/login", 400, json=body)
    assert [error["field"] for error in response["errors"]] == fields


def test_signing_in_again_needs_no_csrf_token(world: World) -> None:
    client = world.client("omar")
    del client.headers["X-CSRF-Token"]
    assert client.post("/api/auth/login", json=TESS).json()["user"]["name"] == "Tess Ngo"


@decided_in_python
@cases(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
    ],
)
def test_a_request_from_another_site_cannot_sign_in(world: World, headers: dict[str, str]) -> None:
    for body in (TESS, {}, TESS | {"password": "wrong"}):
        response = world.anonymous().post("/api/auth/login", json=body, headers=headers)
        assert response.status_code == 403 and "Set-Cookie" not in response.headers
    assert world.history(audit=True)[-1].type != "session.created"


@decided_in_python
@cases("site", [{}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": "own"}])
def test_a_request_from_the_own_site_can_sign_in(world: World, site: dict[str, str]) -> None:
    headers = {name: world.server.url if value == "own" else value for name, value in site.items()}
    assert world.anonymous().post("/api/auth/login", json=TESS, headers=headers).status_code == 200


def test_signing_out_ends_the_session_on_the_server(world: World) -> None:
    client = world.client()
    cookie = client.cookies["issue_tracker_session"]

    response = client.post("/api/auth/logout")

    assert response.status_code == 204
    assert "Max-Age=0" in response.headers["Set-Cookie"] and "Clear-Site-Data" in response.headers
    again = world.anonymous()
    again.cookies.set("issue_tracker_session", cookie)
    assert again.get("/api/auth/session").status_code == 401


def test_sign_in_attempts_are_audited_without_the_password(world: World) -> None:
    sign_in(world, password="hunter2-hunter2")
    sign_in(world)
    recorded = [(event.type, event.actor_name) for event in world.history(audit=True)[-2:]]
    assert recorded == [("session.failed", "tess@helpdesk.example"), ("session.created", "Tess Ngo")]
    assert not any("hunter2" in str(value) for event in world.history(audit=True) for value in event)
