"""A database with a row in every table, and the content that two databases must share after a move."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import msgspec
import psycopg
from sqlalchemy import Boolean, Integer, LargeBinary, Select, Table, cast, func, insert, select

from issue_tracker import clock
from issue_tracker.actor import command_line
from issue_tracker.auth.first_start import offer_setup
from issue_tracker.auth.single_sign_on.binding import Binding, bind_session
from issue_tracker.auth.single_sign_on.flows import Flow, Purpose, start_flow
from issue_tracker.auth.single_sign_on.identities import link_identity
from issue_tracker.auth.visits import touch_visit
from issue_tracker.database.engine import Database
from issue_tracker.database.prepared import Prepared, instant
from issue_tracker.database.server_key import ServerKey
from issue_tracker.database.tables import deliveries, delivery_attempts, metadata, spent_challenges
from issue_tracker.database.types import Instant
from issue_tracker.settings import Settings
from tests.auth.factors import enrol, first_step
from tests.clients import Client
from tests.server import Server, serving
from tests.world import PASSWORD, Clock, World

COUNTERS = {"issue_counters": ("statuses", "issues"), "assignment_counters": ("status", "assignments")}

SECRETS = ("secret", "previous_secret", "older_secrets", "password", "refresh_token")

REFRESH_TOKEN = "a refresh token"

OTHER_KEY = (
    "The secrets of these webhooks were encrypted with another server key: 1. Add that key after the current one in "
    "ISSUE_TRACKER_SECRET_KEY and run `issue-tracker reencrypt`, or give these webhooks new secrets.\n"
    "Authenticator apps of the users with these ids were encrypted with another server key: 3. Add that key after the "
    "current one in ISSUE_TRACKER_SECRET_KEY and run `issue-tracker reencrypt`, or reset the second factors of these "
    "users.\n"
    "The passwords of the mailboxes of the receivers with these ids were encrypted with another server key: 2. Add "
    "that key after the current one in ISSUE_TRACKER_SECRET_KEY and run `issue-tracker reencrypt`, or enter these "
    "passwords again.\n"
    "Refresh tokens of sessions of the users with these ids were encrypted with another server key: 3. Add that key "
    "after the current one in ISSUE_TRACKER_SECRET_KEY and run `issue-tracker reencrypt`, or let these users sign in "
    "again when their sessions end.\n"
)
"""What `restore` reports without the key of the source."""

AWKWARD = 'Zürich „1.2“ \\ "\\N" 株式会社 😀'

LISTS = (
    "/api/issues",
    "/api/issues?search=fault&status=resolved",
    "/api/issues?companyName=Contoso&limit=2",
    "/api/companies",
    "/api/events?limit=200",
    "/api/updates",
    "/api/templates",
)
FOR_SESSIONS = ("/api/users", "/api/webhooks")


@contextmanager
def served(url: str) -> Iterator[Server]:
    """The product on a database, without deliveries, so that nothing changes automatically."""
    settings = Settings(database_url=url, log_level="error", deliver_webhooks=False, poll_feeds=False)
    with serving(msgspec.structs.replace(settings, poll_mailboxes=False)) as server:
        yield server


def fill(url: str) -> tuple[str, str]:
    """Migrates and fills a database, so that each table has a row. Returns the texts of a session and of a token."""
    with served(url) as server:
        world = World(server, Clock())
        ada, tess = world.client("ada"), world.client("tess")
        ada.call("POST", "/api/users", 201, json={"email": "nina@helpdesk.example", "name": "Nina", "role": "member"})
        ada.call("POST", "/api/webhooks", 201, json={"url": "http://192.0.2.1/hook", "description": AWKWARD})
        group = {"name": AWKWARD, "company_names": ["Contoso", "Fabrikam"]}
        ada.call("POST", "/api/company-groups", 201, json=group)
        template = {"name": AWKWARD, "company_groups": [AWKWARD], "company_names": ["Contoso"], "tags": [AWKWARD]}
        ada.call("POST", "/api/templates", 201, json=template | {"first_update": AWKWARD})
        users = ada.call("GET", "/api/users", 200)["items"]
        omar = next(user["user_id"] for user in users if user["email"].startswith("omar"))
        access = {"company_groups": [group["name"]], "companies": ["Contoso"]}
        ada.call("PUT", f"/api/users/{omar}", 200, json={"company_access": access})
        limits = {"networks": ["192.0.2.0/24"], "company_access": access}
        ada.call("POST", "/api/auth/tokens", 201, json={"name": AWKWARD, "scopes": ["read"]} | limits)
        last = ""
        for number in range(5):
            last = f"Fault {number} {AWKWARD}"
            body = {
                "name": last,
                "description": f"First line\n\tsecond \u2028{AWKWARD}",
                "companies": [{"company_name": "Contoso"}, {"company_name": "Fabrikam", "status": "resolved"}],
            }
            tess.call("POST", "/api/issues", 201, json=body, headers={"Idempotency-Key": f"key-{number}"})
        change = {"issue_name": last, "company_name": "Contoso", "status": "monitoring", "note": AWKWARD}
        tess.call("PUT", "/api/issues/status", 200, json=change)
        alert = {"key": AWKWARD, "state": "firing", "issue": "Alarm", "company": "Contoso", "summary": AWKWARD}
        tess.call("POST", "/api/alerts", 200, json=alert)
        reference = {"system": AWKWARD, "key": AWKWARD, "url": "https://psa.example.com/1"}
        fields = {
            "owner": "omar@helpdesk.example",
            "tags": ["über 😀"],
            "references": [reference],
            "external_key": AWKWARD,
        }
        tess.call("PUT", f"/api/issues/{quote('Fault 0 ' + AWKWARD, safe='')}", 200, json=fields)
        owned = {"issue_name": "Fault 0 " + AWKWARD, "company_name": "Contoso", "status": "new"}
        tess.call("PUT", "/api/issues/status", 200, json={**owned, "references": [reference]})
        for number in (1, 2):
            change = {"new_name": f"Fault {number}"}
            tess.call("PUT", f"/api/issues/{quote(f'Fault {number} {AWKWARD}', safe='')}", 200, json=change)
        tess.call("POST", "/api/issues/merge", 200, json={"issue_name": "Fault 1", "into": "Fault 2"})
        for companies in (None, ["Contoso", "Fabrikam"]):
            said = {"issue_name": "Fault 0 " + AWKWARD, "body": AWKWARD, "companies": companies}
            tess.call("POST", "/api/updates", 201, json=said)
        tess.call(
            "POST", "/api/views", 201, json={"name": AWKWARD, "query": "tag=über 😀", "shared": True, "start": True}
        )
        tess.post("/issues/1/presence", data={}).raise_for_status()
        ada.call("POST", "/api/alert-receivers", 201, json={"name": AWKWARD, "kind": "generic", "mapping": {}})
        mailed = ada.call("POST", "/api/alert-receivers", 201, json={"name": "Mail", "kind": "email"})
        groups = ada.call("GET", "/api/company-groups", 200)["items"]
        feed = {"url": "https://status.example/feed", "company_group": groups[0]["name"]}
        ada.call("POST", "/api/alert-receivers", 201, json={"name": "Feed", "kind": "feed", "feed": feed})
        box = {"host": "imap.example", "username": AWKWARD, "password": AWKWARD, "processed_folder": AWKWARD}
        ada.call("PUT", f"/api/alert-receivers/{mailed['id']}/mailbox", 200, json=box)
        mail = f"Message-ID: <1@example.com>\nSubject: {AWKWARD}\n\nCompany: Contoso\n"
        path = mailed["url"].removeprefix(server.settings.public_url)
        world.anonymous().call("POST", path, 202, content=mail.encode())
        ada.call("POST", "/api/alert-rules", 201, json={"name": AWKWARD, "rule": {"issue": AWKWARD}})
        # The highest number has been assigned, and its row deleted.
        ada.call("DELETE", f"/api/issues/{quote(last, safe='')}", 204)
        enrol(world, "omar")
        first_step(world.anonymous(), "omar")
        for who, password in (("omar", f"not {PASSWORD}"), ("tess", PASSWORD)):
            credentials = {"email": f"{who}@helpdesk.example", "password": password}
            world.anonymous().request("POST", "/api/auth/login", json=credentials)
        world.anonymous().post("/login", data={"email": "tess@helpdesk.example", "password": PASSWORD})
        mapping = {"source": "scim", "group": AWKWARD, "role": "technician", "company_access": access}
        ada.call("POST", "/api/group-mappings", 201, json=mapping)
        made = ada.call("POST", "/api/scim-tokens", 201, json={"name": AWKWARD, "networks": ["127.0.0.0/8"]})
        provider = world.anonymous(headers={"Authorization": f"Bearer {made['token']}"})
        body = {"userName": "provisioned@helpdesk.example", "externalId": AWKWARD, "displayName": "Provisioned"}
        member = provider.call("POST", "/scim/v2/Users", 201, json=body)["id"]
        body = {"displayName": AWKWARD, "members": [{"value": member}]}
        provider.call("POST", "/scim/v2/Groups", 201, json=body)
        _sign_in_with_a_provider(server, omar, world.session_token("omar"))
        with server.database.write() as tx:
            spent = {"token_hash": bytes(range(32)), "expires_at": clock.now() + timedelta(minutes=5)}
            tx.execute(insert(spent_challenges).values(spent))
            touch_visit(tx, omar, clock.now())
            offer_setup(tx, "the-token-of-the-link", clock.now())
            delivery = tx.execute(select(func.min(deliveries.c.id))).scalar_one()
            values = {"delivery_id": delivery, "at": clock.now(), "code": 503, "milliseconds": 12, "answer": AWKWARD}
            tx.execute(insert(delivery_attempts).values(values))
        session, token = world.session_token("ada"), world.token("ada")
        world.close()
    return session, token


def _sign_in_with_a_provider(server: Server, user_id: int, session: str) -> None:
    """Converts a session to one that a provider has started, and begins another sign-in."""
    encrypted = ServerKey(server.database, server.settings).keyring().encrypt(REFRESH_TOKEN)
    with server.database.write() as tx:
        identity = link_identity(tx, command_line("tests"), user_id, "https://login.example", AWKWARD, "", clock.now())
        binding = Binding(
            identity_id=identity,
            provider="p",
            provider_name="P",
            provider_sid=AWKWARD,
            refresh_token=encrypted,
            session_minutes=60,
            check_minutes=15,
            proved_at=None,
        )
        bind_session(tx, server.settings, session, binding, clock.now())
        start_flow(tx, Flow("p", Purpose.SIGN_IN, clock.now(), "/", AWKWARD), "192.0.2.7")


def _query(table: Table) -> Select[Any]:
    """Returns the query for the rows of a table. The counters are summed over their shards. Secrets are encrypted again
    in the target (test_moving.py).
    """
    if table.name in COUNTERS:
        by, counted = (table.c[name] for name in COUNTERS[table.name])
        total = cast(func.sum(counted), Integer).label("total")
        return select(by, total).group_by(by).having(func.sum(counted) != 0)
    return select(*[column for column in table.c if column.name not in SECRETS])


def _converter(type_: Any) -> Callable[[Any], Any]:
    """Returns the conversion of a value from the driver of either database."""
    kinds: tuple[tuple[type, Callable[[Any], Any]], ...] = ((Instant, instant), (Boolean, bool), (LargeBinary, bytes))
    convert = next((convert for kind, convert in kinds if isinstance(type_, kind)), None)
    return lambda value: value if value is None or convert is None else convert(value)


def _prepared(table: Table) -> tuple[Prepared, list[Callable[[Any], Any]]]:
    """Returns the query for a table, and the conversions of its columns."""
    query = _query(table)
    return Prepared(lambda _: query), [_converter(column.type) for column in query.selected_columns]


# Compiling the queries takes longer than everything else.
_queries = {table.name: _prepared(table) for table in metadata.sorted_tables}


def contents(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Returns all rows of all tables, sorted."""
    database = Database(Settings(database_url=url))
    found: dict[str, list[tuple[Any, ...]]] = {}
    with database.read() as tx:
        for name, (query, converters) in _queries.items():
            rows = [
                tuple(convert(value) for convert, value in zip(converters, row, strict=True)) for row in query.all(tx)
            ]
            found[name] = sorted(rows, key=repr)
    database.close()
    return found | {"history_identity": [("each database has its own", 0)]}


