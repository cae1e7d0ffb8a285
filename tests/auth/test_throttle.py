"""Throttling of sign-ins, per account and per address (contract, section 3). One account may fail 10 times."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select, text

from issue_tracker.database.tables import history_identity, metadata, sign_in_failures
from issue_tracker.settings import Settings
from tests.clients import Client
from tests.engines import decided_in_python
from tests.processes import ADMIN, serve
from tests.server import Server, serving
from tests.shared import Shared
from tests.world import CAST, PASSWORD, World

DEVICE = "issue_tracker_device"


@pytest.fixture(scope="module")
def proxied(engine: str, shared: Shared) -> Iterator[Server]:
    """The product behind a reverse proxy, on the data of the shared server."""
    settings = Settings(
        database_url=shared.server(engine).settings.database_url,
        log_level="error",
        trusted_proxies="127.0.0.1",
        sign_in_address_limit=15,
        sign_in_network_limit=18,
        sign_in_total_limit=40,
    )
    with serving(settings) as server:
        yield server


@pytest.fixture
def behind_proxy(world: World, proxied: Server) -> "Iterator[Addresses]":
    """The product behind a reverse proxy, so that a test can use any client address."""
    with Client(base_url=proxied.url) as client:
        yield Addresses(client)


class Addresses:
    """Sign-ins from chosen addresses."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def attempt(
        self, address: str, password: str = "wrong", email: str = "tess@helpdesk.example", device: str = ""
    ) -> httpx.Response:
        body = {"email": email, "password": password}
        self.client.cookies.clear()
        headers = {"X-Forwarded-For": address} | ({"Cookie": f"{DEVICE}={device}"} if device else {})
        return self.client.post("/api/auth/login", json=body, headers=headers)

    def device(self, address: str, email: str = "tess@helpdesk.example", device: str = "") -> str:
        """Signs in on the page, and returns the token by which the browser is recognized afterwards."""
        self.client.cookies.clear()
        headers = {"X-Forwarded-For": address} | ({"Cookie": f"{DEVICE}={device}"} if device else {})
        form = {"email": email, "password": PASSWORD}
        response = self.client.post("/login", data=form, headers=headers, follow_redirects=False)
        assert response.status_code == 303
        return str(response.cookies[DEVICE])

    def exhaust(self, address: str, times: int = 10, email: str = "tess@helpdesk.example") -> None:
        for _ in range(times):
            assert self.attempt(address, email=email).status_code == 401


def test_too_many_attempts_for_one_account_are_refused_for_a_while(world: World, behind_proxy: Addresses) -> None:
    behind_proxy.exhaust("192.0.2.1", 5)
    world.clock.advance(minutes=5)
    behind_proxy.exhaust("192.0.2.2", 5)

    refused = behind_proxy.attempt("192.0.2.3", PASSWORD)
    assert refused.status_code == 429
    assert 595 <= int(refused.headers["Retry-After"]) <= 600
    assert refused.json() == {"detail": "Too many attempts. Try again in 10 minutes."}
    assert "Set-Cookie" not in refused.headers
    assert behind_proxy.attempt("192.0.2.3", PASSWORD, "TESS@helpdesk.EXAMPLE").status_code == 429
    assert behind_proxy.attempt("192.0.2.3", PASSWORD, "omar@helpdesk.example").status_code == 200

    world.clock.advance(seconds=int(refused.headers["Retry-After"]) + 1)
    assert behind_proxy.attempt("192.0.2.3", PASSWORD).status_code == 200


def test_an_account_that_does_not_exist_is_throttled_in_the_same_way(behind_proxy: Addresses) -> None:
    behind_proxy.exhaust("192.0.2.1", email="nobody@helpdesk.example")
    assert behind_proxy.attempt("192.0.2.2", email="nobody@helpdesk.example").status_code == 429


