"""The delivery of a message (contract, section 8): every response of a receiver, retries, limits, refused addresses."""

import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from ipaddress import ip_address, ip_network
from typing import Any

import httpcore
import pytest

from issue_tracker.events.attempts import SCHEDULE, retry_delay
from issue_tracker.events.delivery import Deliverer
from issue_tracker.outbound import requests as outbound
from issue_tracker.settings import Settings
from tests.clients import Client
from tests.engines import decided_in_python
from tests.events import receiver as responses
from tests.events.receiver import Receiver
from tests.world import World


@pytest.fixture
def ada(world: World) -> Client:
    return world.client("ada")


def _webhook(ada: Client, url: str) -> str:
    return f"/api/webhooks/{ada.call('POST', '/api/webhooks', 201, json={'url': url})['id']}"


def _only_delivery(ada: Client, path: str) -> dict[str, Any]:
    (found,) = ada.call("GET", f"{path}/deliveries", 200)["items"]
    assert isinstance(found, dict)
    return found


@decided_in_python
@pytest.mark.parametrize(
    ("response", "code", "stored"),
    [
        (responses.status(500, b"oops"), 500, "oops"),
        (responses.status(302, Location="http://127.0.0.1:1/elsewhere"), 302, ""),
        (responses.status(429, Retry_After="3600"), 429, ""),
        (responses.slow(4), None, None),
        (responses.dripping(4), None, None),
        (responses.silent, None, None),
    ],
    ids=["500", "redirect", "429", "slow", "dripping", "silent"],
)
def test_a_failure_is_recorded_and_retried(
    world: World, receiver: Receiver, deliverer: Deliverer, response: responses.Response, code: int, stored: str
) -> None:
    world.clock.freeze(datetime(2025, 1, 4, 10, 15, tzinfo=UTC))
    ada = world.client("ada")
    path = _webhook(ada, receiver.url)
    ada.call("POST", f"{path}/test", 202)
    receiver.response = response
    assert deliverer.deliver_due() == 1
    failed = _only_delivery(ada, path)
    (attempt,) = failed["attempts"]
    assert (failed["state"], attempt["code"]) == ("pending", code)
    assert attempt["answer"] == stored if code else attempt["error"]
    assert attempt["duration_ms"] < 3000
    assert len(receiver.messages) == 1, "redirects are not followed"

    receiver.response = responses.status(200, b"thanks")
    wait = datetime.fromisoformat(failed["next_attempt_at"]) - datetime.fromisoformat(attempt["at"])
    assert wait >= (timedelta(hours=1) if code == 429 else timedelta(seconds=4.5))
    world.clock.advance(seconds=4)
    assert deliverer.deliver_due() == 0
    world.clock.advance(seconds=3600 if code == 429 else 3)
    assert deliverer.deliver_due() == 1
    delivered = _only_delivery(ada, path)
    assert delivered["state"] == "delivered" and delivered["attempts"][1]["answer"] == "thanks"
    assert receiver.messages[0].id == receiver.messages[1].id
    assert receiver.messages[0].body == receiver.messages[1].body


def test_a_refused_connection_is_recorded(world: World, ada: Client, receiver: Receiver, deliverer: Deliverer) -> None:
    receiver.close()
    path = _webhook(ada, receiver.url)
    ada.call("POST", f"{path}/test", 202)
    deliverer.deliver_due()
    assert "refused" in _only_delivery(ada, path)["attempts"][0]["error"].lower()


@decided_in_python
def test_only_the_beginning_of_a_response_is_read(world: World, ada: Client, receiver: Receiver) -> None:
    path = _webhook(ada, receiver.url)
    deliverer = Deliverer(world.database, Settings(webhook_allowed_networks="127.0.0.0/8"))
    ada.call("POST", f"{path}/test", 202)
    receiver.response = responses.endless(b"x\0\xff" * 3_500_000)
    deliverer.deliver_due()
    [attempt] = _only_delivery(ada, path)["attempts"]
    assert attempt["duration_ms"] < 10_000 == 1000 * Settings().webhook_timeout_seconds  # contract, section 8
    assert 600 < len(attempt["answer"]) <= 2048 and attempt["answer"][:2] == "x\ufffd"
    receiver.response = responses.truncated
    ada.call("POST", f"{path}/test", 202)
    deliverer.deliver_due()
    assert ada.call("GET", f"{path}/deliveries", 200)["items"][0]["state"] == "delivered", "whatever follows the status"


