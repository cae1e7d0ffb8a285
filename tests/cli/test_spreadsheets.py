"""CSV files as spreadsheet programs and people write them, for issues and companies: read, or rejected with a
reason.
"""

import csv
import io
import os
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from issue_tracker.cli import main
from issue_tracker.csv_files import BadFile, BadRow, CsvRow, read
from tests.processes import run

COLUMNS = ("name", "description", "company_name", "status")

TABLE = [
    ["Core switch", "Port 4, “flaps”; often", "Müller & Söhne", "new"],
    ["Core switch", "Port 4, “flaps”; often", "Contoso", "closed"],
    ["Two\nlines", 'a "quoted"\ttext', "", ""],
]


STATUSES = {"Müller & Söhne": "investigating", "Contoso": "new", "Gone; but, not forgotten": "closed"}


def written(rows: list[list[str]], separator: str = ",") -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=separator).writerows(rows)
    return out.getvalue()


def rows_of(path: Path, content: bytes, *, ignore_others: bool = False) -> list[CsvRow | BadRow]:
    path.write_bytes(content)
    return list(read(str(path), columns=COLUMNS, required=("name",), ignore_others=ignore_others))


def cells_of(path: Path, content: bytes) -> list[list[str]]:
    """Returns the cells of a file in which every row is valid."""
    found = []
    for row in rows_of(path, content):
        assert isinstance(row, CsvRow), row
        found.append([row.cells.get(name, "") for name in COLUMNS])
    return found


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("announced", [False, True], ids=["plain", "sep="])
def test_separators_encodings_and_line_ends_are_recognized(
    tmp_path: Path, separator: str, end: str, encoding: str, announced: bool
) -> None:
    text = ("sep={separator}\r\n" if announced else "") + written([list(COLUMNS), *TABLE], separator)
    text = text.format(separator=separator).replace("\r\n", end)
    assert cells_of(tmp_path / "issues.csv", text.encode(encoding)) == TABLE


@pytest.mark.parametrize(
    "header",
    [
        "Name,Description,Company_Name,Status",
        "NAME,DESCRIPTION,COMPANY NAME,STATUS",
        " name , description , Company  name , status ",
        '"Name","Description","Company-Name","Status"',
        "\xa0Name,Description,Company\xa0Name,Status\xa0",
    ],
)
def test_the_spelling_of_a_header_does_not_matter(tmp_path: Path, header: str) -> None:
    content = f"{header}\r\n{written(TABLE)}".encode()
    assert cells_of(tmp_path / "issues.csv", content) == TABLE


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_empty_columns_and_rows_are_ignored(tmp_path: Path, separator: str) -> None:
    rows = [["", "", ""], [*COLUMNS, "", "", ""], [], ["", "", "", "", "", "", ""]]
    for row in TABLE:
        rows += [[*row, "", "", ""], ["", "", "", "", "", "", "", "", ""], []]
    assert cells_of(tmp_path / "issues.csv", written(rows, separator).encode()) == TABLE
    gap = [["name", "", "status"], ["Fault", "", ""], ["Fault"]]
    assert [row[0] for row in cells_of(tmp_path / "gap.csv", written(gap, separator).encode())] == ["Fault", "Fault"]


