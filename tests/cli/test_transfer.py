"""Importing and exporting CSV with the command line, while a server runs on the same database."""

import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pytest

from issue_tracker.csv_files import restore
from tests.clients import Client
from tests.processes import run, serve
from tests.shared import Shared

pytestmark = pytest.mark.together

COLUMNS = ("name", "description", "company_name", "status")
STATUSES = ("new", "investigating", "in_progress", "monitoring", "resolved", "closed")
AWKWARD = (
    "Müller & Söhne",
    "O’Neill’s Bar",
    "Café Étoile",
    "Zürich (Nord)",
    "St. John Inc.",
    "=1+1",
    "-minus",
    "'tick",
)
ISSUES, COMPANIES = 196, 120


class Tracker(NamedTuple):
    """A running server's database, and a client of the server."""

    url: str
    client: Client


@pytest.fixture(scope="module")
def tracker(engine: str, shared: Shared, tmp_path_factory: pytest.TempPathFactory) -> Iterable[Tracker]:
    url = shared.with_admin(engine)
    with serve(url, tmp_path_factory.mktemp("logs") / "server.log") as server:
        yield Tracker(url, server.sign_in())


def company_names() -> list[str]:
    return [*AWKWARD, *(f"Client {number:03}" for number in range(COMPANIES - len(AWKWARD)))]


def awkward_rows() -> list[tuple[str, ...]]:
    """Returns about 1,100 rows: names, descriptions and companies with everything that is difficult in CSV and
    spreadsheets.
    """
    starts = (
        "Fault, one",
        'A "quoted" fault',
        "=SUM(A1)",
        "-5 dB",
        "'tick",
        "TCP/IP",
        "100% loss?",
        "Straße",
        "🔥 core",
    )
    names = company_names()
    rows: list[tuple[str, ...]] = []
    for number in range(ISSUES):
        name = f"{starts[number % len(starts)]} {number}"
        description = ("", "One line", "Two\nlines, “quoted”", "+49 30 1234", "a\r\nb")[number % 5]
        members = [names[(number * 7 + step) % COMPANIES] for step in range(number % 12)]
        for step, company in enumerate(members):
            rows.append((name, description, company, STATUSES[(number + step) % 6]))
        if not members:
            rows.append((name, description, "", ""))
    return rows


