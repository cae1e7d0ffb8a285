"""Small changes that wait for SQLite's write lock at the same time share one commit; each has its own outcome."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from issue_tracker.database.commit_topics import CommitTopic, notify_on_commit
from issue_tracker.database.engine import Database
from issue_tracker.database.shared_commits import MOST_SHARED, SharedCommits
from issue_tracker.errors import AppError, Invalid, Unavailable
from issue_tracker.settings import Settings
from tests.waiting import eventually
from tests.world import World

SETUP = (
    "CREATE TABLE anchors (id INTEGER PRIMARY KEY)",
    "CREATE TABLE numbers (id INTEGER, anchor INTEGER REFERENCES anchors DEFERRABLE INITIALLY DEFERRED)",
)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    database = Database(Settings(database_url=f"sqlite:///{tmp_path / 'shared.db'}", database_wait_seconds=30))
    database.create()
    with database.write() as tx:
        for statement in SETUP:
            tx.exec_driver_sql(statement)
    return database


def insert(number: int, anchor: str = "NULL") -> Callable[[Connection], int]:
    """Returns a change, which raises Invalid for 13. With an anchor, its commit fails."""

    def act(tx: Connection) -> int:
        notify_on_commit(tx, CommitTopic.EVENTS)
        tx.exec_driver_sql(f"INSERT INTO numbers VALUES ({number}, {anchor})")
        if number == 13:
            raise Invalid("Thirteen is not accepted.")
        return number

    return act


def run(database: Database, changes: Sequence[Callable[[Connection], int]], *, too_long: bool = False) -> list[object]:
    """Starts the changes while another change is being made, and returns their results or the types of their errors.

    With `too_long`, the other change ends only when the first of these has given up.
    """
    shared = SharedCommits(database)

    def outcome(change: Callable[[Connection], int]) -> object:
        try:
            return shared.run(change)
        except AppError as error:
            return type(error)

    with ThreadPoolExecutor(len(changes)) as pool:
        with database.write():
            futures = []
            for count, change in enumerate(changes, 1):
                futures.append(pool.submit(outcome, change))
                eventually(partial(is_waiting, shared, count))
            if too_long:
                eventually(futures[0].done)
        return [future.result() for future in futures]


def is_waiting(shared: SharedCommits, count: int) -> bool:
    """Returns whether this number of changes waits for a shared transaction."""
    return shared.waiting == count


def stored(database: Database) -> list[int]:
    with database.read() as tx:
        return list(tx.exec_driver_sql("SELECT id FROM numbers ORDER BY id").scalars())


def commits(database: Database) -> list[None]:
    """Returns a list that grows with each commit of `insert`."""
    found: list[None] = []
    database.on_commit(CommitTopic.EVENTS, lambda: found.append(None))
    return found


def test_waiting_changes_share_one_commit(database: Database) -> None:
    committed = commits(database)
    numbers = list(range(100, 100 + MOST_SHARED + 2))
    assert run(database, [insert(number) for number in numbers]) == numbers
    assert stored(database) == numbers and len(committed) == 2


@pytest.mark.parametrize(("failing", "count"), [(insert(13), 4), (insert(7, "99"), 4)], ids=["change", "commit"])
def test_a_failing_change_does_not_affect_the_others(
    database: Database, failing: Callable[[Connection], int], count: int
) -> None:
    committed = commits(database)
    changes = [insert(1), insert(2), failing, insert(3), insert(4)]
    assert run(database, changes) == [1, 2, Invalid, 3, 4]
    assert stored(database) == [1, 2, 3, 4] and len(committed) == count


def test_a_lock_that_is_not_released_fails_all_waiting_changes_once(database: Database) -> None:
    database.wait_seconds = 1
    assert run(database, [insert(1), insert(2)], too_long=True) == [Unavailable, Unavailable]
    assert stored(database) == []
    assert run(database, [insert(3)]) == [3] and stored(database) == [3]


def test_each_request_has_its_own_outcome_and_events(world: World) -> None:
    """Some of these requests are refused, and one is repeated with the same Idempotency-Key."""
    monitor = world.bearer("omar", name="monitor")
    names = ["Acme Manufacturing", "Contoso", "Fabrikam"]

    def send(number: int) -> Any:
        company = names[number] if number < len(names) else "Nowhere"
        body = {"key": f"line/{number}", "state": "firing", "issue": "Line down", "company": company, "strict": True}
        key = {"Idempotency-Key": "one"} if number == 0 else {}
        return monitor.post("/api/alerts", json=body, headers=key)

    with ThreadPoolExecutor(5) as pool:
        with world.database.write():
            futures = [pool.submit(send, number) for number in range(5)]
        answers = [future.result() for future in futures]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 404, 404]
    assert sorted(answer.json()["action"] for answer in answers[:3]) == ["assigned", "assigned", "opened"]
    recorded = {event.request_id for event in world.history()}
    assert recorded == {answer.headers["X-Request-ID"] for answer in answers[:3]}
    again = send(0)
    assert again.json() == answers[0].json() and again.headers["Idempotent-Replayed"] == "true"
    assert [alert["count"] for alert in world.client().call("GET", "/api/alerts", 200)["items"]] == [1, 1, 1]


def test_status_changes_that_wait_together_have_their_own_outcomes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of six, one has a stale validator and one names no issue. Each of the others has its event and its message."""
    names = ["Acme Manufacturing", "Contoso", "Fabrikam", "Müller & Söhne"]
    world.given_issue("Line down", dict.fromkeys(names[:3], "new"))
    hook = {"url": "https://hooks.example/", "event_types": ["assignment.status_changed", "assignment.created"]}
    path = f"/api/webhooks/{world.client('ada').call('POST', '/api/webhooks', 201, json=hook)['id']}/deliveries"
    omar, before = world.bearer("omar"), max(event.event_id for event in world.history())
    begun: list[None] = []
    sizes: list[int] = []
    start, take = SharedCommits.run, SharedCommits._take

    def starting(shared: SharedCommits, act: Callable[[Connection], Any]) -> Any:
        begun.append(None)
        return start(shared, act)

    def taking(shared: SharedCommits) -> Any:
        taken = take(shared)
        sizes.append(len(taken))
        return taken

    monkeypatch.setattr(SharedCommits, "run", starting)
    monkeypatch.setattr(SharedCommits, "_take", taking)

    def send(number: int) -> Any:
        body = {"company_name": names[number % 4], "status": "monitoring"}
        body["issue_name"] = "Line down" if number < 5 else "No such issue"
        return omar.put("/api/issues/status", json=body, headers={"If-Match": '"stale"'} if number == 4 else {})

    with ThreadPoolExecutor(6) as pool:
        with world.database.write():
            futures = [pool.submit(send, number) for number in range(6)]
            eventually(lambda: len(begun) == 6)
        answers = [future.result() for future in futures]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 412, 404]
    assert [answer.json()["company_name"] for answer in answers[:4]] == names
    changed = [event for event in world.history() if event.event_id > before]
    assert {event.request_id: event.company_name for event in changed} == {
        answer.headers["X-Request-ID"]: name for answer, name in zip(answers, names, strict=False)
    }
    assert len(changed) == 4 and world.client("ada").call("GET", path, 200)["total"] == 4
    found = world.client().call("GET", "/api/issues/Line%20down", 200)["assignments"]
    assert {one["company_name"]: one["status"] for one in found} == dict.fromkeys(names, "monitoring")
    assert (max(sizes, default=0) > 1) == (world.engine == "sqlite")