def test_too_many_attempts_from_one_address_are_refused(world: World, behind_proxy: Addresses) -> None:
    for number in range(15):
        assert behind_proxy.attempt("192.0.2.1", email=f"user{number}@helpdesk.example").status_code == 401
    refused = behind_proxy.attempt("192.0.2.1", PASSWORD)
    assert refused.status_code == 429 and int(refused.headers["Retry-After"]) > 0
    assert behind_proxy.attempt("192.0.2.2", PASSWORD).status_code == 200


def test_a_user_is_not_locked_out_of_an_address_that_signed_in_before(world: World, behind_proxy: Addresses) -> None:
    omar = CAST["omar"][0]
    for email in (CAST["tess"][0], omar):
        assert behind_proxy.attempt("198.51.100.7", PASSWORD, email).status_code == 200
    behind_proxy.exhaust("192.0.2.1")
    assert behind_proxy.attempt("192.0.2.1", PASSWORD).status_code == 429
    assert behind_proxy.attempt("198.51.100.7", PASSWORD).status_code == 200

    # At such an address, each account is counted by itself; and its attempts there do not count elsewhere.
    behind_proxy.exhaust("198.51.100.7")
    assert behind_proxy.attempt("198.51.100.7", PASSWORD).status_code == 429
    assert behind_proxy.attempt("198.51.100.7", PASSWORD, omar).status_code == 200
    behind_proxy.exhaust("198.51.100.7", email=omar)
    assert behind_proxy.attempt("198.51.100.7", PASSWORD, omar).status_code == 429
    assert behind_proxy.attempt("192.0.2.7", PASSWORD, omar).status_code == 200


def test_a_success_resets_the_failures_before_it(behind_proxy: Addresses) -> None:
    for _ in range(3):
        behind_proxy.exhaust("192.0.2.1", 9)
        assert behind_proxy.attempt("192.0.2.1", PASSWORD).status_code == 200
    # Neither those for another account at this address, nor those for this account elsewhere.
    omar = CAST["omar"][0]
    behind_proxy.exhaust("192.0.2.1", email=omar)
    behind_proxy.exhaust("192.0.2.2")
    assert behind_proxy.attempt("192.0.2.1", PASSWORD).status_code == 200
    assert behind_proxy.attempt("192.0.2.1", PASSWORD, omar).status_code == 429
    assert behind_proxy.attempt("192.0.2.2", PASSWORD).status_code == 429


def test_the_count_is_stored_in_the_database(admin_url: str, tmp_path: Path) -> None:
    """The attempts fail at a server that ends, and the next server refuses further ones."""
    right, wrong = ({"email": ADMIN, "password": password} for password in (PASSWORD, "wrong"))
    with serve(admin_url, tmp_path / "first.log") as server, server.client() as client:
        assert [client.post("/api/auth/login", json=wrong).status_code for _ in range(10)] == [401] * 10
    with serve(admin_url, tmp_path / "second.log") as server, server.client() as client:
        assert client.post("/api/auth/login", json=right).status_code == 429


def test_a_refused_attempt_does_not_prolong_the_wait(world: World, behind_proxy: Addresses) -> None:
    behind_proxy.exhaust("192.0.2.1")
    for _ in range(3):
        world.clock.advance(minutes=4)
        assert behind_proxy.attempt("192.0.2.1").status_code == 429
    world.clock.advance(minutes=4)
    assert behind_proxy.attempt("192.0.2.1", PASSWORD).status_code == 200


def test_simultaneous_sign_ins_all_succeed(world: World) -> None:
    body = {"email": "tess@helpdesk.example", "password": PASSWORD}

    clients = [world.anonymous() for _ in range(6)]

    with ThreadPoolExecutor(6) as pool:
        responses = list(pool.map(lambda client: client.post("/api/auth/login", json=body), clients))
    assert [response.status_code for response in responses] == [200] * 6
    assert world.client("tess").call("GET", "/api/auth/sessions", 200)["total"] == 7


