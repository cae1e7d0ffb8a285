"""Many writers and many listeners: every listener must get exactly the events of the table, once and in order.

The writers call the operations in separate processes, because they also roll back transactions, which leaves gaps in
the numbers.
"""

import argparse
import multiprocessing
import random
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

import httpx
from sqlalchemy import Connection, func, select

from issue_tracker.actor import Actor, Role, command_line
from issue_tracker.auth.sessions import start_session
from issue_tracker.auth.user_names import DisplayName, Email
from issue_tracker.auth.users import create_user
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
from tests.processes import environment, preloaded
from tests.soak.ledger import BrokenPromise
from tests.soak.stage import require_invariants
from tests.waiting import eventually

COMPANIES = [f"Company {number}" for number in range(8)]
ISSUES = [f"Issue {number}" for number in range(8)]
SOAK = Actor(None, "soak", Role.SUPER_ADMIN, "cli")


class Undone(Exception):
    """Rolls back the transaction of a writer, which leaves a gap in the numbers."""


def _change(tx: Connection, chance: random.Random) -> None:
    # In a fixed order, so that two writers never wait for each other.
    for name in sorted(chance.sample(ISSUES, chance.choice((1, 1, 1, 2, 4)))):
        issue = get_issue_head(tx, SOAK, name, lock=True)
        company = get_company_by_name(tx, SOAK, chance.choice(COMPANIES))
        set_status(tx, SOAK, issue, company, chance.choice(list(Status)))
        if chance.random() < 0.02:
            time.sleep(chance.random() * 0.02)


def write(database_url: str, seed: int, changes: int) -> None:
    """Runs one writer: this number of transactions, some of which are slow or rolled back."""
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


def write_in_processes(database_url: str, writers: int, changes: int) -> bool:
    """Runs writers in a process each, and returns whether one of them failed."""
    forking = multiprocessing.get_context("fork")
    writing = [forking.Process(target=write, args=(database_url, seed, changes)) for seed in range(writers)]
    for process in writing:
        process.start()
    for process in writing:
        process.join()
    return any(process.exitcode for process in writing)


class SoakListener(threading.Thread):
    """Follows the stream; a restless listener disconnects at random and resumes after its last event."""

    def __init__(
        self, urls: Sequence[str], headers: Mapping[str, str], *, start: int, restless: bool, seed: int
    ) -> None:
        super().__init__(daemon=True)
        self.ids: list[int] = []
        self.opened = threading.Event()
        self.done = threading.Event()
        self.failed: str | None = None
        self._start = start
        self._urls, self._headers, self._restless = urls, headers, restless
        self._chance = random.Random(seed)

    def run(self) -> None:
        while not self.done.is_set():
            try:
                self._follow()
            except httpx.HTTPError as error:
                self.failed = f"{type(error).__name__}: {error}"
                self.done.wait(0.1)

    def _follow(self) -> None:
        headers = {**self._headers, "Last-Event-ID": str(self.ids[-1] if self.ids else self._start)}
        leave_after = self._chance.randint(20, 400) if self._restless else sys.maxsize
        url = self._chance.choice(self._urls)
        with Client(base_url=url) as client, client.stream("GET", "/api/events/stream", headers=headers) as response:
            response.raise_for_status()
            for line in response.iter_lines():
                self.opened.set()
                if line.startswith("id: "):
                    self.ids.append(int(line[4:]))
                    leave_after -= 1
                if self.done.is_set() or leave_after <= 0:
                    return


class Listeners:
    """Several listeners, every other of which is restless; each of them has opened the stream after the construction.

    `start` is the number of the event after which they start.
    """

    def __init__(self, database: Database, urls: Sequence[str], headers: Mapping[str, str], count: int) -> None:
        self._database = database
        with database.read() as tx:
            self.start = tx.execute(select(func.max(events.c.event_id))).scalar_one()
        self._following = [
            SoakListener(urls, headers, start=self.start, restless=number % 2 == 0, seed=number)
            for number in range(count)
        ]
        for listener in self._following:
            listener.start()
        for listener in self._following:
            assert listener.opened.wait(60), "a stream did not open"

    def stop(self) -> list[int]:
        """Waits for outstanding events, and returns the numbers of all events since the start.

        Raises BrokenPromise for a listener with a gap, a repeat, or another order.
        """
        with self._database.read() as tx:
            query = select(events.c.event_id).where(events.c.event_id > self.start).order_by(events.c.event_id)
            expected = list(tx.execute(query).scalars())
        with suppress(AssertionError):  # the comparison below is more precise
            eventually(lambda: all(len(listener.ids) >= len(expected) for listener in self._following), 60)
        for listener in self._following:
            listener.done.set()
        for number, listener in enumerate(self._following):
            if listener.ids != expected:
                raise BrokenPromise(_difference(number, listener, expected))
        return expected


def soak(database_url: str, *, writers: int, changes: int, listeners: int) -> str:
    """Runs the phase on an empty database and returns a line of figures. Raises BrokenPromise."""
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
    own = {"ISSUE_TRACKER_DELIVER_WEBHOOKS": "false", "ISSUE_TRACKER_STREAMS_PER_USER": str(listeners)}
    with own_servers(database_url, (), (), **own) as served:
        urls = [server.url for server in served]
        following = Listeners(database, urls, {"Cookie": f"issue_tracker_session={cookie}"}, listeners)
        began = time.monotonic()
        arguments = ["--write", database_url, "--writers", str(writers), "--changes", str(changes)]
        writing = preloaded().start(arguments, streams=(0, 1, 2), env=environment(), program="tests.soak.stream")
        if writing.wait():
            raise BrokenPromise("A writer failed.")
        wrote = time.monotonic() - began
        expected = following.stop()
        late = time.monotonic() - began - wrote
    require_invariants(database)
    database.close()
    gaps = expected[-1] - following.start - len(expected)
    return (
        f"{writers} writers x {changes} transactions: {len(expected)} events, {gaps} numbers rolled back, "
        f"written in {wrote:.1f} s; {listeners} listeners have all of them, in order, {late:.1f} s later"
    )


def _difference(number: int, listener: SoakListener, expected: list[int]) -> str:
    missing = sorted(set(expected) - set(listener.ids))
    repeated = len(listener.ids) - len(set(listener.ids))
    return (
        f"Listener {number}: {missing[:5]} missing ({len(missing)}), {repeated} repeated, {len(listener.ids)} in all"
        f" instead of {len(expected)}; {listener.failed}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", required=True)
    parser.add_argument("--writers", type=int, required=True)
    parser.add_argument("--changes", type=int, required=True)
    given = parser.parse_args()
    sys.exit(write_in_processes(given.write, given.writers, given.changes))
