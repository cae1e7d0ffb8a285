"""Order, `limit`, `cursor` and `updatedSince` on GET /api/issues (contract, section 5)."""

import base64
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import msgspec
import pytest

from issue_tracker.api import issue_list as api
from tests.cases import cases
from tests.clients import Client
from tests.engines import decided_in_python
from tests.world import World

START = datetime(2025, 1, 4, 10, 0, tzinfo=UTC)


def pages(client: Client, path: str) -> Iterator[dict[str, Any]]:
    """Returns every page from `path` on, following the header Link."""
    while path:
        response = client.get(path)
        assert response.status_code == 200, response.text
        yield response.json()
        link = re.fullmatch(r'<(/api/issues\?[^>]+)>; rel="next"', response.headers.get("Link", ""))
        path = link[1] if link else ""


def names(page: dict[str, Any]) -> list[str]:
    return [issue["name"] for issue in page["items"]]


def given_numbered(world: World, count: int) -> list[str]:
    """Creates issues named by number, one minute apart."""
    made = [f"Fault {number:03}" for number in range(count)]
    for number, name in enumerate(made):
        world.clock.freeze(START + timedelta(minutes=number))
        world.given_issue(name, {"Contoso": "new"} if number % 2 else {})
    return made


def test_issues_are_ordered_by_casefolded_name(world: World) -> None:
    for name in ("banana", "Apple", "äpfel", "apple pie", "ZEBRA", "Zebra crossing", "éclair", "Straße", "strasse b"):
        world.given_issue(name)
    listed = names(world.client().call("GET", "/api/issues", 200))
    expected = [
        "Apple",
        "apple pie",
        "banana",
        "Straße",
        "strasse b",
        "ZEBRA",
        "Zebra crossing",
        "äpfel",
        "éclair",
    ]
    assert listed == expected
    assert names(world.client().call("GET", "/api/issues?sort=-name", 200)) == listed[::-1]


def test_assignments_are_ordered_by_casefolded_company_name(world: World) -> None:
    companies = ["zeta", "Alpha", "beta", "Émile", "Straße 1", "strasse 2", "ALPHA 2"]
    world.given_companies(*companies)
    world.given_issue("Fault", dict.fromkeys(companies, "new"))
    issue = world.client().call("GET", "/api/issues/fault", 200)
    listed = [member["company_name"] for member in issue["assignments"]]
    assert listed == ["Alpha", "ALPHA 2", "beta", "Straße 1", "strasse 2", "zeta", "Émile"]


def test_issues_can_be_sorted_by_time(world: World) -> None:
    first, second, third = given_numbered(world, 3)
    world.clock.freeze(START + timedelta(hours=1))
    client = world.client()
    client.call("PUT", f"/api/issues/{quote(first)}", 200, json={"description": "changed"})

    def sorted_by(sort: str) -> list[str]:
        return names(client.call("GET", f"/api/issues?sort={sort}", 200))

    assert sorted_by("created_at") == [first, second, third]
    assert sorted_by("-created_at") == [third, second, first]
    assert sorted_by("updated_at") == [second, third, first]
    assert sorted_by("-updated_at") == [first, third, second]


def test_pages_have_no_gap_and_no_repeat(world: World) -> None:
    made = given_numbered(world, 11)
    world.clock.freeze(START)
    for name in ("Same time a", "Same time b"):
        world.given_issue(name)
    client = world.client()
    for sort in ("name", "-name", "updated_at", "-updated_at", "created_at", "-created_at"):
        expected = names(client.call("GET", f"/api/issues?sort={sort}", 200))
        assert sorted(expected) == sorted([*made, "Same time a", "Same time b"]), sort

        read = list(pages(client, f"/api/issues?sort={sort}&limit=3"))

        assert [name for page in read for name in names(page)] == expected, sort
        assert [len(page["items"]) for page in read] == [3, 3, 3, 3, 1], sort
        assert {page["total"] for page in read} == {13}, sort


def test_a_full_last_page_has_no_next(world: World) -> None:
    given_numbered(world, 4)
    response = world.client().get("/api/issues?limit=4")
    assert "Link" not in response.headers and response.json()["total"] == 4


@decided_in_python
def test_the_next_page_keeps_all_other_parameters(world: World) -> None:
    given_numbered(world, 8)
    query = "search=fault&status=new&status=closed&companyName=CONTOSO&open=true&sort=-name&limit=2"
    response = world.client().get(f"/api/issues?{query}")
    link = response.headers["Link"]
    parameters = parse_qs(urlsplit(link[1 : link.index(">")]).query)
    assert {name: values for name, values in parameters.items() if name != "cursor"} == parse_qs(query)

    read = list(pages(world.client(), f"/api/issues?{query}"))
    assert [names(page) for page in read] == [["Fault 007", "Fault 005"], ["Fault 003", "Fault 001"]]
    assert {page["total"] for page in read} == {4}


