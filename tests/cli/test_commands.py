"""The command line as users run it: real processes, exit codes, one sentence on stderr."""

import os
import pty
import re
import select
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pytest
from click.testing import CliRunner

from issue_tracker.cli import main
from tests.processes import COMMAND, environment, launch, run, serve
from tests.shared import Shared
from tests.world import PASSWORD

GROUPS = {
    (): "serve worker migrate user company issue backup demo openapi",
    ("user",): "add list password disable",
    ("company",): "add list import export",
    ("issue",): "import export",
}


def refused(*arguments: str, code: int = 1, **options: Any) -> str:
    """Runs a command that fails, and returns its message on stderr."""
    done = run(*arguments, **options)
    assert done.returncode == code, done
    assert done.stdout == "" and "Traceback" not in done.stderr, done
    return done.stderr


def done(*arguments: str, **options: Any) -> str:
    """Runs a command that succeeds without output on stderr, and returns its output."""
    ran = run(*arguments, **options)
    assert ran.returncode == 0 and ran.stderr == "", ran
    return ran.stdout


@pytest.fixture(scope="module")
def embedded(shared: Shared) -> str:
    """An embedded database with a super admin."""
    return shared.with_admin("sqlite")


def test_every_command_has_a_help_text_with_an_explanation() -> None:
    for group, names in GROUPS.items():
        listed = CliRunner().invoke(main, [*group, "--help"]).output
        for name in names.split():
            assert re.search(rf"^  {name} +\w", listed, re.MULTILINE), f"{group} {name}"
            text = CliRunner().invoke(main, [*group, name, "--help"]).output
            assert len(text.splitlines()) >= 6 and "Options:" in text, text
    assert "Start with `issue-tracker serve`" in done("--help")
    assert "version" in done("--version")
    for command, shown in ((["migrate"], "ISSUE_TRACKER_DATABASE_URL_FILE"), (["issue", "import"], "503")):
        assert shown in CliRunner().invoke(main, [*command, "--help"]).output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["migrate", "--database-url", "mysql://x"], "ISSUE_TRACKER_DATABASE_URL must start with sqlite:/// or"),
        (["copy", "--to", "mysql://x"], "--to must start with sqlite:/// or"),
        (["migrate", "--database-url", "postgresql://u:hunter2@host:abc/db"], "ISSUE_TRACKER_DATABASE_URL cannot be"),
        (["migrate", "--database-url", "sqlite:///:memory:"], "ISSUE_TRACKER_DATABASE_URL must name a database"),
        (
            ["migrate", "--database-url", "postgresql://127.0.0.1:1/x"],
            "The database cannot be used: connection failed: ",
        ),
        (["serve", "--port", "99999"], "ISSUE_TRACKER_PORT is not valid"),
        (["serve", "--workers", "0"], "ISSUE_TRACKER_WORKERS is not valid"),
        (["serve", "--public-url", "issues.example.com"], "ISSUE_TRACKER_PUBLIC_URL must be like https://"),
        (["user", "add", "nope", "--name", "x", "--role", "technician"], "EMAIL must be an email address."),
        (["user", "add", "a@b.example", "--name", " ", "--role", "technician"], "--name must not be blank."),
        (
            ["user", "add", "a@b.example", "--name", "Ada\u2028Lund", "--role", "technician"],
            "--name must be on one line.",
        ),
        (["user", "password", "nobody@b.example"], "There is no account for “nobody@b.example”."),
        (["user", "disable", "nobody@b.example"], "There is no account for “nobody@b.example”."),
        (
            ["user", "disable", "ada@helpdesk.example"],
            "active: The last active super admin who sees all companies cannot be",
        ),
        (["events", "prune", "--older-than", "9" * 5000 + "d"], "--older-than must be a number of days or hours, such"),
        (["company", "add", "Contoso", ""], "“” must not be blank."),
        (["issue", "export", "/nonexistent/folder/issues.csv"], "/nonexistent/folder/issues.csv: No such file"),
        (["demo"], "The database is not empty; the demonstration data needs an empty one."),
    ],
)
def test_an_error_is_one_sentence_with_exit_code_1(embedded: str, arguments: list[str], sentence: str) -> None:
    said = refused(*arguments, database_url=embedded)
    assert said.startswith(f"issue-tracker: {sentence}"), said
    assert said.count("\n") == 1 and said.endswith(".\n") and "hunter2" not in said, said


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["frobnicate"], ""),
        (["user", "add"], ""),
        (["user", "add", "a@b.example", "--name", "x", "--role", "king"], ""),
        (
            ["token", "add", "a@b.example", "--name", "x", "--scope", "read", "--expires", "2027-13-01"],
            "'--expires': “2027-13-01” is not a day such as 2027-01-31.",
        ),
        (["issue", "import", "missing.csv"], ""),
        (["company", "add"], ""),
        (["serve", "--colour"], ""),
    ],
)
def test_wrong_usage_exits_with_2(embedded: str, arguments: list[str], error: str) -> None:
    said = refused(*arguments, code=2, database_url=embedded)
    assert "Usage:" in said and error in said


