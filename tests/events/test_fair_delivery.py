"""Fair delivery: slots for receivers that do not respond, the order of messages, attempts lost with a worker."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import httpcore
import pytest

from issue_tracker import clock
from issue_tracker.events import claims
from issue_tracker.events.attempts import SCHEDULE
from issue_tracker.events.claims import LOST
from issue_tracker.events.delivery import Deliverer
from issue_tracker.events.slots import PER_WEBHOOK, TIMED_OUT_TOTAL, TOTAL, Slots
from issue_tracker.outbound import requests as outbound
from issue_tracker.outbound import tls
from issue_tracker.outbound.outcomes import Outcome
from issue_tracker.settings import Settings, networks
from tests.clients import Client
from tests.events import receiver as responses
from tests.events.receiver import Receiver
from tests.world import World


@contextmanager
def running(world: World, *, seconds: float = 10) -> Iterator[Deliverer]:
    """A worker in a separate thread, which is woken only by its own clock and by finished attempts."""
    settings = Settings(webhook_allowed_networks="127.0.0.0/8", webhook_timeout_seconds=seconds)
    worker = Deliverer(world.database, settings)
    thread = threading.Thread(target=worker.run, daemon=True)
    thread.start()
    try:
        yield worker
    finally:
        worker.close()
        thread.join(5)


def until(condition: Callable[[], bool], seconds: float) -> float:
    """Waits for the condition, and returns the number of seconds. Fails after the given time."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() < started + seconds, "did not happen in time"
        time.sleep(0.01)
    return time.monotonic() - started


def _webhook(ada: Client, url: str) -> str:
    return f"/api/webhooks/{ada.call('POST', '/api/webhooks', 201, json={'url': url})['id']}"


def _deliveries(ada: Client, path: str) -> list[dict[str, Any]]:
    """Returns the deliveries to a webhook, the oldest first."""
    found: list[dict[str, Any]] = ada.call("GET", f"{path}/deliveries", 200)["items"]
    return found[::-1]


@pytest.fixture
def held(receiver: Receiver) -> Iterator[threading.Event]:
    """The receiver does not respond to paths that end in `dead` until the event is set."""
    answered = threading.Event()

    def response(request: BaseHTTPRequestHandler) -> None:
        if request.path.endswith("dead"):
            answered.wait(30)
        responses.status(204)(request)

    receiver.response = response
    yield answered
    answered.set()


def test_ten_receivers_that_never_respond_delay_no_other(
    world: World, receiver: Receiver, held: threading.Event
) -> None:
    ada = world.client("ada")
    for _ in range(10):
        _webhook(ada, f"{receiver.url}/dead")
    _webhook(ada, f"{receiver.url}/quick")
    for number in range(10):
        world.given_issue(f"Issue {number}")
    with running(world):
        until(lambda: sum(message.path.endswith("quick") for message in receiver.messages) == 10, 8)
        # Exactly one attempt to each of the others is in progress.
        assert sum(message.path.endswith("dead") for message in receiver.messages) <= 10
        held.set()