@decided_in_python
def test_only_a_trusted_proxy_determines_the_client_address(world: World) -> None:
    body = {"email": "tess@helpdesk.example", "password": PASSWORD}
    world.anonymous().post("/api/auth/login", json=body, headers={"X-Forwarded-For": "203.0.113.9"})
    listed = world.client("tess").call("GET", "/api/auth/sessions", 200)["items"]
    assert {item["address"] for item in listed} == {"127.0.0.1"}


@decided_in_python
def test_addresses_of_one_ipv6_network_count_together(behind_proxy: Addresses) -> None:
    """A client can use any address of its /64, and a customer has a /48 with 65,536 of them."""
    for number in range(15):
        email = f"user{number}@helpdesk.example"
        assert behind_proxy.attempt(f"2001:db8:1:1::{number:x}", email=email).status_code == 401
    assert behind_proxy.attempt("2001:db8:1:1:ffff::1", PASSWORD).status_code == 429
    for number in range(3):
        email = f"other{number}@helpdesk.example"
        assert behind_proxy.attempt(f"2001:db8:1:{number + 2:x}::1", email=email).status_code == 401
    assert behind_proxy.attempt("2001:db8:1:ffff::1", PASSWORD).status_code == 429
    assert behind_proxy.attempt("2001:db8:2:1::1", PASSWORD).status_code == 200


@decided_in_python
def test_an_ipv4_address_written_as_ipv6_is_the_ipv4_address(behind_proxy: Addresses) -> None:
    for number in range(15):
        email = f"user{number}@helpdesk.example"
        assert behind_proxy.attempt("::ffff:192.0.2.1", email=email).status_code == 401
    assert behind_proxy.attempt("192.0.2.1", PASSWORD).status_code == 429
    assert behind_proxy.attempt("::ffff:192.0.2.2", PASSWORD).status_code == 200


def test_slow_guessing_is_limited_in_total_and_known_places_are_exempt(world: World, behind_proxy: Addresses) -> None:
    world.clock.freeze(world.clock.now())
    device = behind_proxy.device("198.51.100.8")
    assert behind_proxy.attempt("198.51.100.7", PASSWORD, "omar@helpdesk.example").status_code == 200
    for number in range(40):
        address, email = f"192.0.2.{number}", f"user{number}@helpdesk.example"
        assert behind_proxy.attempt(address, email=email).status_code == 401
        world.clock.advance(seconds=10)

    refused = behind_proxy.attempt("203.0.113.1", PASSWORD)
    assert refused.status_code == 429 and 495 <= int(refused.headers["Retry-After"]) <= 500
    assert behind_proxy.attempt("203.0.113.1", PASSWORD, device="of-another-product").status_code == 429
    assert behind_proxy.attempt("203.0.113.1", PASSWORD, "omar@helpdesk.example", device).status_code == 429
    assert behind_proxy.attempt("203.0.113.1", PASSWORD, device=device).status_code == 200
    assert behind_proxy.attempt("198.51.100.7", PASSWORD, "omar@helpdesk.example").status_code == 200
    assert behind_proxy.device("203.0.113.1", device=device) == device, "a browser keeps its token"


def test_a_stolen_device_cookie_allows_no_more_than_other_attempts(behind_proxy: Addresses) -> None:
    device = behind_proxy.device("198.51.100.8")
    assert behind_proxy.device("198.51.100.8", device="chosen-by-an-attacker") != "chosen-by-an-attacker"
    for number in range(10):
        assert behind_proxy.attempt(f"192.0.2.{number}", device=device).status_code == 401
    assert behind_proxy.attempt("192.0.2.99", PASSWORD, device=device).status_code == 429
    assert behind_proxy.attempt("198.51.100.8", PASSWORD).status_code == 200


