"""Creates datasets of any size quickly: `python -m bench.dataset 1000000 --database-url …`.

The same size always gives the same rows, on both databases. The rows are inserted in bulk, without the product's
operations, and the indexes are created afterwards; counters and search indexes are built as a migration builds them.
"""

import argparse
import math
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import psycopg
from sqlalchemy.engine import make_url

from issue_tracker.database import migrate
from issue_tracker.database.engine import Database
from issue_tracker.names import key
from issue_tracker.settings import Settings
from issue_tracker.status import Status, mask

START = datetime(2024, 1, 1, tzinfo=UTC)
STATUSES = list(Status)
THINGS = (
    "Printer",
    "Router",
    "Mail gateway",
    "VPN tunnel",
    "Backup job",
    "Phone line",
    "Share",
    "Badge reader",
    "Scanner",
)
FAULTS = ("drops packets", "is slow", "refuses sign-in", "shows errors", "stops at night", "fills its disk", "drifts")
CAUSES = ("after the update", "since the move", "under load", "in the morning", "for some people", "without a pattern")
ONSETS, VOWELS = "bdfgklmnprstvz", "aeiou"
MATCHES = 40
"""The number of issues that mention one site, so that a search for a site finds as many in a small dataset as in a
large one.
"""

TABLES = {
    "companies": "company_id name name_key archived created_at updated_at",
    "issues": "issue_id name name_key description description_key revision statuses created_at updated_at",
    "assignments": "assignment_id issue_id company_id issue_key status created_at updated_at",
}


class Size(NamedTuple):
    """The number of rows of each kind in a dataset with this number of assignments."""

    assignments: int

    @property
    def issues(self) -> int:
        return self.assignments // 3

    @property
    def companies(self) -> int:
        return round(2 * math.sqrt(self.assignments))

    @property
    def sites(self) -> int:
        return max(1, self.issues // MATCHES)


def site(number: int) -> str:
    """Returns an invented place name of six letters."""
    letters = ""
    for _ in range(3):
        number, onset = divmod(number, len(ONSETS))
        number, vowel = divmod(number, len(VOWELS))
        letters += ONSETS[onset] + VOWELS[vowel]
    return letters.capitalize()


def scattered(number: int, size: int) -> int:
    """Maps a number to another number below `size`, deterministically, and far from the results for neighbouring
    numbers.
    """
    return (number * 2_654_435_761 + 40_503) % 4_294_967_291 % size


def company_name(number: int) -> str:
    """Returns the name of a company."""
    words = ("Works", "Foods", "Clinic", "Logistics", "Legal", "Studio", "Farms")
    return f"{site(number * 37 % 342_999)} {words[number % 7]} {number}"


def issue_name(number: int) -> str:
    """Returns the name of an issue. Issues with neighbouring numbers are far apart in the order of names."""
    spread = scattered(number, 2**31)
    return f"{THINGS[spread % 9]} {FAULTS[spread // 9 % 7]} {number}"


def rows(size: Size, table: str) -> Iterator[tuple[Any, ...]]:
    """Returns the rows of a table; times are datetimes."""
    if table == "companies":
        for number in range(1, size.companies + 1):
            name = company_name(number)
            yield number, name, key(name), False, START, START
    elif table == "issues":
        for number in range(1, size.issues + 1):
            name = issue_name(number)
            spread = scattered(number, 2**31)
            at = START + timedelta(seconds=number * 60)
            place = site(spread // 70 % size.sites)
            description = (
                f"Reported by {place}: it {FAULTS[spread // 7 % 7]} {CAUSES[spread % 6]}, seen {spread % 97} times."
            )
            statuses = mask(STATUSES[scattered(member, 6)] for member in range(3 * number - 2, 3 * number + 1))
            updated = at + timedelta(hours=spread % 700)
            yield number, name, key(name), description, key(description), 1, statuses, at, updated
    else:
        number = 0
        for issue in range(1, size.issues + 1):
            spread = scattered(issue, 2**31)
            at = START + timedelta(seconds=issue * 60)
            issue_key = key(issue_name(issue))
            first, step = spread % size.companies, 1 + spread // size.companies % (size.companies // 3)
            for position in range(3):
                number += 1
                company = (first + position * step) % size.companies + 1
                status = STATUSES[scattered(number, 6)]
                yield number, issue, company, issue_key, status.value, at, at + timedelta(hours=spread % 700)


EVENTS = """
    INSERT INTO events (event_id, type, audit, at, actor_id, actor_name, channel, request_id, issue_id, issue_name,
                        issue_key, company_id, company_name, company_key, from_value, to_value)
    SELECT (turn.n - 1) * {assignments} + a.assignment_id + {offset}, 'assignment.status_changed', {false},
           a.updated_at, 1, 'Ada', 'session', {request_id}, i.issue_id, i.name, i.name_key,
           c.company_id, c.name, c.name_key, 'new', a.status
    FROM {numbers}
    CROSS JOIN assignments a
    JOIN issues i ON i.issue_id = a.issue_id
    JOIN companies c ON c.company_id = a.company_id
"""


COUNTERS = (
    "INSERT INTO issue_counters (statuses, shard, issues) SELECT statuses, 0, count(*) FROM issues GROUP BY statuses",
    "INSERT INTO assignment_counters (status, shard, assignments)"
    " SELECT status, 0, count(*) FROM assignments GROUP BY status",
)


def fill(database_url: str, assignments: int, events_each: int) -> None:
    """Migrates and fills an empty database. `events_each` is the number of status changes of each assignment."""
    size = Size(assignments)
    database = Database(Settings(database_url=database_url))
    migrate.upgrade(database)
    database.close()
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        _fill_sqlite(str(url.database), size, events_each)
    else:
        _fill_postgresql(database_url, size, events_each)


def _fill_sqlite(path: str, size: Size, events_each: int) -> None:
    def text(value: Any) -> Any:
        return value.isoformat(timespec="microseconds") if isinstance(value, datetime) else value

    connection = sqlite3.connect(path, isolation_level=None)
    # An unfinished file is deleted, so no journal for a rollback is needed.
    connection.execute("PRAGMA journal_mode=OFF")
    connection.execute("PRAGMA synchronous=OFF")
    connection.execute("PRAGMA cache_size=-500000")
    connection.execute("PRAGMA temp_store=MEMORY")
    created_later = connection.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND type IN ('index', 'trigger')"
        " AND tbl_name IN ('companies', 'issues', 'assignments', 'events')"
    ).fetchall()
    connection.execute("BEGIN")
    for kind, name, _ in created_later:
        connection.execute(f"DROP {kind} {name}")
    for table, columns in TABLES.items():
        names = columns.split()
        statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})"
        connection.executemany(statement, (tuple(map(text, row)) for row in rows(size, table)))
    connection.execute(
        EVENTS.format(
            assignments=size.assignments,
            offset=1000,
            false="0",
            request_id="lower(hex(randomblob(16)))",
            numbers=f"(WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < {events_each})"
            " SELECT n FROM t) turn",
        )
    )
    for _kind, _name, sql in sorted(created_later, key=lambda entry: entry[0]):
        connection.execute(sql)
    connection.execute("INSERT INTO issue_search (issue_search) VALUES ('rebuild')")
    for statement in COUNTERS:
        connection.execute(statement)
    connection.execute("COMMIT")
    connection.execute("ANALYZE")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()


