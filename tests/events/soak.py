"""Many writers, many listeners: does every listener get exactly what the table has, once, in one order?

`make soak` runs it at full length on both databases; the suite runs a short one.
"""

import argparse
import random
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress

import httpx
from sqlalchemy import Connection, select

from issue_tracker.actor import Actor, Role, command_line
from issue_tracker.auth.sessions import start_session
from issue_tracker.auth.users import DisplayName, Email, create_user
from issue_tracker.clock import now
from issue_tracker.companies.operations import create_missing_companies
from issue_tracker.companies.queries import get_company_by_name
from issue_tracker.database import migrate
from issue_tracker.database.engine import Database
from issue_tracker.database.tables import events
from issue_tracker.issues.assignments import set_status
from issue_tracker.issues.operations import create_issue
from issue_tracker.issues.queries.issue import get_issue_head
from issue_tracker.names import parse_issue_name, parse_name
from issue_tracker.settings import Settings
from issue_tracker.status import Status
from tests.clients import Client
from tests.events.processes import own_servers
from tests.postgresql import Cluster
from tests.waiting import eventually

COMPANIES = [f"Company {number}" for number in range(8)]
ISSUES = [f"Issue {number}" for number in range(8)]
SOAK = Actor(None, "soak", Role.SUPER_ADMIN, "cli")


class Undone(Exception):
    """The writer changed its mind: its transaction is rolled back, and leaves a gap in the numbers."""


def _change(tx: Connection, chance: random.Random) -> None:
    # In one order, so that two writers never wait for each other.
    for name in sorted(chance.sample(ISSUES, chance.choice((1, 1, 1, 2, 4)))):
        issue = get_issue_head(tx, SOAK, name, lock=True)
        company = get_company_by_name(tx, SOAK, chance.choice(COMPANIES))
        set_status(tx, SOAK, issue, company, chance.choice(list(Status)))
        if chance.random() < 0.02:
            time.sleep(chance.random() * 0.02)


def write(database_url: str, seed: int, changes: int) -> None:
    """One writer: so many transactions; some are slow, some are rolled back."""
    chance = random.Random(seed)
    database = Database(Settings(database_url=database_url, database_wait_seconds=30))
    for _ in range(changes):
        try:
            with database.write() as tx:
                _change(tx, chance)
                if chance.random() < 0.05:
                    raise Undone
        except Undone:
            continue
    database.close()


class SoakListener(threading.Thread):
    """Follows the stream; a restless one leaves at random and resumes after what it got."""

    def __init__(self, urls: list[str], cookie: str, *, restless: bool, seed: int) -> None:
        super().__init__(daemon=True)
        self.ids: list[int] = []
        self.opened = threading.Event()
        self.done = threading.Event()
        self.failed: str | None = None
        self._urls, self._cookie, self._restless = urls, cookie, restless
        self._chance = random.Random(seed)

    def run(self) -> None:
        while not self.done.is_set():
            try:
                self._follow()
            except httpx.HTTPError as error:
                self.failed = f"{type(error).__name__}: {error}"

    def _follow(self) -> None:
        headers = {"Cookie": f"issue_tracker_session={self._cookie}"}
        if self.ids:
            headers["Last-Event-ID"] = str(self.ids[-1])
        leave_after = self._chance.randint(20, 400) if self._restless else sys.maxsize
        url = self._chance.choice(self._urls)
        with Client(base_url=url) as client, client.stream("GET", "/api/events/stream", headers=headers) as response:
            assert response.status_code == 200
            for line in response.iter_lines():
                self.opened.set()
                if line.startswith("id: "):
                    self.ids.append(int(line[4:]))
                    leave_after -= 1
                if self.done.is_set() or leave_after <= 0:
                    return


def soak(database_url: str, *, writers: int, changes: int, listeners: int) -> str:
    """Runs it and returns a line of figures. Raises AssertionError for a gap, a repeat, or another order."""
    database = Database(Settings(database_url=database_url))
    migrate.upgrade(database)
    with database.write() as tx:
        user = create_user(
            tx, command_line("soak"), Email("soak@example.com"), DisplayName("Soak"), Role.SUPER_ADMIN, "none"
        )
        create_missing_companies(tx, SOAK, [parse_name(name) for name in COMPANIES])
        for name in ISSUES:
            create_issue(tx, SOAK, parse_issue_name(name), None)
        cookie, _ = start_session(tx, Settings(), user.user_id, "127.0.0.1", "soak", now())
    with own_servers(database_url, (), (), ISSUE_TRACKER_DELIVER_WEBHOOKS="false") as served:
        urls = [server.url for server in served]
        following = [SoakListener(urls, cookie, restless=n % 2 == 0, seed=n) for n in range(listeners)]
        for listener in following:
            listener.start()
        for listener in following:
            assert listener.opened.wait(60), "a stream did not open"
        with database.read() as tx:
            start = max(tx.execute(select(events.c.event_id)).scalars())
        began = time.monotonic()
        command = [sys.executable, "-m", "tests.events.soak", "--write", database_url, "--changes", str(changes)]
        writing = [subprocess.Popen([*command, "--seed", str(seed)]) for seed in range(writers)]
        assert [process.wait() for process in writing] == [0] * writers
        wrote = time.monotonic() - began
        with database.read() as tx:
            query = select(events.c.event_id).where(events.c.event_id > start).order_by(events.c.event_id)
            expected = list(tx.execute(query).scalars())
        with suppress(AssertionError):  # the comparison below says more
            eventually(lambda: all(len(listener.ids) >= len(expected) for listener in following), 60)
        late = time.monotonic() - began - wrote
        for listener in following:
            listener.done.set()
        for number, listener in enumerate(following):
            assert listener.ids == expected, _difference(number, listener, expected)
    database.close()
    gaps = expected[-1] - start - len(expected)
    return (
        f"{writers} writers x {changes} transactions: {len(expected)} events, {gaps} numbers rolled back, "
        f"written in {wrote:.1f} s; {listeners} listeners have all of them, in order, {late:.1f} s later"
    )


def _difference(number: int, listener: SoakListener, expected: list[int]) -> str:
    missing = sorted(set(expected) - set(listener.ids))
    repeated = len(listener.ids) - len(set(listener.ids))
    return f"listener {number}: {missing[:5]} missing ({len(missing)}), {repeated} repeated; {listener.failed}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--changes", type=int, default=2000)
    arguments = parser.parse_args()
    if arguments.write:
        write(arguments.write, arguments.seed, arguments.changes)
        return
    with tempfile.TemporaryDirectory() as folder:
        print("SQLite:    ", soak(f"sqlite:///{folder}/soak.db", writers=4, changes=arguments.changes, listeners=20))
    cluster = Cluster()
    try:
        cluster.start()
        url = cluster.create_database("soak")
        print("PostgreSQL:", soak(url, writers=4, changes=arguments.changes, listeners=20))
    finally:
        cluster.remove()


if __name__ == "__main__":
    main()
