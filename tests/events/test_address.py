"""The address of a webhook as it is sent: IPv6, and non-ASCII names and paths; and the time limit of connections."""

import ssl
import threading
import time
from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from issue_tracker.events.delivery import Deliverer
from issue_tracker.outbound import requests as outbound
from issue_tracker.outbound.address import parse_address
from issue_tracker.settings import Settings
from tests.cases import cases
from tests.engines import decided_in_python
from tests.events.receiver import Receiver
from tests.world import World


@pytest.fixture
def receiver6() -> Iterator[Receiver]:
    receiver = Receiver("::1")
    yield receiver
    receiver.close()


def _send_test(world: World, url: str, networks: str) -> None:
    ada = world.client("ada")
    created = ada.call("POST", "/api/webhooks", 201, json={"url": url})
    assert created["url"] == url
    ada.call("POST", f"/api/webhooks/{created['id']}/test", 202)
    Deliverer(world.database, Settings(webhook_allowed_networks=networks, webhook_timeout_seconds=5)).deliver_due()


@decided_in_python
def test_an_ipv6_address_is_in_brackets_in_the_host_header(world: World, receiver6: Receiver) -> None:
    _send_test(world, receiver6.url, "::1/128")
    (message,) = receiver6.messages
    assert message.headers["host"] == f"[::1]:{receiver6.port}" and message.path == "/hook"


@decided_in_python
def test_non_ascii_names_and_paths_are_encoded(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[object]:
        asked.append(host)
        return [ip_address("127.0.0.1")]

    monkeypatch.setattr(outbound, "resolve", resolve)
    url = f"http://Straße.Müller.example:{receiver.port}/störung/a%2Fb?ü=%C3%BC&x=[1]"
    _send_test(world, url, "127.0.0.0/8")
    (message,) = receiver.messages
    assert asked == ["xn--strae-oqa.xn--mller-kva.example"]
    assert message.headers["host"] == f"xn--strae-oqa.xn--mller-kva.example:{receiver.port}"
    assert message.path == "/st%C3%B6rung/a%2Fb?%C3%BC=%C3%BC&x=[1]"


@cases(
    ("url", "host_header", "path"),
    [
        ("https://hooks.example.com", "hooks.example.com", "/"),
        ("https://hooks.example.com:443/a", "hooks.example.com", "/a"),
        ("https://hooks.example.com:8443/a?b", "hooks.example.com:8443", "/a?b"),
        ("https://[2001:DB8:0::1]/a", "[2001:db8::1]", "/a"),
        ("https://my_hooks.example/%E4?%", "my_hooks.example", "/%E4?%"),
        ("http://例え.テスト/試験", "xn--r8jz45g.xn--zckzah", "/%E8%A9%A6%E9%A8%93"),
    ],
)
def test_the_address_is_sent_in_encoded_form(url: str, host_header: str, path: str) -> None:
    target = parse_address(url)
    assert (target.host_header, target.path) == (host_header, path)


@pytest.mark.parametrize(
    "url", ["https://[::1", "https://[abc]/", "https://ex\u2028ample.com/", "https://a..ü/", "https://‑.example/"]
)
def test_an_invalid_address_is_rejected(url: str) -> None:
    with pytest.raises(ValueError, match="must"):
        parse_address(url)


@pytest.mark.parametrize("embedded", ["::ffff:{}", "64:ff9b::{}", "2002:{}::", "2001::{}"])
def test_an_embedded_public_address_is_accepted(embedded: str) -> None:
    """As sockets for both protocols, networks with IPv6 only, and tunnels embed it; Teredo inverts it."""
    address = ip_address(embedded.format("a247:27dd" if embedded.startswith("2001") else "5db8:d822"))
    assert outbound.permitted(address, [])


def test_every_wait_for_another_system_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    class Stream:
        def read(self, most: int, timeout: float) -> bytes:
            waits.append(timeout)
            return b""

        def write(self, content: bytes, timeout: float) -> None:
            waits.append(timeout)

        def start_tls(self, context: object, host: str | None, timeout: float) -> "Stream":
            waits.append(timeout)
            return self

    class Backend:
        def connect_tcp(self, host: str, port: int, timeout: float) -> Stream:
            waits.append(timeout)
            return Stream()

    monkeypatch.setattr("issue_tracker.outbound.requests.httpcore.SyncBackend", Backend)
    monkeypatch.setattr(outbound, "resolve", lambda host, port: [ip_address("127.0.0.1")])
    plain = outbound.Guard(None, time.monotonic() + 5).connect_tcp("hooks.example", 443)
    for stream in (plain, plain.start_tls(ssl.create_default_context(), "hooks.example")):
        stream.write(b"x")
        stream.read(1)
    assert len(waits) == 6 and all(0 < wait <= 5 for wait in waits)

    released = threading.Event()
    monkeypatch.setattr(outbound, "resolve", lambda host, port: released.wait(20))
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        outbound.Guard(None, started + 0.05).connect_tcp("hooks.example", 443)
    assert time.monotonic() - started < 10
    released.set()