def test_410_disables_the_webhook(ada: Client, receiver: Receiver, deliverer: Deliverer) -> None:
    path = _webhook(ada, receiver.url)
    ada.call("POST", f"{path}/test", 202)
    receiver.response = responses.status(410)
    deliverer.deliver_due()
    webhook = ada.call("GET", path, 200)
    assert webhook["active"] is False and "410" in webhook["disabled_reason"]
    assert _only_delivery(ada, path)["state"] == "failed"
    event = ada.call("GET", "/api/events?type=webhook.disabled", 200)["items"][0]
    assert receiver.url in event["note"]
    again = ada.call("PUT", path, 200, json={"active": True})
    assert again["active"] is True and again["disabled_reason"] is None


def test_the_receiver_at_a_former_url_does_not_disable_the_webhook(
    world: World, ada: Client, receiver: Receiver, deliverer: Deliverer
) -> None:
    """Its response arrives after a super admin has entered the new URL, to which the message is then sent."""
    path = _webhook(ada, receiver.url)
    ada.call("POST", f"{path}/test", 202)

    def gone(request: BaseHTTPRequestHandler) -> None:
        ada.call("PUT", path, 200, json={"url": f"{receiver.url}/new"})
        receiver.response = responses.status(204)
        responses.status(410)(request)

    receiver.response = gone
    assert deliverer.deliver_due() == 1
    assert ada.call("GET", path, 200)["active"] is True
    world.clock.advance(seconds=6)
    assert deliverer.deliver_due() == 1
    assert _only_delivery(ada, path)["state"] == "delivered"
    assert receiver.messages[1].path == f"{receiver.messages[0].path}/new"


def test_after_about_a_day_of_failures_the_webhook_is_disabled(
    world: World, receiver: Receiver, deliverer: Deliverer
) -> None:
    ada = world.client("ada")
    path = _webhook(ada, receiver.url)
    ada.call("POST", f"{path}/test", 202)
    receiver.response = responses.status(503)
    attempts = deliverer.deliver_due()
    passed = timedelta(0)
    for wait in SCHEDULE:
        world.clock.advance(seconds=wait.total_seconds() * 1.2)
        passed += wait
        attempts += deliverer.deliver_due()
    assert attempts == len(SCHEDULE) + 1 and timedelta(hours=20) < passed < timedelta(hours=36)
    ada = world.client("ada")
    assert _only_delivery(ada, path)["state"] == "failed"
    assert ada.call("GET", path, 200)["active"] is False
    assert ada.call("GET", "/api/events?type=webhook.disabled", 200)["total"] == 1


def test_messages_wait_while_a_webhook_is_inactive(world: World, receiver: Receiver, deliverer: Deliverer) -> None:
    ada = world.client("ada")
    path = _webhook(ada, receiver.url)
    ada.call("POST", f"{path}/test", 202)
    ada.call("PUT", path, 200, json={"active": False})
    world.given_issue("VPN")  # about which it receives nothing
    assert deliverer.deliver_due() == 0
    ada.call("PUT", path, 200, json={"active": True})
    assert deliverer.deliver_due() == 1


def test_retry_after_is_respected_up_to_a_limit() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    second = timedelta(seconds=1)
    assert retry_delay(1, "100", at) == 100 * second
    assert retry_delay(1, "Thu, 01 Jan 2026 01:00:00 GMT", at) == 3600 * second
    assert retry_delay(1, "99999999999", at) == timedelta(days=1)
    for number in ("9" * 5000, "000000000000000100000"):
        assert retry_delay(1, number, at) == timedelta(days=1)
    endless = "Mon, 01 Jan 99999999999 00:00:00 GMT"
    for nonsense in ("soon", "-5", "1e3", "", "Thu, 99 Foo", endless, "Mon, 01 Jan " + "9" * 5000 + " 00:00:00 GMT"):
        assert 4.5 * second <= retry_delay(1, nonsense, at) <= 5.5 * second
    assert {retry_delay(2, None, at) for _ in range(20)} != {retry_delay(2, None, at)}
    for failures, delay in enumerate(SCHEDULE, 1):
        assert 0.9 * delay <= retry_delay(failures, None, at) <= 1.1 * delay


@pytest.mark.parametrize(
    "addresses",
    [
        "127.0.0.1 10.0.0.1 172.16.0.1 192.168.1.1 169.254.169.254 0.0.0.0 100.64.0.1 224.0.0.1 240.0.0.1",
        "255.255.255.255 ::1 :: fe80::1 fc00::1 ff02::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 64:ff9b::7f00:1 64:ff9b:1::1",
        "2002:7f00:1:: 2001:db8::1 2001:0:4136:e378:8000:63bf:80ff:fffe fec0::1 192.0.0.192 ::7f00:1",
    ],
)
def test_private_addresses_are_refused(addresses: str) -> None:
    for address in addresses.split():
        assert not outbound.permitted(ip_address(address), []), address


