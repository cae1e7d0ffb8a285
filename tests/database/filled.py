"""Rows for a database of any earlier schema, for all of its tables and columns. A database may be filled again after
every migration.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterator
from typing import Any

AT = "2026-01-02T03:04:05.000006+00:00"
LATER = "2026-02-03T04:05:06.000007+00:00"
STATUSES = ("new", "investigating", "in_progress", "monitoring", "resolved", "closed")
COMPANIES, ISSUES, USERS, WEBHOOKS, DELIVERIES = 5, 10, 3, 2, 12
MEMBERS = 3
"""The number of companies of each issue; every tenth issue has none."""

Row = dict[str, Any]
Last = dict[str, int]
"""The last number in each table that has them; 0 without rows."""


def _numbers(last: int, count: int) -> range:
    return range(last + 1, last + count + 1)


def _named(prefix: str, number: int) -> Row:
    return {"name": f"{prefix} {number} é", "name_key": f"{prefix} {number} é".casefold()}


def _issues(last: Last) -> Iterator[Row]:
    for number in _numbers(last["issues"], ISSUES):
        description = None if number % 3 else f"Described by {number}"
        statuses = sum(1 << place for place in {place for place, _ in _members(number, last)})
        key = (description or "").casefold()
        yield _named("Issue", number) | {
            "description": description, "description_key": key, "revision": number, "statuses": statuses,
        }  # fmt: skip


def _members(issue: int, last: Last) -> list[tuple[int, int]]:
    """Yields the companies of an issue, each with its status."""
    if issue % 10 == 0:
        return []
    return [((issue + member) % 6, last["companies"] + (issue + member) % COMPANIES + 1) for member in range(MEMBERS)]


def _assignments(last: Last) -> Iterator[Row]:
    for issue in _numbers(last["issues"], ISSUES):
        for place, company in _members(issue, last):
            key = _named("Issue", issue)["name_key"]
            yield {"issue_id": issue, "company_id": company, "status": STATUSES[place], "issue_key": key}


def _events(last: Last) -> Iterator[Row]:
    kinds = (
        ("issue.created", None, None, None, None),
        ("issue.updated", "name", "Old", "New", None),
        ("issue.updated", "description", None, None, "description"),
        ("assignment.status_changed", None, "new", "closed", "Carrier confirms"),
        ("session.created", None, None, None, None),
    )
    for number in range(1, 2 * ISSUES + 1):
        type_, field, before, after, note = kinds[number % len(kinds)]
        issue_id = last["issues"] + number % ISSUES + 1
        issue = _named("Issue", issue_id)
        about = {"issue_id": issue_id, "issue_name": issue["name"], "issue_key": issue["name_key"]}
        yield {
            "type": type_, "audit": type_ == "session.created", "actor_id": number % 2 or None, "actor_name": "Ada",
            "channel": "session", "request_id": f"r{number // 2}", "field": field, "from_value": before,
            "to_value": after, "note": note, **(about if type_ != "session.created" else {}),
        }  # fmt: skip


def _rows(last: Last) -> dict[str, list[Row]]:
    """Returns the rows of each table; a table comes after the tables to which it refers."""
    users, deliveries = _numbers(last["users"], USERS), _numbers(last["deliveries"], DELIVERIES)
    return {
        "companies": [
            _named("Company", number) | {"archived": number == 1} for number in _numbers(last["companies"], COMPANIES)
        ],
        "users": [
            {"email": f"U{number}@x.example", "email_key": f"u{number}@x.example", "name": f"U {number}",
             "role": "technician", "active": number > 1, "password_hash": "none"}
            for number in users
        ],
        "issues": list(_issues(last)),
        "assignments": list(_assignments(last)),
        "events": list(_events(last)),
        "sessions": [
            {"token_hash": number.to_bytes(32), "user_id": number, "address": "::1", "user_agent": "x",
             "used_at": LATER, "expires_at": LATER}
            for number in users
        ],
        "tokens": [
            {"key": f"k{number}", "secret_hash": number.to_bytes(32), "user_id": number, "name": "nightly",
             "scopes": "read"}
            for number in users
        ],
        "setup_tokens": [{"token_hash": users[0].to_bytes(32)}],
        "sign_in_addresses": [{"user_id": number, "address": "::1"} for number in users],
        "sign_in_failures": [
            {"account_key": f"u{number}", "address": "::1", "network": "::", "known": False} for number in users
        ],
        "idempotency_keys": [
            {"actor_key": "user:1", "method": "POST", "path": "/api/issues", "key": f"key {number}",
             "body_hash": b"\2" * 32, "status": 201, "headers": "{}", "body": b"\0\xff"}
            for number in users
        ],
        "webhooks": [
            {"url": "https://x.example", "event_types": "", "company_ids": "", "active": True, "description": "d",
             "secret": "whsec_x"}
            for _ in range(WEBHOOKS)
        ],
        "deliveries": [
            {"webhook_id": last["webhooks"] + number % 2 + 1, "message_id": f"m{number}", "type": "issue.created",
             "body": "{}", "state": ("pending", "delivered", "failed")[number % 3], "attempts": number % 4 + 1,
             "due_at": AT, "claim": "c" if number % 3 == 0 and number % 2 else None}
            for number in deliveries
        ],
        "delivery_attempts": [
            {"delivery_id": number, "code": 500, "milliseconds": 7, "answer": "ö"} for number in deliveries
        ],
        "history_identity": [] if last["history_identity"] else [{"row": 1, "identity": "i", "place": "p"}],
    }  # fmt: skip


TIMES = ("at", "created_at", "updated_at")

COLUMNS = {
    True: "SELECT m.name, c.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c WHERE m.type = 'table'",
    False: "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'",
}


NUMBERED = {
    "companies": "company_id",
    "issues": "issue_id",
    "users": "user_id",
    "webhooks": "id",
    "deliveries": "id",
    "history_identity": "row",
}


def fill(connection: Any) -> Counter[str]:
    """Inserts the rows with a connection of a driver, and returns their number by table. The database assigns the ids,
    starting at 1.
    """
    sqlite = isinstance(connection, sqlite3.Connection)
    known: dict[str, set[str]] = {}
    for name, field in connection.execute(COLUMNS[sqlite]).fetchall():
        known.setdefault(name, set()).add(field)
    last = dict.fromkeys(NUMBERED, 0)
    for name in NUMBERED.keys() & known.keys():
        (last[name],) = connection.execute(f'SELECT coalesce(max("{NUMBERED[name]}"), 0) FROM {name}').fetchone()
    counts: Counter[str] = Counter()
    for name, rows in _rows(last).items():
        if name not in known or not rows:
            continue
        times = [field for field in TIMES if field in known[name]]
        fields = sorted({field for row in rows for field in row if field in known[name]} - set(times))
        marks = ", ".join("?" if sqlite else "%s" for _ in (*fields, *times))
        # One statement, because PostgreSQL takes as long for each as for all rows.
        names = ", ".join(f'"{field}"' for field in (*fields, *times))
        values = [(*(row.get(field) for field in fields), *(row.get(field, AT) for field in times)) for row in rows]
        all_marks = ", ".join([f"({marks})"] * len(rows))
        connection.execute(
            f"INSERT INTO {name} ({names}) VALUES {all_marks}", [value for row in values for value in row]
        )
        counts[name] = len(rows)
    connection.commit()
    return counts
