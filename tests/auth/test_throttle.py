"""Slowing down sign-ins, per account and per address (contract, section 3). One account may fail 10 times."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from issue_tracker.settings import Settings
from tests.clients import Client
from tests.processes import ADMIN, serve
from tests.server import serving
from tests.world import PASSWORD, World


@pytest.fixture
def behind_proxy(world: World) -> "Iterator[Addresses]":
    """The product behind a reverse proxy, so that a test can come from any address."""
    settings = Settings(
        database_url=world.server.settings.database_url,
        log_level="error",
        trusted_proxies="127.0.0.1",
        sign_in_address_limit=15,
    )
    with serving(settings) as server, Client(base_url=server.url) as client:
        yield Addresses(client)


class Addresses:
    """Sign-ins from addresses of choice."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def attempt(self, address: str, password: str = "wrong", email: str = "tess@helpdesk.example") -> httpx.Response:
        body = {"email": email, "password": password}
        self.client.cookies.clear()
        return self.client.post("/api/auth/login", json=body, headers={"X-Forwarded-For": address})

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


def test_nobody_is_locked_out_of_an_address_that_signed_in_before(world: World, behind_proxy: Addresses) -> None:
    assert behind_proxy.attempt("198.51.100.7", PASSWORD).status_code == 200
    behind_proxy.exhaust("192.0.2.1")
    assert behind_proxy.attempt("192.0.2.1", PASSWORD).status_code == 429
    assert behind_proxy.attempt("198.51.100.7", PASSWORD).status_code == 200

    behind_proxy.exhaust("198.51.100.7")
    assert behind_proxy.attempt("198.51.100.7", PASSWORD).status_code == 429


def test_a_success_forgives_the_failures_before_it(behind_proxy: Addresses) -> None:
    for _ in range(3):
        behind_proxy.exhaust("192.0.2.1", 9)
        assert behind_proxy.attempt("192.0.2.1", PASSWORD).status_code == 200


def test_the_count_is_in_the_database_and_outlives_a_process(admin_url: str, tmp_path: Path) -> None:
    """Failed at a server that ends, and refused at the next one."""
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


def test_only_a_trusted_proxy_is_believed(world: World) -> None:
    body = {"email": "tess@helpdesk.example", "password": PASSWORD}
    world.anonymous().post("/api/auth/login", json=body, headers={"X-Forwarded-For": "203.0.113.9"})
    listed = world.client("tess").call("GET", "/api/auth/sessions", 200)["items"]
    assert {item["address"] for item in listed} == {"127.0.0.1"}
