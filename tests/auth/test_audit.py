"""The audit records refused requests, sign-outs and exports, and never contains secrets."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from issue_tracker.actor import Actor, Role
from issue_tracker.auth.first_start import offer_setup
from issue_tracker.clock import now
from issue_tracker.database.engine import Database
from issue_tracker.database.tables import events, users
from issue_tracker.events import deferred
from issue_tracker.events.audit_sentences import AUDIT_SENTENCES
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.settings import Settings
from tests.clients import Client
from tests.engines import decided_in_python
from tests.processes import run, serve
from tests.server import Server, serving
from tests.shared import SQLITE
from tests.waiting import eventually
from tests.world import CAST, PASSWORD, World

Recorded = list[tuple[str, int | None, str, str, str | None]]


@pytest.fixture
def prompt(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """The product on the same data, which records refusals immediately."""
    monkeypatch.setattr(deferred, "DELAY_SECONDS", 0.01)
    settings = Settings(
        database_url=world.server.settings.database_url,
        log_level="error",
        deliver_webhooks=False,
        sign_in_account_limit=2,
    )
    with serving(settings) as server:
        yield server


def at(server: Server, client: Client) -> Client:
    """Returns the client, connected to this server."""
    client.base_url = server.url
    return client


def recorded(world: World, *types: EventType) -> Recorded:
    """Returns the events of these types: type, actor, name, channel, note."""
    return [
        (event.type, event.actor_id, event.actor_name, event.channel, event.note)
        for event in world.history(audit=True)
        if event.type in types
    ]


def user_id(world: World, who: str) -> int:
    listed = world.client("ada").call("GET", "/api/users", 200)["items"]
    return int(next(user["user_id"] for user in listed if user["email"] == CAST[who][0]))


def refused_role(server: Server, world: World) -> None:
    at(server, world.client("tess")).call("GET", "/api/users", 403)


def refused_token(server: Server, world: World) -> None:
    at(server, world.bearer("tess", "read", name="ci")).call("POST", "/api/issues", 403, json={"name": "x"})


def refused_csrf(server: Server, world: World) -> None:
    client = at(server, world.client("tess"))
    del client.headers["X-CSRF-Token"]
    client.call("POST", "/api/issues", 403, json={"name": "x"})


def refused_csrf_of_a_form(server: Server, world: World) -> None:
    client = at(server, world.client("tess"))
    del client.headers["X-CSRF-Token"]
    assert client.post("/account/name", data={"name": "x", "_csrf": "wrong"}).status_code == 403


def refused_other_site(server: Server, world: World) -> None:
    headers = {"Origin": "https://evil.example"}
    at(server, world.anonymous()).call("POST", "/api/auth/login", 403, json={}, headers=headers)


@pytest.mark.parametrize(
    ("refuse", "who", "channel", "note"),
    [
        (refused_role, "tess", "session", "GET /api/users: Super admin access is required, from 127.0.0.1"),
        (refused_token, "tess", "token:ci", "POST /api/issues: This token may only read, from 127.0.0.1"),
        (refused_csrf, "tess", "session", "POST /api/issues: The CSRF token is missing or wrong; "),
        (refused_csrf_of_a_form, "tess", "session", "POST /account/name: The CSRF token is missing or wrong; "),
        (refused_other_site, None, "session", "POST /api/auth/login: Requests from another site are refused, from "),
    ],
)
def test_refused_requests_are_recorded_with_their_sender(
    world: World, prompt: Server, refuse: Callable[[Server, World], None], who: str | None, channel: str, note: str
) -> None:
    refuse(prompt, world)
    eventually(lambda: bool(recorded(world, EventType.REQUEST_REFUSED)))
    [event] = recorded(world, EventType.REQUEST_REFUSED)
    actor = (user_id(world, who), CAST[who][1]) if who else (None, "somebody")
    assert event[1:4] == (*actor, channel) and str(event[4]).startswith(note)


def test_many_refusals_are_combined_into_few_events_with_a_count(
    world: World, prompt: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deferred, "MOST_EVENTS", 2)
    tess, omar, mia = (at(prompt, world.client(who)) for who in ("tess", "omar", "mia"))
    tess.call("GET", "/api/users", 403)
    eventually(lambda: len(recorded(world, EventType.REQUEST_REFUSED)) == 1)
    for client in (tess, tess, tess, omar, mia, mia):
        client.call("GET", "/api/users", 403)
    eventually(lambda: len(recorded(world, EventType.REQUEST_REFUSED)) == 3)
    monkeypatch.setattr(deferred, "INTERVAL_SECONDS", 0)
    eventually(lambda: len(recorded(world, EventType.REQUEST_REFUSED)) > 3)

    def summed() -> dict[str, int]:
        counts: dict[str, int] = {}
        for _, _, name, _, note in recorded(world, EventType.REQUEST_REFUSED):
            times = str(note).rpartition("(")[2].removesuffix(" times)")
            counts[name] = counts.get(name, 0) + (int(times) if times.isdigit() else 1)
        return counts

    eventually(lambda: summed() == {"Tess Ngo": 4, "Omar Reyes": 1, "somebody": 2})
    assert len(recorded(world, EventType.REQUEST_REFUSED)) <= 5
    monkeypatch.setattr(deferred, "MOST_EVENTS", 1)  # events from before the interval do not count
    mia.call("GET", "/api/users", 403)
    eventually(lambda: summed() == {"Tess Ngo": 4, "Omar Reyes": 1, "somebody": 2, CAST["mia"][1]: 1})


def test_throttled_attempts_are_recorded_without_the_typed_address(world: World, prompt: Server) -> None:
    client = at(prompt, world.anonymous())
    for email in (CAST["tess"][0], "My-Secret-Phrase"):
        for status in (401, 401, 429, 429):
            client.call("POST", "/api/auth/login", status, json={"email": email, "password": "wrong"})
    tess, wrong = at(prompt, world.client("tess")), {"current_password": "x", "new_password": "staple battery horse"}
    for status in (400, 204, 400, 400, 429):  # a correct password resets the count
        path, body = ("/api/auth/confirm", {"password": PASSWORD}) if status == 204 else ("/api/auth/password", wrong)
        tess.call("POST", path, status, json=body)
    types = EventType.SESSION_THROTTLED, EventType.SESSION_PROOF_FAILED
    eventually(lambda: len(recorded(world, *types)) >= 6)
    throttled = [(who, name) for type_, who, name, _, note in recorded(world, types[0]) if "too many" in str(note)]
    tess_id = user_id(world, "tess")
    assert set(throttled) == {(None, CAST["tess"][0]), (None, "an unknown address"), (tess_id, "Tess Ngo")}
    assert {name for _, _, name, _, _ in recorded(world, types[1])} == {"Tess Ngo"}
    assert "secret" not in str(world.history(audit=True)).lower()


def test_signing_out_and_ending_a_session_are_recorded(world: World) -> None:
    """Both through the API and on the pages."""
    for path in ("/api/auth/logout", "/logout"):
        client = world.client("tess")
        form = {"_csrf": client.headers["X-CSRF-Token"]}
        response = client.post(path, data=form) if path == "/logout" else client.post(path)
        assert response.status_code in (204, 303)
    client, other = world.client("tess"), world.client("tess")
    current = {True: client, False: other}
    ids = {one["current"]: one["id"] for one in client.call("GET", "/api/auth/sessions", 200)["items"]}
    client.call("DELETE", f"/api/auth/sessions/{ids[False]}", 204)
    assert [one.get("/api/auth/session").status_code for one in current.values()] == [200, 401]
    notes = [(name, note) for _, _, name, _, note in recorded(world, EventType.SESSION_ENDED)]
    assert notes == [("Tess Ngo", "signed out")] * 2 + [("Tess Ngo", "session from 127.0.0.1")]


def test_a_failed_setup_is_recorded(world: World, prompt: Server) -> None:
    with world.database.write() as tx:
        offer_setup(tx, "the-offered-one", now())
    body = {"token": "a-guess", "email": "eve@example.com", "name": "Eve", "password": PASSWORD}
    at(prompt, world.anonymous()).call("POST", "/api/setup", 403, json=body)
    eventually(lambda: bool(recorded(world, EventType.SETUP_FAILED)))
    assert at(prompt, world.anonymous()).get("/setup?token=a-guess").status_code == 403
    [(_, who, name, _, note)] = recorded(world, EventType.SETUP_FAILED)
    assert (who, name) == (None, "somebody") and "a-guess" not in str(note) and "127.0.0.1" in str(note)


@pytest.mark.parametrize(("path", "accept"), [("/api/issues?format=csv", "*/*"), ("/api/issues?limit=1", "text/csv")])
def test_an_export_of_the_list_is_recorded(world: World, prompt: Server, path: str, accept: str) -> None:
    world.given_issue("VPN", {"Contoso": "new"})
    tess = at(prompt, world.client("tess"))
    tess.call("GET", "/api/issues", 200)
    assert tess.get(path, headers={"Accept": accept}).headers["Content-Type"].startswith("text/csv")
    eventually(lambda: bool(recorded(world, EventType.DATA_EXPORTED)))
    exported = (user_id(world, "tess"), "Tess Ngo", "session", "issues as CSV, from 127.0.0.1")
    assert recorded(world, EventType.DATA_EXPORTED) == [("data.exported", *exported)]


def test_every_export_of_the_list_is_counted(world: World, prompt: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repeated export is one, too, although the response to a repeated request may be cached. A response to HEAD is
    none, because it contains no data.
    """
    world.given_issue("VPN", {"Contoso": "new"})
    tess = at(prompt, world.client("tess"))

    def notes() -> list[str]:
        return sorted(str(note) for *_, note in recorded(world, EventType.DATA_EXPORTED))

    def export() -> None:
        assert tess.head("/api/issues?format=csv").headers["Content-Type"].startswith("text/csv")
        assert b"VPN" in tess.get("/api/issues?format=csv").content

    export()
    eventually(lambda: len(notes()) == 1)
    for _ in range(3):
        export()
    monkeypatch.setattr(deferred, "INTERVAL_SECONDS", 0)
    eventually(lambda: len(notes()) == 2)
    assert notes() == ["issues as CSV, from 127.0.0.1", "issues as CSV, from 127.0.0.1 (3 times)"]


