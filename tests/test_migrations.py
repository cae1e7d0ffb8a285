"""Migrations create the schema of database/tables on both databases, once, even if several nodes start together."""

from datetime import UTC, datetime
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, select, text

from issue_tracker.database import migrate
from issue_tracker.database.engine import Database
from issue_tracker.database.tables import former_names, issues, merged_companies, metadata
from issue_tracker.database.tables.indexes import TRIGRAMS, WHERE
from issue_tracker.settings import Settings
from tests.processes import begin


def _difference(tx: Connection) -> list[Any]:
    sqlite = tx.dialect.name == "sqlite"

    def ours(_object: object, name: str | None, kind: str, _reflected: bool, _compared: object) -> bool:
        """FTS5's own tables are not in database/tables, and the trigram index exists only on PostgreSQL."""
        return not (
            sqlite and ((kind == "table" and str(name).startswith("issue_search")) or name == "ix_issues_search")
        )

    options = {"compare_type": True, "compare_server_default": True, "include_object": ours}
    return list(compare_metadata(MigrationContext.configure(tx, opts=options), metadata))


def _special_indexes(tx: Connection) -> tuple[dict[str, str], set[str]]:
    """Returns the conditions of partial indexes by name, and the names of trigram indexes."""
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    if tx.dialect.name == "postgresql":
        query = "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()"
    found = {name: str(sql) for name, sql in tx.execute(text(query))}
    conditions = {name: sql.partition(" WHERE ")[2] for name, sql in found.items() if " WHERE " in sql}
    return conditions, {name for name, sql in found.items() if "gin_trgm_ops" in sql}


def test_migrating_an_empty_database_builds_the_tables(fresh_database_url: str) -> None:
    database = Database(Settings(database_url=fresh_database_url))
    assert migrate.upgrade(database) == (None, migrate.head())
    with database.read() as tx:
        assert _difference(tx) == []
        conditions, with_trigrams = _special_indexes(tx)
    indexes = [index for table in metadata.tables.values() for index in table.indexes]
    declared = {index.name: index.info[WHERE] for index in indexes if WHERE in index.info}
    assert conditions.keys() == declared.keys()
    if fresh_database_url.startswith("sqlite"):  # PostgreSQL writes conditions in its own form
        assert conditions == declared
    else:
        assert with_trigrams == {index.name for index in indexes if TRIGRAMS in index.info}
    database.close()


def test_the_required_version_is_the_last_migration() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrate.MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [migrate.head()]


def test_migrating_again_changes_nothing(migrated_url: str) -> None:
    database = Database(Settings(database_url=migrated_url))
    assert migrate.upgrade(database) == (migrate.head(), migrate.head())
    database.close()


def test_nodes_that_start_together_migrate_once(fresh_database_url: str) -> None:
    nodes = [begin("migrate", database_url=fresh_database_url) for _ in range(4)]
    responses = [node.rest() for node in nodes]

    assert [node.process.returncode for node in nodes] == [0] * 4, responses
    assert sum("Migrated from an empty database" in out for out, _ in responses) == 1, responses


def test_edits_and_addresses_of_version_0007_are_converted(fresh_database_url: str) -> None:
    """The time of the last edit is taken from the history, typed addresses are removed, and known addresses become
    networks.
    """
    database = Database(Settings(database_url=fresh_database_url))
    migrate.upgrade(database, to="0007")
    _add_edits(database)
    _add_addresses(database)

    migrate.upgrade(database)

    with database.read() as tx:
        edited = dict(tx.execute(select(issues.c.name, issues.c.edited_at)).all())
        names = tx.execute(text("SELECT actor_name FROM events WHERE audit ORDER BY event_id")).scalars().all()
        addresses = tx.execute(text("SELECT address FROM sign_in_addresses")).scalars().all()
    database.close()
    assert edited == {"edited": datetime(2026, 2, 1, tzinfo=UTC), "other": None}
    assert names == ["ADA@example.com", "an unknown address", "Ada"]
    assert sorted(addresses) == ["192.0.2.7", "2001:db8:0:1::/64", "2001:db8::/64", "un:known"]


def _add_edits(database: Database) -> None:
    first, second = ("'2026-01-01T00:00:00.000000+00:00'", "'2026-02-01T00:00:00.000000+00:00'")
    with database.write() as tx:
        for name in ("edited", "other"):
            columns = "name, name_key, description_key, revision, created_at, updated_at"
            values = f"'{name}', '{name}', '', 1, {first}, {second}"
            tx.execute(text(f"INSERT INTO issues ({columns}) VALUES ({values})"))
        for number, (issue_id, kind, at) in enumerate(
            ((1, "issue.updated", first), (1, "issue.updated", second), (2, "assignment.created", second)), start=4
        ):
            columns = "event_id, type, audit, at, actor_name, channel, request_id, issue_id"
            values = f"{number}, '{kind}', false, {at}, 'Ada', 'cli', 'r', {issue_id}"
            tx.execute(text(f"INSERT INTO events ({columns}) VALUES ({values})"))


