"""Changes statuses with `sqlite3` alone: the same statements and commits as the product, and nothing else.

`python -m bench.writes_alone FILE SECONDS` prints changes per second.
"""

import sqlite3
import sys
import time
from datetime import UTC, datetime

from bench.dataset import STATUSES
from issue_tracker.status import Status

SESSION = (
    "SELECT s.id, u.user_id, u.email, u.name, u.role, s.created_at, s.used_at, s.expires_at"
    " FROM sessions s JOIN users u ON u.user_id = s.user_id WHERE s.token_hash = ? AND u.active"
)
EVENT = (
    "INSERT INTO events (type, audit, at, actor_id, actor_name, channel, request_id, issue_id, issue_name, issue_key,"
    " company_id, company_name, company_key, from_value, to_value)"
    " VALUES ('assignment.status_changed', 0, ?, 1, 'Bench', 'session', ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def change(connection: sqlite3.Connection, token_hash: bytes, issue_key: str, company_key: str, turn: int) -> None:
    """Makes one status change, which is durable when the function returns."""
    connection.execute("BEGIN")
    connection.execute(SESSION, (token_hash,)).fetchone()
    connection.execute("COMMIT")
    at = datetime.now(UTC).isoformat(timespec="microseconds")
    connection.execute("BEGIN IMMEDIATE")
    issue_id, issue_name, _, _ = connection.execute(
        "SELECT issue_id, name, description, revision FROM issues WHERE name_key = ?", (issue_key,)
    ).fetchone()
    company_id, company_name, _ = connection.execute(
        "SELECT company_id, name, archived FROM companies WHERE name_key = ?", (company_key,)
    ).fetchone()
    (before,) = connection.execute(
        "SELECT status FROM assignments WHERE issue_id = ? AND company_id = ?", (issue_id, company_id)
    ).fetchone()
    after = STATUSES[(STATUSES.index(Status(before)) + 1) % 6].value
    connection.execute(
        "UPDATE assignments SET status = ?, updated_at = ?"
        " WHERE issue_id = ? AND company_id IN (SELECT value FROM json_each(?))",
        (after, at, issue_id, f"[{company_id}]"),
    )
    connection.execute(TOUCH, (at, issue_id, issue_id))
    connection.execute(
        EVENT,
        (at, f"{turn:032x}", issue_id, issue_name, issue_key, company_id, company_name, company_key, before, after),
    )
    connection.execute("SELECT id, event_types, company_ids FROM webhooks WHERE active").fetchall()
    connection.execute(
        "SELECT a.assignment_id, a.issue_id, a.company_id, c.name, a.status, a.updated_at FROM assignments a"
        " JOIN companies c ON c.company_id = a.company_id WHERE a.issue_id = ? AND a.company_id = ?",
        (issue_id, company_id),
    ).fetchone()
    connection.execute("COMMIT")


TOUCH = (
    "UPDATE issues SET updated_at = ?, revision = revision + 1, statuses = (SELECT coalesce(sum(DISTINCT CASE status"
    " WHEN 'new' THEN 1 WHEN 'investigating' THEN 2 WHEN 'in_progress' THEN 4 WHEN 'monitoring' THEN 8"
    " WHEN 'resolved' THEN 16 WHEN 'closed' THEN 32 END), 0) FROM assignments WHERE issue_id = ?) WHERE issue_id = ?"
)


def main() -> None:
    """Changes one assignment of each of 1,500 issues, repeatedly, until the time is over."""
    path, seconds = sys.argv[1], float(sys.argv[2])
    connection = sqlite3.connect(path, isolation_level=None, timeout=10)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "temp_store=MEMORY"):
        connection.execute(f"PRAGMA {pragma}")
    found = connection.execute(
        "SELECT i.name_key, c.name_key FROM assignments a JOIN issues i ON i.issue_id = a.issue_id"
        " JOIN companies c ON c.company_id = a.company_id WHERE a.assignment_id % 3 = 0"
        " ORDER BY a.assignment_id LIMIT 1500"
    ).fetchall()
    (token_hash,) = connection.execute("SELECT token_hash FROM sessions ORDER BY id DESC LIMIT 1").fetchone()
    turn, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        issue_key, company_key = found[turn % len(found)]
        change(connection, token_hash, issue_key, company_key, turn)
        turn += 1
    print(turn / (time.perf_counter() - started))


if __name__ == "__main__":
    main()