def test_public_and_allowed_addresses_are_accepted() -> None:
    assert outbound.permitted(ip_address("93.184.216.34"), [])
    assert outbound.permitted(ip_address("2606:2800:220:1:248:1893:25c8:1946"), [])
    allowed = [ip_network("10.1.0.0/16"), ip_network("fd00::/8")]
    for good in ("10.1.2.3", "::ffff:10.1.2.3", "fd00::5"):
        assert outbound.permitted(ip_address(good), allowed)
    assert not outbound.permitted(ip_address("10.2.0.1"), allowed)


@decided_in_python
def test_loopback_is_refused_unless_allowed(world: World, ada: Client, receiver: Receiver) -> None:
    path = _webhook(ada, receiver.url)
    ada.call("POST", f"{path}/test", 202)
    Deliverer(world.database, Settings()).deliver_due()
    assert "not a public address" in _only_delivery(ada, path)["attempts"][0]["error"]
    assert receiver.messages == []


@decided_in_python
def test_a_name_that_changes_its_address_is_refused(
    world: World, ada: Client, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first resolution is both checked and used for the connection; a later private one is refused."""
    found = iter([["192.0.2.1", "127.0.0.1"], ["127.0.0.1"], ["::ffff:127.0.0.1"]])
    monkeypatch.setattr(outbound, "resolve", lambda host, port: [ip_address(text) for text in next(found)])
    tried: list[str] = []

    class Backend:
        def connect_tcp(self, host: str, port: int, timeout: float) -> object:
            tried.append(host)
            raise httpcore.ConnectError("nobody there")

    monkeypatch.setattr("issue_tracker.outbound.requests.httpcore.SyncBackend", Backend)
    allowed = Settings(webhook_allowed_networks="192.0.2.0/24")
    path = _webhook(ada, f"http://rebinding.example:{receiver.port}/")
    ada.call("POST", f"{path}/test", 202)
    for _ in range(3):
        Deliverer(world.database, allowed).deliver_due()
        world.clock.advance(minutes=10)

    def unknown(host: str, port: int) -> list[Any]:
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr(outbound, "resolve", unknown)
    world.clock.advance(hours=2)
    Deliverer(world.database, allowed).deliver_due()
    errors = [attempt["error"] for attempt in _only_delivery(world.client("ada"), path)["attempts"]]
    assert tried == ["192.0.2.1"]
    assert "nobody there" in errors[0] and all("not a public address" in error for error in errors[1:3])
    assert errors[3] == "rebinding.example cannot be resolved (Name or service not known)"
    assert receiver.messages == []


@decided_in_python
def test_the_host_header_contains_the_name(
    world: World, ada: Client, receiver: Receiver, deliverer: Deliverer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody listens at the first address.
    monkeypatch.setattr(outbound, "resolve", lambda *_: [ip_address("127.0.0.2"), ip_address("127.0.0.1")])
    path = _webhook(ada, f"http://hooks.example:{receiver.port}/a?b=c")
    ada.call("POST", f"{path}/test", 202)
    deliverer.deliver_due()
    assert receiver.messages[0].headers["host"] == f"hooks.example:{receiver.port}"
    assert receiver.messages[0].path == "/a?b=c"


def test_two_workers_never_send_the_same_message(world: World, ada: Client, receiver: Receiver) -> None:
    path = _webhook(ada, receiver.url)
    for _ in range(30):
        ada.call("POST", f"{path}/test", 202)
    settings = Settings(webhook_allowed_networks="127.0.0.0/8", webhook_timeout_seconds=5)
    workers = [Deliverer(world.database, settings) for _ in range(3)]
    threads = [threading.Thread(target=worker.deliver_due) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(receiver.messages) == len({message.id for message in receiver.messages}) == 30


def test_an_expired_claim_is_taken_over(
    world: World, receiver: Receiver, deliverer: Deliverer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = world.client("ada")
    path = _webhook(ada, receiver.url)
    ada.call("POST", f"{path}/test", 202)

    class Killed(BaseException):
        """Simulates the end of the process at this point."""

    def die(*_: object, **__: object) -> None:
        raise Killed

    monkeypatch.setattr("issue_tracker.outbound.requests.post", die)
    with pytest.raises(Killed):
        deliverer.deliver_due()
    monkeypatch.undo()
    assert deliverer.deliver_due() == 0
    world.clock.advance(seconds=4)
    assert deliverer.deliver_due() == 1
    done = _only_delivery(ada, path)
    assert done["state"] == "delivered" and [a["code"] for a in done["attempts"]] == [None, 204]
