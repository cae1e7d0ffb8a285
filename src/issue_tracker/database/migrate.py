"""The version of the schema: which one a database has, whether this program can use it, how it becomes current."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from issue_tracker.database.engine import Database
from issue_tracker.database.tables import metadata
from issue_tracker.errors import Cause, Unavailable

LOCK = 0x69747261636B
"""PostgreSQL's advisory lock for migrations, so that nodes that start at the same time take turns."""

MIGRATIONS = Path(__file__).parent / "migrations"


class SchemaMismatch(Unavailable):
    """This program cannot use the schema of the database. The sentence says what to do, and is safe to show anyone."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, cause=Cause.SCHEMA)


class OlderSchema(SchemaMismatch):
    """The schema is one of an earlier version of this program, or the database is empty."""

    def __init__(self) -> None:
        super().__init__("The database schema is not current; run `issue-tracker migrate`.")


class NewerSchema(SchemaMismatch):
    """The schema was made by a later version of this program."""

    def __init__(self, found: str) -> None:
        super().__init__(
            f"This database is newer ({found}) than this program ({head()}); use the newer version of the program."
        )


class ForeignDatabase(SchemaMismatch):
    """The database has tables, but not those of this program."""

    def __init__(self) -> None:
        super().__init__("This database belongs to another program, or is damaged; name another.")


def head() -> str:
    """The version that this program needs: that of the last migration, whose files begin with their versions."""
    return max(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def version(connection: Connection) -> str | None:
    """The version of the database's schema; None when the database was never migrated."""
    if is_empty(connection):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return None if found is None else str(found)


def is_current(connection: Connection) -> bool:
    """Whether the schema is the one that this program needs."""
    return version(connection) == head()


def is_empty(connection: Connection) -> bool:
    """Whether the database was never migrated."""
    return not inspect(connection).has_table("alembic_version")


def check(connection: Connection, *, any_version: bool = False) -> None:
    """Raises OlderSchema, NewerSchema or ForeignDatabase unless the schema is the one that this program needs.

    `any_version` also accepts the schema of an earlier or a later version of the program.
    """
    found = version(connection)
    if found is None or not any_version:
        check_can_migrate(connection)
    if found is None or (found != head() and not any_version):
        raise OlderSchema
    if not _is_version(found):
        raise ForeignDatabase


def check_can_migrate(connection: Connection) -> None:
    """Raises NewerSchema or ForeignDatabase when this program must not migrate the database.

    Raises SchemaMismatch when an empty database does not store UTF-8.
    """
    found = version(connection)
    if found is not None:
        if not _is_version(found):
            raise ForeignDatabase
        if found > head():
            raise NewerSchema(found)
        return
    # An empty database of PostgreSQL may hold the tables of an extension; a file of SQLite holds none.
    tables = set(inspect(connection).get_table_names())
    if tables if connection.dialect.name == "sqlite" else tables & metadata.tables.keys():
        raise ForeignDatabase
    if connection.dialect.name == "postgresql":
        encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
        if encoding != "UTF8":
            raise SchemaMismatch(f"The database has the encoding {encoding}; create one with ENCODING 'UTF8'.")


def upgrade(database: Database, to: str = "head") -> tuple[str | None, str]:
    """Migrates to the current version, or to the earlier one named in `to`. Returns the versions before and after.

    Creates the file of an embedded database that does not exist. Several nodes can run it at the same time: on
    PostgreSQL the second one waits, and finds nothing to do; on SQLite it raises Unavailable (BUSY) when it has waited
    too long. Raises what `check_can_migrate` raises, and changes nothing then.
    """
    database.create()
    target = head() if to == "head" else to
    with database.read() as connection:
        before = version(connection)
        if before == target:
            return before, before
    with database.write() as connection:
        if not database.sqlite:
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        before = version(connection)
        check_can_migrate(connection)
        if before != target:
            _run(connection, to)
    return before, target


def _is_version(found: str) -> bool:
    """Whether a schema's version looks like one of this program: four digits, which grow."""
    return len(found) == len(head()) and found.isascii() and found.isdigit()


def _run(connection: Connection, to: str) -> None:
    # Imported here, because a server that has nothing to migrate must not carry Alembic, which is 11 MB.
    from alembic.command import upgrade as alembic_upgrade  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    # In Alembic's configuration, a percent sign begins a reference to another option.
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    alembic_upgrade(config, to)
