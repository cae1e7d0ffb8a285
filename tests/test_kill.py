"""`kill -9` in the middle of a stream of writes: every answered write is there, and none is half made."""

import threading
from collections import Counter
from pathlib import Path
from random import Random
from typing import NamedTuple

import httpx
import pytest
from sqlalchemy import select, text

from issue_tracker.database.engine import Database
from issue_tracker.database.tables import events
from issue_tracker.settings import Settings
from tests.clients import Client
from tests.processes import ServeProcess

pytestmark = pytest.mark.long

WRITERS = 3
KILLS = {"sqlite": 6, "postgresql": 3}


class Answered(NamedTuple):
    """The writes that were answered: names of issues created, and of those then resolved for Contoso."""

    created: set[str]
    resolved: set[str]


class Writer(threading.Thread):
    """Creates issues with two companies and resolves one of them, until the server is gone."""

    def __init__(self, client: Client, prefix: str, answered: Answered) -> None:
        super().__init__()
        self.client, self.prefix, self.answered = client, prefix, answered
        self.wrote = threading.Event()

    def run(self) -> None:
        companies = [{"company_name": "Contoso"}, {"company_name": "Fabrikam", "status": "monitoring"}]
        for number in range(100_000):
            name = f"{self.prefix} {number}"
            change = {"issue_name": name, "company_name": "Contoso", "status": "resolved"}
            try:
                self.client.call("POST", "/api/issues", 201, json={"name": name, "companies": companies})
                self.answered.created.add(name)
                self.client.call("PUT", "/api/issues/status", 200, json=change)
                self.answered.resolved.add(name)
            except httpx.TransportError:
                return
            self.wrote.set()


def check(client: Client, database: Database, answered: Answered) -> None:
    """Everything answered is there; whatever is there is whole, with its history."""
    issues = client.call("GET", "/api/issues", 200)["items"]
    stored = {issue["name"]: {m["company_name"]: m["status"] for m in issue["assignments"]} for issue in issues}
    assert answered.created <= set(stored)
    assert {name for name, members in stored.items() if set(members) != {"Contoso", "Fabrikam"}} == set()
    resolved = {name for name, members in stored.items() if members["Contoso"] == "resolved"}
    assert answered.resolved <= resolved

    with database.read() as tx:
        recorded = Counter(
            (row.issue_name, row.type) for row in tx.execute(select(events).where(events.c.audit.is_(False)))
        )
        if database.sqlite:
            assert tx.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"
            assert tx.execute(text("PRAGMA foreign_key_check")).all() == []
    expected = Counter({(name, "issue.created"): 1 for name in stored})
    expected += Counter({(name, "assignment.created"): 2 for name in stored})
    expected += Counter({(name, "assignment.status_changed"): 1 for name in resolved})
    assert recorded == expected


@pytest.mark.timeout(600)
def test_a_killed_server_loses_no_confirmed_write(engine: str, admin_url: str, tmp_path: Path) -> None:
    database = Database(Settings(database_url=admin_url))
    answered, chance = Answered(set(), set()), Random(9)
    server = ServeProcess(admin_url, tmp_path / "server.log").wait_until_ready()
    try:
        client = server.sign_in()
        for name in ("Contoso", "Fabrikam"):
            client.call("POST", "/api/companies", 201, json={"name": name})
        for round_ in range(KILLS[engine]):
            writers = [Writer(client, f"{round_} {number}", answered) for number in range(WRITERS)]
            for writer in writers:
                writer.start()
            assert all(writer.wrote.wait(60) for writer in writers)
            threading.Event().wait(chance.uniform(0, 0.15))
            server.kill()
            for writer in writers:
                writer.join(60)
            server = ServeProcess(admin_url, tmp_path / "server.log", port=server.port).wait_until_ready()
            check(client, database, answered)
        assert len(answered.resolved) >= WRITERS * KILLS[engine]
    finally:
        server.kill()
        database.close()
    assert "unexpected failure" not in (tmp_path / "server.log").read_text()
