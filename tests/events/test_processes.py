"""Tests with separate processes: changes of other processes, a prompt stop, workers, and workers that are killed."""

import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from sqlalchemy import insert, select

from issue_tracker.actor import command_line
from issue_tracker.clock import iso, now
from issue_tracker.database.engine import Database
from issue_tracker.database.server_key import ServerKey
from issue_tracker.database.tables import deliveries, delivery_attempts
from issue_tracker.events.claims import LOST
from issue_tracker.events.messages import Message, delivery_row, new_message_id
from issue_tracker.events.webhooks import WebhookFields, create_webhook
from issue_tracker.settings import Settings
from tests.events import receiver as responses
from tests.events.listening import Listening
from tests.events.processes import own_servers, start
from tests.events.receiver import Receiver
from tests.waiting import eventually
from tests.world import Clock, World

pytestmark = pytest.mark.long

WORKER = {
    "ISSUE_TRACKER_WEBHOOK_ALLOWED_NETWORKS": "127.0.0.0/8",
    "ISSUE_TRACKER_WEBHOOK_TIMEOUT_SECONDS": "3",
    "ISSUE_TRACKER_LOG_LEVEL": "error",
}

PATIENT_WORKER = WORKER | {"ISSUE_TRACKER_WEBHOOK_TIMEOUT_SECONDS": "30"}
"""A worker whose attempts and claims last long enough on a busy machine, so that no message is sent twice
without need.
"""


@pytest.fixture
def database(migrated_url: str) -> Iterator[Database]:
    database = Database(Settings(database_url=migrated_url))
    yield database
    database.close()


def _queue(database: Database, url: str, count: int) -> None:
    """Inserts due messages in one statement, each about another issue."""
    keyring = ServerKey(database, Settings()).keyring()
    with database.write() as tx:
        webhook, _ = create_webhook(tx, command_line("tests"), keyring, WebhookFields(url=url))
        at = now()
        rows = [
            delivery_row(webhook.id, new_message_id(), Message("webhook.test", iso(at), {"number": number}), at, number)
            for number in range(count)
        ]
        tx.execute(insert(deliveries), rows)


def _states(database: Database) -> Counter[str]:
    with database.read() as tx:
        return Counter(tx.execute(select(deliveries.c.state)).scalars())


def _claimed(database: Database) -> set[str]:
    """Returns the messages with an attempt that has started and has no result."""
    with database.read() as tx:
        unfinished = delivery_attempts.c.milliseconds.is_(None)
        joined = deliveries.join(delivery_attempts, delivery_attempts.c.delivery_id == deliveries.c.id)
        return set(tx.execute(select(deliveries.c.message_id).select_from(joined).where(unfinished)).scalars())


def test_streams_show_changes_of_other_processes_and_end_promptly(database: Database, migrated_url: str) -> None:
    with own_servers(migrated_url, (), ("--workers", "2")) as (one, two):
        here = World(one, Clock())
        here.given_issue("VPN", {"Contoso": "new"})
        at_two = here.client("omar")
        at_two.base_url = two.url
        with Listening(here.client("tess")) as first, Listening(at_two) as second:
            for number, status in enumerate(("resolved", "new", "closed"), 1):
                body = {"issue_name": "VPN", "company_name": "Contoso", "status": status}
                started = time.monotonic()
                here.client("tess").call("PUT", "/api/issues/status", 200, json=body)
                first.receives(number)
                second.receives(number)
                assert time.monotonic() - started < 5
            assert first.events == second.events
            for server, listener in ((one, first), (two, second)):
                assert server.stop() < 6
                assert listener.ended.wait(2) and listener.clean_end
        here.close()


def test_a_killed_worker_loses_no_message(database: Database, migrated_url: str, receiver: Receiver) -> None:
    killed = threading.Event()
    receiver.response = responses.held(until=killed)
    _queue(database, receiver.url, 6)
    worker = start(["worker"], migrated_url, WORKER)
    eventually(lambda: len(receiver.messages) > 0, 60)
    worker.kill()
    worker.wait()
    killed.set()
    # The number of received messages is not compared yet: a request may still be arriving when its sender is killed.
    interrupted = _claimed(database)
    receiver.response = responses.status(204)
    assert 0 < len(interrupted) <= 4
    worker = start(["worker"], migrated_url, PATIENT_WORKER)
    try:
        eventually(lambda: _states(database) == {"delivered": 6}, 60)
    finally:
        worker.terminate()
        assert worker.wait(30) == 0
    arrived = Counter(message.id for message in receiver.messages)
    assert len(arrived) == 6
    assert {id_ for id_, times in arrived.items() if times > 1} <= interrupted, "only a kill explains a repeat"
    assert _claimed(database) == interrupted, "the interrupted attempts are in the log"
    with database.read() as tx:
        lost = (
            tx.execute(select(delivery_attempts.c.error).where(delivery_attempts.c.error.is_not(None))).scalars().all()
        )
        failures = tx.execute(select(deliveries.c.attempts)).scalars().all()
    assert lost == [LOST] * len(interrupted) and failures == [0] * 6, "they do not count against the receiver"


def test_two_workers_deliver_each_message_once(database: Database, migrated_url: str, receiver: Receiver) -> None:
    _queue(database, receiver.url, 40)
    workers = [start(["worker"], migrated_url, PATIENT_WORKER) for _ in range(2)]
    try:
        eventually(lambda: _states(database) == {"delivered": 40}, 60)
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(30)
    assert len(receiver.messages) == len({message.id for message in receiver.messages}) == 40


def test_serve_delivers_automatically_within_seconds(database: Database, migrated_url: str, receiver: Receiver) -> None:
    with own_servers(migrated_url, (), **WORKER) as (server,):
        world = World(server, Clock())
        world.client("ada").call("POST", "/api/webhooks", 201, json={"url": receiver.url})
        started = time.monotonic()
        world.client("tess").call("POST", "/api/issues", 201, json={"name": "VPN"})
        eventually(lambda: [m.json["type"] for m in receiver.messages] == ["issue.created"])
        assert time.monotonic() - started < 10
        world.close()
