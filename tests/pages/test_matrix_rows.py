"""Rows of the matrix come from a cache, and are never out of date, nor those of another user."""

import html
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from issue_tracker.issues.queries import issue_list
from issue_tracker.issues.queries.issue_list import IssueList
from tests.clients import Client
from tests.company_access.limits import limit, set_access
from tests.world import World

T = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
OLD = ", not changed for 3 days"
QUERIES = ("", "status=new&status=monitoring", "columnSort=name&sort=-updated_at", "companyName=Contoso")

Rows = dict[str, tuple[int, dict[str, str]]]
"""By the name of an issue: the number of open companies, and the description of each filled cell by company."""


@pytest.fixture
def scene(world: World) -> World:
    """Omar sees one of three companies."""
    world.clock.freeze(T)
    world.given_issue("Slow mail", {"Contoso": "new", "Fabrikam": "monitoring"})
    world.given_issue("Broken phones", {"Fabrikam": "new", "Acme Manufacturing": "resolved"})
    world.given_issue("Idle")
    limit(world, "Contoso", who="omar")
    return world


def put(world: World, path: str, **body: Any) -> None:
    world.client("ada").call("PUT", path, 200, json=body)


def move(world: World, issue: str, company: str, status: str, request_id: str = "r") -> None:
    body = {"issue_name": issue, "company_name": company, "status": status}
    world.client("ada").call("PUT", "/api/issues/status", 200, json=body, headers={"X-Request-ID": request_id})


def shown(client: Client, query: str = "") -> Rows:
    """Returns what the page of the matrix shows."""
    text = client.get(f"/matrix?{query}", headers={"Accept": "text/html"}).raise_for_status().text
    columns = re.findall(r'<th scope="col" data-company="\d+">\n<a [^>]*>([^<]*)</a>', text)
    found: Rows = {}
    for row in text.split("<tr data-issue=")[1:]:
        name, count = re.findall(r"dir=auto>(.*?)</a><b>(\d+)<", row)[0]
        cells = re.findall(r'<td(?: class=[^ ]*| class="[^"]*")?(?: aria-label="([^"]*)")?>', row)
        assert len(cells) == len(columns)
        filled = {html.unescape(company): text for company, text in zip(columns, cells, strict=True) if text}
        found[html.unescape(name)] = int(count), filled
    return found


def stored(client: Client, at: datetime, query: str = "") -> Rows:
    """Returns what the matrix has to show, from the list of the API."""
    found: Rows = {}
    for issue in client.call("GET", f"/api/issues?{query.replace('columnSort=name&', '')}", 200)["items"]:
        cells, count = {}, 0
        for each in issue["assignments"]:
            is_open = each["status"] not in ("resolved", "closed")
            old = is_open and datetime.fromisoformat(each["updated_at"]) < at - timedelta(days=3)
            cells[each["company_name"]] = each["status_label"] + OLD * old
            count += is_open
        if cells:
            found[issue["name"]] = count, cells
    return found


def check(world: World, queries: Sequence[str] = QUERIES[:2]) -> dict[str, Rows]:
    """Compares the matrices of both users with their lists, and returns the unfiltered ones."""
    found: dict[str, Rows] = {}
    for who in ("tess", "omar"):
        client = world.client(who)
        for query in queries:
            rows, wanted = shown(client, query), stored(client, world.clock.now(), query)
            assert rows == wanted, (who, query)
            assert list(rows) == list(wanted), (who, query)
            found.setdefault(who, rows)
    assert not any(company != "Contoso" for _, cells in found["omar"].values() for company in cells)
    return found


def test_a_row_shows_every_change_immediately(scene: World) -> None:
    seen = [check(scene, QUERIES)]

    def changes(*, visible_to_omar: bool) -> None:
        scene.clock.advance(minutes=1)
        now = check(scene)
        assert (now["omar"] != seen[-1]["omar"]) is visible_to_omar
        assert now["tess"] != seen[-1]["tess"]
        seen.append(now)

    move(scene, "Slow mail", "Contoso", "monitoring")
    changes(visible_to_omar=True)
    move(scene, "Slow mail", "Fabrikam", "closed")
    changes(visible_to_omar=False)
    move(scene, "Broken phones", "Contoso", "new")
    changes(visible_to_omar=True)
    put(scene, "/api/issues/Slow mail", new_name="Slow <mail> & phones")
    changes(visible_to_omar=True)
    put(scene, "/api/issues/Idle", add_companies=[{"company_name": "Müller & Söhne"}])
    changes(visible_to_omar=False)
    companies = scene.given_companies("Contoso", "Fabrikam")
    put(scene, f"/api/companies/{companies['Fabrikam']}", name="Fabrikam (North)")
    changes(visible_to_omar=False)
    where = {"issueName": "Broken phones", "companyName": "Contoso"}
    scene.client("ada").call("DELETE", "/api/issues/status", 204, params=where)
    changes(visible_to_omar=True)
    scene.client("ada").call("DELETE", "/api/issues/Broken phones", 204)
    changes(visible_to_omar=False)
    check(scene, QUERIES)


