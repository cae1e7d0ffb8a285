"""Responses that are cached until the next commit: never stale, never another user's."""

import threading
from datetime import timedelta
from itertools import cycle, islice
from typing import Any

import pytest
from sqlalchemy import update
from starlette.types import Scope

from issue_tracker.clock import now
from issue_tracker.database.tables import sessions, tokens, users
from issue_tracker.http.response_cache import ResponseCache
from issue_tracker.issues.queries.issue_list import IssueList
from tests.cases import cases
from tests.clients import Client
from tests.events.processes import own_servers
from tests.waiting import eventually
from tests.world import PASSWORD, Clock, World

LIST = "/api/issues?limit=5"
WRITES = 20
PATHS = (LIST, "/api/issues/VPN", "/", "/matrix")


def statuses(world: World, path: str = LIST) -> list[str]:
    found = world.client("tess").call("GET", path, 200)
    return [member["status"] for issue in found["items"] for member in issue["assignments"]]


@pytest.fixture
def vpn(world: World) -> World:
    world.given_issue("VPN", {"Contoso": "new"})
    return world


@cases("path", PATHS)
def test_a_commit_of_another_connection_is_visible_immediately(world: World, path: str) -> None:
    world.empty_issues()
    world.given_issue("VPN", {"Contoso": "new"}, "first")
    tess = world.client("tess")
    first = [tess.get(path) for _ in range(3)]
    assert {response.status_code for response in first} == {200}
    assert first[1].text == first[2].text

    for description in ("second", "third"):
        world.client("omar").call("PUT", "/api/issues/VPN", 200, json={"description": description})
        world.client("omar").call(
            "PUT",
            "/api/issues/status",
            200,
            json={
                "issue_name": "VPN",
                "company_name": "Contoso",
                "status": "resolved" if description == "second" else "monitoring",
            },
        )
        response = tess.get(path)
        assert response.text != first[-1].text
        assert response.text == tess.get(path).text
        first = [response]


@cases("path", PATHS)
def test_a_user_who_lost_the_right_gets_no_cached_response(vpn: World, path: str) -> None:
    ways = {
        "session": update(sessions).values(token_hash=sessions.c.token_hash.concat(b"x")),
        "disabled": update(users).values(active=False),
        "member": update(users).values(role="member"),
    }
    for way, statement in ways.items():
        client = vpn.client("tess")
        assert {client.get(path, follow_redirects=False).status_code for _ in range(3)} == {200}
        with vpn.database.write() as tx:
            tx.execute(statement)
        assert client.get(path, follow_redirects=False).status_code in (303, 401, 403), way
        with vpn.database.write() as tx:
            tx.execute(update(users).values(active=True, role="technician"))


