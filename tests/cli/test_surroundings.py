"""The environment of every command, as in test_causes: its standard streams, its account, the locale."""

import io
import json
import os
import pwd
import resource
import shlex
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TextIO

import pytest
from click.testing import CliRunner

from issue_tracker.cli import main
from tests.cases import cases
from tests.cli.commands import PASSWORD_LINE, UNTIL_STOPPED, WITHOUT_DATABASE, command_line, leaves
from tests.clients import Client
from tests.postgresql import free_port
from tests.processes import ADMIN, COMMAND, environment, until_ready
from tests.shared import SQLITE, Shared

pytestmark = pytest.mark.together

AWKWARD = "Żółć & Søn 株式会社"

ENDING = sorted(set(leaves()) - UNTIL_STOPPED)


@pytest.fixture(scope="module")
def original(shared: Shared, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database in which every command succeeds."""
    path = tmp_path_factory.mktemp("surroundings") / "issues.db"
    shutil.copy(shared.migrated("sqlite").removeprefix(SQLITE), path)
    for arguments in (
        ["user", "add", ADMIN, "--name", AWKWARD, "--role", "super_admin"],
        ["user", "add", "leaver@helpdesk.example", "--name", "L", "--role", "member"],
        ["company", "add", AWKWARD],
    ):
        assert CliRunner().invoke(main, [*arguments, "--database-url", f"sqlite:///{path}"]).exit_code == 0
    return path


@pytest.fixture
def url(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A copy of the database for this test, which the settings name."""
    shutil.copy(original, tmp_path)
    url = f"sqlite:///{tmp_path}/{original.name}"
    monkeypatch.setenv("ISSUE_TRACKER_DATABASE_URL", url)
    return url


@pytest.fixture
def given(command: str, url: str, shared: Shared, tmp_path: Path) -> list[str]:
    """Prepares the command so that it succeeds. Some commands need an empty database."""
    if command in ("copy", "demo", "restore"):
        empty = tmp_path / "copied.db" if command == "copy" else url.removeprefix(SQLITE)
        shutil.copy(shared.migrated("sqlite").removeprefix(SQLITE), empty)
    return command_line(command, tmp_path)


Call = Callable[..., int]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Call:
    """Runs a command in this process, with a password as its input and another output, and returns its exit code."""

    def call(arguments: list[str], stdout: TextIO | None, stdin: bytes = PASSWORD_LINE.encode()) -> int:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        monkeypatch.setattr(sys, "stdout", stdout)
        monkeypatch.setattr(sys, "stderr", sys.stderr)
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert isinstance(ended.value.code, int)
        return ended.value.code

    return call


@pytest.mark.parametrize("command", ENDING)
def test_an_account_without_a_name_is_recorded_by_its_number(
    command: str, given: list[str], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)

    def unknown(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    done = CliRunner().invoke(main, given, input=PASSWORD_LINE)
    assert (done.exit_code, done.stderr) == (0, ""), done.exception
    if command == "company add":
        with closing(sqlite3.connect(url.removeprefix(SQLITE))) as connection:
            newest = connection.execute("SELECT actor_name FROM events ORDER BY event_id DESC LIMIT 1").fetchone()
        assert newest == (str(os.getuid()),)


@pytest.mark.parametrize("command", ENDING)
def test_a_closed_output_ends_a_command_without_a_message(
    command: str, given: list[str], call: Call, capfd: pytest.CaptureFixture[str]
) -> None:
    assert call(given, None) == 0
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("command", ENDING)
def test_a_full_output_is_reported(
    command: str, given: list[str], call: Call, capfd: pytest.CaptureFixture[str]
) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        assert call(given, full) == 1
    assert capfd.readouterr().err == "issue-tracker: Standard output: No space left on device.\n"


@pytest.mark.parametrize("command", ENDING)
def test_output_is_utf_8_in_every_locale(command: str, given: list[str], call: Call, tmp_path: Path) -> None:
    with (tmp_path / "out").open("w", encoding="cp1252") as out:
        assert call(given, out) == 0
    shown = (tmp_path / "out").read_bytes().decode("utf-8")
    if command in ("company list", "company export", "user list"):
        assert AWKWARD in shown


@pytest.mark.parametrize(
    "surrounded",
    [
        "{command} company list 2>&-",
        "PYTHONIOENCODING=cp1252 {command} company list",
        "PYTHONIOENCODING=ascii LC_ALL=C PYTHONUTF8=0 {command} company export",
        "{command} --help >&-",
        "{command} company list | true",
    ],
)
def test_output_of_a_real_process_is_utf_8(url: str, surrounded: str) -> None:
    """The streams that replace the standard ones above are like those that Python creates in a new process."""
    script = surrounded.format(command=shlex.join(COMMAND))
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", script], env=environment(url), capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    if ">&-" not in surrounded and "|" not in surrounded:
        assert AWKWARD in done.stdout.decode("utf-8")


def test_output_is_never_written_to_the_database_file(url: str) -> None:
    """The database would be the next file to be opened, with the file descriptor of standard output."""
    script = f"{shlex.join(COMMAND)} company add First >&- && {shlex.join(COMMAND)} company list <&- >&- 2>&-"
    done = subprocess.run(["bash", "-c", script], env=environment(url), capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    with closing(sqlite3.connect(url.removeprefix(SQLITE))) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize("closed", ["--workers 1 >&- 2> /dev/full", "--workers 2 <&- >&-"])
def test_a_server_with_a_closed_or_full_output_starts_and_serves(url: str, tmp_path: Path, closed: str) -> None:
    script = f"exec {shlex.join(COMMAND)} serve --port {(port := free_port())} {closed}"
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(["bash", "-c", script], env=environment(url), stderr=log)
    try:
        until_ready(server, f"http://127.0.0.1:{port}", tmp_path / "log")
        file = Path(url.removeprefix(SQLITE))
        # The reason is logged, or cannot be logged.
        file.rename(file.with_name("away.db"))
        typed = {"email": ADMIN, "password": PASSWORD_LINE.strip()}
        with Client(timeout=20) as client:
            assert client.post(f"http://127.0.0.1:{port}/api/auth/login", json=typed).status_code == 503
    finally:
        server.terminate()
        assert server.wait(60) == 0


@pytest.mark.parametrize(("arguments", "code"), [("company add", 2), ("nosuch", 2), ("issue export /nowhere/x", 1)])
def test_the_exit_code_is_right_although_the_error_cannot_be_printed(url: str, arguments: str, code: int) -> None:
    script = f"exec {shlex.join(COMMAND)} {arguments} 2> /dev/full"
    done = subprocess.run(["bash", "-c", script], env=environment(url), timeout=60, check=False)
    assert done.returncode == code


def test_a_server_whose_output_is_full_reports_it(url: str) -> None:
    script = f"exec {shlex.join(COMMAND)} serve --port {free_port()} > /dev/full"
    done = subprocess.run(
        ["bash", "-c", script], env=environment(url), capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (1, "issue-tracker: Standard output: No space left on device.\n")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (b"caf\xe9 caf\xe9 caf\xe9\n", "The password on standard input is not UTF-8."),
        ("a password\n".encode("utf-16"), "The password on standard input is not UTF-8."),
        (b"", "The password must be at least 8 characters."),
    ],
)
def test_an_unreadable_password_is_rejected(
    url: str, call: Call, capfd: pytest.CaptureFixture[str], given: bytes, sentence: str
) -> None:
    assert call(["user", "password", ADMIN, "--password-stdin"], None, given) == 1
    assert capfd.readouterr().err == f"issue-tracker: {sentence}\n"


@pytest.mark.parametrize(
    ("in_url", "on_disk"),
    [("100%", "100%"), ("a%20b", "a b"), ("what%3F", "what?"), ("50%25", "50%"), ("Żółć", "Żółć"), ("a b", "a b")],
)
def test_a_database_may_have_any_name(tmp_path: Path, in_url: str, on_disk: str) -> None:
    url = f"sqlite:///{tmp_path}/{in_url}/{in_url}.db"
    for arguments in (["migrate"], ["company", "add", "Contoso"], ["backup", str(tmp_path / f"{on_disk}.copy")]):
        assert CliRunner().invoke(main, [*arguments, "--database-url", url]).exit_code == 0
    assert {path.name for path in (tmp_path / on_disk).iterdir()} == {f"{on_disk}.db"}
    assert (tmp_path / f"{on_disk}.copy").stat().st_size > 4096


@pytest.mark.parametrize("command", sorted(set(leaves()) - WITHOUT_DATABASE))
def test_a_full_disk_is_reported(command: str, given: list[str], url: str) -> None:
    """A limit on the size of files has the same effect as a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        done = CliRunner().invoke(main, given, input=PASSWORD_LINE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert isinstance(done.exception, SystemExit), done.exception
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (1, "", 1), done
    assert done.stderr.startswith("issue-tracker: The database cannot be used: "), done.stderr


RUN_ALL = """
import json, sys
from click.testing import CliRunner
from issue_tracker.cli import main
ran = [CliRunner().invoke(main, arguments) for arguments in json.load(sys.stdin)]
print(json.dumps([(one.exit_code, one.stdout, one.stderr) for one in ran]))
"""


def test_a_database_in_a_read_only_folder_is_reported(original: Path, tmp_path: Path) -> None:
    """Root obeys file permissions after dropping the capability to ignore them. One process runs all commands."""
    plain = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.getuid() == 0 else []
    filled, empty = tmp_path / "filled", tmp_path / "empty"
    filled.mkdir()
    empty.mkdir()
    shutil.copy(original, filled)
    commands = ("migrate", "serve", "worker", "user list", "company add", "issue export", "demo")
    given = []
    for command in commands:
        url = f"sqlite:///{empty if command == 'demo' else filled}/{original.name}"
        given.append([*command_line(command, tmp_path), "--database-url", url])
    for folder in (filled, empty):
        folder.chmod(0o555)
    try:
        done = subprocess.run(
            [*plain, sys.executable, "-c", RUN_ALL],
            input=json.dumps(given), env=environment(), capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
    finally:
        for folder in (filled, empty):
            folder.chmod(0o755)
    for command, (code, out, err) in zip(commands, json.loads(done.stdout), strict=True):
        assert (code, out, err.count("\n")) == (1, "", 1), (command, out, err)
        reason = "issues.db: Permission denied." if command == "demo" else "The database cannot be used: "
        assert err.startswith("issue-tracker: ") and reason in err, (command, err)


@cases(
    "arguments",
    [
        ["user", "disable", "\udcff@helpdesk.example"],
        ["user", "password", "\udcff"],
        ["token", "add", "\udcff", "--name", "x", "--scope", "read"],
        ["user", "add", "\udcff@helpdesk.example", "--name", "x", "--role", "member"],
        ["user", "add", "x@helpdesk.example", "--name", "\udcff", "--role", "member"],
        ["company", "add", "\udcff"],
        ["events", "prune", "--older-than", "\udcff"],
        ["events", "prune", "--older-than", "٣d"],
        ["serve", "--host", "\udcff"],
        ["serve", "--host", "a" * 70],
        ["serve", "--host", "a" * 70, "--workers", "2"],
        ["serve", "--host", "256.256.256.256"],
        ["serve", "--public-url", "https://\udcff"],
        ["issue", "export", "\udcff/out.csv"],
        ["backup", "\udcff/copy.db"],
        ["dump", "\udcff/new.dump"],
    ],
)
def test_an_argument_that_is_not_text_is_rejected(
    url: str, call: Call, capfd: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert call(arguments, None) == 1
    assert capfd.readouterr().err.splitlines()[-1].startswith("issue-tracker: ")