def test_changes_that_a_row_does_not_show_leave_it_as_it_is(scene: World) -> None:
    before = check(scene)
    put(scene, "/api/issues/Slow mail", severity="high", owner="tess@helpdesk.example")
    put(scene, "/api/issues/Slow mail", next_update_at="2026-03-02T10:00:00Z", description="new")
    put(scene, f"/api/companies/{scene.given_companies('Contoso')['Contoso']}", archived=True)
    assert check(scene) == before


def test_a_row_shows_the_companies_of_the_present_access(scene: World) -> None:
    before = check(scene)
    limit(scene, "Fabrikam", who="omar")
    rows = shown(scene.client("omar"))
    assert rows == {"Broken phones": (1, {"Fabrikam": "New"}), "Slow mail": (1, {"Fabrikam": "Monitoring"})}
    set_access(scene, "all", who="omar")
    assert shown(scene.client("omar")) == before["tess"]
    limit(scene, "Contoso", who="omar")
    assert check(scene) == before


def test_a_row_is_marked_exactly_when_its_time_comes(scene: World) -> None:
    """Without any change between the requests, and also if the clock of the server was set back."""
    instant = timedelta(microseconds=1)
    scene.clock.freeze(T + timedelta(hours=1))
    move(scene, "Slow mail", "Fabrikam", "new")
    marks = {
        T + timedelta(days=3): {"Contoso": "New", "Fabrikam": "New"},
        T + timedelta(days=3) + instant: {"Contoso": f"New{OLD}", "Fabrikam": "New"},
        T + timedelta(days=3, hours=1): {"Contoso": f"New{OLD}", "Fabrikam": "New"},
        T + timedelta(days=3, hours=1) + instant: {"Contoso": f"New{OLD}", "Fabrikam": f"New{OLD}"},
    }
    for at, cells in (*marks.items(), *reversed(marks.items())):
        scene.clock.freeze(at)
        check(scene)
        assert shown(scene.client("tess"))["Slow mail"] == (2, cells), at
        assert shown(scene.client("tess"), "columns=groups")["Slow mail"] == (2, cells), at

    move(scene, "Slow mail", "Contoso", "monitoring", request_id="moved")
    assert shown(scene.client("tess"))["Slow mail"][1]["Contoso"] == "Monitoring"
    undone = scene.client("ada").post("/undo", data={"request_id": "moved", "next": "/"})
    assert undone.status_code in (200, 303)
    scene.clock.freeze(T + timedelta(days=3) + instant)
    assert shown(scene.client("tess"))["Slow mail"][1]["Contoso"] == f"New{OLD}", "an undo restores the time"


def test_issues_without_companies_have_no_row(scene: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of them is skipped in the order of names; more would be avoided by the index ranges of the statuses."""
    for skipped in (1, 0):
        monkeypatch.setattr(issue_list, "SKIPPED", skipped)
        tess = scene.client("tess")
        for order, names in (("name", ["Broken phones", "Slow mail"]), ("-name", ["Slow mail", "Broken phones"])):
            path, found = f"/matrix?limit=1&sort={order}", list[str]()
            while path:
                text = tess.get(path).raise_for_status().text
                found += re.findall(r'title="([^"]*)" dir=auto>', text)
                path = html.unescape("".join(re.findall(r'rel="next" href="([^"]*)"', text)))
            assert found == names


def test_only_changed_rows_are_read_again(scene: World, monkeypatch: pytest.MonkeyPatch) -> None:
    tess, read, original = scene.client("tess"), list[int](), IssueList.packed_statuses

    def reading(found: IssueList, issue_ids: Sequence[int], marked_before: datetime) -> list[tuple[Any, ...]]:
        read.extend(issue_ids)
        return original(found, issue_ids, marked_before)

    monkeypatch.setattr(IssueList, "packed_statuses", reading)
    both = shown(tess)
    assert len(read) == len(both) == 2
    scene.client("ada").call("POST", "/api/companies", 201, json={"name": "Another"})
    assert shown(tess) == both and len(read) == 2
    move(scene, "Slow mail", "Contoso", "closed")
    assert shown(tess) != both and len(read) == 3
    assert len(shown(scene.client("omar"))) == 1 and len(read) == 4