def test_a_single_column_needs_no_separator(tmp_path: Path) -> None:
    assert [row[0] for row in cells_of(tmp_path / "names.csv", b"Name\nA; B\nC\n")] == ["A; B", "C"]


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        ("name,status\nA,new\nB,new,c\n", 3, "has more cells than the first line"),
        ("name,status,,\nA,new,,\nB,new,,c\n", 3, "has text in a column without a name"),
        ('name;status;\n"A\nB";new;c\n', 3, "has text in a column without a name"),
    ],
)
def test_text_without_a_column_is_reported(tmp_path: Path, content: str, line: int, reason: str) -> None:
    assert rows_of(tmp_path / "issues.csv", content.encode())[-1] == BadRow(line, reason)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"name,name\nA,B\n", "The first line names a column twice: name."),
        (
            b"Name;company name;Company_Name; NAME\nA;B;C;D\n",
            "The first line names a column twice: name, company_name.",
        ),
        (b"name,Colour,Shape\nA,red,round\n", "Unknown columns: Colour, Shape. The known columns are name, "),
        (b"Issue;Company\nA;B\n", "The first line must name the columns; name is missing."),
        (b"", "The first line must name the columns; name is missing."),
        (b",,,\r\n\r\n", "The first line must name the columns; name is missing."),
        (b"name\nM\xfcller\n", "Line 2: the file is not UTF-8."),
        (b"\xff\xfen\0a\0m\0e\0\n\0a", "The file is not complete UTF-16."),
        ("name\n\ud800x\n".encode("utf-16", "surrogatepass"), "Line 2: the file is not UTF-16."),
        (b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0\xb5", "Line 1: the file is not UTF-8."),
        (b'name\n"open\n', "Line 2: the file is not CSV ("),
        (b'name;status\n"A"b;new\n', "Line 2: the file is not CSV ("),
    ],
)
def test_an_unreadable_file_is_rejected(tmp_path: Path, content: bytes, sentence: str) -> None:
    with pytest.raises(BadFile) as refused:
        rows_of(tmp_path / "issues.csv", content)
    assert str(refused.value).startswith(sentence)


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(written([list(COLUMNS), *TABLE], ";").encode("utf-16")))
    writer.start()
    found = list(read(str(pipe), columns=COLUMNS, required=("name",)))
    writer.join(30)
    assert len(found) == len(TABLE)


def test_a_dash_is_standard_input_or_output(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/issues.db"
    assert run("migrate", database_url=url).returncode == 0
    imported = run("company", "import", "-", database_url=url, stdin="name\nContoso\n", cwd=tmp_path)
    assert imported.stdout == "1 company created, 0 already existed.\n", imported
    exported = run("company", "export", "-", database_url=url, cwd=tmp_path)
    assert exported.stdout.splitlines() == ["name,archived", "Contoso,"], exported
    assert not (tmp_path / "-").exists()


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_issues_and_companies_are_imported_from_files_of_excel(
    tmp_path: Path, separator: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ISSUE_TRACKER_DATABASE_URL", f"sqlite:///{tmp_path}/issues.db")
    companies, issues = tmp_path / "companies.csv", tmp_path / "issues.csv"
    listed = [["Phone", "Name", "Archived", "", ""], ["030", "Müller & Söhne", "", "", ""], ["", "", "", "", ""]]
    listed += [["", "Contoso", "", "", ""], ["", "Gone; but, not forgotten", "Yes", "", ""]]
    affected = [["Core switch", "Port 4; “flaps”, often", name, status, ""] for name, status in STATUSES.items()]
    header = ["Name", "Description", "Company Name", "Status", ""]
    for path, rows in ((companies, listed), (issues, [header, ["", "", "", "", ""], *affected])):
        path.write_text(written(rows, separator), encoding=encoding, newline="")

    def done(*arguments: str) -> str:
        ran = CliRunner().invoke(main, arguments)
        assert (ran.exit_code, ran.stderr) == (0, ""), ran
        return ran.stdout

    done("migrate")
    assert done("company", "import", str(companies)) == "3 companies created, 0 already existed.\n"
    assert done("issue", "import", str(issues)) == "1 issue created, 0 already existed; 3 rows imported.\n"
    archived = done("company", "import", "--archive", str(companies))
    assert archived == "0 companies created, 3 already existed; 1 archived.\n"
    exported = list(csv.reader(io.StringIO(done("issue", "export"), newline="")))
    assert [row[:4] for row in exported[1:]] == sorted([row[:4] for row in affected], key=lambda row: row[2])