@pytest.mark.parametrize("command", ["issue export", "company export", "openapi", "dump", "backup"])
def test_an_empty_name_of_a_file_is_wrong_usage(embedded: str, command: str) -> None:
    """As in a script whose variable is not set. It would be the current folder."""
    said = CliRunner().invoke(main, [*command.split(), ""], env={"ISSUE_TRACKER_DATABASE_URL": embedded})
    assert (said.exit_code, said.stdout) == (2, "") and "FILE" in said.stderr, said
    assert said.stderr.endswith("The name of the file is empty.\n")


@pytest.mark.parametrize("command", ["dump", "backup"])
def test_a_command_that_cannot_write_to_standard_output_says_so(
    embedded: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = CliRunner().invoke(main, [command, "-"], env={"ISSUE_TRACKER_DATABASE_URL": embedded})
    assert (said.exit_code, said.stdout, list(tmp_path.iterdir())) == (2, "", []), said
    assert said.stderr.endswith("This command cannot write to standard output. Give the name of a file.\n")


def test_an_invalid_setting_is_rejected_with_a_hint(embedded: str, tmp_path: Path) -> None:
    assert "ISSUE_TRACKER_TRHEADS: no such setting" in refused("user", "list", database_url=embedded, TRHEADS="3")
    assert "ISSUE_TRACKER_THREADS is not valid" in refused("user", "list", database_url=embedded, THREADS="many")
    assert "conflicts with" in refused("user", "list", database_url=embedded, DATABASE_URL_FILE="x")
    (tmp_path / "url").write_text(embedded + "\n")
    assert "ada@helpdesk.example" in done("user", "list", DATABASE_URL_FILE=str(tmp_path / "url"))


@pytest.mark.parametrize(
    ("name", "value", "limit"),
    [
        ("SESSION_IDLE_HOURS", "inf", "8760"),
        ("SESSION_IDLE_HOURS", "nan", "0"),
        ("SESSION_IDLE_HOURS", "8761", "8760"),
        ("SESSION_LIFETIME_DAYS", "4000000", "3650"),
        ("SIGN_IN_WINDOW_MINUTES", "1e300", "10080"),
    ],
)
def test_a_time_beyond_its_limit_is_rejected(name: str, value: str, limit: str) -> None:
    refused = CliRunner().invoke(main, ["openapi"], env={f"ISSUE_TRACKER_{name}": value})
    assert refused.exit_code == 1
    assert refused.output.startswith(f"issue-tracker: ISSUE_TRACKER_{name} is not valid: Expected"), refused.output
    assert limit in refused.output


@pytest.mark.parametrize("workers", [1, 2])
def test_options_override_settings_from_files(embedded: str, tmp_path: Path, workers: int) -> None:
    values = {"DATABASE_URL": embedded, "PUBLIC_URL": "https://issues.example.com:443/", "PORT": "1", "WORKERS": "9"}
    for name, value in values.items():
        (tmp_path / name).write_text(value + "\n")
    files = {f"{name}_FILE": str(tmp_path / name) for name in values}
    largest = {"SESSION_IDLE_HOURS": "8760", "SESSION_LIFETIME_DAYS": "3650", "SIGN_IN_WINDOW_MINUTES": "10080"}
    with serve("", tmp_path / "server.log", workers=workers, **files, **largest) as server:
        body = {"email": "ada@helpdesk.example", "password": PASSWORD}
        signed_in = server.client().post("/api/auth/login", json=body)
        assert signed_in.status_code == 200, signed_in.text
        assert signed_in.headers["set-cookie"].startswith("__Host-issue_tracker_session=")
    assert "Issue Tracker serves https://issues.example.com\n" in server.log.read_text()


@pytest.mark.parametrize(
    "command",
    [
        "user list",
        "user disable ada@helpdesk.example",
        "token add ada@helpdesk.example --name x --scope read",
        "company list",
        "company export",
        "issue export",
        "events prune --older-than 1d",
        "worker",
        "backup copy.db",
    ],
)
def test_a_mistyped_database_is_reported_and_not_created(tmp_path: Path, command: str) -> None:
    url = f"sqlite:///{tmp_path}/dta/issues.db"
    refused = CliRunner().invoke(main, [*command.split(), "--database-url", url])
    assert refused.exit_code == 1
    assert refused.output.startswith(f"issue-tracker: There is no database {tmp_path}/dta/issues.db;"), refused.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["issue", "export"], 0),
        (["company", "list"], 0),
        (["user", "list"], 0),
        (["openapi"], 0),
        (["--help"], 0),
        (["issue", "--help"], 0),
        (["worker"], 1),
    ],
)
def test_a_reader_that_stops_early_ends_a_command_successfully(embedded: str, arguments: list[str], code: int) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with TemporaryFile() as err:
        ran = launch(arguments, environment(embedded), writing, err.fileno())
        os.close(writing)
        ended = ran.wait(60)
        err.seek(0)
        complaint = b"issue-tracker: Standard output: Broken pipe.\n" if code else b""
        assert (ended, err.read()) == (code, complaint)


