"""Servers delete old alerts, unsorted ones beyond the limit, and the identities of old messages."""

from datetime import timedelta

import msgspec
from sqlalchemy import insert, select

from issue_tracker.database.tables import received_mails
from issue_tracker.retention import MAIL_DAYS, Retention
from tests.alerts.test_alerts import listed
from tests.alerts.test_receivers import given_receiver, send
from tests.alerts.test_rules import message
from tests.world import World


def test_old_alerts_are_deleted(world: World) -> None:
    path = given_receiver(world, "alertmanager")
    send(world, path, message())
    send(world, path, message(company="Nobody"))
    for company in ("Fabrikam", "Acme Manufacturing"):
        send(world, path, message(company=company))
        send(world, path, message("resolved", company=company))
    assert len(listed(world)) == 4
    world.clock.advance(days=80)
    send(world, path, message("resolved", company="Acme Manufacturing"))
    world.clock.advance(days=11)
    Retention(world.database, world.server.settings).prune(world.clock.now())
    left = {alert["company"]: alert["state"] for alert in listed(world)}
    assert left == {"Contoso": "firing", "Acme Manufacturing": "resolved"}, "what fires, or was reported again"


def test_unsorted_alerts_beyond_the_limit_are_deleted(world: World) -> None:
    path = given_receiver(world, "alertmanager")
    send(world, path, message())
    for company in ("Nobody", "Anybody", "Somebody"):
        send(world, path, message(company=company))
    settings = msgspec.structs.replace(world.server.settings, unsorted_alerts=2)
    Retention(world.database, settings).prune(world.clock.now())
    assert {alert["company"] for alert in listed(world)} == {"Contoso", "Anybody", "Somebody"}, "the newest ones"


def test_identities_of_messages_are_remembered_for_a_month(world: World) -> None:
    made = {"name": "Mail", "kind": "email"}
    receiver = world.client("ada").call("POST", "/api/alert-receivers", 201, json=made)["id"]
    ages = [timedelta(days=days) for days in (MAIL_DAYS - 1, MAIL_DAYS + 1)]
    rows = [
        {"receiver_id": receiver, "identity": bytes([age.days]) * 32, "received_at": world.clock.now() - age}
        for age in ages
    ]
    with world.database.write() as tx:
        tx.execute(insert(received_mails), rows)
    Retention(world.database, world.server.settings).prune(world.clock.now())
    with world.database.read() as tx:
        assert tx.execute(select(received_mails.c.identity)).scalars().all() == [rows[0]["identity"]]
