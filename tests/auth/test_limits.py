"""Limits for each user and for stored data: each has a setting, and its response names it."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import func, insert, select

from issue_tracker.alerts import receivers, rule_list
from issue_tracker.auth.first_start import offer_setup
from issue_tracker.auth.scim import tokens as scim_tokens
from issue_tracker.clock import now
from issue_tracker.database.engine import Database
from issue_tracker.database.tables import idempotency_keys, sign_in_addresses
from issue_tracker.issues.templates import operations as templates
from issue_tracker.issues.views import operations as views
from issue_tracker.retention import Retention
from issue_tracker.settings import Settings
from tests.cases import cases
from tests.clients import Client
from tests.engines import decided_in_python
from tests.server import Server, serving
from tests.shared import Shared
from tests.world import CAST, PASSWORD, Clock, World

TESS = {"email": CAST["tess"][0], "password": PASSWORD}


@pytest.fixture(scope="module")
def limited(engine: str, shared: Shared) -> Iterator[Server]:
    """The product on the same data, with low limits."""
    settings = Settings(
        database_url=shared.server(engine).settings.database_url,
        log_level="error",
        deliver_webhooks=False,
        sessions_per_user=3,
        tokens_per_user=2,
        webhooks=2,
        query_values=3,
        list_items=3,
        idempotency_bytes_per_user=1500,
        idempotency_bytes=3000,
    )
    with serving(settings) as server:
        yield server


def at(server: Server, client: Client) -> Client:
    """Returns the client, connected to this server."""
    client.base_url = server.url
    return client


def test_a_sign_in_beyond_the_limit_ends_the_oldest_session(world: World, limited: Server) -> None:
    browsers, omar = [at(limited, world.anonymous()) for _ in range(5)], world.client("omar")
    for browser in browsers:
        browser.call("POST", "/api/auth/login", 200, json=TESS)
    statuses = [browser.get("/api/auth/session").status_code for browser in browsers]
    assert statuses == [401, 401, 200, 200, 200]
    assert browsers[-1].call("GET", "/api/auth/sessions", 200)["total"] == 3
    notes = [event.note for event in world.history(audit=True) if event.type == "session.ended"]
    assert notes == ["the oldest, of too many"] * 2
    omar.call("GET", "/api/auth/session", 200)


def test_a_sign_in_ends_the_session_that_it_replaces(world: World) -> None:
    browser, other = world.client("tess"), world.client("tess")
    replaced = browser.cookies["issue_tracker_session"]
    browser.call("POST", "/api/auth/login", 401, json=TESS | {"password": "wrong"})
    browser.call("GET", "/api/auth/session", 200)
    omar = {"email": CAST["omar"][0], "password": PASSWORD}
    for path, sent in (("/api/auth/login", {"json": omar}), ("/login", {"data": omar})):
        again = world.anonymous()
        headers = {"Cookie": f"issue_tracker_session={replaced}"}
        assert again.post(path, headers=headers, **sent).status_code in (200, 303)  # type: ignore[arg-type]  # the keywords of any request
        old = world.anonymous()
        old.cookies.set("issue_tracker_session", replaced)
        assert old.get("/api/auth/session").status_code == 401
        assert again.call("GET", "/api/auth/session", 200)["user"]["name"] == "Omar Reyes"
        replaced = again.cookies["issue_tracker_session"]
    other.call("GET", "/api/auth/session", 200)
    ended = [(event.actor_name, event.note) for event in world.history(audit=True) if event.type == "session.ended"]
    assert ended == [(name, "replaced by another sign-in") for name in ("Tess Ngo", "Omar Reyes")]


def test_tokens_beyond_the_limit_are_refused(world: World, limited: Server) -> None:
    tess = at(limited, world.client("tess"))
    ids = [tess.call("POST", "/api/auth/tokens", 201, json={"name": name, "scopes": ["read"]})["id"] for name in "ab"]
    body = {"name": "c", "scopes": ["read"]}
    refused = tess.call("POST", "/api/auth/tokens", 400, json=body)
    assert "You already have 2 tokens, which is the maximum (ISSUE_TRACKER_TOKENS_PER_USER)." in refused["detail"]
    form = {"name": "c", "days": "30", "_csrf": tess.headers["X-CSRF-Token"]}
    page = tess.post("/account/tokens", data=form)
    assert page.status_code == 400 and "which is the maximum" in page.text
    at(limited, world.client("omar")).call("POST", "/api/auth/tokens", 201, json=body)
    tess.call("DELETE", f"/api/auth/tokens/{ids[0]}", 204)
    tess.call("POST", "/api/auth/tokens", 201, json=body)


def test_webhooks_beyond_the_limit_are_refused(world: World, limited: Server) -> None:
    ada, body = at(limited, world.client("ada")), {"url": "http://192.0.2.1/hook"}
    ids = [ada.call("POST", "/api/webhooks", 201, json=body)["id"] for _ in range(2)]
    refused = ada.call("POST", "/api/webhooks", 400, json=body)
    assert "There are 2 webhooks, which is the maximum (ISSUE_TRACKER_WEBHOOKS)." in refused["detail"]
    form = body | {"_csrf": ada.headers["X-CSRF-Token"]}
    assert "which is the maximum" in ada.post("/admin/webhooks", data=form).text
    ada.call("DELETE", f"/api/webhooks/{ids[0]}", 204)
    ada.call("POST", "/api/webhooks", 201, json=body)


def test_other_rows_beyond_the_limit_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = world.client("ada")
    for module, limit, path, more in (
        (views, "MOST", "/api/views", {}),
        (templates, "MOST", "/api/templates", {}),
        (rule_list, "MOST_RULES", "/api/alert-rules", {"rule": {}}),
        (receivers, "MOST_RECEIVERS", "/api/alert-receivers", {"kind": "generic"}),
        (scim_tokens, "MOST", "/api/scim-tokens", {}),
    ):
        monkeypatch.setattr(module, limit, 1)
        ada.call("POST", path, 201, json={"name": "First"} | more)
        assert "1 " in ada.call("POST", path, 400, json={"name": "Second"} | more)["detail"], path
        assert [row["name"] for row in ada.call("GET", path, 200)["items"]] == ["First"]


@decided_in_python
@cases(
    ("path", "name", "value"),
    [
        ("/api/issues", "companyId", "1"),
        ("/api/issues", "status", "new"),
        ("/api/events", "type", "issue.created"),
    ],
)
def test_a_parameter_that_is_repeated_too_often_is_rejected(
    world: World, limited: Server, path: str, name: str, value: str
) -> None:
    tess = at(limited, world.client("tess"))
    world.given_companies("First")
    tess.call("GET", path, 422, params=[(name, value)] * 4 + [("nonsense", "1")])
    refused = tess.call("GET", path, 422, params=[(name, value)] * 4)
    assert refused["errors"] == [{"field": name, "message": "is given more than 3 times"}]
    assert tess.get(path, params=[(name, value)] * 3).status_code in (200, 404)


@decided_in_python
@cases(
    ("method", "path", "body", "field"),
    [
        ("POST", "/api/issues", {"name": "Many"}, "companies"),
        ("PUT", "/api/issues/VPN", {}, "add_companies"),
        ("POST", "/api/issues/status/bulk", {"issue_name": "VPN", "status": "new"}, "companies"),
        ("POST", "/api/issues/status/bulk", {"issue_name": "VPN", "status": "new"}, "exclude"),
    ],
)
def test_a_list_that_is_too_long_is_rejected(
    world: World, limited: Server, method: str, path: str, body: dict[str, Any], field: str
) -> None:
    world.empty_issues()
    world.given_issue("VPN", {"Contoso": "new"})
    names = ["Acme Manufacturing", "Contoso", "Fabrikam", "Müller & Söhne"]
    items: list[Any] = names if "bulk" in path else [{"company_name": name} for name in names]
    tess, before = at(limited, world.client("tess")), world.history()
    refused = tess.call(method, path, 400, json=body | {field: items})
    assert refused["errors"] == [{"field": field, "message": "must have at most 3 items"}]
    assert world.history() == before
    assert tess.request(method, path, json=body | {field: items[:3]}).status_code in (200, 201)


def test_responses_are_stored_for_retries_up_to_a_size(world: World, limited: Server, clock: Clock) -> None:
    tess, omar = at(limited, world.client("tess")), at(limited, world.client("omar"))
    others = at(limited, world.client("ada"))

    def create(client: Client, name: str) -> int:
        return client.post("/api/issues", json={"name": name}, headers={"Idempotency-Key": name}).status_code

    created = 0
    while create(tess, f"Tess {created}") == 201:
        created += 1
    assert 1 < created < 15
    refused = tess.post("/api/issues", json={"name": "Late"}, headers={"Idempotency-Key": "Late"})
    assert refused.status_code == 429 and refused.headers["Retry-After"] == "3600"
    assert "stored for your Idempotency-Keys have reached the limit of 1,500 bytes" in refused.json()["detail"]
    assert tess.call("GET", "/api/issues", 200)["total"] == created
    again = tess.post("/api/issues", json={"name": "Tess 0"}, headers={"Idempotency-Key": "Tess 0"})
    assert again.status_code == 201 and again.headers["Idempotent-Replayed"] == "true"
    tess.call("POST", "/api/issues", 201, json={"name": "Without a key"})

    while create(omar, f"Omar {created}") == 201:
        created += 1
    refused = others.post("/api/issues", json={"name": "Late"}, headers={"Idempotency-Key": "Late"})
    assert (
        refused.status_code == 429
        and "for all Idempotency-Keys have reached the limit of 3,000 bytes" in refused.json()["detail"]
    )
    with world.database.read() as tx:
        stored = tx.execute(select(func.sum(func.length(idempotency_keys.c.body)))).scalar_one()
    assert stored < 3000

    clock.advance(hours=25)
    assert create(at(limited, world.client("tess")), "The next day") == 201


def test_only_failures_beyond_the_limit_are_deleted(world: World) -> None:
    for _ in range(4):
        world.anonymous().call("POST", "/api/auth/login", 401, json=TESS | {"password": "wrong"})
    world.anonymous().call("POST", "/api/auth/login", 200, json=TESS)
    before = [event for event in world.history(audit=True) if event.type != "session.failed"]
    deletion = Retention(world.database, Settings(failed_sign_in_rows=3))
    deletion.prune(now())
    after = world.history(audit=True)
    assert len([event for event in after if event.type == "session.failed"]) == 3
    pruned = [event for event in after if event.type not in ("session.failed", "data.pruned")]
    assert pruned == before and after[-1].note == "1 failed sign-in beyond the limit"
    deletion.prune(now())
    assert world.history(audit=True) == after


def test_the_known_addresses_and_browsers_of_a_user_are_limited(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("issue_tracker.auth.places.ADDRESSES_PER_USER", 2)
    monkeypatch.setattr("issue_tracker.auth.places.DEVICES_PER_USER", 1)
    user_id = world.client("tess").call("GET", "/api/auth/session", 200)["user"]["user_id"]
    with world.database.write() as tx:
        for number in range(3):
            world.clock.advance(minutes=1)
            tx.execute(insert(sign_in_addresses).values(user_id=user_id, address=f"192.0.2.{number}", at=now()))
    for browser in (world.anonymous(), last := world.anonymous()):
        world.clock.advance(minutes=1)
        assert browser.post("/login", data=TESS).status_code == 303
    with world.database.read() as tx:
        assert set(tx.execute(select(sign_in_addresses.c.address)).scalars()) == {"127.0.0.1", "192.0.2.2"}
    assert [each["current"] for each in last.call("GET", "/api/auth/devices", 200)["items"]] == [True]


def test_a_setup_link_is_valid_for_a_day(migrated_url: str, clock: Clock) -> None:
    settings = Settings(database_url=migrated_url, log_level="error", deliver_webhooks=False)
    database = Database(settings)
    with database.write() as tx:
        offer_setup(tx, "the-token", clock.now())
    database.close()
    body = {"token": "the-token", "email": "ada@example.com", "name": "Ada", "password": PASSWORD}
    with serving(settings) as server, Client(base_url=server.url) as client:
        clock.advance(hours=23, minutes=59)
        assert client.get("/setup?token=the-token").status_code == 200
        clock.advance(minutes=2)
        assert client.get("/setup?token=the-token").status_code == 403
        refused = client.call("POST", "/api/setup", 403, json=body)
        assert refused["detail"] == "This set-up link is not valid, has expired, or has already been used."
        clock.advance(minutes=-2)
        client.call("POST", "/api/setup", 201, json=body)
