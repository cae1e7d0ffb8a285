"""Two processes at the same time: one request wins, the codes are right, no 500, no lost update (contract, section 4).

SQLite: one server with two worker processes. PostgreSQL: two servers on one database.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Barrier
from typing import Any, NamedTuple

import httpx
import pytest
from sqlalchemy import select

from issue_tracker.database.engine import Database
from issue_tracker.database.tables import events
from issue_tracker.settings import Settings
from tests.clients import Client
from tests.processes import ServeProcess, serve
from tests.shared import Shared

pytestmark = pytest.mark.together

ACTORS = 6
STATUSES = ("new", "investigating", "in_progress", "monitoring", "resolved")


Act = Callable[[Client, int], httpx.Response]


class Nodes(NamedTuple):
    """The server processes on one database, and the tests' direct access to it."""

    servers: list[ServeProcess]
    database: Database
    admin: Client

    def clients(self, count: int = ACTORS) -> list[Client]:
        """Returns clients that share one session but no connections, spread over the servers."""
        made = []
        for number in range(count):
            client = Client(base_url=self.servers[number % len(self.servers)].url, timeout=60)
            client.cookies.update(self.admin.cookies)
            client.headers["X-CSRF-Token"] = self.admin.headers["X-CSRF-Token"]
            client.get("/healthz")
            made.append(client)
        return made

    def at_once(self, act: Act) -> list[httpx.Response]:
        """Returns the responses to several clients that all start simultaneously."""
        clients = self.clients()
        start = Barrier(len(clients))

        def go(number: int) -> httpx.Response:
            start.wait(30)
            return act(clients[number], number)

        with ThreadPoolExecutor(len(clients)) as pool:
            responses = list(pool.map(go, range(len(clients))))
        for client in clients:
            client.close()
        return responses


