"""Files that commands write are replaced in one step or not at all, and no transaction is open during a slow read."""

import json
import os
import signal
import sqlite3
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from issue_tracker.cli import main
from issue_tracker.cli.output import destination, replacing
from tests.processes import begin, environment, preloaded, run
from tests.shared import Shared

pytestmark = pytest.mark.together

PRECIOUS = "what the last export wrote\n"

EXPORTS = ("company export", "issue export", "openapi")

COMPANIES = 1_500

ISSUES = 150
"""More than `issue export` reads at once. An import takes the longer the more issues it creates, so the files are large
because the descriptions are long.
"""


@pytest.fixture(scope="module")
def filled(engine: str, shared: Shared, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database whose exports exceed the capacity of a pipe."""
    url = shared.with_admin(engine)
    folder = tmp_path_factory.mktemp("filled")
    names = [f"Company {number:04}{' whose name takes some room in the file' * 2}" for number in range(COMPANIES)]
    (folder / "companies.csv").write_text("name\n" + "".join(f"{name}\n" for name in names))
    rows = "".join(f"Issue {number:04},{'words ' * 300},{names[number]}\n" for number in range(ISSUES))
    (folder / "issues.csv").write_text(f"name,description,company_name\n{rows}")
    for what in ("companies", "issues"):
        group = {"companies": "company", "issues": "issue"}[what]
        assert run(group, "import", str(folder / f"{what}.csv"), database_url=url).returncode == 0
    return url


SMALL = 128 * 1024
"""Bytes, less than each export has, and enough for the event that records the export: up to 66 KB of SQLite's log."""


@pytest.mark.parametrize("command", ["company export", "issue export"])
def test_a_failed_export_leaves_the_previous_file(filled: str, tmp_path: Path, command: str) -> None:
    _assert_failed_export_leaves_the_previous_file(filled, tmp_path, command)


# This command uses no database.
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_failed_description_of_the_api_leaves_the_previous_file(filled: str, tmp_path: Path) -> None:
    _assert_failed_export_leaves_the_previous_file(filled, tmp_path, "openapi")


def _assert_failed_export_leaves_the_previous_file(filled: str, tmp_path: Path, command: str) -> None:
    target = tmp_path / "out"
    target.write_text(PRECIOUS)
    target.chmod(0o640)
    failed = run(*command.split(), str(target), database_url=filled, largest_file=SMALL)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == f"issue-tracker: {target}: File too large.\n"
    assert target.read_text() == PRECIOUS and list(tmp_path.iterdir()) == [target]

    done = run(*command.split(), str(target), database_url=filled)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert target.read_text() == run(*command.split(), database_url=filled).stdout
    assert stat.S_IMODE(target.stat().st_mode) == 0o640 and list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("command", [*EXPORTS, "dump", "backup"])
def test_a_new_file_is_private(shared: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("ISSUE_TRACKER_DATABASE_URL", shared.migrated("sqlite"))
    target = tmp_path / "out"
    umask = os.umask(0)
    try:
        assert CliRunner().invoke(main, [*command.split(), str(target)]).exit_code == 0
    finally:
        os.umask(umask)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    if command == "openapi":
        assert json.loads(target.read_text())["openapi"].startswith("3.1")


def test_a_reader_sees_either_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    target, link = tmp_path / "data" / "out", tmp_path / "link"
    target.parent.mkdir()
    target.write_text("old")
    link.symlink_to(target)
    with target.open() as reader, destination(str(link)) as out:
        out.write("new")
        assert link.read_text() == "old"
    assert (link.read_text(), target.read_text(), link.is_symlink()) == ("new", "new", True)
    assert reader.closed


def raise_error() -> None:
    raise RuntimeError


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "fail", [raise_error, interrupt, lambda: signal.raise_signal(signal.SIGTERM), lambda: signal.raise_signal(1)]
)
def test_no_temporary_file_remains_after_any_end(tmp_path: Path, fail: Callable[[], None]) -> None:
    # The environment of the tests may ignore one signal, and coverage handles the other one.
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    target = tmp_path / "out"
    target.write_text("old")

    def write() -> None:
        with replacing(str(target)) as temporary:
            temporary.write_text("half of the ne")
            fail()

    with pytest.raises((RuntimeError, KeyboardInterrupt, SystemExit)):
        write()
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_devices_and_pipes_are_not_replaced(filled: str, tmp_path: Path) -> None:
    expected = run("company", "export", database_url=filled).stdout
    for special in ("/dev/stdout", "/proc/self/fd/1"):
        assert run("company", "export", special, database_url=filled).stdout == expected
    redirected = tmp_path / "redirected"
    command = preloaded().scripts() / "issue-tracker"
    script = f"echo before > {redirected}; {command} company export /dev/stdout >> {redirected}"
    subprocess.run(["bash", "-c", script], env=environment(filled), check=True, timeout=60)
    assert redirected.read_text().startswith("before\nname,archived\n")
    assert run("company", "export", "/dev/null", database_url=filled).returncode == 0
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    full = run("company", "export", "/dev/full", database_url=filled)
    assert (full.returncode, full.stderr) == (1, "issue-tracker: /dev/full: No space left on device.\n")


def test_a_folder_that_is_not_writable_is_reported(filled: str, tmp_path: Path) -> None:
    missing = tmp_path / "missing" / "out"
    failed = run("company", "export", str(missing), database_url=filled)
    assert (failed.returncode, failed.stderr) == (1, f"issue-tracker: {missing}: No such file or directory.\n")


class Slow:
    """A command whose output is not read, so that it waits for the full pipe."""

    def __init__(self, url: str, command: str) -> None:
        self._piped = begin(*command.split(), database_url=url)
        self.process = self._piped.process
        deadline = time.monotonic() + 60
        while self.waits_to_write() is False:
            assert self.process.poll() is None and time.monotonic() < deadline, "the output fits into the pipe"
            time.sleep(0.05)

    def waits_to_write(self) -> bool:
        """Returns whether the process sleeps while it writes to a pipe, in several consecutive checks."""
        for _ in range(5):
            if "pipe" not in Path(f"/proc/{self.process.pid}/wchan").read_text():
                return False
            time.sleep(0.02)
        return True

    def rest(self) -> str:
        out, err = self._piped.rest()
        assert (self.process.returncode, err) == (0, "")
        return out


@pytest.fixture
def slow() -> Iterator[Callable[[str, str], Slow]]:
    started: list[Slow] = []

    def start(url: str, command: str) -> Slow:
        started.append(Slow(url, command))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait(30)


@pytest.mark.parametrize("command", ["issue export", "company export", "company list"])
def test_a_slow_reader_holds_no_transaction_open(
    filled: str, engine: str, command: str, slow: Callable[[str, str], Slow]
) -> None:
    waiting = slow(filled, command)
    if engine == "postgresql":
        with psycopg.connect(filled) as connection:
            found = connection.execute(
                "SELECT state FROM pg_stat_activity WHERE datname = current_database()"
                " AND application_name = 'issue-tracker' AND pid <> pg_backend_pid()"
            ).fetchall()
        assert set(found) <= {("idle",)}, found
    else:
        with closing(sqlite3.connect(filled.removeprefix("sqlite:///"), timeout=0)) as connection:
            # An open transaction, even a read, would prevent the reset of the write-ahead log.
            connection.execute("CREATE TABLE IF NOT EXISTS written_meanwhile (number)")
            connection.commit()
            assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
            connection.execute("DROP TABLE written_meanwhile")
            connection.commit()
    assert waiting.rest().splitlines() == run(*command.split(), database_url=filled).stdout.splitlines()


def test_an_export_contains_an_issue_that_is_renamed_meanwhile_once(
    filled: str, engine: str, slow: Callable[[str, str], Slow]
) -> None:
    waiting = slow(filled, "issue export")
    moved = {"Issue 0000": "Zebra", f"Issue {ISSUES - 1:04}": "Aardvark"}
    statement = "UPDATE issues SET name = '{0}', name_key = '{1}' WHERE name = '{2}'"
    statements = [statement.format(new, new.casefold(), old) for old, new in moved.items()]
    back = [statement.format(old, old.casefold(), new) for old, new in moved.items()]
    execute(filled, engine, statements)
    try:
        lines = waiting.rest().splitlines()
    finally:
        execute(filled, engine, back)
    names = [line.partition(",")[0] for line in lines[1:]]
    assert len(names) == ISSUES == len(set(names))
    assert names[-1] == "Aardvark" and "Zebra" not in names, "the first was read before, the last after its change"


def execute(url: str, engine: str, statements: list[str]) -> None:
    if engine == "postgresql":
        with psycopg.connect(url, autocommit=True) as server:
            for statement in statements:
                server.execute(statement.encode())
    else:
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
            for statement in statements:
                file.execute(statement)
            file.commit()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_backup_is_complete_or_absent(filled: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    failed = run("backup", str(copy), database_url=filled, largest_file=SMALL)
    # The limit may also be too small for the event that records the export.
    assert failed.returncode == 1 and failed.stderr.splitlines()[-1].startswith("issue-tracker: The copy failed: ")
    assert list(tmp_path.iterdir()) == []

    backup = begin("backup", str(copy), database_url=filled)
    sizes = set()
    while backup.process.poll() is None:
        sizes |= {path.stat().st_size for path in tmp_path.glob("copy.db")}
        time.sleep(0.001)
    backup.rest()
    assert backup.process.returncode == 0 and [path.name for path in tmp_path.iterdir()] == ["copy.db"]
    assert sizes <= {copy.stat().st_size} and os.access(copy, os.R_OK)
