"""`copy`, `dump` and `restore` move all data between both databases, completely or not at all."""

import gzip
import json
import os
import re
import shutil
import stat
import subprocess
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from issue_tracker.cli import main
from issue_tracker.database import migrate
from issue_tracker.database.engine import Database
from issue_tracker.database.history_identity import SKIPPED_EVENTS
from issue_tracker.database.moving import target
from issue_tracker.database.moving.rows import DERIVED
from issue_tracker.database.server_key import ServerKey
from issue_tracker.database.tables import events, provider_sessions, webhooks
from issue_tracker.events.signing_secrets import readable_secrets
from issue_tracker.settings import DEFAULT_DATABASE_URL, Settings
from tests.cli.moved import OTHER_KEY, REFRESH_TOKEN, answers, contents, fill, moved, schema, served, work
from tests.engines import ENGINES
from tests.examples import DOCS
from tests.processes import environment, preloaded, run
from tests.shared import SQLITE, Shared

pytestmark = pytest.mark.together

STORED_DUMP = Path(__file__).with_name("dump-0005.jsonl")
"""The lines of a dump that a program with the schema 0005 wrote. Every later version must be able to read it."""

PLACEHOLDER = "postgresql://user@host/issue_tracker"


Filled = Callable[[str], tuple[str, str, str]]
"""Returns the URL of a filled database on an engine, and the texts of a session and of a token."""


@pytest.fixture(scope="module")
def filled(shared: Shared) -> Filled:
    """Returns a database that `fill` has filled once for all tests. The files of an embedded one are restored in their
    place: a copy elsewhere would be recognized, and get higher ids for its next events. One on PostgreSQL contains
    what the previous tests have added.
    """
    filled = {engine: (url := shared.migrated(engine), *fill(url)) for engine in ENGINES}
    folder = Path(filled["sqlite"][0].removeprefix(SQLITE)).parent
    original = {file: file.read_bytes() for file in folder.iterdir()}

    def get(engine: str) -> tuple[str, str, str]:
        for file, content in original.items():
            file.write_bytes(content)
        return filled[engine]

    return get


def signing_secrets(url: str, **settings: str) -> list[str]:
    """Returns the secrets of all webhooks, decrypted by a server on this database; it also reads the refresh token."""
    loaded = Settings(database_url=url, **settings)  # type: ignore[arg-type]  # settings as text, as in the environment
    database = Database(loaded)
    with database.read() as tx:
        stored = list(tx.execute(select(webhooks.c.secret).order_by(webhooks.c.id)).scalars())
        refresh_token = tx.execute(select(provider_sessions.c.refresh_token)).scalar_one()
    keyring = ServerKey(database, loaded).keyring()
    database.close()
    found = readable_secrets(keyring, stored)
    assert len(found) == len(stored) > 0 and not any(secret.startswith("whsec_") for secret in stored)
    assert keyring.decrypt(refresh_token) == REFRESH_TOKEN
    return found


def rows_of(url: str) -> int:
    return sum(len(rows) for table, rows in contents(url).items() if table not in DERIVED)


@pytest.mark.parametrize("new", ENGINES)
@pytest.mark.parametrize("old", ENGINES)
def test_a_copy_contains_everything_and_continues_the_ids(old: str, new: str, shared: Shared, filled: Filled) -> None:
    source, session, token = filled(old)
    copied, plain = shared.empty(new), shared.migrated(new)
    before = contents(source)
    # On SQLite the server key is in a file.
    assert [table for table, rows in before.items() if not rows] == (["server_key"] if old == "sqlite" else [])

    done = run("copy", "--from", source, "--to", copied)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"Copied {rows_of(source)} rows of {len(before) - len(DERIVED)} tables; all are equal.\n"
    assert moved(copied) == moved(source)
    assert contents(source) == before | {"events": contents(source)["events"]}
    [exported] = set(contents(source)["events"]) - set(before["events"])
    assert exported[1] == "data.exported" and _note(exported).startswith("everything, into ")
    assert signing_secrets(copied) == signing_secrets(source)
    assert schema(copied) == schema(plain)
    with served(source) as server:
        expected, worked = answers(server, session, token), work(server, token)
    assert {status for status, _ in expected} == {200}
    with served(copied) as server:
        assert answers(server, session, token) == expected
        # New ids continue after the highest assigned one, even if its row was deleted; events begin a new history.
        assert work(server, token) == (worked[0], worked[1] + SKIPPED_EVENTS, worked[2])


