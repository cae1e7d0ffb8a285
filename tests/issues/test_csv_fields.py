"""The fields of issues and assignments as CSV, and their import (`include=details`)."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from issue_tracker.actor import command_line
from issue_tracker.companies.queries import find_companies
from issue_tracker.csv_files import BadRow
from issue_tracker.issues.transfer import ImportResult, ImportRow, import_issue, read_rows
from tests.world import World

FIELDS: dict[str, Any] = {
    "severity": "high",
    "owner": "omar@helpdesk.example",
    "next_update_at": "2025-01-09T12:00:00+00:00",
    "tags": ["wan", "=1+1"],
    "references": [
        {"system": "PSA", "key": "T 17", "url": "https://psa.example.com/17"},
        {"system": "DC", "key": "-9"},
    ],
    "external_key": "@line-1",
}


def exported(world: World, query: str = "") -> tuple[str, list[dict[str, str]]]:
    text = world.client().get(f"/api/issues?format=csv&include=details{query}").text
    return text, list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def load(world: World, path: Path) -> tuple[ImportResult, Sequence[BadRow]]:
    """Imports a file with a single issue, like the command line."""
    read = list(read_rows(str(path)))
    rows, result = [row for row in read if isinstance(row, ImportRow)], ImportResult()
    if rows:
        with world.database.write() as tx:
            actor = command_line("tests")
            companies = find_companies(tx, actor, [row.company_name for row in rows if row.company_name])
            import_issue(tx, actor, rows, companies, result)
    return result, [row for row in read if isinstance(row, BadRow)] + result.bad


def test_an_export_with_details_is_imported_with_all_fields(world: World, tmp_path: Path) -> None:
    tess = world.client()
    members = [{"company_name": "Contoso"}, {"company_name": "Fabrikam", "status": "resolved"}]
    tess.call("POST", "/api/issues", 201, json={"name": "Line", "companies": members} | FIELDS)
    owned = {"issue_name": "Line", "company_name": "Contoso", "status": "new", "owner": "tess@helpdesk.example"}
    tess.call("PUT", "/api/issues/status", 200, json=owned | {"references": [{"system": "PSA", "key": "T-18"}]})
    before = tess.call("GET", "/api/issues/Line", 200)

    text, rows = exported(world)
    assert rows[0] | {"created_at": "", "updated_at": "", "affected_since": ""} == {
        "name": "Line",
        "description": "",
        "company_name": "Contoso",
        "status": "new",
        "created_at": "",
        "updated_at": "",
        "severity": "high",
        "owner": "omar@helpdesk.example",
        "next_update_at": "2025-01-09T12:00:00+00:00",
        "tags": "'=1+1, wan",
        "references": "PSA: T 17 https://psa.example.com/17\nDC: -9",
        "external_key": "'@line-1",
        "affected_since": "",
        "assignment_owner": "tess@helpdesk.example",
        "assignment_references": "PSA: T-18",
    }
    assert rows[0]["affected_since"] == before["created_at"] and rows[1]["affected_since"] == ""
    # The columns of the contract come first; without the parameter there are no others.
    plain = tess.get("/api/issues?format=csv").text
    assert plain.splitlines()[0] == "name,description,company_name,status,created_at,updated_at"
    assert text.startswith(plain.splitlines()[0] + ",severity,")

    world.client("ada").call("DELETE", "/api/issues/Line", 204)
    path = tmp_path / "issues.csv"
    path.write_text(text, newline="")
    result, bad = load(world, path)
    assert (result.issues_created, result.rows, bad) == (1, 2, [])
    after = tess.call("GET", "/api/issues/Line", 200)
    assert {name: after[name] for name in FIELDS} == {name: before[name] for name in FIELDS}

    # An empty cell leaves an existing issue unchanged.
    path.write_text("name,severity,tags\nLine,Critical,\n")
    assert load(world, path)[1] == []
    changed = tess.call("GET", "/api/issues/Line", 200)
    assert (changed["severity"], changed["tags"], changed["owner"]) == ("critical", after["tags"], after["owner"])


def test_an_issue_without_companies_is_exported_with_its_fields(world: World) -> None:
    world.client().call("POST", "/api/issues", 201, json={"name": "Idle", "severity": "low"})
    [row] = exported(world)[1]
    assert (row["severity"], row["company_name"], row["affected_since"], row["assignment_owner"]) == ("low", "", "", "")


@pytest.mark.parametrize(
    ("column", "cell", "said"),
    [
        ("severity", "bad", "severity must be one of low, medium, high, critical"),
        ("next_update_at", "2025-01-09 12:00", "next_update_at must be an instant with an offset"),
        ("tags", "x" * 101, "tags must be at most 100 characters"),
        ("tags", ",".join(map(str, range(51))), "tags must have at most 50 items"),
        ("references", "T-17", "references must have the form"),
        ("references", "\n".join(f"PSA: {number}" for number in range(51)), "references must have at most 50 items"),
        ("owner", "nobody@helpdesk.example", "there is no technician"),
    ],
)
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_an_invalid_field_makes_the_row_invalid(
    world: World, tmp_path: Path, column: str, cell: str, said: str
) -> None:
    path = tmp_path / "issues.csv"
    path.write_text(f'name,{column}\nLine,"{cell}"\n')
    [bad] = load(world, path)[1]
    assert bad.line == 2 + cell.count("\n") and said in bad.reason
    assert world.client().call("GET", "/api/issues", 200)["total"] == 0


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_an_instant_that_utc_cannot_represent_is_imported(world: World, tmp_path: Path) -> None:
    path = tmp_path / "issues.csv"
    path.write_text("name,next_update_at\nLine,0001-01-01T00:00:00+01:00\n")
    assert load(world, path)[1] == []
    assert world.client().call("GET", "/api/issues/Line", 200)["next_update_at"] == "0001-01-01T00:00:00+00:00"


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_rows_that_mean_the_same_do_not_contradict_each_other(world: World, tmp_path: Path) -> None:
    path = tmp_path / "issues.csv"
    rows = [
        "name,company_name,owner,tags,next_update_at,severity",
        'Line,Contoso,omar@helpdesk.example,"wan, lan",2025-01-09T12:00:00Z,high',
        'Line,Fabrikam,Omar@Helpdesk.example,"lan,wan,lan",2025-01-09T13:00:00+01:00,High',
    ]
    path.write_text("\n".join(rows))
    result, bad = load(world, path)
    assert (result.rows, bad) == (2, [])
    found = world.client().call("GET", "/api/issues/Line", 200)
    assert (found["owner"]["name"], found["tags"], found["severity"]) == ("Omar Reyes", ["lan", "wan"], "high")
    path.write_text(f"{rows[0]}\nLine,Contoso,,wan,,\nLine,Fabrikam,,lan,,\n")
    [other] = load(world, path)[1]
    assert (other.line, other.reason) == (3, "has another tags for “Line” than line 2")
