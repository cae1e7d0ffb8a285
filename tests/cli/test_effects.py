"""The effects of commands on a database: accounts, companies, the demonstration, the first start; the logs of servers;
and the folder of the program.
"""

import re
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import issue_tracker
from tests.cli.test_commands import done, embedded, refused
from tests.postgresql import free_port
from tests.processes import ADMIN, ServeProcess, environment, run, serve
from tests.shared import Shared

__all__ = ["embedded"]


def test_users_can_be_added_listed_and_disabled_and_get_passwords(admin_url: str, tmp_path: Path) -> None:
    url = admin_url
    made = done("user", "add", "tess@helpdesk.example", "--name", "Tess Ngo", "--role", "technician", database_url=url)
    added, shown = made.splitlines()
    assert added == "Added tess@helpdesk.example."
    password = shown.removeprefix("Password: ")
    assert len(password) >= 20
    taken = refused("user", "add", "TESS@helpdesk.example", "--name", "x", "--role", "member", database_url=url)
    assert "already exists" in taken
    short = refused("user", "password", "tess@helpdesk.example", "--password-stdin", database_url=url, stdin="short\n")
    assert "at least 8 characters" in short
    with serve(url, tmp_path / "server.log") as server:
        tess = server.sign_in("tess@helpdesk.example", password)
        tess.call("GET", "/api/issues", 200)
        done(
            "user", "password", "tess@helpdesk.example", "--password-stdin", database_url=url, stdin="a new password\n"
        )
        tess.call("GET", "/api/issues", 401)
        tess = server.sign_in("tess@helpdesk.example", "a new password")
        tess.call("GET", "/api/issues", 200)  # the password need not be changed first (contract, section 11)
        assert (
            done("user", "disable", "TESS@helpdesk.example", database_url=url) == "tess@helpdesk.example is disabled.\n"
        )
        tess.call("GET", "/api/issues", 401)
    assert done("user", "list", database_url=url).splitlines() == [
        "ada@helpdesk.example\tsuper_admin\tactive\tAda Lund",
        "tess@helpdesk.example\ttechnician\tdisabled\tTess Ngo",
    ]


def test_a_password_is_the_first_line_without_a_byte_order_mark(shared: Shared, tmp_path: Path) -> None:
    url = shared.with_admin("sqlite")
    with serve(url, tmp_path / "server.log") as server:
        for given, password in (
            (b"\xef\xbb\xbfa password from PowerShell\r\n", "a password from PowerShell"),
            ("päßwörter\n".encode(), "päßwörter"),
            (b"without an end of the line", "without an end of the line"),
        ):
            done = run("user", "password", ADMIN, "--password-stdin", database_url=url, stdin=given)
            assert (done.returncode, done.stderr) == (0, "")
            server.sign_in(ADMIN, password)


def test_companies_are_added_together_or_not_at_all(embedded: str) -> None:
    assert done("company", "add", "Fabrikam", "Müller & Söhne", database_url=embedded) == "Added 2.\n"
    assert "already exists" in refused("company", "add", "Unheard Of", "FABRIKAM", database_url=embedded)
    assert done("company", "list", database_url=embedded).splitlines() == ["Fabrikam\t0", "Müller & Söhne\t0"]


def test_the_events_of_a_command_have_one_request_id(embedded: str) -> None:
    done("company", "add", "Northwind", "Tailspin", "Woodgrove", database_url=embedded)
    command = ("user", "add", "mia@helpdesk.example", "--name", "Mia Oh", "--role", "technician")
    done(*command, "--company", "Northwind", database_url=embedded)
    with closing(sqlite3.connect(embedded.removeprefix("sqlite:///"))) as database:
        recorded = database.execute("SELECT request_id, type FROM events ORDER BY event_id").fetchall()
    of_requests = {request_id: [type_ for one, type_ in recorded if one == request_id] for request_id, _ in recorded}
    assert list(of_requests.values())[-2:] == [["company.created"] * 3, ["user.created", "user.updated"]]