def test_commands_that_export_are_recorded(migrated_url: str, tmp_path: Path) -> None:
    everything, issues = tmp_path / "everything.dump", tmp_path / "issues.csv"
    commands = [("dump", str(everything)), ("issue", "export", str(issues)), ("company", "export")]
    notes = [f"everything, into {everything}", f"all issues as CSV, into {issues}", "all companies as CSV"]
    if migrated_url.startswith(SQLITE):  # PostgreSQL has pg_dump
        commands.append(("backup", str(tmp_path / "copy.db")))
        notes.append(f"everything, into {tmp_path / 'copy.db'}")
    for command in commands:
        done = run(*command, database_url=migrated_url)
        assert (done.returncode, done.stderr) == (0, ""), done
    database = Database(Settings(database_url=migrated_url))
    with database.read() as tx:
        found = tx.execute(events.select().where(events.c.type == "data.exported")).all()
    database.close()
    assert [event.note for event in found] == notes
    assert {event.channel for event in found} == {"cli"} and all(event.audit for event in found)


@decided_in_python
def test_the_access_log_names_the_user_and_the_address(admin_url: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with serve(admin_url, log) as server, server.client() as stranger:
        stranger.get("/api/issues")
        ada = server.sign_in()
        for _ in range(3):  # the last ones come from the response cache
            ada.call("GET", "/api/companies", 200)

        def requests() -> list[dict[str, object]]:
            lines = [line for line in log.read_text().splitlines() if line.startswith("{")]
            return [entry for entry in map(json.loads, lines) if entry["event"] == "request"]

        def users_of(path: str) -> list[object]:
            return [(entry["user_id"], entry["address"]) for entry in requests() if entry["path"] == path]

        for method, path in (
            ("POST", "/api/alerts/in/grafana/c2VjcmV0"),
            ("GET", "/api/alerts/in/grafana/c2VjcmV0"),
            ("POST", "/api/alerts/in/grafana/c2VjcmV0/x"),
            ("POST", "/api/%61lerts/in/c2VjcmV0"),
            ("POST", "//api/alerts/in/grafana/c2VjcmV0"),
            ("POST", "/api//alerts/in/grafana/c2VjcmV0"),
            ("POST", "/tracker/API/Alerts/In/grafana/c2VjcmV0"),
        ):
            url = f"{server.url}{path}"
            assert stranger.request(method, url, content=b"{}").status_code in (401, 404, 405)

        eventually(lambda: len(users_of("/api/alerts/in/{receiver}/{secret}")) == 4)
        eventually(lambda: len(users_of("/tracker/API/alerts/in/{receiver}/{secret}")) == 1)
        assert len(users_of("/%00/api/alerts/in/{receiver}/{secret}")) == 1
        assert "c2VjcmV0" not in log.read_text()
        database = Database(Settings(database_url=admin_url))
        with database.read() as tx:
            ada_id = tx.execute(users.select()).one().user_id
        database.close()
        assert users_of("/api/companies") == [(ada_id, "127.0.0.1")] * 3
        assert users_of("/api/auth/login") == [(ada_id, "127.0.0.1")]
        assert users_of("/api/issues") == [(None, "127.0.0.1")]


def test_only_super_admins_and_subscribed_webhooks_receive_audit_events(world: World) -> None:
    ada, tess = world.client("ada"), world.client("tess")
    audit_types = [type_ for type_ in EventType if type_.audit]
    hook = {"url": "http://192.0.2.1/hook"}
    plain = ada.call("POST", "/api/webhooks", 201, json=hook)["id"]
    named = ada.call("POST", "/api/webhooks", 201, json=hook | {"event_types": audit_types})["id"]
    by = Actor(None, "recorder", Role.SUPER_ADMIN, "cli", "the-request")
    with world.database.write() as tx:
        record(tx, by, [Change(type=type_) for type_ in EventType if type_.audit], now())

    def sent(webhook_id: int) -> set[str]:
        listed = ada.call("GET", f"/api/webhooks/{webhook_id}/deliveries?limit=100", 200)["items"]
        return {delivery["type"] for delivery in listed}

    def seen(client: Client) -> set[str]:
        listed = client.call("GET", "/api/events?requestId=the-request&limit=100", 200)["items"]
        return {event["type"] for event in listed}

    assert (sent(plain), sent(named)) == (set(), set(audit_types))
    assert (seen(tess), seen(ada)) == (set(), set(audit_types))
    assert not any(tess.call("GET", f"/api/events?type={type_}", 200)["items"] for type_ in audit_types)
    # One query finds all types, and the sentences do not depend on the database.
    for type_ in audit_types if world.engine == "sqlite" else audit_types[:3]:
        page = ada.get(f"/activity?type={type_}")
        assert page.status_code == 200 and type_ not in AUDIT_SENTENCES[type_] in page.text
