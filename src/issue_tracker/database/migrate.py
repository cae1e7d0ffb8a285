"""The schema version: which one a database has, whether this program can use it, and how to migrate it.

A program needs the version of its last migration. It can also use a later version if every migration in between says
so: `oldest_program` in a migration is the version needed by the oldest program that may run on the new schema.
Migrating stores it in the database, because a program does not know later migrations
(docs/decisions/0021-rolling-upgrades.md).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from sqlalchemy import Connection, delete, insert, inspect, select, text

from issue_tracker.database.driver import driver
from issue_tracker.database.engine import Database
from issue_tracker.database.tables import metadata, schema_compatibility
from issue_tracker.errors import Cause, Unavailable

LOCK = 0x69747261636B
"""PostgreSQL advisory lock for migrations, so that nodes that start at the same time take turns."""

LOCK_MILLISECONDS = 500
"""How long a migration on PostgreSQL waits for a table lock. Other transactions queue behind a waiting lock, and
transactions that lock tables in another order would wait until PostgreSQL aborts one of the two."""

MIGRATIONS = Path(__file__).parent / "migrations"


class SchemaMismatch(Unavailable):
    """This program cannot use the schema of the database. `detail` says what to do, and is safe to show to anyone."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, cause=Cause.SCHEMA)


class OlderSchema(SchemaMismatch):
    """The schema belongs to an earlier version of this program, or the database is empty."""

    def __init__(self) -> None:
        super().__init__("The database schema is not current; run `issue-tracker migrate`.")


class NewerSchema(SchemaMismatch):
    """The schema belongs to a later version of this program, and this one may not run on it."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"This database is newer ({found}) than this program ({head()}); use the newer version of the program."
        )


class ForeignDatabase(SchemaMismatch):
    """The database has tables, but not those of this program."""

    def __init__(self) -> None:
        super().__init__("This database belongs to another program, or is damaged; use another one.")


def head() -> str:
    """Returns the version that this program needs: that of the last migration, with which its file name begins."""
    return _last_version(MIGRATIONS)


@cache
def _last_version(migrations: Path) -> str:
    """Reads the folder of migrations once, because every request to `/readyz` needs the version."""
    return max(path.name.partition("_")[0] for path in (migrations / "versions").glob("[0-9]*_*.py"))


def version(connection: Connection) -> str | None:
    """Returns the version of the database's schema; None if the database was never migrated.

    Raises ForeignDatabase if it has several, which this program never writes.
    """
    if is_empty(connection):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    if len(found) > 1:
        raise ForeignDatabase
    return None if not found or found[0] is None else str(found[0])


def is_empty(connection: Connection) -> bool:
    """Returns whether the database was never migrated."""
    return not inspect(connection).has_table("alembic_version")


def check(connection: Connection, *, any_version: bool = False) -> None:
    """Raises OlderSchema, NewerSchema or ForeignDatabase unless this program can use the schema.

    It can use its own version, and a later one that permits it. `any_version` accepts every earlier and permitted later
    version.
    """
    found = version(connection)
    if found is None or not any_version:
        check_can_migrate(connection)
    if found is None or (found < head() and not any_version):
        raise OlderSchema
    if not _is_version(found):
        raise ForeignDatabase


def check_knows_everything(connection: Connection) -> None:
    """Raises OlderSchema, NewerSchema or ForeignDatabase unless the schema is exactly the one that this program needs.

    For code that must read or write every column: a later schema has columns that this program does not know.
    """
    check(connection)
    found = version(connection)
    if found is not None and found > head():
        raise NewerSchema(found)


def check_can_migrate(connection: Connection) -> None:
    """Raises NewerSchema or ForeignDatabase if this program can neither use the database nor migrate it.

    Raises SchemaMismatch if an empty database does not store UTF-8.
    """
    found = version(connection)
    if found is not None:
        if not _is_version(found):
            raise ForeignDatabase
        if found > head() and not _lets_this_program_run(connection, found):
            raise NewerSchema(found)
        return
    # An empty PostgreSQL database may contain the tables of an extension; an empty SQLite file contains none.
    tables = set(inspect(connection).get_table_names())
    if tables if connection.dialect.name == "sqlite" else tables & metadata.tables.keys():
        raise ForeignDatabase
    if connection.dialect.name == "postgresql":
        encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
        if encoding != "UTF8":
            raise SchemaMismatch(f"The database has the encoding {encoding}; create one with ENCODING 'UTF8'.")


def upgrade(database: Database, to: str = "head") -> tuple[str | None, str]:
    """Migrates to the current version, or to the earlier one named in `to`. Returns the versions before and after.

    Leaves a later schema that permits this program unchanged. Creates the file of an embedded database if it is
    missing.

    Several nodes can run this at the same time: on PostgreSQL, the second one waits, and finds nothing to do. Raises
    Unavailable (BUSY) after too long a wait, on SQLite for another writer, on PostgreSQL for a table lock; and whatever
    `check_can_migrate` raises. An error leaves the database unchanged.
    """
    database.create()
    target = head() if to == "head" else to
    with database.read() as connection:
        before = version(connection)
        if before is not None and before >= target:
            check_can_migrate(connection)
            return before, before
    with database.write() as connection:
        if not database.sqlite:
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
            connection.execute(text(f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS}"))
        before = version(connection)
        check_can_migrate(connection)
        if before is not None and before >= target:
            return before, before
        with _without_preparing(connection):
            _run(connection, to)
    return before, target


@contextmanager
def _without_preparing(connection: Connection) -> Iterator[None]:
    """Lets the driver of PostgreSQL prepare no statement: it would outlive tables that a rollback removes."""
    if connection.dialect.name == "sqlite":
        yield
        return
    found = driver(connection)
    threshold, found.prepare_threshold = found.prepare_threshold, None
    try:
        yield
    finally:
        found.prepare_threshold = threshold


def _is_version(found: str) -> bool:
    """Returns whether a schema version has this program's form: four digits, in ascending order."""
    return len(found) == len(head()) and found.isascii() and found.isdigit()


def _lets_this_program_run(connection: Connection, found: str) -> bool:
    """Returns whether a later schema declares that this program may run on it."""
    if not inspect(connection).has_table(schema_compatibility.name):
        return False
    # Only a row of this very version counts: a row that an earlier migration wrote says nothing.
    declared = select(schema_compatibility.c.oldest_program).where(schema_compatibility.c.version == found)
    oldest = connection.execute(declared).scalar_one_or_none()
    return oldest is not None and oldest <= head()


def _run(connection: Connection, to: str) -> None:
    # Imported here, because a server without pending migrations should not load Alembic, which takes 11 MB.
    from alembic.command import upgrade as alembic_upgrade  # noqa: PLC0415 - Alembic takes 11 MB
    from alembic.config import Config  # noqa: PLC0415 - Alembic takes 11 MB
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - Alembic takes 11 MB

    config = Config()
    # In Alembic's configuration, a percent sign begins a reference to another option.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    alembic_upgrade(config, to)
    if inspect(connection).has_table(schema_compatibility.name):
        applied = list(ScriptDirectory.from_config(config).iterate_revisions(to, "base"))
        # Without a declaration, only the program that contains the migration may run on its schema.
        oldest = max(getattr(script.module, "oldest_program", script.revision) for script in applied)
        connection.execute(delete(schema_compatibility))
        row = {"row": 1, "version": applied[0].revision, "oldest_program": oldest}
        connection.execute(insert(schema_compatibility), row)