def test_the_users_of_the_demonstration_can_sign_in(fresh_database_url: str, tmp_path: Path) -> None:
    shown = done("demo", database_url=fresh_database_url)
    accounts = re.findall(r"^ +(\S+@\S+)\s+(\S+)\s+\((\w+)\)$", shown, re.MULTILINE)
    assert [role for _, _, role in accounts] == ["super_admin", "technician", "technician"]
    with serve(fresh_database_url, tmp_path / "server.log") as server:
        for email, password, role in accounts:
            client = server.sign_in(email, password)
            assert client.call("GET", "/api/auth/session", 200)["user"]["role"] == role
        assert client.call("GET", "/api/issues", 200)["total"] >= 10
        assert client.call("GET", "/api/companies", 200)["total"] >= 30


def test_the_first_start_prints_a_link_that_works_once(tmp_path: Path) -> None:
    server = ServeProcess("", tmp_path / "server.log", cwd=tmp_path).wait_until_ready()
    try:
        printed = server.log.read_text()
        assert f"Issue Tracker serves {server.url}" in printed
        found = re.search(rf"{re.escape(server.url)}/setup\?token=(\S+)", printed)
        assert found, printed
        body = {"token": found[1], "email": "ada@helpdesk.example", "name": "Ada Lund", "password": "a long password"}
        client = server.client()
        client.call("POST", "/api/setup", 403, json=body | {"token": "wrong"})
        assert client.call("POST", "/api/setup", 201, json=body)["role"] == "super_admin"
        client.call("POST", "/api/setup", 403, json=body | {"email": "eve@helpdesk.example"})
        assert server.sign_in(password="a long password").call("GET", "/api/users", 200)["total"] == 1
    finally:
        server.kill()
    database = tmp_path / "data" / "issue-tracker.db"
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    assert stat.S_IMODE(database.parent.stat().st_mode) == 0o700
    again = ServeProcess("", tmp_path / "again.log", cwd=tmp_path).wait_until_ready()
    again.kill()
    assert "/setup?token=" not in again.log.read_text()


def test_a_taken_port_is_reported(embedded: str, tmp_path: Path) -> None:
    with serve(embedded, tmp_path / "first.log") as first:
        second = ServeProcess(embedded, tmp_path / "second.log", port=first.port)
        assert second.process.wait(60) == 1
        assert "Traceback" not in second.log.read_text() and str(first.port) in second.log.read_text()
    assert free_port() != 0


def test_nothing_secret_is_logged(embedded: str, tmp_path: Path) -> None:
    secret = "hunter2-hunter2-hunter2"
    with serve(embedded, tmp_path / "server.log", LOG_LEVEL="debug", LOG_FORMAT="json") as server:
        client = server.sign_in()
        client.post("/api/auth/login", json={"email": "ada@helpdesk.example", "password": secret})
        client.post("/api/auth/login", json={"email": secret + "@x.example", "password": secret, "extra": secret})
        made = client.call("POST", "/api/auth/tokens", 201, json={"name": "t", "scopes": ["read"]})
        bearer = {"Authorization": f"Bearer {made['token']}"}
        assert server.client().get("/api/issues", headers=bearer).status_code == 200
        client.get(f"/api/issues?search={secret}")
        client.post("/api/users", json={"email": "x@y.example", "name": "X", "role": "member", "password": secret})
        cookie, csrf = client.cookies["issue_tracker_session"], client.headers["X-CSRF-Token"]
        server.process.terminate()
        server.process.wait(30)
    logged = server.log.read_text()
    assert logged.count('"event":"request"') >= 8
    for private in (secret, cookie, csrf, made["token"], made["token"].split("_", 2)[2], "correct horse"):
        assert private not in logged


def test_the_program_may_be_installed_anywhere(tmp_path: Path) -> None:
    """Alembic reads the path of the migrations from a configuration, in which a percent sign is special."""
    folder = tmp_path / "100% & more"
    folder.mkdir()
    (folder / "issue_tracker").symlink_to(Path(issue_tracker.__file__).parent)
    script = f"import issue_tracker.cli as cli; assert {str(folder)!r} in cli.__file__; cli.main(['migrate'])"
    migrated = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(f"sqlite:///{tmp_path}/issues.db") | {"PYTHONPATH": str(folder)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (migrated.returncode, migrated.stderr) == (0, ""), migrated