@pytest.fixture(scope="module")
def nodes(engine: str, shared: Shared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Two processes that serve one database, which contains companies."""
    url = shared.with_admin(engine)
    logs = tmp_path_factory.mktemp("logs")
    database = Database(Settings(database_url=url))
    workers = 2 if engine == "sqlite" else 1
    with serve(url, logs / "first.log", workers=workers) as first:
        admin = first.sign_in()
        for name in ("Acme", "Contoso", "Fabrikam"):
            admin.call("POST", "/api/companies", 201, json={"name": name})
        if engine == "sqlite":
            yield Nodes([first], database, admin)
        else:
            with serve(url, logs / "second.log") as second:
                yield Nodes([first, second], database, admin)
        for log in logs.iterdir():
            assert "unexpected failure" not in log.read_text()
    database.close()


def codes(responses: list[httpx.Response]) -> dict[int, int]:
    return dict(Counter(response.status_code for response in responses))


def posting(path: str, *bodies: dict[str, str]) -> Act:
    """Each client posts the body with its number."""
    return lambda client, one: client.post(path, json=bodies[one % len(bodies)])


def test_a_session_is_valid_at_every_process(nodes: Nodes) -> None:
    for client in nodes.clients():
        assert client.call("GET", "/api/auth/session", 200)["user"]["name"] == "Ada Lund"
    other = nodes.servers[-1].sign_in()
    nodes.servers[0].sign_in()
    other.call("POST", "/api/issues", 201, json={"name": "Seen everywhere"})
    assert {client.get("/api/issues/seen%20everywhere").status_code for client in nodes.clients()} == {200}
    other.call("POST", "/api/auth/logout", 204)
    elsewhere = nodes.clients(1)[0]
    elsewhere.cookies.clear()
    elsewhere.cookies.update(other.cookies)
    assert elsewhere.get("/api/issues").status_code == 401


def test_only_one_of_many_issues_with_the_same_name_is_created(nodes: Nodes) -> None:
    for number in range(6):
        name = f"Same name {number}"
        spelled = [name, name.upper(), name.lower(), name.title(), name.swapcase(), f" {name} "]
        responses = nodes.at_once(posting("/api/issues", *({"name": one} for one in spelled)))
        assert codes(responses) == {201: 1, 400: ACTORS - 1}, [response.text for response in responses]
        assert {response.json()["errors"][0]["field"] for response in responses if response.status_code == 400} == {
            "name"
        }
        assert nodes.admin.call("GET", f"/api/issues?search=same%20name%20{number}", 200)["total"] == 1


def test_only_one_of_many_companies_with_the_same_name_is_created(nodes: Nodes) -> None:
    for number in range(3):
        responses = nodes.at_once(posting("/api/companies", {"name": f"Same company {number}"}))
        assert codes(responses) == {201: 1, 400: ACTORS - 1}, [response.text for response in responses]


def test_only_one_of_many_renames_to_the_same_name_succeeds(nodes: Nodes) -> None:
    for number in range(ACTORS):
        nodes.admin.call("POST", "/api/issues", 201, json={"name": f"Old name {number}"})
    responses = nodes.at_once(
        lambda client, number: client.put(f"/api/issues/Old%20name%20{number}", json={"new_name": "One new name"})
    )
    assert codes(responses) == {200: 1, 400: ACTORS - 1}, [response.text for response in responses]
    assert nodes.admin.call("GET", "/api/issues?search=one%20new%20name", 200)["total"] == 1
    assert nodes.admin.call("GET", "/api/issues?search=old%20name", 200)["total"] == ACTORS - 1


def test_simultaneous_requests_assign_a_company_once(nodes: Nodes) -> None:
    for number in range(4):
        name = f"Assigned at once {number}"
        nodes.admin.call("POST", "/api/issues", 201, json={"name": name})
        responses = nodes.at_once(assigning(name))
        assert codes(responses) == {200: ACTORS}, [response.text for response in responses]
        issue = nodes.admin.call("GET", f"/api/issues/{name}", 200)
        assert [member["company_name"] for member in issue["assignments"]] == ["Contoso"]
        assert [event.type for event in history(nodes, name)] == ["issue.created", "assignment.created"]


def assigning(name: str) -> Act:
    """Each client assigns Contoso to the issue, alternately in one of two ways."""
    status = {"issue_name": name, "company_name": "Contoso", "status": "new"}
    add = {"add_companies": [{"company_name": "contoso"}]}

    def assign(client: Client, one: int) -> httpx.Response:
        return client.put(f"/api/issues/{name}", json=add) if one % 2 else client.put("/api/issues/status", json=status)

    return assign


def history(nodes: Nodes, name: str) -> list[Any]:
    with nodes.database.read() as tx:
        return list(tx.execute(select(events).where(events.c.issue_name == name).order_by(events.c.event_id)))


def test_many_simultaneous_status_changes_lose_no_update(nodes: Nodes) -> None:
    name = "Storm"
    companies = [{"company_name": "Acme", "status": "new"}]
    nodes.admin.call("POST", "/api/issues", 201, json={"name": name, "companies": companies})

    def storm(client: Client, one: int) -> httpx.Response:
        for step in range(12):
            body = {"issue_name": name, "company_name": "acme", "status": STATUSES[(one + step) % len(STATUSES)]}
            response = client.put("/api/issues/status", json=body)
            if response.status_code != 200 or response.json()["status"] != body["status"]:
                return response
        return response

    responses = nodes.at_once(storm)

    assert codes(responses) == {200: ACTORS}, [one.text for one in responses]
    moves = [(event.from_value, event.to_value) for event in history(nodes, name) if event.company_name == "Acme"]
    assert moves[0] == (None, "new")
    assert all(before[1] == after[0] and after[0] != after[1] for before, after in pairwise(moves))
    (member,) = nodes.admin.call("GET", "/api/issues/storm", 200)["assignments"]
    assert member["status"] == moves[-1][1]


def test_changes_to_different_parts_of_an_issue_are_all_stored(nodes: Nodes) -> None:
    nodes.admin.call("POST", "/api/issues", 201, json={"name": "Shared work"})

    def work(client: Client, one: int) -> httpx.Response:
        bodies = (
            {"description": "Described"},
            {"new_name": "SHARED work"},
            *({"add_companies": [{"company_name": name}]} for name in ("Acme", "Contoso", "Fabrikam", "Acme")),
        )
        return client.put("/api/issues/shared%20work", json=bodies[one])

    assert codes(nodes.at_once(work)) == {200: ACTORS}
    issue = nodes.admin.call("GET", "/api/issues/shared%20work", 200)
    assert (issue["name"], issue["description"]) == ("SHARED work", "Described")
    assert [member["company_name"] for member in issue["assignments"]] == ["Acme", "Contoso", "Fabrikam"]


def test_only_one_change_to_the_same_version_succeeds(nodes: Nodes) -> None:
    nodes.admin.call("POST", "/api/issues", 201, json={"name": "Guarded"})
    etag = nodes.admin.get("/api/issues/guarded").headers["ETag"]

    responses = nodes.at_once(
        lambda client, one: client.put(
            "/api/issues/guarded", json={"description": f"by {one}"}, headers={"If-Match": etag}
        )
    )

    assert codes(responses) == {200: 1, 412: ACTORS - 1}
    (winner,) = [response.json() for response in responses if response.status_code == 200]
    assert nodes.admin.call("GET", "/api/issues/guarded", 200) == winner
    assert {response.headers["ETag"] for response in responses} == {responses[0].headers["ETag"]}


def test_an_idempotency_key_sent_many_times_simultaneously_acts_once(nodes: Nodes) -> None:
    responses = nodes.at_once(
        lambda client, _: client.post("/api/issues", json={"name": "Once"}, headers={"Idempotency-Key": "at-once"})
    )
    assert set(codes(responses)) <= {201, 409} and codes(responses)[201] >= 1, [response.text for response in responses]
    assert len({response.text for response in responses if response.status_code == 201}) == 1
    assert len([a for a in responses if a.status_code == 201 and "Idempotent-Replayed" not in a.headers]) == 1
    again = nodes.admin.post("/api/issues", json={"name": "Once"}, headers={"Idempotency-Key": "at-once"})
    assert again.status_code == 201 and again.headers["Idempotent-Replayed"] == "true"


def renaming(*names: tuple[str, str]) -> Act:
    """Each client renames its own issue and retries after a 503, with which PostgreSQL ends one request of a
    deadlock.
    """

    def rename(client: Client, one: int) -> httpx.Response:
        old, new = names[one]
        for _ in range(ACTORS):
            response = client.put(f"/api/issues/{old}", json={"new_name": new})
            if response.status_code != 503:
                break
        return response

    return rename


def test_issues_cannot_swap_names(nodes: Nodes) -> None:
    """In a cycle every requested name is taken, in any order."""
    names = [f"Swap {number}" for number in range(ACTORS)]
    for name in names:
        nodes.admin.call("POST", "/api/issues", 201, json={"name": name})
    responses = nodes.at_once(renaming(*zip(names, [*names[1:], names[0]], strict=True)))
    assert codes(responses) == {400: ACTORS}, [response.text for response in responses]
    found = nodes.admin.call("GET", "/api/issues?search=swap%20", 200)["items"]
    assert [issue["name"] for issue in found] == names


def test_renames_in_a_chain_take_only_free_names(nodes: Nodes) -> None:
    """The last rename always takes a free name; each of the others succeeds only if its neighbour was renamed
    before.
    """
    names = [f"Queue {number}" for number in range(ACTORS + 1)]
    ids = [nodes.admin.call("POST", "/api/issues", 201, json={"name": name})["issue_id"] for name in names[:-1]]
    responses = nodes.at_once(renaming(*pairwise(names)))
    assert responses[-1].status_code == 200 and set(codes(responses)) <= {200, 400}, [
        response.text for response in responses
    ]
    found = nodes.admin.call("GET", "/api/issues?search=queue%20", 200)["items"]
    moved = [
        name if response.status_code == 200 else old
        for (old, name), response in zip(pairwise(names), responses, strict=True)
    ]
    assert {issue["issue_id"]: issue["name"] for issue in found} == dict(zip(ids, moved, strict=True))