def _add_addresses(database: Database) -> None:
    at = "'2026-01-01T00:00:00.000000+00:00'"
    with database.write() as tx:
        tx.execute(
            text(
                "INSERT INTO users"
                " (user_id, email, email_key, name, role, active, password_hash, created_at, updated_at)"
                f" VALUES (1, 'Ada@example.com', 'ada@example.com', 'Ada', 'member', true, 'x', {at}, {at})"
            )
        )
        for number, name in enumerate(("ADA@example.com", "hunter2", "Ada"), start=1):
            kind = "session.failed" if number < 3 else "session.created"
            tx.execute(
                text(
                    "INSERT INTO events (event_id, type, audit, at, actor_name, channel, request_id)"
                    f" VALUES ({number}, '{kind}', true, {at}, '{name}', 'session', 'r')"
                )
            )
        for address in ("192.0.2.7", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1", "::ffff:192.0.2.7", "un:known"):
            tx.execute(text(f"INSERT INTO sign_in_addresses (user_id, address, at) VALUES (1, '{address}', {at})"))


def test_the_origins_of_former_names_are_taken_from_the_history(fresh_database_url: str) -> None:
    """Issue 1 was renamed from “a” to “b”, and issues 2 (“c”, with companies 1 and 2) and 3 were merged into it."""
    database = Database(Settings(database_url=fresh_database_url))
    migrate.upgrade(database, to="0034")
    at = "'2026-01-01T00:00:00.000000+00:00'"
    happened = (
        ("issue.updated", 1, "a", "NULL", "name", "a"),
        ("issue.created", 2, "c", "NULL", None, None),
        ("assignment.created", 2, "c", "1", None, None),
        ("assignment.status_changed", 2, "c", "2", None, None),
        ("assignment.created", 2, "c", "3", None, None),
        ("assignment.deleted", 2, "c", "3", None, None),
        ("issue.deleted", 2, "c", "NULL", None, None),
    )
    with database.write() as tx:
        for name in ("one", "two", "three"):
            columns = "name, name_key, archived, created_at, updated_at"
            values = f"'{name}', '{name}', false, {at}, {at}"
            tx.execute(text(f"INSERT INTO companies ({columns}) VALUES ({values})"))
        columns, values = "name, name_key, description_key, revision", "'b', 'b', '', 1"
        tx.execute(text(f"INSERT INTO issues ({columns}, created_at, updated_at) VALUES ({values}, {at}, {at})"))
        tx.execute(text("INSERT INTO merged_issues (issue_id, into_id) VALUES (2, 1), (3, 1)"))
        for name in ("a", "c", "unknown"):
            values = f"'{name}', '{name}', 1, {at}"
            tx.execute(text(f"INSERT INTO former_names (name_key, name, issue_id, since) VALUES ({values})"))
        for number, (kind, issue_id, name, company_id, field, before) in enumerate(happened, start=1):
            columns = "event_id, type, audit, at, actor_name, channel, request_id, issue_id, issue_key, company_id"
            values = f"{number}, '{kind}', false, {at}, 'Ada', 'cli', 'r', {issue_id}, '{name}', {company_id}"
            insertion = f"INSERT INTO events ({columns}, field, from_value) VALUES ({values}, :field, :before)"
            tx.execute(text(insertion), {"field": field, "before": before})

    migrate.upgrade(database)

    with database.read() as tx:
        origins = {row.name: row.origin_id for row in tx.execute(select(former_names))}
        companies = {(row.issue_id, row.company_id) for row in tx.execute(select(merged_companies))}
    assert origins == {"a": 1, "c": 2, "unknown": None}
    assert companies == {(2, 1), (2, 2)}
    database.close()


def test_counters_and_changed_fields_survive_the_migration_that_names_them(fresh_database_url: str) -> None:
    database = Database(Settings(database_url=fresh_database_url))
    migrate.upgrade(database, to="0004")
    at = "'2026-01-01T00:00:00.000000+00:00'"
    with database.write() as tx:
        for number, statuses in enumerate((0, 1, 1), start=1):
            tx.execute(
                text(
                    "INSERT INTO issues (name, name_key, description_key, revision, statuses, created_at, updated_at)"
                    f" VALUES ('n{number}', 'n{number}', '', 1, {statuses}, {at}, {at})"
                )
            )
        for number, (kind, before, note) in enumerate(
            (
                ("issue.updated", "'a'", "NULL"),
                ("issue.updated", "NULL", "'description'"),
                ("assignment.status_changed", "'new'", "'description'"),
            ),
            start=1,
        ):
            tx.execute(
                text(
                    "INSERT INTO events"
                    " (event_id, type, audit, at, actor_name, channel, request_id, from_value, note)"
                    f" VALUES ({number}, '{kind}', false, {at}, 'Ada', 'cli', 'r', {before}, {note})"
                )
            )

    assert migrate.upgrade(database) == ("0004", migrate.head())
    with database.write() as tx:
        tx.execute(text("UPDATE issues SET statuses = 3 WHERE name = 'n2'"))
        tx.execute(text("DELETE FROM issues WHERE name = 'n1'"))
    with database.read() as tx:
        fields = tx.execute(text("SELECT field FROM events ORDER BY event_id")).scalars().all()
        totals = tx.execute(text("SELECT statuses, sum(issues) FROM issue_counters GROUP BY statuses")).all()
    database.close()

    assert fields == ["name", "description", None]
    assert {statuses: int(total) for statuses, total in totals if total} == {1: 1, 3: 1}