def test_parallel_attempts_are_counted_exactly(behind_proxy: Addresses) -> None:
    def attempt(number: int) -> int:
        with Client(base_url=behind_proxy.client.base_url) as client:
            body = {"email": "tess@helpdesk.example", "password": "wrong"}
            headers = {"X-Forwarded-For": f"192.0.2.{number}"}
            return client.post("/api/auth/login", json=body, headers=headers).status_code

    with ThreadPoolExecutor(14) as pool:
        statuses = sorted(pool.map(attempt, range(14)))
    assert statuses == [401] * 10 + [429] * 4


def test_a_refused_attempt_does_not_wait_for_the_write_lock(world: World, behind_proxy: Addresses) -> None:
    behind_proxy.exhaust("192.0.2.1")
    with world.database.write() as tx:
        if world.engine == "postgresql":
            tx.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('sign-in', 0))"))
        assert behind_proxy.attempt("192.0.2.2", PASSWORD).status_code == 429


def test_the_current_password_cannot_be_guessed_faster_than_at_sign_in(world: World, behind_proxy: Addresses) -> None:
    """The thief of a session cannot find out the password with it."""
    tess, wrong = world.client(), {"current_password": "wrong", "new_password": "staple battery horse"}
    for _ in range(10):
        response = tess.call("POST", "/api/auth/password", 400, json=wrong)
        assert response["errors"] == [{"field": "current_password", "message": "is wrong"}]
    right = wrong | {"current_password": PASSWORD}
    refused = tess.post("/api/auth/password", json=right)
    assert refused.status_code == 429 and 890 <= int(refused.headers["Retry-After"]) <= 900
    form = right | {"_csrf": tess.headers["X-CSRF-Token"]}
    assert tess.post("/account/password", data=form).status_code == 429
    assert behind_proxy.attempt("192.0.2.1", PASSWORD).status_code == 200, "signing in is counted apart"
    omar = world.client("omar")
    omar.base_url = behind_proxy.client.base_url
    for _ in range(6):  # more than one address may sign in with, together with the attempts of Tess
        omar.call("POST", "/api/auth/password", 400, json=wrong)

    failures = [event for event in world.history(audit=True) if event.type == "session.proof_failed"]
    by = [(name, "from 127.0.0.1") for name in (*["Tess Ngo"] * 10, *["Omar Reyes"] * 6)]
    assert [(event.actor_name, event.note) for event in failures] == by
    world.clock.advance(minutes=15)
    assert tess.post("/api/auth/password", json=right).status_code == 204


def test_typed_unknown_addresses_are_not_stored(world: World, behind_proxy: Addresses) -> None:
    behind_proxy.attempt("192.0.2.1", "x", "My-Secret-Phrase")
    behind_proxy.attempt("192.0.2.1", "x", " TESS@helpdesk.example ")
    names = [event.actor_name for event in world.history(audit=True) if event.type == "session.failed"]
    assert names == ["an unknown address", "tess@helpdesk.example"]
    with world.database.read() as tx:
        for table in metadata.sorted_tables:
            assert "my-secret-phrase" not in str(tx.execute(select(table)).all()).lower(), table.name


def test_a_restored_database_continues_to_count(world: World) -> None:
    """Typed addresses are counted under a hash with the server key, which a restore does not change."""
    pair = {"email": "nobody@helpdesk.example", "password": "x"}
    with world.database.read() as tx:
        own = tx.execute(select(history_identity.c.identity)).scalar_one()
    for identity in ("another", own):  # later tests share the database
        with world.database.write() as tx:
            tx.execute(history_identity.update().values(identity=identity))
        world.anonymous().call("POST", "/api/auth/login", 401, json=pair)
    with world.database.read() as tx:
        counted = list(tx.execute(select(sign_in_failures.c.account_key)).scalars())
    assert len(counted) == 2 and len(set(counted)) == 1
    # So little of the hash is stored that it reveals nothing about the text, which may be a password.
    assert re.fullmatch("unknown:[A-Za-z0-9_-]{3}", counted[0])