def moved(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """Returns the contents without the server key, which a database may get in its new place."""
    return {table: rows for table, rows in contents(url).items() if table != "server_key"}


def schema(url: str) -> list[Any]:
    """Returns all parts of the schema: tables, indexes, triggers, constraints."""
    connected = sqlite3.connect(url.removeprefix("sqlite:///")) if url.startswith("sqlite") else psycopg.connect(url)
    with closing(connected) as connection:
        return schema_of(connection)


def schema_of(connection: Any) -> list[Any]:
    """Returns the same for a connection of the driver."""
    if isinstance(connection, sqlite3.Connection):
        return connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2").fetchall()
    return [
        connection.execute(query).fetchall()
        for query in (
            "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated FROM pg_constraint"
            " WHERE connamespace = 'public'::regnamespace ORDER BY 1, 2",
            "SELECT tgrelid::regclass::text, pg_get_triggerdef(oid), tgenabled FROM pg_trigger"
            " WHERE NOT tgisinternal ORDER BY 1, 2",
        )
    ]


def answers(server: Server, session: str, token: str) -> list[tuple[int, bytes]]:
    """Returns the responses of a server to a session and a token of Ada."""
    with Client(base_url=server.url) as browser, Client(base_url=server.url) as script:
        browser.cookies.set("issue_tracker_session", session)
        script.headers["Authorization"] = f"Bearer {token}"
        found = [browser.get(path) for path in (*LISTS, *FOR_SESSIONS)] + [script.get(path) for path in LISTS]
        return [(response.status_code, response.content) for response in found]


def work(server: Server, token: str) -> tuple[int, int, int]:
    """Creates, finds and deletes an issue. Returns its id, the id of the event, and the number of issues."""
    with Client(base_url=server.url) as client:
        client.headers["Authorization"] = f"Bearer {token}"
        body = {"name": "After-the-move", "companies": [{"company_name": "Contoso"}]}
        client.call("POST", "/api/issues", 201, json=body)
        found = client.call("GET", "/api/issues?search=after-the-mo&limit=1", 200)
        assert found["total"] == 1
        total = client.call("GET", "/api/issues?limit=1", 200)["total"]
        event = max(event["event_id"] for event in client.call("GET", "/api/events", 200)["items"])
        client.call("DELETE", "/api/issues/After-the-move", 204)
        assert client.call("GET", "/api/issues?limit=1", 200)["total"] == total - 1
        assert client.call("GET", "/api/issues?search=after-the-mo&limit=1", 200)["total"] == 0
        return found["items"][0]["issue_id"], event, total
