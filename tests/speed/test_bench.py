"""The script to which `make bench` compares status changes executes the statements of the product."""

import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import groupby
from typing import Any

import pytest
from bench.writes_alone import change
from sqlalchemy import Connection

from issue_tracker.auth.sessions import token_hash
from issue_tracker.database import prepared
from issue_tracker.database.driver import driver
from tests.world import World

LITERAL = re.compile(r"x?'[^']*'|\b\d+\b|\bNULL\b")


def comparable(executed: list[str]) -> list[str]:
    """Returns the statements about data without values, spaces, and what triggers execute."""
    texts = [LITERAL.sub("?", " ".join(statement.split())).replace(" ", "") for statement in executed]
    return [text for text, _ in groupby(texts) if text.startswith(("SELECT", "INSERT", "UPDATE"))]


@contextmanager
def executed_by_requests(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Collects the statements that requests execute on SQLite."""
    seen: list[str] = []
    used: list[Any] = []

    def note(statement: str) -> None:
        if threading.current_thread().name.startswith("request"):
            seen.append(statement)

    def traced(tx: Connection) -> Any:
        used.append(driver(tx))
        used[-1].set_trace_callback(note)
        return used[-1]

    with monkeypatch.context() as patch:
        patch.setattr(prepared, "driver", traced)
        yield seen
    for connection in used:
        connection.set_trace_callback(None)


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("before", "after"), [("new", "investigating"), ("monitoring", "resolved")])
def test_the_script_executes_the_statements_of_the_product(
    world: World, monkeypatch: pytest.MonkeyPatch, before: str, after: str
) -> None:
    world.given_issue("VPN", {"Contoso": before})
    token = world.session_token("tess")
    client = world.client("tess")
    body = {"issue_name": "VPN", "company_name": "Contoso"}

    def set_status(status: str) -> None:
        assert client.call("PUT", "/api/issues/status", 200, json=body | {"status": status})["status"] == status

    with executed_by_requests(monkeypatch) as seen:
        set_status(after)
    set_status(before)
    alone: list[str] = []
    assert world.database.path is not None
    with closing(sqlite3.connect(world.database.path, isolation_level=None)) as connection:
        connection.set_trace_callback(alone.append)
        change(connection, token_hash(token), "vpn", "contoso", 1)
    assert comparable(alone) == comparable(seen)
    assert world.client().call("GET", "/api/issues/VPN", 200)["assignments"][0]["status"] == after