def test_certificates_are_loaded_once_and_only_for_https(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise ten simultaneous first messages load the certificates ten times, which takes seconds on a
    busy machine.
    """
    loaded: list[float] = []
    load = httpcore.default_ssl_context

    def slow_load() -> Any:
        loaded.append(time.monotonic())
        time.sleep(0.05)
        return load()

    monkeypatch.setattr(httpcore, "default_ssl_context", slow_load)
    monkeypatch.setattr(tls, "_tls", tls._Tls())
    allowed = networks("127.0.0.0/8")

    def send(url: str) -> Outcome:
        return outbound.post(url, b"{}", {}, allowed=allowed, seconds=10)

    with ThreadPoolExecutor(10) as pool:
        plain = list(pool.map(send, [f"{receiver.url}/plain"] * 10))
        assert all(outcome.code == 204 for outcome in plain) and not loaded, plain
        # The receiver does not support TLS.
        encrypted = list(pool.map(send, [f"{receiver.url}/encrypted".replace("http:", "https:")] * 10))
    assert all(outcome.error for outcome in encrypted) and len(loaded) == 1


def test_receivers_that_timed_out_share_few_slots() -> None:
    slots = Slots()

    def take_all(webhook_id: int) -> int:
        taken = 0
        while slots.take(webhook_id):
            taken += 1
        return taken

    for webhook_id in range(TOTAL):
        assert slots.take(webhook_id)
        slots.release(webhook_id, answered=False)
    assert sum(take_all(webhook_id) for webhook_id in range(TOTAL)) == TIMED_OUT_TOTAL
    assert take_all(1000) == 1, "a webhook that has not answered yet"
    slots.release(1000, answered=True)
    assert take_all(1000) == PER_WEBHOOK
    assert sum(take_all(2000 + number) for number in range(TOTAL)) == TOTAL - TIMED_OUT_TOTAL - PER_WEBHOOK
    assert take_all(3000) == 0


def test_a_receiver_gets_the_messages_about_an_issue_in_order(world: World, ada: Client, receiver: Receiver) -> None:
    path = _webhook(ada, receiver.url)
    names = ["VPN", "Mail", "DNS"]
    for name in names:
        world.given_issue(name, {"Contoso": "new"})
    tess = world.client("tess")
    for status in ("investigating", "in_progress", "monitoring", "resolved", "closed"):
        for name in names:
            body = {"issue_name": name, "company_name": "Contoso", "status": status}
            tess.call("PUT", "/api/issues/status", 200, json=body)
    receiver.response = responses.slow(0.03)
    with running(world), running(world):
        until(lambda: all(each["state"] == "delivered" for each in _deliveries(ada, path)), 20)
    order = [(message.json["data"]["issue_name"], message.json["data"]["event_id"]) for message in receiver.messages]
    assert len(order) == 18
    for name in names:
        ids = [event_id for issue, event_id in order if issue == name]
        assert ids == sorted(ids) and len(ids) == 6


def test_messages_wait_for_earlier_ones_about_the_same_issue_that_are_being_sent(
    world: World, ada: Client, receiver: Receiver, patient: Deliverer
) -> None:
    path = _webhook(ada, receiver.url)
    world.given_issue("VPN")
    receiver.response = responses.status(500)
    assert patient.deliver_due() == 1
    world.client("tess").call("PUT", "/api/issues/VPN", 200, json={"description": "Down"})
    world.given_issue("Mail")
    ada.call("POST", f"{path}/test", 202)
    world.given_issue("DNS")
    world.clock.advance(seconds=6)
    sending = threading.Lock()
    sent_meanwhile: list[int] = []

    def response(request: BaseHTTPRequestHandler) -> None:
        if sending.acquire(blocking=False):
            sent_meanwhile.append(patient.deliver_due())
            sending.release()
        responses.status(204)(request)

    receiver.response = response
    assert patient.deliver_due() == 4
    data = [message.json["data"] for message in receiver.messages[1:]]
    sent = [(each.get("issue_name"), each.get("field")) for each in data]
    # The first one is sent again; the test message is about no issue, and therefore waits for all, and all for it.
    assert sent == [("VPN", None), ("Mail", None), ("VPN", "description"), (None, None), ("DNS", None)]
    assert sent_meanwhile == [1, 0, 0, 0]


def test_a_failed_message_does_not_delay_the_next(
    world: World, ada: Client, receiver: Receiver, deliverer: Deliverer
) -> None:
    path = _webhook(ada, receiver.url)
    world.given_issue("VPN")
    receiver.response = responses.status(500)
    assert deliverer.deliver_due() == 1
    receiver.response = responses.status(204)
    world.client("tess").call("PUT", "/api/issues/VPN", 200, json={"description": "Down"})
    assert deliverer.deliver_due() == 1
    assert [each["state"] for each in _deliveries(ada, path)] == ["pending", "delivered"]


def test_attempts_that_are_lost_with_their_worker_do_not_count(
    world: World, receiver: Receiver, deliverer: Deliverer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = world.client("ada")
    path = _webhook(ada, receiver.url)
    ada.call("POST", f"{path}/test", 202)
    assert deliverer.deliver_due() == 1
    ada.call("POST", f"{path}/test", 202)

    class Killed(BaseException):
        """Simulates the end of the process at this point."""

    def die(*_: object, **__: object) -> None:
        raise Killed

    for outcome, seconds in ((Outcome(milliseconds=1, code=500), 6), (Outcome(milliseconds=1, error="refused"), 331)):
        with monkeypatch.context() as patch:
            patch.setattr(outbound, "post", lambda *_, outcome=outcome, **__: outcome)
            assert deliverer.deliver_due() == 1
        world.clock.advance(seconds=seconds)
    lost = len(SCHEDULE) + 4
    for _ in range(lost):
        with monkeypatch.context() as patch, suppress(Killed):
            patch.setattr(outbound, "post", die)
            deliverer.deliver_due()
        world.clock.advance(seconds=4)
    receiver.response = responses.status(500)
    assert deliverer.deliver_due() == 1
    ada = world.client("ada")
    earlier, found = _deliveries(ada, path)
    assert [attempt["error"] for attempt in found["attempts"]] == [None, "refused", *[LOST] * lost, None]
    assert [attempt["error"] for attempt in earlier["attempts"]] == [None]
    assert found["state"] == "pending" and ada.call("GET", path, 200)["active"] is True
    # After the third failure the third delay applies, not a later one.
    world.clock.advance(minutes=34)
    receiver.response = responses.status(204)
    assert deliverer.deliver_due() == 1
    assert _deliveries(ada, path)[1]["state"] == "delivered"


def test_a_response_after_the_claim_has_expired_changes_nothing_else(
    world: World, ada: Client, receiver: Receiver, patient: Deliverer
) -> None:
    path = _webhook(ada, receiver.url)
    ada.call("POST", f"{path}/test", 202)

    def late(request: BaseHTTPRequestHandler) -> None:
        receiver.response = responses.status(204)
        world.clock.advance(seconds=31)
        assert patient.deliver_due() == 1
        responses.status(410, b"gone")(request)

    receiver.response = late
    assert patient.deliver_due() == 1
    [found] = _deliveries(ada, path)
    assert found["state"] == "delivered" and ada.call("GET", path, 200)["active"] is True
    assert [(each["code"], each["error"], each["answer"]) for each in found["attempts"]] == [
        (410, None, "gone"),
        (204, None, ""),
    ]


def test_a_delivery_that_another_worker_claims_first_occupies_no_slot(
    world: World, ada: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _webhook(ada, "http://192.0.2.1/hook")
    ada.call("POST", f"{path}/test", 202)
    slots = Slots()
    monkeypatch.setattr(claims, "_claim", lambda *_: None)
    assert claims.claim_due_deliveries(world.database, clock.now(), lease=timedelta(seconds=3), slots=slots) == []
    assert slots.busy == 0


@pytest.fixture
def patient(world: World) -> Deliverer:
    """A worker whose attempts may take long; its claims expire after 30 seconds."""
    return Deliverer(world.database, Settings(webhook_allowed_networks="127.0.0.0/8", webhook_timeout_seconds=10))


@pytest.fixture
def ada(world: World) -> Client:
    return world.client("ada")
