"""Rows for a database of any earlier schema, for all of its tables and columns."""

import sqlite3
from collections.abc import Iterator
from typing import Any

AT = "2026-01-02T03:04:05.000006+00:00"
LATER = "2026-02-03T04:05:06.000007+00:00"
STATUSES = ("new", "investigating", "in_progress", "monitoring", "resolved", "closed")
COMPANIES, ISSUES, USERS = 5, 40, 3
MEMBERS = 3
"""The number of companies of each issue; every tenth issue has none."""

Row = dict[str, Any]


def _named(prefix: str, number: int) -> Row:
    return {"name": f"{prefix} {number} é", "name_key": f"{prefix} {number} é".casefold()}


def _issues() -> Iterator[Row]:
    for number in range(1, ISSUES + 1):
        description = None if number % 3 else f"Described by {number}"
        statuses = sum(1 << place for place in {place for place, _ in _members(number)})
        key = (description or "").casefold()
        yield _named("Issue", number) | {
            "description": description, "description_key": key, "revision": number, "statuses": statuses,
        }  # fmt: skip


def _members(issue: int) -> list[tuple[int, int]]:
    """Yields the companies of an issue, each with its status."""
    if issue % 10 == 0:
        return []
    return [((issue + member) % 6, (issue + member) % COMPANIES + 1) for member in range(MEMBERS)]


def _assignments() -> Iterator[Row]:
    for issue in range(1, ISSUES + 1):
        for place, company in _members(issue):
            key = _named("Issue", issue)["name_key"]
            yield {"issue_id": issue, "company_id": company, "status": STATUSES[place], "issue_key": key}


def _events() -> Iterator[Row]:
    kinds = (
        ("issue.created", None, None, None, None),
        ("issue.updated", "name", "Old", "New", None),
        ("issue.updated", "description", None, None, "description"),
        ("assignment.status_changed", None, "new", "closed", "Carrier confirms"),
        ("session.created", None, None, None, None),
    )
    for number in range(1, 2 * ISSUES + 1):
        type_, field, before, after, note = kinds[number % len(kinds)]
        issue = _named("Issue", number % ISSUES + 1)
        about = {"issue_id": number % ISSUES + 1, "issue_name": issue["name"], "issue_key": issue["name_key"]}
        yield {
            "type": type_, "audit": type_ == "session.created", "actor_id": number % 2 or None, "actor_name": "Ada",
            "channel": "session", "request_id": f"r{number // 2}", "field": field, "from_value": before,
            "to_value": after, "note": note, **(about if type_ != "session.created" else {}),
        }  # fmt: skip


def _rows() -> dict[str, list[Row]]:
    """Returns the rows of each table; a table comes after the tables to which it refers."""
    users = range(1, USERS + 1)
    return {
        "companies": [_named("Company", number) | {"archived": number == 1} for number in range(1, COMPANIES + 1)],
        "users": [
            {"email": f"U{number}@x.example", "email_key": f"u{number}@x.example", "name": f"U {number}",
             "role": "technician", "active": number > 1, "password_hash": "none"}
            for number in users
        ],
        "issues": list(_issues()),
        "assignments": list(_assignments()),
        "events": list(_events()),
        "sessions": [
            {"token_hash": bytes([number]) * 32, "user_id": number, "address": "::1", "user_agent": "x",
             "used_at": LATER, "expires_at": LATER}
            for number in users
        ],
        "tokens": [
            {"key": f"k{number}", "secret_hash": bytes([number]) * 32, "user_id": number, "name": "nightly",
             "scopes": "read"}
            for number in users
        ],
        "setup_tokens": [{"token_hash": b"\1" * 32}],
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
            for _ in range(2)
        ],
        "deliveries": [
            {"webhook_id": number % 2 + 1, "message_id": f"m{number}", "type": "issue.created", "body": "{}",
             "state": ("pending", "delivered", "failed")[number % 3], "attempts": number % 4 + 1, "due_at": AT,
             "claim": "c" if number % 3 == 0 and number % 2 else None}
            for number in range(1, 31)
        ],
        "delivery_attempts": [
            {"delivery_id": number, "code": 500, "milliseconds": 7, "answer": "ö"} for number in range(1, 31)
        ],
        "history_identity": [{"row": 1, "identity": "i", "place": "p"}],
    }  # fmt: skip


TIMES = ("at", "created_at", "updated_at")

COLUMNS = {
    True: "SELECT m.name, c.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS c WHERE m.type = 'table'",
    False: "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'",
}


def fill(connection: Any) -> dict[str, int]:
    """Inserts the rows with a connection of a driver, and returns their number by table. The database assigns the ids,
    starting at 1.
    """
    sqlite = isinstance(connection, sqlite3.Connection)
    known: dict[str, set[str]] = {}
    for name, field in connection.execute(COLUMNS[sqlite]).fetchall():
        known.setdefault(name, set()).add(field)
    counts = {}
    for name, rows in _rows().items():
        if name not in known:
            continue
        times = [field for field in TIMES if field in known[name]]
        fields = sorted({field for row in rows for field in row if field in known[name]} - set(times))
        marks = ", ".join("?" if sqlite else "%s" for _ in (*fields, *times))
        statement = f"INSERT INTO {name} ({', '.join((*fields, *times))}) VALUES ({marks})"
        values = [(*(row.get(field) for field in fields), *(row.get(field, AT) for field in times)) for row in rows]
        connection.cursor().executemany(statement, values)
        counts[name] = len(rows)
    connection.commit()
    return counts
