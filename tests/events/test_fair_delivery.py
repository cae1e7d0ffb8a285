"""Fair delivery: slots for receivers that do not respond, and the order of messages."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import httpcore
import pytest

from issue_tracker.events import claims, delivery
from issue_tracker.events.delivery import Deliverer
from issue_tracker.events.slots import PER_WEBHOOK, TIMED_OUT_TOTAL, TOTAL, Slots
from issue_tracker.outbound import requests as outbound
from issue_tracker.outbound import tls
from issue_tracker.outbound.outcomes import Outcome
from issue_tracker.settings import Settings, networks
from tests.clients import Client
from tests.engines import decided_in_python
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


def webhook_for(ada: Client, url: str) -> str:
    return f"/api/webhooks/{ada.call('POST', '/api/webhooks', 201, json={'url': url})['id']}"


def deliveries_of(ada: Client, path: str) -> list[dict[str, Any]]:
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
        webhook_for(ada, f"{receiver.url}/dead")
    webhook_for(ada, f"{receiver.url}/quick")
    for number in range(10):
        world.given_issue(f"Issue {number}")
    with running(world):
        until(lambda: sum(message.path.endswith("quick") for message in receiver.messages) == 10, 8)
        # Exactly one attempt to each of the others is in progress.
        assert sum(message.path.endswith("dead") for message in receiver.messages) <= 10
        held.set()


def test_an_unforeseen_failure_does_not_end_a_worker(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim, failed = claims.claim_due_deliveries, threading.Event()

    def failing_once(*given: Any, **named: Any) -> Any:
        if not failed.is_set():
            failed.set()
            raise ZeroDivisionError
        return claim(*given, **named)

    monkeypatch.setattr(delivery, "claim_due_deliveries", failing_once)
    monkeypatch.setattr(delivery, "POLL_SECONDS", 0.05)
    webhook_for(world.client("ada"), receiver.url)
    world.given_issue("VPN")
    with running(world):
        until(lambda: len(receiver.messages) == 1, 8)


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


def test_a_name_server_that_does_not_respond_delays_a_message_no_longer_than_a_receiver(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolved = threading.Event()
    monkeypatch.setattr(outbound, "resolve", lambda *_: resolved.wait(10))
    outcome = outbound.post("http://hooks.example/", b"{}", {}, allowed=(), seconds=0.1)
    resolved.set()
    assert (outcome.code, outcome.error, outcome.timed_out) == (None, "no response within 0.1 seconds", True)
    assert outcome.milliseconds < 5000


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


def test_a_receiver_gets_the_messages_about_an_issue_in_order(
    world: World, ada: Client, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "POLL_SECONDS", 60)  # each attempt makes its worker look for the next one
    path = webhook_for(ada, receiver.url)
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
        until(lambda: all(each["state"] == "delivered" for each in deliveries_of(ada, path)), 20)
    order = [(message.json["data"]["issue_name"], message.json["data"]["event_id"]) for message in receiver.messages]
    assert len(order) == 18
    for name in names:
        ids = [event_id for issue, event_id in order if issue == name]
        assert ids == sorted(ids) and len(ids) == 6


def test_a_failed_message_does_not_delay_the_next(
    world: World, ada: Client, receiver: Receiver, deliverer: Deliverer
) -> None:
    path = webhook_for(ada, receiver.url)
    world.given_issue("VPN")
    receiver.response = responses.status(500)
    assert deliverer.deliver_due() == 1
    receiver.response = responses.status(204)
    world.client("tess").call("PUT", "/api/issues/VPN", 200, json={"description": "Down"})
    assert deliverer.deliver_due() == 1
    assert [each["state"] for each in deliveries_of(ada, path)] == ["pending", "delivered"]


@decided_in_python
def test_each_attempt_decides_how_many_may_follow(world: World, ada: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    path = webhook_for(ada, "http://192.0.2.1/hook")
    webhook_id = int(path.rpartition("/")[2])
    timed_out, refused = (Outcome(milliseconds=1, error="x", timed_out=late) for late in (True, False))

    def post(outcome: Outcome) -> Outcome:
        time.sleep(0.1)
        return outcome

    def attempt(worker: Deliverer, outcome: Outcome) -> None:
        monkeypatch.setattr(outbound, "post", lambda *_, **__: post(outcome))
        ada.call("POST", f"{path}/test", 202)
        worker.wake()
        until(lambda: len(deliveries_of(ada, path)[-1]["attempts"]) == 1, 5)

    with running(world) as worker:
        for outcome, following in (
            (Outcome(milliseconds=1, code=500), PER_WEBHOOK),
            (refused, PER_WEBHOOK),
            (timed_out, 1),
            (refused, 1),
        ):
            attempt(worker, outcome)
            until(lambda: worker._slots.busy == 0, 5)
            taken = sum(worker._slots.take(webhook_id) for _ in range(PER_WEBHOOK))
            for _ in range(taken):
                worker._slots.release(webhook_id, answered=None)
            assert taken == following, outcome
        attempt(worker, Outcome(milliseconds=1, code=204))
    assert deliveries_of(ada, path)[-1]["state"] == "delivered", "a worker that is stopped waits for the last outcome"


@pytest.fixture
def ada(world: World) -> Client:
    return world.client("ada")
