"""What is sent to a supplier's server and what it responds, while the feed or its group may change."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.alerts.feeds.supplier import GROUP, Poller, Supplier, given_feed, health, incident, statuspage, supplier_page
from tests.alerts.test_alerts import listed
from tests.engines import decided_in_python
from tests.world import World


@pytest.fixture
def supplier() -> Iterator[Supplier]:
    with supplier_page() as supplier:
        yield supplier


def test_what_changes_during_a_poll_decides(world: World, supplier: Supplier) -> None:
    receiver = f"/api/alert-receivers/{given_feed(world, supplier.url)}"
    group = f"/api/company-groups/{world.client('ada').call('GET', '/api/company-groups', 200)['items'][0]['group_id']}"
    poller = Poller(world)
    supplier.show(statuspage(incident()))

    def poll(method: str = "", path: str = "", code: int = 200, **body: Any) -> Any:
        """Polls with this request in between, and returns the failure."""
        supplier.meanwhile = lambda: method and world.client("ada").call(method, path, code, json=body or None)
        assert poller.poll() == 1
        return health(world)["failure"]

    poll("PUT", receiver, active=False)
    assert listed(world) == [] and health(world)["last_success_at"] is None
    world.client("ada").call("PUT", receiver, 200, json={"active": True})
    poll("PUT", receiver, feed={"url": f"{supplier.url}?new", "company_group": GROUP})
    assert listed(world) == [] and health(world)["last_success_at"] is None
    poll()
    before = len(world.history())
    assert poll("PUT", group, name="Connected by Contoso Fibre") is None and len(world.history()) == before
    assert "was deleted" in poll("DELETE", group, 204) and len(world.history()) == before
    assert [one["state"] for one in listed(world)] == ["firing", "firing"]


@decided_in_python
def test_validators_are_sent_back_unless_they_are_strange(
    world: World, supplier: Supplier, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = f"/api/alert-receivers/{given_feed(world, supplier.url)}"
    poller = Poller(world)
    supplier.show(statuspage(incident()))
    past = "Thu, 01 Jan 2026 00:00:00 GMT"
    for headers in ({"ETag": '"\xe9"'}, {"ETag": f'"{"x" * 500}"'}, *[{"Last-Modified": past}] * 2):
        supplier.headers = headers
        poller.poll()
        supplier.show(supplier.content + b" ")
        assert health(world)["failure"] is None
    other = {"url": f"{supplier.url}?other", "company_group": GROUP}
    world.client("ada").call("PUT", here, 200, json={"feed": other})
    assert poller.poll(0) == 1, "a changed feed is polled immediately, and has no validators yet"
    assert supplier.codes == [200] * 5 and supplier.since == [None, None, None, past, None]
    monkeypatch.setattr("issue_tracker.alerts.feeds.polling.read_feed", lambda *_: 1 / 0)
    supplier.show(statuspage())
    poller.poll()
    assert "the log of the server contains the reason" in health(world)["failure"]