def _fill_postgresql(database_url: str, size: Size, events_each: int) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute("SET synchronous_commit = off")
        connection.execute("SET maintenance_work_mem = '512MB'")
        indexes = connection.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexname LIKE 'ix\\_%'"
            " AND tablename IN ('companies', 'issues', 'assignments', 'events')"
        ).fetchall()
        for name, _ in indexes:
            connection.execute(f'DROP INDEX "{name}"')
        connection.execute("SET session_replication_role = replica")
        for table, columns in TABLES.items():
            names = columns.split()
            with connection.cursor().copy(f"COPY {table} ({', '.join(names)}) FROM STDIN") as copy:
                for row in rows(size, table):
                    copy.write_row(row)
            connection.execute(
                f"SELECT setval(pg_get_serial_sequence('{table}', '{names[0]}'), max({names[0]})) FROM {table}"
            )
        connection.execute(
            EVENTS.format(
                assignments=size.assignments,
                offset=1000,
                false="false",
                request_id="md5(random()::text)",
                numbers=f"generate_series(1, {events_each}) turn (n)",
            )
        )
        connection.execute("SELECT setval('events_event_id_seq', max(event_id)) FROM events")
        connection.execute("SET session_replication_role = DEFAULT")
        for statement in COUNTERS:
            connection.execute(statement)
        for _, definition in indexes:
            connection.execute(definition)
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")


def main() -> None:
    """Fills the database with the given URL and prints how long it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("assignments", type=int)
    parser.add_argument("--events-each", type=int, default=1, help="events for each assignment")
    parser.add_argument("--database-url", required=True)
    arguments = parser.parse_args()
    started = time.monotonic()
    fill(arguments.database_url, arguments.assignments, arguments.events_each)
    print(f"{arguments.assignments:,} assignments in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