@pytest.mark.parametrize("new", ENGINES)
@pytest.mark.parametrize("old", ENGINES)
def test_a_dump_contains_everything_and_is_private(
    old: str, new: str, shared: Shared, filled: Filled, tmp_path: Path
) -> None:
    source, _, token = filled(old)
    restored, file = shared.migrated(new), tmp_path / "everything.dump"

    dumped = run("dump", str(file), database_url=source)

    assert (dumped.returncode, dumped.stderr) == (0, "")
    assert dumped.stdout == f"Dumped {rows_of(source)} rows to {file}.\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = run("dump", str(file), database_url=source)
    assert (again.returncode, again.stderr) == (1, f"issue-tracker: {file} already exists.\n")
    done = run("restore", str(file), database_url=restored)
    # A dump of SQLite does not contain the key, which is in a file; one of PostgreSQL does.
    assert (done.returncode, done.stderr) == (0, OTHER_KEY if old == "sqlite" else "")
    assert moved(restored) == moved(source)
    if old == "sqlite":
        key = Path(source.removeprefix("sqlite:///") + "-key").read_text().strip()
        given = run("reencrypt", database_url=restored, SECRET_KEY=f"{'n' * 40},{key}")
        assert (given.returncode, given.stdout.splitlines()[0]) == (0, "Encrypted 4 secrets.")
        assert signing_secrets(restored, secret_key="n" * 40) == signing_secrets(source)
    else:
        assert signing_secrets(restored) == signing_secrets(source)
    assert schema(restored) == schema(shared.migrated(new))
    with served(source) as one, served(restored) as other:
        issue, event, total = work(one, token)
        assert work(other, token) == (issue, event + SKIPPED_EVENTS, total)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_target_with_data_is_refused_and_unchanged(
    engine: str, shared: Shared, filled: Filled, tmp_path: Path
) -> None:
    source, taken, file = filled("sqlite")[0], shared.migrated(engine), tmp_path / "everything.dump"
    assert run("company", "add", "Northwind", database_url=taken).returncode == 0
    assert run("dump", str(file), database_url=source).returncode == 0
    before = contents(taken)

    refused = [run("copy", "--from", source, "--to", taken), run("restore", str(file), database_url=taken)]

    for done in refused:
        assert (done.returncode, done.stdout) == (1, "")
        expected = "The target already contains data (companies, events, look_alikes); name an empty database.\n"
        assert expected in done.stderr
        assert done.stderr.startswith("issue-tracker: ") and done.stderr.count("\n") == 1
    assert contents(taken) == before
    same = run("copy", "--from", source, "--to", source)
    assert (same.returncode, same.stderr) == (1, "issue-tracker: --from and --to name the same database.\n")
    neither = run("copy")
    assert neither.returncode == 2 and "Give --from, --to or both." in neither.stderr


def _changed(line: bytes, **values: object) -> bytes:
    return json.dumps(json.loads(line) | values).encode() + b"\n"


def _with_other_rows(lines: list[bytes]) -> list[bytes]:
    return [line.replace(b"Fabrikam", b"Fabricam") for line in lines]


