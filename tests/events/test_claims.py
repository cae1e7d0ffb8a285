"""Claims: which worker sends a message, what waits meanwhile, and what becomes of claims that expire."""

import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler

import pytest

from issue_tracker import clock
from issue_tracker.events.attempts import SCHEDULE
from issue_tracker.events.claims import LOST, claim_due_deliveries
from issue_tracker.events.delivery import Deliverer
from issue_tracker.events.slots import Slots
from issue_tracker.outbound import requests as outbound
from issue_tracker.outbound.outcomes import Outcome
from issue_tracker.settings import Settings
from tests.clients import Client
from tests.events import receiver as responses
from tests.events.receiver import Receiver
from tests.events.test_fair_delivery import deliveries_of, webhook_for
from tests.world import World


@pytest.fixture
def ada(world: World) -> Client:
    return world.client("ada")


@pytest.fixture
def patient(world: World) -> Deliverer:
    """A worker whose attempts may take long; its claims expire after 30 seconds."""
    return Deliverer(world.database, Settings(webhook_allowed_networks="127.0.0.0/8", webhook_timeout_seconds=10))


def test_messages_wait_for_earlier_ones_about_the_same_issue_that_are_being_sent(
    world: World, ada: Client, receiver: Receiver, patient: Deliverer
) -> None:
    path = webhook_for(ada, receiver.url)
    world.given_issue("VPN")
    receiver.response = responses.status(500)
    assert patient.deliver_due() == 1
    world.client("tess").call("PUT", "/api/issues/VPN", 200, json={"description": "Down"})
    world.given_issue("Mail")
    ada.call("POST", f"{path}/test", 202)
    world.given_issue("DNS")
    world.clock.advance(seconds=6)
    sending = threading.Lock()
    begun: list[int] = []

    def response(request: BaseHTTPRequestHandler) -> None:
        if sending.acquire(blocking=False):
            patient.deliver_due()
            sending.release()
        begun.append(sum(bool(each["attempts"]) for each in deliveries_of(ada, path)))
        responses.status(204)(request)

    receiver.response = response
    assert patient.deliver_due() == 4
    data = [message.json["data"] for message in receiver.messages[1:]]
    sent = [(each.get("issue_name"), each.get("field")) for each in data]
    # The first one is sent again; the test message is about no issue, and therefore waits for all, and all for it.
    assert sent == [("VPN", None), ("Mail", None), ("VPN", "description"), (None, None), ("DNS", None)]
    assert begun == [2, 2, 3, 4, 5]


class Killed(BaseException):
    """Simulates the end of the process during an attempt."""


def be_killed(deliverer: Deliverer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begins an attempt whose outcome nobody records."""

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(outbound, "post", die)
        with pytest.raises(Killed):
            deliverer.deliver_due()


def test_attempts_that_are_lost_with_their_worker_do_not_count(
    world: World, receiver: Receiver, deliverer: Deliverer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = world.client("ada")
    path = webhook_for(ada, receiver.url)
    ada.call("POST", f"{path}/test", 202)
    assert deliverer.deliver_due() == 1
    ada.call("POST", f"{path}/test", 202)

    for outcome, seconds in ((Outcome(milliseconds=1, code=500), 6), (Outcome(milliseconds=1, error="refused"), 331)):
        with monkeypatch.context() as patch:
            patch.setattr(outbound, "post", lambda *_, outcome=outcome, **__: outcome)
            assert deliverer.deliver_due() == 1
        world.clock.advance(seconds=seconds)
    lost = len(SCHEDULE) + 4
    for _ in range(lost):
        be_killed(deliverer, monkeypatch)
        world.clock.advance(seconds=4)
    receiver.response = responses.status(500)
    assert deliverer.deliver_due() == 1
    ada = world.client("ada")
    earlier, found = deliveries_of(ada, path)
    assert [attempt["error"] for attempt in found["attempts"]] == [None, "refused", *[LOST] * lost, None]
    assert [attempt["error"] for attempt in earlier["attempts"]] == [None]
    assert found["state"] == "pending" and ada.call("GET", path, 200)["active"] is True
    # After the third failure the third delay applies, not a later one.
    world.clock.advance(minutes=34)
    receiver.response = responses.status(204)
    assert deliverer.deliver_due() == 1
    assert deliveries_of(ada, path)[1]["state"] == "delivered"


def test_an_attempt_is_lost_even_if_its_message_is_sent_again_before_the_claim_expires(
    ada: Client, receiver: Receiver, deliverer: Deliverer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = webhook_for(ada, receiver.url)
    delivery = ada.call("POST", f"{path}/test", 202)["id"]
    be_killed(deliverer, monkeypatch)
    ada.call("POST", f"/api/webhooks/deliveries/{delivery}/redeliver", 202)
    assert deliverer.deliver_due() == 1
    [found] = deliveries_of(ada, path)
    assert [(each["code"], each["error"]) for each in found["attempts"]] == [(None, LOST), (204, None)]


def test_a_response_after_the_claim_has_expired_changes_nothing_else(
    world: World, ada: Client, receiver: Receiver, patient: Deliverer
) -> None:
    path = webhook_for(ada, receiver.url)
    ada.call("POST", f"{path}/test", 202)

    def late(request: BaseHTTPRequestHandler) -> None:
        receiver.response = responses.status(204)
        world.clock.advance(seconds=29)
        assert patient.deliver_due() == 0
        world.clock.advance(seconds=2)
        assert patient.deliver_due() == 1
        responses.status(410, b"gone")(request)

    receiver.response = late
    assert patient.deliver_due() == 1
    [found] = deliveries_of(ada, path)
    assert found["state"] == "delivered" and ada.call("GET", path, 200)["active"] is True
    assert [(each["code"], each["error"], each["answer"]) for each in found["attempts"]] == [
        (410, None, "gone"),
        (204, None, ""),
    ]


@pytest.mark.parametrize("code", [204, 500])
def test_a_delivery_that_another_worker_sends_first_is_not_claimed_and_occupies_no_slot(
    world: World, ada: Client, receiver: Receiver, patient: Deliverer, code: int
) -> None:
    ada.call("POST", f"{webhook_for(ada, receiver.url)}/test", 202)
    receiver.response = responses.status(code)

    class TakenLate(Slots):
        """The other worker sends what is due after this one has read it."""

        def take(self, webhook_id: int) -> bool:
            assert patient.deliver_due() == 1
            return super().take(webhook_id)

    slots = TakenLate()
    assert claim_due_deliveries(world.database, clock.now(), lease=timedelta(seconds=3), slots=slots) == []
    assert slots.busy == 0
