"""The clock of the machine runs ahead for some days, and is then corrected: nothing waits for that long."""

from issue_tracker.clock import now
from issue_tracker.retention import Retention
from tests.alerts.feeds.supplier import Poller, given_feed, statuspage, supplier_page
from tests.alerts.test_alerts import statuses
from tests.alerts.test_receivers import given_receiver, send
from tests.alerts.test_rules import given_rule, message, wait
from tests.world import PASSWORD, World

AHEAD = 3
"""Number of days."""


def test_refused_sign_ins_do_not_wait(world: World) -> None:
    world.clock.advance(days=AHEAD)
    right = {"email": "tess@helpdesk.example", "password": PASSWORD}
    visitor = world.anonymous()
    for _ in range(10):
        visitor.call("POST", "/api/auth/login", 401, json=right | {"password": "wrong"})
    visitor.call("POST", "/api/auth/login", 429, json=right)
    world.clock.advance(days=-AHEAD)
    visitor.call("POST", "/api/auth/login", 200, json=right)


def test_a_confirmation_does_not_last(world: World) -> None:
    world.clock.advance(days=AHEAD)
    ada = world.client("ada")
    webhook = {"url": "https://hooks.example/"}
    ada.call("POST", "/api/webhooks", 201, json=webhook)
    world.clock.advance(days=-AHEAD)
    assert ada.call("POST", "/api/webhooks", 403, json=webhook)["reason"] == "confirmation_required"


def test_an_unused_session_ends(world: World) -> None:
    world.clock.advance(days=AHEAD)
    tess = world.client("tess")
    tess.call("GET", "/api/auth/session", 200)
    world.clock.advance(days=-AHEAD)
    Retention(world.database, world.server.settings).prune(now())
    world.clock.advance(hours=11)
    tess.call("GET", "/api/auth/session", 200)
    world.clock.advance(hours=12)
    tess.call("GET", "/api/auth/session", 401)


def test_feeds_are_polled(world: World) -> None:
    with supplier_page() as supplier:
        given_feed(world, supplier.url)
        supplier.show(statuspage())
        poller = Poller(world)
        world.clock.advance(days=AHEAD)
        assert poller.poll(0) == 1
        world.clock.advance(days=-AHEAD)
        assert poller.poll(0) == 1 and poller.poll(0) == 0


def test_holds_begin_again(world: World) -> None:
    path = given_receiver(world, "alertmanager")
    given_rule(world, hold_minutes=10)
    world.clock.advance(days=AHEAD)
    send(world, path, message())
    world.clock.advance(days=-AHEAD)
    wait(world, minutes=0)
    wait(world, minutes=9)
    assert world.client().call("GET", "/api/issues", 200)["total"] == 0
    wait(world, minutes=2)
    assert statuses(world, "LineDown") == {"Contoso": "investigating"}