def test_changes_between_pages_skip_and_repeat_no_issue(world: World) -> None:
    made = given_numbered(world, 9)
    client, admin = world.client(), world.client("ada")
    seen = []
    for number, page in enumerate(pages(client, "/api/issues?limit=3")):
        seen += names(page)
        if number == 0:
            world.given_issue("Before everything")
            admin.call("DELETE", "/api/issues/Fault%20001", 204)
            admin.call("DELETE", "/api/issues/Fault%20004", 204)
            client.call("PUT", "/api/issues/Fault%20002", 200, json={"new_name": "Alpha"})
    assert seen == [name for name in made if name != "Fault 004"]


@decided_in_python
def test_a_cursor_of_another_order_is_rejected(world: World) -> None:
    given_numbered(world, 3)
    link = world.client().get("/api/issues?limit=1").headers["Link"]
    cursor = parse_qs(urlsplit(link[1 : link.index(">")]).query)["cursor"][0]
    response = world.client().call("GET", f"/api/issues?limit=1&sort=-name&cursor={cursor}", 422)
    assert response["errors"][0]["field"] == "cursor"


def test_a_cursor_without_a_limit_returns_the_rest(world: World) -> None:
    made = given_numbered(world, 5)
    link = world.client().get("/api/issues?limit=2").headers["Link"]
    cursor = parse_qs(urlsplit(link[1 : link.index(">")]).query)["cursor"][0]
    response = world.client().call("GET", f"/api/issues?cursor={cursor}", 200)
    assert names(response) == made[2:] and response["total"] == 5


def test_updated_since_includes_changes_to_assignments(world: World) -> None:
    first, second, third = given_numbered(world, 3)
    world.clock.freeze(START + timedelta(hours=1))
    change = {"issue_name": first, "company_name": "Contoso", "status": "new"}
    world.client().call("PUT", "/api/issues/status", 200, json=change)

    def since(instant: str) -> list[str]:
        return names(world.client().call("GET", "/api/issues", 200, params={"updatedSince": instant}))

    assert since("2025-01-04T11:00:00+00:00") == [first]
    assert since("2025-01-04T11:00:00Z") == [first]
    assert since("2025-01-04T12:00:00+01:00") == [first]
    assert since("2025-01-04T11:00:00.000001+00:00") == []
    assert since("2025-01-04T10:02:00Z") == [first, third]
    assert since("2025-01-04T10:01:00Z") == [first, second, third]


@cases(
    ("instant", "total"),
    [
        ("0001-01-01T00:00:00+14:00", 1),
        ("0001-01-01T00:00:00Z", 1),
        ("9999-12-31T23:59:59.999999Z", 0),
        ("9999-12-31T23:59:59-14:00", 0),
    ],
)
def test_extreme_times_are_accepted(world: World, instant: str, total: int) -> None:
    """They are valid in RFC 3339, even those that a datetime in UTC cannot represent."""
    world.empty_issues()
    world.given_issue("Fault")
    assert world.client().call("GET", "/api/issues", 200, params={"updatedSince": instant})["total"] == total


@cases("at", ["0001-01-01T00:00:00+00:00", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_a_changed_time_in_a_cursor_is_not_a_failure(world: World, at: str) -> None:
    world.empty_issues()
    world.given_issue("Fault")
    packed = msgspec.msgpack.encode(["attention", f"1 {at} {at}", 1])
    cursor = base64.urlsafe_b64encode(packed).decode().rstrip("=")
    query = {"sort": "attention", "unmovedDays": "3650", "cursor": cursor}
    response = world.client().get("/api/issues", params=query)
    assert response.status_code == (422 if at < "1970" else 200), response.text


@cases("count", [2, 3, 4, 6, 10])
def test_a_list_of_several_pieces_is_complete(world: World, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    world.empty_issues()
    monkeypatch.setattr(api, "CHUNK", 3)
    made = given_numbered(world, count)
    response = world.client().call("GET", "/api/issues", 200)
    assert names(response) == made and response["total"] == count
    response = world.client().call("GET", "/api/issues?status=new&sort=-name", 200)
    assert names(response) == made[1::2][::-1] and response["total"] == count // 2
    assert len(world.client().get("/api/issues?format=csv").text.splitlines()) == count + 1


def test_a_list_of_moderate_size_is_one_response(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    given_numbered(world, 30)
    tess = world.client("tess")
    expected = tess.call("GET", "/api/issues", 200)
    monkeypatch.setattr(api, "PIECE_BYTES", 2_000)

    streamed = {}
    for whole_bytes in (4_000, 1_000_000):
        monkeypatch.setattr(api, "WHOLE_BYTES", whole_bytes)
        world.client("omar").call("PUT", "/api/issues/Fault 001", 200, json={"description": f"{whole_bytes}"})
        response = tess.get("/api/issues")
        streamed[whole_bytes] = "Content-Length" not in response.headers
        assert names(response.json()) == names(expected) and response.json()["total"] == 30

    # Only a response with a known length can be stored in the response cache.
    assert streamed == {4_000: True, 1_000_000: False}
