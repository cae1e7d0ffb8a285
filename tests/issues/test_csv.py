"""The list of issues as CSV (contract, section 5)."""

import csv
import io
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issue_tracker.issues.transfer import defuse, restore
from tests.world import World

COLUMNS = ["name", "description", "company_name", "status", "created_at", "updated_at"]


def test_each_assignment_is_a_row_and_an_idle_issue_is_one_too(world: World) -> None:
    world.clock.freeze(datetime(2025, 1, 4, 10, 15, tzinfo=UTC))
    world.given_issue("Fault, one", {"Contoso": "in_progress", "O’Neill’s Bar": "new"}, 'Line one\nand "two"')
    world.given_issue("Idle")
    world.clock.freeze(datetime(2025, 1, 9, 8, 45, 0, 500_000, tzinfo=UTC))
    change = {"issue_name": "Fault, one", "company_name": "Contoso", "status": "closed"}
    world.client().call("PUT", "/api/issues/status", 200, json=change)

    response = world.client().get("/api/issues?format=csv")

    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    at, later = "2025-01-04T10:15:00+00:00", "2025-01-09T08:45:00.500000+00:00"
    assert list(csv.reader(io.StringIO(response.text, newline=""), strict=True)) == [
        COLUMNS,
        ["Fault, one", 'Line one\nand "two"', "Contoso", "closed", at, later],
        ["Fault, one", 'Line one\nand "two"', "O’Neill’s Bar", "new", at, at],
        ["Idle", "", "", "", at, at],
    ]
    assert response.content.startswith(b"name,description,company_name,status,created_at,updated_at\r\n")


def test_accept_selects_csv_too_and_filters_apply(world: World) -> None:
    world.given_issue("Fault", {"Contoso": "new", "Fabrikam": "closed"})
    world.given_issue("Other")
    accepted = world.client().get("/api/issues?companyName=contoso", headers={"Accept": "text/csv"})
    requested = world.client().get("/api/issues?companyName=contoso&format=csv")
    assert accepted.text == requested.text
    assert [row["company_name"] for row in csv.DictReader(io.StringIO(requested.text))] == ["Contoso"]
    assert "Accept" in accepted.headers["Vary"]
    as_json = world.client().get("/api/issues?format=json", headers={"Accept": "text/csv"})
    assert as_json.json()["total"] == 2


def test_an_empty_list_has_the_header_only(world: World) -> None:
    assert world.client().get("/api/issues?format=csv").text.splitlines() == [",".join(COLUMNS)]


@pytest.mark.parametrize("name", ["=1+1", "+49 30", "-1", "@SUM(A1)", "'=1", "''-x"])
def test_a_cell_that_a_spreadsheet_would_run_is_defused(world: World, name: str) -> None:
    world.given_companies(name)
    world.given_issue(name, {name: "new"}, name)
    (row,) = csv.DictReader(io.StringIO(world.client().get("/api/issues?format=csv").text))
    assert {row["name"], row["description"], row["company_name"]} == {f"'{name}"}


def test_an_error_is_json_all_the_same(world: World) -> None:
    response = world.client().get("/api/issues?format=csv&status=done")
    assert response.status_code == 422 and response.json()["errors"][0]["field"] == "status"
    response = world.anonymous().get("/api/issues", headers={"Accept": "text/csv"})
    assert response.status_code == 401 and response.json()["detail"]


@given(st.text())
def test_defusing_can_be_undone_for_any_text(text: str) -> None:
    assert restore(defuse(text)) == text
    assert not defuse(text).startswith(("=", "+", "-", "@", "\t", "\r"))
