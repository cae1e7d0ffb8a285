"""Moving to PostgreSQL, by the commands that docs/operations.md shows, word for word."""

import csv
import re
import shlex
import subprocess
import textwrap
import uuid
from pathlib import Path

from issue_tracker.actor import command_line
from issue_tracker.companies.operations import update_company
from issue_tracker.companies.queries import find_companies
from issue_tracker.database.engine import Database
from issue_tracker.settings import DEFAULT_DATABASE_URL, Settings
from tests.examples import DOCS
from tests.postgresql import Cluster
from tests.processes import COMMAND, environment, given_admin, run

PLACEHOLDER = "postgresql://user@host/issue_tracker"


def commands_of_the_document() -> str:
    """The commands of the section, in their order."""
    text = (DOCS / "operations.md").read_text(encoding="utf-8")
    section = text.split("## Moving to PostgreSQL\n")[1].split("\n## ")[0]
    blocks = re.findall(r"^ +```sh\n(.*?)^ +```$", section, re.MULTILINE | re.DOTALL)
    return "".join(textwrap.dedent(block) for block in blocks)


def archive(url: str, name: str) -> None:
    database = Database(Settings(database_url=url))
    with database.write() as tx:
        found = find_companies(tx, command_line("tests"), [name]).popitem()[1]
        update_company(tx, command_line("tests"), found.company_id, archived=True)
    database.close()


def test_the_commands_of_the_document_move_companies_and_issues(cluster: Cluster, tmp_path: Path) -> None:
    old = f"sqlite:///{tmp_path}/{DEFAULT_DATABASE_URL.removeprefix('sqlite:///')}"
    new = cluster.create_database(f"moved_{uuid.uuid4().hex}")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "issue-tracker"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
    program.chmod(0o755)
    given_admin(old)
    run("company", "add", "=Formula", "Contoso", "Müller & Söhne, Köln", database_url=old)
    (tmp_path / "seed.csv").write_text(
        "name,description,company_name,status\n"
        "Core switch,Port 4,Contoso,investigating\n"
        "Core switch,Port 4,=Formula,resolved\n"
        "Nobody yet,,,\n"
    )
    assert run("issue", "import", str(tmp_path / "seed.csv"), database_url=old).returncode == 0
    archive(old, "=Formula")

    script = commands_of_the_document()
    assert PLACEHOLDER in script and DEFAULT_DATABASE_URL in script
    settings = environment()
    settings["PATH"] = f"{program.parent}:{settings['PATH']}"
    moved = subprocess.run(
        ["bash", "-eu", "-c", script.replace(PLACEHOLDER, new)],
        cwd=tmp_path, env=settings, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert (moved.returncode, moved.stderr) == (0, ""), moved
    assert "3 companies created, 0 existed already.\n" in moved.stdout
    assert "2 issues created, 0 existed already; 3 rows imported.\n" in moved.stdout
    assert "0 companies created, 3 existed already; 1 archived.\n" in moved.stdout
    exported = run("company", "export", database_url=new).stdout
    assert list(csv.reader(exported.splitlines())) == [
        ["name", "archived"],
        ["'=Formula", "yes"],
        ["Contoso", ""],
        ["Müller & Söhne, Köln", ""],
    ]
    assert exported == (tmp_path / "companies.csv").read_text(encoding="utf-8")
    was, became = (
        (tmp_path / "issues.csv").read_text(encoding="utf-8"),
        run("issue", "export", database_url=new).stdout,
    )
    columns = [[row[:4] for row in csv.reader(text.splitlines())] for text in (was, became)]
    assert columns[0] == columns[1] and len(columns[0]) == 4
    assert run("user", "list", database_url=new).stdout == "ada@helpdesk.example\tsuper_admin\tactive\tAda Lund\n"
