"""A server behind an untrusted reverse proxy logs a warning, because otherwise all its clients have one address."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from structlog.testing import capture_logs

from issue_tracker.logs import configure_logs
from issue_tracker.server.proxies import UntrustedProxyWarning
from issue_tracker.settings import Settings
from tests.clients import get
from tests.server import serving
from tests.world import World

FORWARDED = {"X-Forwarded-For": "203.0.113.9"}


# A header decides before the database is read.
@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
@pytest.mark.parametrize("trusted", ["", "127.0.0.1"])
def test_an_untrusted_proxy_causes_one_warning(world: World, trusted: str) -> None:
    settings = Settings(database_url=world.server.settings.database_url, log_level="warning", trusted_proxies=trusted)
    with serving(settings) as server, capture_logs() as logged:
        get(f"{server.url}/healthz")
        assert logged == []
        for _ in range(3):
            assert get(f"{server.url}/healthz", headers=FORWARDED).status_code == 200
    warnings = [entry for entry in logged if "not trusted" in entry["event"]]
    assert [(entry["log_level"], entry["proxy"]) for entry in warnings] == (
        [] if trusted else [("warning", "127.0.0.1")]
    )
    assert all("ISSUE_TRACKER_TRUSTED_PROXIES" in entry["event"] for entry in warnings)


@pytest.mark.parametrize(
    ("client", "warned"),
    [(("10.1.2.3", 1), True), (("fd00::1", 1), True), (None, True), (("8.8.8.8", 1), False)],
)
def test_only_machines_in_private_networks_are_considered_proxies(client: tuple[str, int] | None, warned: bool) -> None:
    async def application(*_: Any) -> None:
        return None

    configure_logs(Settings(log_level="warning"))
    layer = UntrustedProxyWarning(application)
    scope = {"type": "http", "headers": [(b"x-forwarded-for", b"203.0.113.9")], "client": client}
    # In a separate thread, because tests of pages leave a running event loop.
    with capture_logs() as logged, ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, layer(scope, application, application)).result()  # type: ignore[arg-type]  # minimal ASGI
    assert bool(logged) == warned