DAMAGES: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "a changed row": (_with_other_rows, "the checksum of the rows of companies does not match."),
    "a missing row": (
        lambda lines: [line for line in lines if b"Fabrikam" not in line or line[:1] != b"["],
        "checksum",
    ),
    "missing tables": (lambda lines: [*lines[:-40], lines[-1]], "The dump is damaged or incomplete: "),
    "no end": (lambda lines: lines[:-1], "it ends too early."),
    "a changed end of the last table": (
        lambda lines: [*lines[:-2], _changed(lines[-2], last_number=4), lines[-1]],
        "its checksum does not match.",
    ),
    "something after the end": (lambda lines: [*lines, b"{}\n"], "its checksum does not match."),
    "half a line": (lambda lines: [*lines[:4], lines[4][:20]], "a line is incomplete or too long."),
    "no JSON": (lambda lines: [*lines[:4], b"[1, \n", *lines[5:]], "cannot be read."),
    "a newer schema": (
        lambda lines: [_changed(lines[0], schema="9999"), *lines[1:]],
        f"is newer (9999) than this program ({migrate.head()}); use the newer version of the program.",
    ),
    "a newer format": (lambda lines: [_changed(lines[0], version=2), *lines[1:]], "a format that this version"),
    "another program's": (lambda lines: [b'{"format": "other"}\n'], "This file is not a dump of Issue Tracker"),
    "nothing": (lambda lines: [], "This file is not a dump of Issue Tracker"),
    "a foreign table": (
        lambda lines: [lines[0].replace(b'"table":"users"', b'"table":"users; DROP TABLE users"'), *lines[1:]],
        "its tables are not those of the schema",
    ),
}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_damaged_dump_is_refused_without_any_effect(
    engine: str, shared: Shared, filled: Filled, tmp_path: Path
) -> None:
    source, restored, file = filled("sqlite")[0], shared.migrated(engine), tmp_path / "everything.dump"
    assert run("dump", str(file), database_url=source).returncode == 0
    whole = file.read_bytes()
    lines = gzip.decompress(whole).splitlines(keepends=True)
    middle = len(whole) // 2
    damaged = {
        "cut off": (whole[:-9], "The dump is damaged or incomplete: "),
        "cut in half": (whole[:middle], "The dump is damaged or incomplete: "),
        "a flipped bit": (
            whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "The dump is damaged or incomplete: ",
        ),
        "no gzip": (b"This is no dump. " * 200, "This file is not a dump of Issue Tracker"),
        **{name: (gzip.compress(b"".join(change(lines))), reason) for name, (change, reason) in DAMAGES.items()},
    }
    if engine == "postgresql":  # the others are found without it, or as these
        damaged = {name: damaged[name] for name in ("cut in half", "a changed row", "a missing row", "no end")}
    for name, (content, reason) in damaged.items():
        file.write_bytes(content)
        done = CliRunner().invoke(main, ["restore", str(file), "--database-url", restored])
        assert (done.exit_code, done.stdout) == (1, ""), name
        assert done.stderr.startswith(f"issue-tracker: {file}") and done.stderr.count("\n") == 1, (name, done.stderr)
        assert reason in done.stderr, (name, done.stderr)
    assert rows_of(restored) == 0 and schema(restored) == schema(shared.migrated(engine))
    file.write_bytes(whole)
    assert run("restore", str(file), database_url=restored).returncode == 0
    assert moved(restored) == moved(source)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_dump_of_an_earlier_version_is_restored(engine: str, shared: Shared, tmp_path: Path) -> None:
    restored, file = shared.empty(engine), tmp_path / "earlier.dump"
    file.write_bytes(gzip.compress(STORED_DUMP.read_bytes()))

    done = run("restore", str(file), database_url=restored)

    assert (done.returncode, done.stderr) == (0, "")
    assert schema(restored) == schema(shared.migrated(engine))
    rows = [line for line in STORED_DUMP.read_bytes().splitlines() if line.startswith(b"[")]
    forgotten = 1  # a sign-in attempt, which counts only for minutes (migration 0010)
    assert rows_of(restored) >= len(rows) - forgotten > 20
    emails = [row[1] for row in contents(restored)["users"]]
    assert "ada@helpdesk.example" in emails


@pytest.mark.parametrize("engine", ENGINES)
def test_a_copy_that_differs_is_not_committed(
    engine: str, shared: Shared, filled: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, copied = filled("sqlite")[0], shared.migrated(engine)
    finish = target.Target.finish

    def losing(self: target.Target) -> None:
        finish(self)
        self._connection.execute("UPDATE companies SET archived = NOT archived WHERE name = 'Contoso'")

    monkeypatch.setattr(target.Target, "finish", losing)
    done = CliRunner().invoke(main, ["copy", "--from", source, "--to", copied])
    assert done.exit_code == 1
    assert "The table companies differs: " in done.stderr
    assert rows_of(copied) == 0


def _note(event: tuple[Any, ...]) -> str:
    """Returns the note of a row of the table `events`."""
    return str(event[list(events.c.keys()).index("note")])


def test_the_commands_of_the_document_work(shared: Shared, filled: Filled, tmp_path: Path) -> None:
    source = Path(filled("sqlite")[0].removeprefix(SQLITE))
    used = tmp_path / DEFAULT_DATABASE_URL.removeprefix(SQLITE)
    used.parent.mkdir()
    for ending in ("", "-key"):
        shutil.copy(f"{source}{ending}", f"{used}{ending}")
    section = (DOCS / "operations.md").read_text(encoding="utf-8").split("## Moving to another database\n")[1]
    blocks = re.findall(r"^ +```sh\n(.*?)^ +```$", section.split("\n## ")[0], re.MULTILINE | re.DOTALL)
    script = textwrap.dedent("".join(blocks))
    assert PLACEHOLDER in script and DEFAULT_DATABASE_URL in script
    path = f"{preloaded().scripts()}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-eu", "-c", script.replace(PLACEHOLDER, shared.empty("postgresql"))],
        cwd=tmp_path, env=environment() | {"PATH": path}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, ""), done
    assert "; all are equal.\n" in done.stdout
    assert "ada@helpdesk.example\tsuper_admin\tactive\tAda Lund\n" in done.stdout
