"""Unusable arguments and environments result in one sentence, and nothing is sent to the server."""

import sys
from collections.abc import Callable

import pytest

from issue_tracker_client import Misuse, Tracker
from tests.client.conftest import Connect
from tests.client.troubles import TroubledNetwork

CALLS: dict[str, Callable[[Tracker], object]] = {
    "key": lambda tracker: tracker.create_issue("VPN", idempotency_key="Störung"),
    "empty key": lambda tracker: tracker.merge_issues("VPN", "WAN", idempotency_key=""),
    "line break": lambda tracker: tracker.create_issue("VPN", idempotency_key="a\nb"),
    "spaces": lambda tracker: tracker.create_issue("VPN", idempotency_key=" a"),
    "if_match": lambda tracker: tracker.update_issue("VPN", description="x", if_match="ö"),
    "etag": lambda tracker: tracker.poll_issues(etag="ö"),
    "long name": lambda tracker: tracker.issue("x" * 100_000),
    "path": lambda tracker: tracker.call("GET", "api/issues"),
    "host": lambda tracker: tracker.call("GET", "@elsewhere.test/"),
    "control": lambda tracker: tracker.call("GET", "/api/\x01"),
    "companies": lambda tracker: tracker.create_issue("VPN", companies="Acme"),
    "added": lambda tracker: tracker.update_issue("VPN", add_companies="Acme"),
    "bulk": lambda tracker: tracker.set_status_in_bulk("VPN", "resolved", companies="Acme"),
    "exclude": lambda tracker: tracker.set_status_in_bulk("VPN", "resolved", exclude="Acme"),
    "from": lambda tracker: tracker.set_status_in_bulk("VPN", "resolved", from_statuses="new"),
    "not Unicode in a path": lambda tracker: tracker.issue("VPN\udcff"),
    "not Unicode in a query": lambda tracker: tracker.poll_issues(search="VPN\udcff"),
    "not Unicode in a body": lambda tracker: tracker.set_status("VPN", "Acme\udcff", "new"),
    "scopes": lambda tracker: tracker.create_token("nightly", scopes="read"),
}


@pytest.mark.parametrize("kind", CALLS)
def test_invalid_arguments_are_not_sent(connect: Connect, network: TroubledNetwork, kind: str) -> None:
    with connect(network.url) as tracker, pytest.raises(Misuse):
        CALLS[kind](tracker)
    assert network.requests == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SSL_CERT_FILE", "/nonexistent"),
        ("SSL_CERT_FILE", __file__),
        ("ALL_PROXY", "socks5://127.0.0.1:9"),
        ("HTTP_PROXY", "http://[::1"),
        ("HTTP_PROXY", "carrier-pigeon://x"),
    ],
)
def test_an_unusable_environment_is_reported(
    connect: Connect, url: str, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setitem(sys.modules, "socksio", None)  # even if it is installed
    monkeypatch.setenv(name, value)
    with pytest.raises(Misuse, match="SSL_CERT_FILE or a proxy"):
        connect(url)


def test_a_user_agent_that_no_header_can_carry_is_rejected(connect: Connect, url: str) -> None:
    with pytest.raises(Misuse, match="user-agent"):
        connect(url, user_agent="Störung/1")
