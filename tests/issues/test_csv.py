"""The list of issues as CSV (contract, section 5)."""

import csv
import io
import tempfile
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from issue_tracker.csv_files import defuse, restore
from issue_tracker.issues.fields import FIELDS
from issue_tracker.issues.models import Issue, named_assignment
from issue_tracker.issues.transfer import ImportRow, header, read_rows, rows
from issue_tracker.names import parse_description, parse_issue_name, parse_name
from issue_tracker.status import Status
from tests.cases import cases
from tests.engines import decided_in_python
from tests.world import World

COLUMNS = ["name", "description", "company_name", "status", "created_at", "updated_at"]


def test_each_assignment_and_each_issue_without_one_is_a_row(world: World) -> None:
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


@decided_in_python
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


@decided_in_python
def test_an_empty_list_has_only_the_header(world: World) -> None:
    assert world.client().get("/api/issues?format=csv").text.splitlines() == [",".join(COLUMNS)]


@decided_in_python
@cases("name", ["=1+1", "+49 30", "-1", "@SUM(A1)", "'=1", "''-x"])
def test_a_cell_with_a_formula_is_defused(world: World, name: str) -> None:
    world.empty_issues()
    world.given_companies(name)
    world.given_issue(name, {name: "new"}, name)
    (row,) = csv.DictReader(io.StringIO(world.client().get("/api/issues?format=csv").text))
    assert {row["name"], row["description"], row["company_name"]} == {f"'{name}"}


@decided_in_python
def test_an_error_is_json_even_for_csv(world: World) -> None:
    response = world.client().get("/api/issues?format=csv&status=done")
    assert response.status_code == 422 and response.json()["errors"][0]["field"] == "status"
    response = world.anonymous().get("/api/issues", headers={"Accept": "text/csv"})
    assert response.status_code == 401 and response.json()["detail"]


SIGNS = "=+-@＝＋－＠"

risky = st.text(st.sampled_from([*SIGNS, *"'\"; \t\r\n,x\u00a0\u200b\u2028\x0b\x00"]))
"""Texts that consist only of characters with a meaning in spreadsheets."""


@given(st.text() | risky)
def test_defusing_can_be_undone_for_any_text(text: str) -> None:
    assert restore(defuse(text)) == text
    assert not defuse(text).startswith(("=", "+", "-", "@", "\t", "\r"))


@cases(
    ("text", "safe"),
    [
        ("=1", "'=1"),
        ("one\n=1", "one\n'=1"),
        ("one\r\n-1\r@x", "one\r\n'-1\r'@x"),
        ("one;=1; +2", "one;'=1;' +2"),
        ("one\t@x", "one\t'@x"),
        ("＝1;－2", "'＝1;'－2"),
        (" \u00a0=1", "' \u00a0=1"),
        ("\u200b+1", "'\u200b+1"),
        ('one;"=1"', 'one;\'"=1"'),
        ("one\u2028=1", "one\u2028'=1"),
        ("a=b - c; d", "a=b - c; d"),
    ],
)
def test_every_start_of_a_cell_within_a_cell_is_defused(text: str, safe: str) -> None:
    assert (defuse(text), restore(safe)) == (safe, text)


@given(text=st.text() | risky, delimiter=st.sampled_from(",;\t"))
def test_no_program_finds_a_formula_with_any_separator(text: str, delimiter: str) -> None:
    """The reverse of the rule: a file is read with each separator, as leniently as spreadsheet programs do."""
    out = io.StringIO()
    csv.writer(out).writerow(("name", defuse(text), "company"))
    for row in csv.reader(io.StringIO(out.getvalue().replace("\0", ""), newline=""), delimiter=delimiter):
        for cell in row:
            assert not cell.strip('"\u200b\x00 \u00a0').startswith(tuple(SIGNS)), (text, cell)


@given(name=st.text(min_size=1), description=st.text() | risky, company=st.text(min_size=1))
def test_an_export_can_be_imported_without_loss(name: str, description: str, company: str) -> None:
    """The rows of an export are read, without a server, by the reader that `issue import` uses."""
    try:
        names = parse_issue_name(name), parse_name(company)
        text = parse_description(description)
    except ValueError:
        return
    at = "2025-01-04T10:15:00+00:00"
    member = named_assignment(
        assignment_id=1,
        issue_id=1,
        issue_name=names[0],
        company_id=1,
        company_name=names[1],
        status=Status.NEW,
        at=at,
    )
    fields: dict[str, Any] = dict.fromkeys(FIELDS) | {"tags": [], "references": []}
    issue = Issue(
        issue_id=1,
        name=names[0],
        description=text or None,
        created_at=at,
        created_at_iso=at,
        updated_at=at,
        updated_at_iso=at,
        assignments=[member],
        **fields,
    )
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", newline="", suffix=".csv") as file:
        file.write(header() + rows([issue]))
        file.flush()
        (row,) = read_rows(file.name)
    assert isinstance(row, ImportRow), row
    assert (row.name, row.description, row.company_name, row.status) == (names[0], text, names[1], Status.NEW)