def test_failed_sign_ins_neither_empty_the_cache_nor_change_the_validator(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[bool] = []
    find = ResponseCache.find

    def noted(responses: ResponseCache, scope: Scope) -> object:
        cached = find(responses, scope)
        if scope["method"] == "GET":
            found.append(cached is not None)
        return cached

    world.given_issue("VPN", {"Contoso": "new"})
    tess = world.client("tess")
    before = [tess.get(LIST) for _ in range(3)][-1]
    other = tess.get("/api/issues?limit=6")
    monkeypatch.setattr(ResponseCache, "find", noted)
    for _ in range(3):
        wrong = {"email": "tess@helpdesk.example", "password": "not the password"}
        world.anonymous().call("POST", "/api/auth/login", 401, json=wrong)
        after = tess.get(LIST)
        assert (after.status_code, after.text) == (200, before.text)
    assert found == [world.engine == "sqlite"] * 3
    tess.call("POST", "/api/auth/confirm", 400, json={"password": "not the password"})
    if world.engine == "sqlite":
        right = {"email": "omar@helpdesk.example", "password": PASSWORD}
        world.anonymous().call("POST", "/api/auth/login", 200, json=right)  # empties the cache
        assert tess.get("/api/issues?limit=6").headers["etag"] == other.headers["etag"]
        assert found[-1] is False
    body = {"issue_name": "VPN", "company_name": "Contoso", "status": "resolved"}
    world.client("omar").call("PUT", "/api/issues/status", 200, json=body)
    assert statuses(world) == ["resolved"]
    assert tess.get("/api/issues?limit=6").headers["etag"] != other.headers["etag"]
    assert sum(event.type == "session.failed" for event in world.history(audit=True)) == 3


@cases("path", PATHS)
def test_a_session_expires_without_a_commit(vpn: World, path: str) -> None:
    client = vpn.client("tess")
    assert {client.get(path).status_code for _ in range(3)} == {200}
    vpn.clock.advance(hours=13)
    assert client.get(path, follow_redirects=False).status_code in (303, 401)


# On PostgreSQL, no response is cached by request.
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_cached_response_does_not_outlast_its_credential(vpn: World) -> None:
    """The end is nearer than the next record of the use, until which a response may be sent again."""
    # The first use of a token is a commit, which empties the cache.
    clients = vpn.anonymous(), vpn.client("tess")
    clients[0].headers["Authorization"] = f"Bearer {vpn.token('tess')}"
    with vpn.database.write() as tx:
        for table in (sessions, tokens):
            tx.execute(update(table).values(expires_at=now() + timedelta(seconds=30)))
    for client in clients:
        assert {client.get(LIST).status_code for _ in range(3)} == {200}
    vpn.clock.advance(seconds=40)
    assert [client.get(LIST).status_code for client in clients] == [401, 401]


def test_the_use_of_a_session_is_still_recorded(world: World) -> None:
    client = world.client("tess")
    for _ in range(3):
        client.call("GET", LIST, 200)
        world.clock.advance(hours=11)
    client.call("GET", LIST, 200)


def test_responses_depend_on_headers(world: World) -> None:
    world.given_issue("VPN", {"Contoso": "new"})
    tess = world.client("tess")
    for _ in range(2):
        plain = tess.get(LIST)
        assert plain.headers["content-type"] == "application/json"
        assert tess.get(LIST, headers={"Accept": "text/csv"}).text.startswith("name,")
        one = tess.get("/api/issues/VPN")
        unchanged = tess.get("/api/issues/VPN", headers={"If-None-Match": one.headers["etag"]})
        assert (one.status_code, unchanged.status_code, unchanged.content) == (200, 304, b"")
        assert tess.get(LIST, headers={"If-None-Match": '"another"'}).status_code == 200
        # PostgreSQL's own maintenance takes transaction numbers, which are part of a list's validator there (0005).
        assert any(tess.head(LIST).headers["etag"] == tess.get(LIST).headers["etag"] for _ in range(5))
        assert world.anonymous().get(LIST).status_code == 401
        ids = [tess.get(LIST, headers={"X-Request-ID": f"mine-{turn}"}).headers["x-request-id"] for turn in range(2)]
        assert ids == ["mine-0", "mine-1"]


def test_every_client_reads_its_own_writes(world: World) -> None:
    """Four clients change and read data, and one only reads: each sees its own change in its next response."""
    companies = ("Contoso", "Fabrikam", "Acme Manufacturing", "Müller & Söhne")
    for company in companies:
        world.given_issue(f"VPN of {company}", {company: "new"})
    wrong: list[str] = []
    done = threading.Event()

    def write(company: str) -> None:
        client = world.client("omar")
        for status in islice(cycle(("resolved", "monitoring", "new")), 12):
            body = {"issue_name": f"VPN of {company}", "company_name": company, "status": status}
            client.call("PUT", "/api/issues/status", 200, json=body)
            found = client.call("GET", LIST, 200)["items"]
            seen = [
                each["status"] for issue in found for each in issue["assignments"] if each["company_name"] == company
            ]
            if seen != [status]:
                wrong.append(f"{company}: wrote {status}, read {seen}")

    def read() -> None:
        client = world.client("tess")
        while not done.is_set():
            client.call("GET", LIST, 200)

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(company,)) for company in companies]
    for thread in (reader, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    reader.join()
    assert wrong == []
    assert sorted(statuses(world)) == ["new"] * 4


def test_a_response_made_during_a_commit_is_not_cached(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The snapshot of the response precedes the commit, but the response is sent after it: the next request reads
    again.

    Another request has already seen the new state, so only the state at the start of the request can show the
    difference.
    """
    world.given_issue("VPN", {"Contoso": "new"}, "before")
    tess, omar = world.client("tess"), world.client("omar")
    load = IssueList.rows
    changed: list[bool] = []

    def slow(*arguments: Any, **options: Any) -> object:
        rows = load(*arguments, **options)
        if not changed:
            changed.append(True)
            omar.call("PUT", "/api/issues/VPN", 200, json={"description": "after"})
            assert omar.call("GET", "/api/issues/VPN", 200)["description"] == "after"
        return rows

    monkeypatch.setattr(IssueList, "rows", slow)
    assert tess.call("GET", LIST, 200)["items"][0]["description"] == "before"
    monkeypatch.undo()
    assert changed == [True]
    assert tess.call("GET", LIST, 200)["items"][0]["description"] == "after"


@pytest.mark.long
def test_the_commits_of_another_process_are_visible_immediately(migrated_url: str) -> None:
    """Changes at one server are read at the other, including the rename of a company; each list was requested twice
    before.
    """
    with own_servers(migrated_url, (), ()) as (one, two):
        here = World(one, Clock())
        here.given_issue("VPN", {"Contoso": "new"})
        writer, reader = here.client("ada"), here.client("tess")
        reader.base_url = two.url
        company = writer.call("GET", "/api/companies?search=Contoso", 200)["items"][0]["company_id"]
        for turn, status in enumerate(("resolved", "monitoring", "new")):
            name = f"Contoso {turn}"
            writer.call("PUT", f"/api/companies/{company}", 200, json={"name": name})
            body = {"issue_name": "VPN", "company_name": name, "status": status}
            writer.call("PUT", "/api/issues/status", 200, json=body)
            for path in PATHS:
                text = [reader.get(path).text for _ in range(3)]
                assert name in text[0], path
                assert text[0] == text[1] == text[2]
            found = reader.call("GET", LIST, 200)["items"][0]["assignments"]
            assert [(each["company_name"], each["status"]) for each in found] == [(name, status)]
        here.close()


@pytest.mark.long
def test_requests_that_share_a_check_see_all_earlier_commits(migrated_url: str) -> None:
    """Many clients send the same request to one process while another process commits: none gets an older state."""
    with own_servers(migrated_url, (), ()) as (one, two):
        here = World(one, Clock())
        here.given_issue("VPN", {}, "0")
        writer = here.client("ada")
        token = here.token("tess")
        headers = {"Authorization": f"Bearer {token}"}
        committed = 0
        late: list[str] = []
        read: list[int] = []

        def ask() -> None:
            with Client(base_url=two.url, headers=headers) as client:
                while committed < WRITES:
                    before = committed
                    found = int(client.get(LIST).json()["items"][0]["description"])
                    read.append(found)
                    if found < before:
                        late.append(f"{before} was committed, {found} was read")

        readers = [threading.Thread(target=ask) for _ in range(8)]

        def read_again() -> None:
            """Waits for some more responses, so that the second one may come from the cache."""
            enough = len(read) + 3
            eventually(lambda: len(read) >= enough)

        for reader in readers:
            reader.start()
        for number in range(1, WRITES + 1):
            writer.call("PUT", "/api/issues/VPN", 200, json={"description": str(number)})
            committed = number
            read_again()
        for reader in readers:
            reader.join()
        here.close()
    assert late == []
    assert len(read) > WRITES and len(set(read)) > WRITES / 4
