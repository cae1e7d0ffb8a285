"""Shared code of the PostgreSQL tests: settings that must have no effect, and requests that would reveal an effect."""

from urllib.parse import quote

import psycopg

from tests.clients import Client

PRESETS = {
    "datestyle": "SQL, DMY",
    "timezone": "Asia/Kolkata",
    "client_encoding": "LATIN1",
    "default_transaction_isolation": "serializable",
    "standard_conforming_strings": "off",
    "transform_null_equals": "on",
    "bytea_output": "escape",
}
"""Each of these settings makes requests fail, or changes their results, in a session that does not override it."""


def execute(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def end_connections(url: str) -> None:
    execute(
        url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )


def name_of(url: str) -> str:
    return url.rpartition("/")[2]


def assert_works(client: Client) -> None:
    """Checks names outside Latin-1, times, null values, search and history, which presets could affect."""
    client.call("POST", "/api/companies", 201, json={"name": "Żółć"})
    made = client.call(
        "POST", "/api/issues", 201, json={"name": "Störung №1 \\ ☂", "companies": [{"company_name": "Żółć"}]}
    )
    assert made["created_at"].endswith("+00:00")
    changed = client.call(
        "PUT",
        "/api/issues/status",
        200,
        json={"issue_name": made["name"], "company_name": "Żółć", "status": "resolved"},
    )
    assert changed["status"] == "resolved"
    since = quote(made["created_at"])
    for query in ("search=№1", "status=resolved", f"updatedSince={since}", "limit=1&sort=-updated_at"):
        (found,) = client.call("GET", f"/api/issues?{query}", 200)["items"]
        assert (found["name"], found["description"], found["created_at"]) == (
            made["name"],
            None,
            made["created_at"],
        )
    events = client.call("GET", "/api/events?type=assignment.status_changed", 200)["items"]
    assert [event["company_name"] for event in events] == ["Żółć"]
    assert all(event["at"].endswith("+00:00") for event in events)
