"""The most frequent requests execute prepared statements only.

A statement that SQLAlchemy executes takes 100 to 200 µs more than a prepared one (docs/decisions/0010): a fifth of a
status change.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event

from tests.clients import Client
from tests.company_access.limits import limit
from tests.world import World


@contextmanager
def executed_by_sqlalchemy() -> Iterator[list[str]]:
    """Collects the statements that requests in this process, unlike background threads, execute through SQLAlchemy."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if threading.current_thread().name.startswith("request"):
            seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def change_status(client: Client, turn: int) -> None:
    status = ("investigating", "monitoring")[turn % 2]
    body = {"issue_name": "VPN", "company_name": "Contoso", "status": status}
    assert client.call("PUT", "/api/issues/status", 200, json=body)["status"] == status


def read(path: str, client: Client, turn: int) -> None:
    assert client.call("GET", path, 200, headers={"X-Turn": str(turn)})


REQUESTS = ("status change", "/api/issues?limit=50", "/api/issues?status=new&companyName=Contoso", "/api/issues/VPN")


@pytest.mark.parametrize("limited", [False, True], ids=["all companies", "some"])
@pytest.mark.parametrize("request_", REQUESTS)
def test_frequent_requests_execute_prepared_statements_only(world: World, request_: str, limited: bool) -> None:
    world.given_issue("VPN", {"Contoso": "new", "Fabrikam": "new"})
    if limited:
        limit(world, "Contoso")
    world.given_issue("Mail", {"Contoso": "new"})
    client = world.client("tess")
    # On PostgreSQL, limited access also has to find out which events after a gap it may see (decision 0004).
    gap = "SELECT events.event_id \n" if limited and world.engine == "postgresql" else "never"
    # The first requests record the use of the session, and set marks on PostgreSQL. Another transaction in the cluster
    # can delay the marks.
    for turn in range(20):
        with executed_by_sqlalchemy() as seen:
            if request_ == "status change":
                change_status(client, turn)
            else:
                read(request_, client, turn)
        others = [statement for statement in seen if not statement.startswith(gap)]
        if turn >= 2 and not others:
            return
    pytest.fail(f"In every turn, other statements were executed: {others}")
