"""Sessions: listing, ending, limits, and what ends them (contract, section 3)."""

import time
from typing import Any

import pytest
from sqlalchemy import select, text

from issue_tracker.actor import command_line
from issue_tracker.auth.passwords import hash_password
from issue_tracker.auth.users import update_user
from issue_tracker.database.tables import sessions, tokens, users
from issue_tracker.settings import Settings
from tests.cases import cases
from tests.clients import Client
from tests.engines import decided_in_python
from tests.locks import during
from tests.server import serving
from tests.world import PASSWORD, Clock, World

NEW = "a new and longer password"


def alive(client: Client) -> bool:
    return client.get("/api/auth/session").status_code == 200


def user_id(world: World, who: str) -> int:
    found = world.client("ada").call("GET", "/api/users", 200)["items"]
    return next(int(user["user_id"]) for user in found if user["email"].startswith(f"{who}@"))


def test_ones_own_sessions_are_listed_and_ended(world: World) -> None:
    here, there, other = world.client("tess"), world.client("tess"), world.client("omar")

    listed = here.call("GET", "/api/auth/sessions", 200)
    assert listed["total"] == 2
    assert [item["current"] for item in listed["items"]].count(True) == 1
    assert {item["user_agent"] for item in listed["items"]} == {"tests"}
    assert "token" not in str(listed)

    (elsewhere,) = [item["id"] for item in listed["items"] if not item["current"]]
    other.call("DELETE", f"/api/auth/sessions/{elsewhere}", 404)
    assert alive(there)
    here.call("DELETE", f"/api/auth/sessions/{elsewhere}", 204)
    assert alive(here) and not alive(there)
    here.call("DELETE", f"/api/auth/sessions/{elsewhere}", 404)


def test_changing_ones_own_password_ends_ones_other_sessions(world: World) -> None:
    here, there, token = world.client("tess"), world.client("tess"), world.bearer("tess")

    here.call("POST", "/api/auth/password", 204, json={"current_password": PASSWORD, "new_password": NEW})

    assert alive(here) and not alive(there)
    changed = world.history(audit=True)[-1]
    assert (changed.actor_name, changed.note) == ("Tess Ngo", "tess@helpdesk.example (password)")
    token.call("GET", "/api/issues", 200)
    email = "tess@helpdesk.example"
    world.anonymous().call("POST", "/api/auth/login", 401, json={"email": email, "password": PASSWORD})
    world.anonymous().call("POST", "/api/auth/login", 200, json={"email": email, "password": NEW})


@decided_in_python
@cases(
    ("body", "field"),
    [
        ({"current_password": "wrong", "new_password": NEW}, "current_password"),
        ({"current_password": PASSWORD, "new_password": "short"}, "new_password"),
        ({"current_password": PASSWORD}, "new_password"),
        ({"current_password": PASSWORD, "new_password": "x" * 1025}, "new_password"),
    ],
)
def test_a_rejected_password_changes_nothing(world: World, body: dict[str, Any], field: str) -> None:
    here, there = world.client("tess"), world.client("tess")
    response = here.call("POST", "/api/auth/password", 400, json=body)
    assert [error["field"] for error in response["errors"]] == [field]
    assert alive(here) and alive(there)
    world.anonymous().call(
        "POST", "/api/auth/login", 200, json={"email": "tess@helpdesk.example", "password": PASSWORD}
    )


def test_disabling_a_user_takes_effect_with_the_next_request(world: World) -> None:
    session, token, admin = world.client("tess"), world.bearer("tess"), world.client("ada")
    path = f"/api/users/{user_id(world, 'tess')}"

    admin.call("PUT", path, 200, json={"active": False})
    assert session.get("/api/issues").status_code == token.get("/api/issues").status_code == 401

    admin.call("PUT", path, 200, json={"active": True})
    assert session.get("/api/issues").status_code == 401
    assert world.client("tess").get("/api/issues").status_code == 200


def test_a_new_role_takes_effect_with_the_next_request(world: World) -> None:
    session, token, admin = world.client("tess"), world.bearer("tess"), world.client("ada")
    path = f"/api/users/{user_id(world, 'tess')}"

    admin.call("PUT", path, 200, json={"role": "member"})
    assert session.get("/api/issues").status_code == token.get("/api/issues").status_code == 403
    assert session.call("GET", "/api/auth/session", 200)["user"]["role"] == "member"

    admin.call("PUT", path, 200, json={"role": "super_admin"})
    assert session.get("/api/users").status_code == 200
    assert session.delete("/api/issues/none").status_code == token.delete("/api/issues/none").status_code == 404


