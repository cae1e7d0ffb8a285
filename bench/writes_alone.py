"""Changes statuses with `sqlite3` alone: the same statements and commits as the product, and nothing else.

tests/speed/test_bench.py compares the statements with those of the product.
`python -m bench.writes_alone FILE SECONDS` prints changes per second.
"""

import sqlite3
import sys
import time
from datetime import UTC, datetime

from bench.dataset import STATUSES
from issue_tracker.issues.models import StoredFields
from issue_tracker.status import Status

SESSION = (
    "SELECT sessions.id, users.user_id, users.email, users.name, users.role, users.password_change_required,"
    " users.all_companies, users.has_factor, sessions.second_factor, sessions.created_at, sessions.used_at,"
    " sessions.expires_at, sessions.confirmed_at FROM sessions JOIN users ON users.user_id = sessions.user_id"
    " WHERE sessions.token_hash = ? AND users.active = 1"
)
ISSUE = (
    "SELECT issues.issue_id, issues.name, issues.description, issues.revision, issues.updated_at, "
    + ", ".join(f"issues.{column}" for column in StoredFields.__struct_fields__)
    + " FROM issues WHERE issues.name_key = ?"
)
COMPANY = "SELECT companies.company_id, companies.name, companies.archived FROM companies WHERE companies.name_key = ?"
MEMBER = (
    "SELECT assignments.status, assignments.updated_at, assignments.status_since, assignments.affected_since"
    " FROM assignments WHERE assignments.issue_id = ? AND assignments.company_id = ?"
)
OPEN = (
    "UPDATE assignments SET status=?, status_since=?, affected_since=coalesce(assignments.affected_since, ?),"
    " updated_at=? WHERE assignments.issue_id = ? AND assignments.company_id IN (SELECT anon_1.value"
    " FROM json_each(?) AS anon_1)"
)
DONE = (
    "UPDATE assignments SET status=?, status_since=?, affected_since=NULL, updated_at=? WHERE assignments.issue_id = ?"
    " AND assignments.company_id IN (SELECT anon_1.value FROM json_each(?) AS anon_1)"
)
TOUCH = (
    "UPDATE issues SET revision=(issues.revision + 1), statuses=(SELECT coalesce(sum(DISTINCT CASE assignments.status"
    " WHEN 'new' THEN 1 WHEN 'investigating' THEN 2 WHEN 'in_progress' THEN 4 WHEN 'monitoring' THEN 8"
    " WHEN 'resolved' THEN 16 WHEN 'closed' THEN 32 END), 0) AS coalesce_1 FROM assignments"
    " WHERE assignments.issue_id = ?), updated_at=? WHERE issues.issue_id = ?"
)
WEBHOOKS = (
    "SELECT webhooks.id, webhooks.event_types, webhooks.company_ids, users.user_id FROM webhooks LEFT OUTER JOIN users"
    " ON users.user_id = webhooks.owner_id AND users.all_companies IS 0"
    " WHERE webhooks.active = 1 AND users.role IS NOT 'customer'"
)
EVENT = (
    "INSERT INTO events (type, audit, at, actor_id, actor_name, channel, request_id, request_number, issue_id,"
    " issue_name, issue_key, company_id, company_name, company_key, from_value, to_value, field, note, update_id,"
    " undoes, status_since, affected_since) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
ASSIGNMENT = (
    "SELECT assignments.assignment_id, companies.name AS company_name, assignments.status, assignments.updated_at"
    " FROM assignments JOIN companies ON companies.company_id = assignments.company_id"
    " WHERE assignments.issue_id = ? AND assignments.company_id = ?"
)


def change(connection: sqlite3.Connection, token_hash: bytes, issue_key: str, company_key: str, turn: int) -> None:
    """Makes one status change, which is durable when the function returns."""
    connection.execute("BEGIN")
    connection.execute(SESSION, (token_hash,)).fetchone()
    connection.execute("COMMIT")
    at = datetime.now(UTC).isoformat(timespec="microseconds")
    connection.execute("BEGIN IMMEDIATE")
    issue_id, issue_name, *_ = connection.execute(ISSUE, (issue_key,)).fetchone()
    company_id, company_name, _ = connection.execute(COMPANY, (company_key,)).fetchone()
    before, updated_at, since, affected = connection.execute(MEMBER, (issue_id, company_id)).fetchone()
    after = STATUSES[(STATUSES.index(Status(before)) + 1) % 6]
    same = issue_id, f"[{company_id}]"
    if after.open:
        connection.execute(OPEN, (after.value, at, at, at, *same))
    else:
        connection.execute(DONE, (after.value, at, at, *same))
    connection.execute(TOUCH, (issue_id, at, issue_id))
    connection.execute(WEBHOOKS).fetchall()
    of_request = ("assignment.status_changed", False, at, 1, "Bench", "session", f"{turn:032x}", turn)
    names = issue_id, issue_name, issue_key, company_id, company_name, company_key
    values = before, after.value, None, None, None, None, since or updated_at, affected
    connection.execute(EVENT, (*of_request, *names, *values))
    connection.execute(ASSIGNMENT, (issue_id, company_id)).fetchone()
    connection.execute("COMMIT")


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