def write(path: Path, columns: Iterable[str], rows: Iterable[Iterable[str]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    return path


def read(path: Path) -> Counter[tuple[str, ...]]:
    """Returns the rows of an exported file, as they were before they were defused for spreadsheets."""
    with path.open(encoding="utf-8", newline="") as file:
        return Counter(tuple(restore(row[name]) for name in COLUMNS) for row in csv.DictReader(file, strict=True))


def test_an_export_returns_every_imported_row(tracker: Tracker, tmp_path: Path) -> None:
    url, client = tracker
    companies = write(tmp_path / "companies.csv", ["name"], [[name] for name in company_names()])
    issues = write(tmp_path / "issues.csv", COLUMNS, awkward_rows())
    assert 1_000 <= len(awkward_rows()) <= 1_200

    imported = run("company", "import", str(companies), database_url=url)
    assert (imported.stdout, imported.stderr) == (f"{COMPANIES} companies created, 0 already existed.\n", "")
    imported = run("company", "import", str(companies), database_url=url)
    assert imported.stdout == f"0 companies created, {COMPANIES} already existed.\n"
    imported = run("issue", "import", str(issues), database_url=url)
    report = f"{ISSUES} issues created, 0 already existed; {len(awkward_rows())} rows imported.\n"
    assert (imported.stdout, imported.stderr) == (report, "")

    exported = run("issue", "export", str(tmp_path / "out.csv"), database_url=url)
    assert exported.returncode == 0, exported
    # Lines end in a line feed, whatever the original line end was.
    stored = [(name, description.replace("\r\n", "\n"), *rest) for name, description, *rest in awkward_rows()]
    assert read(tmp_path / "out.csv") == Counter(stored)

    again = run("issue", "import", str(tmp_path / "out.csv"), database_url=url)
    assert again.stdout.startswith(f"0 issues created, {ISSUES} already existed;"), again
    assert client.call("GET", "/api/issues", 200)["total"] == ISSUES
    assert client.get("/api/issues?format=csv").content == (tmp_path / "out.csv").read_bytes()

    for company in AWKWARD:
        query = {"status": "investigating", "companyName": company}
        found = client.call("GET", "/api/issues", 200, params=query)["items"]
        expected = {row[0] for row in awkward_rows() if row[2:] == (company, "investigating")}
        assert {issue["name"] for issue in found} == expected
        assert all([m["company_name"] for m in issue["assignments"]] == [company] for issue in found)


def test_an_invalid_row_is_reported_with_its_line_and_nothing_is_imported(tracker: Tracker, tmp_path: Path) -> None:
    url, client = tracker
    run("company", "add", "Known", database_url=url)
    rows = [
        ("Good before", "", "Known", "new"),
        ("Bad status", "", "Known", "done"),
        ("Bad company", "", "Unknown", "new"),
        ("", "no name", "", ""),
        ("Good after", "", "", ""),
        ("Twice", "", "Known", "new"),
        ("TWICE", "", "known", "new"),
    ]
    path = write(tmp_path / "bad.csv", COLUMNS, rows)

    refused = run("issue", "import", str(path), database_url=url)

    assert refused.returncode == 1 and refused.stdout == ""
    lines = refused.stderr.splitlines()
    assert [line.split(", line ")[1].split(":")[0] for line in lines[:-1]] == ["3", "4", "5", "8"], refused.stderr
    assert "status must be one of" in lines[0] and "“Unknown”" in lines[1] and "name must not be blank" in lines[2]
    assert "listed twice" in lines[3]
    assert lines[-1] == "issue-tracker: Nothing was imported: 4 bad rows. Correct the file, or use --skip-bad."
    assert client.call("GET", "/api/issues?search=good", 200)["total"] == 0

    skipped = run("issue", "import", "--skip-bad", str(path), database_url=url)
    assert skipped.returncode == 0 and len(skipped.stderr.splitlines()) == 4
    assert client.call("GET", "/api/issues?search=good", 200)["total"] == 2
    assert client.call("GET", "/api/issues?search=bad", 200)["total"] == 0


def test_exactly_the_invalid_rows_are_skipped(tracker: Tracker, tmp_path: Path) -> None:
    url, client = tracker
    run("company", "add", "North", "South", "East", "Gone", database_url=url)
    gone = client.call("GET", "/api/companies?search=gone", 200)["items"][0]["company_id"]
    body = {"name": "Old fault", "companies": [{"company_name": "Gone"}]}
    client.call("POST", "/api/issues", 201, json=body)
    client.call("PUT", f"/api/companies/{gone}", 200, json={"archived": True})
    rows = [
        ("New fault", "a row that is skipped decides nothing", "Nowhere", "new"),
        ("New fault", "seen today", "North", "monitoring"),
        ("New fault", "seen today", "Gone", "new"),
        ("new fault", "seen today", "South", "closed"),
        ("New fault", "seen today", "NORTH", "new"),
        ("Old fault", "", "Gone", "resolved"),
        ("Old fault", "", "Nowhere", "new"),
        ("Old fault", "", "East", "investigating"),
        ("Lost fault", "", "Nowhere", "new"),
        ("New fault", "seen yesterday", "East", "new"),
    ]
    path = write(tmp_path / "mixed.csv", COLUMNS, rows)

    skipped = run("issue", "import", "--skip-bad", str(path), database_url=url)

    assert skipped.stdout == "1 issue created, 1 already existed; 4 rows imported.\n", skipped
    assert skipped.stderr.splitlines() == [
        f"{path}, line 2: there is no company called “Nowhere”",
        f"{path}, line 4: “Gone” is archived and takes no new assignments",
        f"{path}, line 6: “NORTH” is listed twice for “New fault”",
        f"{path}, line 8: there is no company called “Nowhere”",
        f"{path}, line 10: there is no company called “Nowhere”",
        f"{path}, line 11: has another description for “New fault” than line 3",
    ]
    stored = {
        issue["name"]: (issue["description"], [(one["company_name"], one["status"]) for one in issue["assignments"]])
        for issue in client.call("GET", "/api/issues?search=fault", 200)["items"]
        if issue["name"] in {name for name, *_ in rows}
    }
    assert stored == {
        "New fault": ("seen today", [("North", "monitoring"), ("South", "closed")]),
        "Old fault": (None, [("East", "investigating"), ("Gone", "resolved")]),
    }


UNREADABLE: dict[str, list[tuple[bytes, str]]] = {
    "issue import": [
        (b"", "The first line must name the columns; name is missing."),
        (b"title,status\nx,new\n", "The first line must name the columns; name is missing."),
        (b"name|status\nx|new\n", "The first line must name the columns; name is missing. Commas"),
        (b"name,colour\nx,red\n", "Unknown columns: colour."),
        (b'name\n"open', "Line 2: the file is not CSV ("),
        (b"name\ngood\n\xff\xfe\n", "Line 3: the file is not UTF-8."),
        (b"name\n" + b"good\n" * 20_000 + b"na\xefve\n", "Line 20002: the file is not UTF-8."),
    ],
    "company import": [
        (b"title\nx\n", "The first line must name the columns; name is missing."),
        (b"name\nMill\nM\xfchle\n", "Line 3: the file is not UTF-8."),
        (b'name\n"open', "Line 2: the file is not CSV ("),
    ],
    "company import --archive": [(b"name\nx\n", "The first line must name the columns; archived is missing.")],
}


# The file is rejected before the database is used.
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("command", UNREADABLE)
def test_an_unreadable_file_is_rejected(tracker: Tracker, tmp_path: Path, command: str) -> None:
    path = tmp_path / "odd.csv"
    for content, sentence in UNREADABLE[command]:
        path.write_bytes(content)
        refused = run(*command.split(), str(path), database_url=tracker.url)
        assert refused.returncode == 1 and refused.stderr.startswith(f"issue-tracker: {path}: {sentence}"), refused
        assert refused.stderr.count("\n") == 1, refused


def test_a_company_file_with_an_invalid_row_imports_nothing(tracker: Tracker, tmp_path: Path) -> None:
    rows = [["Never one", ""], ["Never\u200bthree", ""], [" ", ""], ["Never two", "perhaps"]]
    path = write(tmp_path / "companies.csv", ["name", "archived"], rows)
    refused = run("company", "import", "--archive", str(path), database_url=tracker.url)
    assert refused.returncode == 1 and refused.stderr.splitlines() == [
        f"{path}, line 3: name must not contain the invisible character U+200B",
        f"{path}, line 4: name must not be blank",
        f"{path}, line 5: archived must be “yes” or empty",
        "issue-tracker: Nothing was imported: 3 bad rows.",
    ]
    assert tracker.client.call("GET", "/api/companies?search=never&includeArchived=true", 200)["total"] == 0


def test_company_groups_are_imported_completely_or_not_at_all(tracker: Tracker, tmp_path: Path) -> None:
    file, command = tmp_path / "groups.csv", ("company-group", "import")
    run("company", "add", "Grouped One", "Grouped Two", database_url=tracker.url)
    file.write_text("Company name;Note;Group\nGrouped One;x;North\nGROUPED TWO;;north\n", encoding="utf-8")
    imported = run(*command, str(file), database_url=tracker.url)
    assert (imported.stdout, imported.stderr) == ("1 group created, 0 changed, 0 unchanged.\n", "")
    file.write_text("company_name,group\nGrouped One,North\nNobody,South\n", encoding="utf-8")
    refused = run(*command, str(file), database_url=tracker.url)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"{file}, line 3: there is no company called “Nobody”")
    file.write_text("company_name,group\nGrouped One,North\n", encoding="utf-8")
    for options, said in (((), "0 changed, 1 unchanged"), (("--replace",), "1 changed, 0 unchanged")):
        assert said in run(*command, str(file), *options, database_url=tracker.url).stdout
    groups = tracker.client.call("GET", "/api/company-groups", 200)["items"]
    assert [(group["name"], group["company_names"]) for group in groups] == [("North", ["Grouped One"])]
