"""Messages after the clock of the machine ran ahead for some days; `tests/test_wrong_clock.py` covers all else."""

import pytest

from issue_tracker.events.delivery import Deliverer
from issue_tracker.settings import Settings
from tests.events import receiver as responses
from tests.events.receiver import Receiver
from tests.world import World


@pytest.mark.parametrize("first", [None, responses.status(503)])
def test_messages_do_not_wait_for_a_clock_that_was_wrong(
    world: World, receiver: Receiver, deliverer: Deliverer, first: responses.Response | None
) -> None:
    created = world.client("ada").call("POST", "/api/webhooks", 201, json={"url": receiver.url})
    path = f"/api/webhooks/{created['id']}"
    world.clock.advance(days=3)
    world.client("ada").call("POST", f"{path}/test", 202)
    if first is not None:
        receiver.response = first
        assert deliverer.deliver_due() == 1
        receiver.response = responses.status(204)
    world.clock.advance(days=-3)
    assert deliverer.deliver_due() == 1
    (delivery,) = world.client("ada").call("GET", f"{path}/deliveries", 200)["items"]
    assert delivery["state"] == "delivered"


@pytest.mark.parametrize("restarted", [False, True])
def test_a_retry_does_not_wait_for_a_clock_that_was_wrong_by_less_than_a_day(
    world: World, receiver: Receiver, deliverer: Deliverer, restarted: bool
) -> None:
    """A receiver may request such a delay, too, which remains."""
    created = world.client("ada").call("POST", "/api/webhooks", 201, json={"url": receiver.url})
    path = f"/api/webhooks/{created['id']}"
    receiver.response = responses.status(503, Retry_After="36000")
    world.client("ada").call("POST", f"{path}/test", 202)
    assert deliverer.deliver_due() == 1
    receiver.response = responses.status(503)
    world.clock.advance(hours=9)
    world.client("ada").call("POST", f"{path}/test", 202)
    assert deliverer.deliver_due() == 1
    receiver.response = responses.status(204)
    world.clock.advance(hours=-9)
    if restarted:
        deliverer = Deliverer(world.database, Settings(webhook_allowed_networks="127.0.0.0/8"))
    assert deliverer.deliver_due() == 1
    found = world.client("ada").call("GET", f"{path}/deliveries", 200)["items"]
    assert sorted(one["state"] for one in found) == ["delivered", "pending"]
