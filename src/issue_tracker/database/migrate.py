"""The schema's version: which one the database has, and how it becomes the current one."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from issue_tracker.database.engine import Database

LOCK = 0x69747261636B
"""PostgreSQL's advisory lock for migrations: two nodes that start together take turns."""


MIGRATIONS = Path(__file__).parent / "migrations"


def head() -> str:
    """The version that this code needs: the last of the migrations, whose files begin with their versions."""
    return max(path.name.partition("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def version(connection: Connection) -> str | None:
    """The version of the database's schema; None for an empty database."""
    if is_empty(connection):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return None if found is None else str(found)


def is_current(connection: Connection) -> bool:
    """Whether the schema is the one that this code needs."""
    return version(connection) == head()


def is_empty(connection: Connection) -> bool:
    """Whether nobody ever migrated this database."""
    return not inspect(connection).has_table("alembic_version")


def upgrade(database: Database, to: str = "head") -> tuple[str | None, str]:
    """Migrates to the current version, or to the earlier one named in `to`. Returns the versions before and after.

    Several nodes can run it at the same time: the second one waits, and finds nothing to do.
    """
    with database.write() as connection:
        if not database.sqlite:
            connection.execute(text("SET LOCAL lock_timeout = 0"))
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        before = version(connection)
        _run(connection, to)
        after = version(connection)
    assert after is not None
    return before, after


def _run(connection: Connection, to: str) -> None:
    # Imported here, because a server that has nothing to migrate must not carry Alembic, which is 11 MB.
    from alembic.command import upgrade as alembic_upgrade  # noqa: PLC0415
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    alembic_upgrade(config, to)
