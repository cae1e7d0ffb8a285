"""How connections are counted, without a server: by address, and after they were refused."""

from typing import Any

import pytest

from issue_tracker.server import connections
from issue_tracker.server.connections import Connections
from issue_tracker.server.metrics import LoadMetrics, metrics_registry
from issue_tracker.settings import Settings


@pytest.mark.parametrize(
    ("address", "proxies", "group"),
    [
        ("192.0.2.1", "", "192.0.2.1"),
        ("::ffff:192.0.2.1", "", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "", "2001:db8:1:2::/64"),
        ("127.0.0.1", "", None),
        ("::1", "", None),
        ("10.0.0.7", "10.0.0.0/8", None),
        ("::ffff:10.0.0.7", "10.0.0.0/8", None),
        ("192.0.2.1", "10.0.0.0/8", "192.0.2.1"),
        ("192.0.2.1", "*", None),
        (None, "", None),
    ],
)
def test_the_address_for_which_a_connection_counts(address: str | None, proxies: str, group: str | None) -> None:
    counted = Connections(Settings(trusted_proxies=proxies), LoadMetrics(metrics_registry()))
    assert counted.group_of(address) == group


class _Connection:
    group = None


def test_refused_connections_are_forgotten_when_they_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "LARGEST_LINGERING", 1)
    counted = Connections(Settings(), LoadMetrics(metrics_registry()))
    first: Any = _Connection()
    second: Any = _Connection()
    assert counted.may_linger(first) and not counted.may_linger(second)
    counted.remove(first)
    assert counted.may_linger(second)