def test_a_password_typed_on_a_terminal_is_not_shown(embedded: str) -> None:
    run("user", "add", "typist@helpdesk.example", "--name", "T", "--role", "member", database_url=embedded)
    ours, theirs = pty.openpty()
    command = subprocess.Popen(
        [*COMMAND, "user", "password", "typist@helpdesk.example", "--password-stdin"],
        env=environment(embedded), stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    assert shown_until(ours, b"Password: ") == "Password: "
    os.write(ours, b"a password to be typed\n")
    rest = shown_until(ours, b"has been set.")
    assert command.wait(60) == 0
    os.close(ours)
    assert rest.strip() == "The password of typist@helpdesk.example has been set."


def shown_until(terminal: int, expected: bytes) -> str:
    """Returns the output of a terminal up to and including the given text."""
    shown = b""
    while expected not in shown:
        assert select.select([terminal], [], [], 30)[0], f"nothing more after {shown!r}"
        shown += os.read(terminal, 1024)
    return shown.decode()


def test_a_file_that_is_not_a_database_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "garbage.db").write_bytes(b"This is not a database. " * 200)
    said = refused("user", "list", database_url=f"sqlite:///{tmp_path}/garbage.db")
    assert said == "issue-tracker: The database cannot be used: file is not a database.\n"


def test_an_outdated_schema_is_refused_with_instructions(fresh_database_url: str, engine: str) -> None:
    assert "run `issue-tracker migrate`" in refused("user", "list", database_url=fresh_database_url)
    if engine == "postgresql":
        assert "run `issue-tracker migrate`" in refused("serve", database_url=fresh_database_url)
    assert "Migrated from an empty database to" in done("migrate", database_url=fresh_database_url)
    assert "The schema is current" in done("migrate", database_url=fresh_database_url)
    assert done("user", "list", database_url=fresh_database_url) == ""


INTERRUPTED_WHILE_LOADING = """
import os, signal, sys

# Even if the tests run in the background of a shell script, which ignores interruptions.
signal.signal(signal.SIGINT, signal.default_int_handler)

class Interrupt:
    def find_spec(self, name, *others):
        if name == "sqlalchemy":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
sys.argv = ["issue-tracker", "company", "list"]
from issue_tracker.command_line import main
main()
"""


def test_an_interruption_while_the_program_loads_shows_no_traceback() -> None:
    command = [sys.executable, "-c", INTERRUPTED_WHILE_LOADING]
    ended = subprocess.run(command, env=environment(), capture_output=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, b"", b"")
