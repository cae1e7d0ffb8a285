"""Every problem with a database, with every command, results in one sentence with the reason, and never in a traceback.

The commands are derived from the command line itself, so that new ones are included.
"""

import sqlite3
import uuid
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from issue_tracker.cli import main
from tests.cli.commands import ARGUMENTS, PASSWORD_LINE, WITHOUT_DATABASE, command_line, leaves
from tests.postgresql import Cluster
from tests.shared import Shared

pytestmark = pytest.mark.together

HIDDEN = "hunter2-hunter2"
"""A password in a URL, which must never be shown."""


def execute(url: str, *statements: str) -> str:
    """Runs statements on a database directly."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
            for statement in statements:
                connection.execute(statement)
            connection.commit()
    else:
        with psycopg.connect(url, autocommit=True) as server:
            for statement in statements:
                server.execute(statement.encode())
    return url


class Place:
    """The place where a cause creates its databases."""

    def __init__(self, folder: Path, shared: Shared) -> None:
        self.folder = folder
        self._shared = shared

    def cluster(self) -> Cluster:
        return self._shared.cluster

    def migrated(self, engine: str) -> str:
        """A database with the current schema."""
        return self._shared.migrated(engine)

    def sqlite(self) -> str:
        return f"sqlite:///{self.folder}/{uuid.uuid4().hex}.db"

    def postgresql(self) -> str:
        return self.cluster().create_database(f"cause_{uuid.uuid4().hex}")

    def file(self, content: bytes) -> str:
        path = self.folder / uuid.uuid4().hex
        path.write_bytes(content)
        return f"sqlite:///{path}"

    def role(self, url: str, *rights: str) -> str:
        """Creates a role with a password and only the granted privileges, and returns its URL."""
        name = f"role_{uuid.uuid4().hex}"
        execute(url, f"CREATE ROLE {name} LOGIN PASSWORD '{HIDDEN}'", *(right.format(name) for right in rights))
        return url.replace("//tests@", f"//{name}:{HIDDEN}@")


def nobody_listens(_: Place) -> str:
    return f"postgresql://u:{HIDDEN}@127.0.0.1:1/x"


def unknown_host(_: Place) -> str:
    return f"postgresql://u:{HIDDEN}@nowhere.invalid/x"


def missing_database(place: Place) -> str:
    return place.cluster().url("no_such_database")


def wrong_password(place: Place) -> str:
    cluster, url = place.cluster(), place.postgresql()
    wrong = place.role(url).replace(HIDDEN, f"not-{HIDDEN}")
    rules = cluster.folder / "data" / "pg_hba.conf"
    rules.write_text(f"host {url.rpartition('/')[2]} all 127.0.0.1/32 scram-sha-256\n" + rules.read_text())
    execute(cluster.url("postgres"), "SELECT pg_reload_conf()")
    return wrong


def refused_tls(place: Place) -> str:
    return place.postgresql() + "?sslmode=require"


def rejected_value(place: Place) -> str:
    return place.postgresql() + "?sslmode=sometimes"


def unknown_parameter(place: Place) -> str:
    return place.postgresql() + "?nonsense=1"


def missing_privilege(place: Place) -> str:
    return place.role(place.migrated("postgresql"))


def missing_privilege_on_tables(place: Place) -> str:
    return place.role(place.migrated("postgresql"), "GRANT SELECT ON alembic_version TO {0}")


def newer_sqlite(place: Place) -> str:
    return execute(place.migrated("sqlite"), "UPDATE alembic_version SET version_num = '0042'")


def newer_postgresql(place: Place) -> str:
    return execute(place.migrated("postgresql"), "UPDATE alembic_version SET version_num = '0042'")


def foreign_version(place: Place) -> str:
    return execute(place.migrated("sqlite"), "UPDATE alembic_version SET version_num = '1975ea83b712'")


def foreign_version_postgresql(place: Place) -> str:
    return execute(place.migrated("postgresql"), "UPDATE alembic_version SET version_num = '1975ea83b712'")


def foreign_file(place: Place) -> str:
    return execute(place.sqlite(), "CREATE TABLE moz_places (id INTEGER PRIMARY KEY, url TEXT)")


def foreign_tables(place: Place) -> str:
    return execute(place.postgresql(), "CREATE TABLE users (id integer PRIMARY KEY)")


def no_version(place: Place) -> str:
    return execute(place.migrated("sqlite"), "DELETE FROM alembic_version")


def several_versions(place: Place) -> str:
    return execute(place.migrated("postgresql"), "INSERT INTO alembic_version VALUES ('0042')")


def garbage(place: Place) -> str:
    return place.file(b"This is not a database. " * 200)


def overwritten_pages(place: Place) -> str:
    """A database of which only the first page is intact."""
    url = place.migrated("sqlite")
    execute(url, "PRAGMA wal_checkpoint(TRUNCATE)")
    path = Path(url.removeprefix("sqlite:///"))
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    return url


def folder_instead_of_file(place: Place) -> str:
    return f"sqlite:///{place.folder}"


def file_instead_of_folder(place: Place) -> str:
    (place.folder / "not-a-folder").touch()
    return f"sqlite:///{place.folder}/not-a-folder/issues.db"


def read_only_folder(_: Place) -> str:
    return "sqlite:////sys/issue-tracker/issues.db"


def mistyped_scheme(_: Place) -> str:
    return f"mysql://u:{HIDDEN}@host/x"


def parameter_for_sqlite(place: Place) -> str:
    return place.sqlite() + "?mode=ro"


def at_sign_in_password(_: Place) -> str:
    return f"postgresql://u:p@{HIDDEN}@host/x"


def nul_in_path(place: Place) -> str:
    return place.sqlite() + "%00"


def not_unicode(place: Place) -> str:
    return place.postgresql() + "\udcff"


CAUSES: dict[Callable[[Place], str], str] = {
    nobody_listens: "Connection refused",
    unknown_host: "nowhere.invalid",
    missing_database: 'database "no_such_database" does not exist',
    wrong_password: "password authentication failed for user",
    refused_tls: "server does not support SSL, but SSL was required",
    rejected_value: 'invalid sslmode value: "sometimes"',
    unknown_parameter: 'invalid URI query parameter: "nonsense"',
    missing_privilege: "permission denied for table alembic_version",
    missing_privilege_on_tables: "permission denied for table",
    newer_sqlite: "This database is newer (0042) than this program (",
    newer_postgresql: "This database is newer (0042) than this program (",
    foreign_version: "This database belongs to another program",
    foreign_version_postgresql: "This database belongs to another program",
    foreign_file: "This database belongs to another program",
    foreign_tables: "This database belongs to another program",
    no_version: "This database belongs to another program, or is damaged",
    several_versions: "This database belongs to another program, or is damaged",
    garbage: "The database cannot be used: file is not a database.",
    overwritten_pages: "The database cannot be used: database disk image is malformed.",
    folder_instead_of_file: "The database cannot be used: unable to open database file.",
    file_instead_of_folder: "/not-a-folder",
    read_only_folder: "/sys/issue-tracker",
    mistyped_scheme: "ISSUE_TRACKER_DATABASE_URL must start with sqlite:/// or postgresql://.",
    parameter_for_sqlite: "write ? in a path as %3F",
    at_sign_in_password: "write @ in a user name or a password as %40",
    nul_in_path: "must not contain a NUL character",
    not_unicode: "ISSUE_TRACKER_DATABASE_URL is not valid: it is not UTF-8.",
}

UNCONCERNED: dict[Callable[[Place], str], set[str]] = {
    # A copy can be made of a database of any program version.
    newer_sqlite: {"backup"},
    newer_postgresql: {"backup"},
    # They read only the version, or refuse PostgreSQL.
    missing_privilege_on_tables: {"migrate", "backup", "worker"},
}
"""The commands that a cause does not affect."""


@pytest.fixture(scope="module")
def place(shared: Shared, tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("causes"), shared)


def test_the_table_has_every_command() -> None:
    assert set(ARGUMENTS) == set(leaves())


@pytest.mark.parametrize("cause", CAUSES, ids=lambda cause: cause.__name__)
def test_the_reason_is_one_sentence(place: Place, cause: Callable[[Place], str], tmp_path: Path) -> None:
    environment = {"ISSUE_TRACKER_DATABASE_URL": cause(place)}
    for command in sorted(set(leaves()) - WITHOUT_DATABASE - UNCONCERNED.get(cause, set())):
        done = CliRunner().invoke(main, command_line(command, tmp_path), input=PASSWORD_LINE, env=environment)
        assert isinstance(done.exception, SystemExit) and (done.exit_code, done.stdout) == (1, ""), (command, done)
        assert done.stderr.startswith("issue-tracker: ") and done.stderr.count("\n") == 1, (command, done.stderr)
        assert CAUSES[cause] in done.stderr and done.stderr.endswith((".\n", "?\n")), (command, done.stderr)
        assert HIDDEN not in done.stderr and "Traceback" not in done.stderr, command