def test_a_password_set_by_a_super_admin_ends_all_sessions_of_the_user(world: World) -> None:
    first, second = world.client("tess"), world.client("tess")
    world.client("ada").call("PUT", f"/api/users/{user_id(world, 'tess')}", 200, json={"password": NEW})
    assert not alive(first) and not alive(second)
    world.anonymous().call("POST", "/api/auth/login", 200, json={"email": "tess@helpdesk.example", "password": NEW})


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)  # on SQLite, nothing shows that the request waits
def test_a_password_set_by_a_super_admin_is_not_replaced_by_a_simultaneous_change(world: World) -> None:
    """The change began before the password was set, with the session and the password of that time."""
    client, tess = world.client("tess"), user_id(world, "tess")
    body = {"current_password": PASSWORD, "new_password": "the choice of a thief"}
    hashed = hash_password(NEW)
    refused = during(
        world,
        lambda tx: update_user(tx, command_line("tests"), tess, password_hash=hashed),
        lambda: client.request("POST", "/api/auth/password", json=body),
    )
    assert refused.status_code == 401
    signing_in = {"email": "tess@helpdesk.example", "password": NEW}
    world.anonymous().call("POST", "/api/auth/login", 200, json=signing_in)


def test_an_unused_session_expires_after_twelve_hours(world: World) -> None:
    busy, idle = world.client("tess"), world.client("omar")
    for _ in range(3):
        world.clock.advance(hours=11, minutes=55)
        assert alive(busy)
    assert not alive(idle)
    world.clock.advance(hours=12, minutes=1)
    assert not alive(busy)
    assert world.client("tess").call("GET", "/api/auth/sessions", 200)["total"] == 1


def test_a_session_in_use_expires_after_thirty_days(world: World) -> None:
    client = world.client()
    for _ in range(60):
        world.clock.advance(hours=12, seconds=-10)
        assert alive(client)
    world.clock.advance(minutes=11)
    assert not alive(client)
    assert world.client().call("GET", "/api/auth/sessions", 200)["total"] == 1


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)  # on SQLite, nothing delays a read
def test_the_idle_limit_counts_from_the_time_at_which_a_request_was_authenticated(world: World) -> None:
    """A request that takes long, or the clock of which is set forward, does not extend its session by this time."""
    client = world.client()
    during(
        world,
        lambda tx: tx.execute(text("LOCK TABLE issues")),
        lambda: client.call("GET", "/api/issues", 200),
        lambda _: world.clock.advance(days=1),
    )
    assert not alive(client)


def test_no_secret_is_stored_in_plain_text(world: World) -> None:
    cookie = world.client("tess").cookies["issue_tracker_session"]
    token = world.token("tess")
    with world.database.read() as tx:
        for table in (sessions, tokens, users):
            for row in tx.execute(select(table)):
                for value in row:
                    stored = value.decode("latin-1") if isinstance(value, bytes) else str(value)
                    assert cookie not in stored and token.split("_", 2)[2] not in stored and PASSWORD not in stored


def test_a_token_has_no_session(world: World) -> None:
    client = world.bearer("tess")
    client.call("GET", "/api/auth/session", 401)
    client.call("POST", "/api/auth/password", 403, json={"current_password": PASSWORD, "new_password": NEW})
    client.call("GET", "/api/auth/sessions", 403)
    credentials = {"email": "tess@helpdesk.example", "password": PASSWORD}
    world.anonymous().call("POST", "/api/auth/login", 200, json=credentials)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_recording_the_use_of_a_session_never_delays_a_read(world: World) -> None:
    """An import holds SQLite's only write lock until its end; reads are still answered."""
    tess = world.client("tess")
    tess.call("GET", "/api/issues", 200)
    world.clock.advance(minutes=2)
    with world.database.write():
        began = time.monotonic()
        for path in ("/api/issues", "/api/companies", "/", "/matrix"):
            assert tess.get(path).status_code == 200
        assert time.monotonic() - began < world.server.settings.database_wait_seconds
    world.clock.advance(hours=11)
    assert alive(tess)


def test_a_short_idle_limit_is_extended_by_use(migrated_url: str, clock: Clock) -> None:
    settings = Settings(database_url=migrated_url, session_idle_hours=0.01, log_level="error")
    with serving(settings) as server:
        world = World(server, clock)
        tess = world.client("tess")
        for _ in range(12):
            clock.advance(seconds=10)
            tess.call("GET", "/api/issues", 200)
        clock.advance(seconds=37)
        tess.call("GET", "/api/issues", 401)
        world.close()
