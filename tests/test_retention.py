"""Servers delete expired rows automatically; the history remains."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, delete, func, insert, select, text, update

from issue_tracker import clock, retention
from issue_tracker.actor import anonymous_actor, command_line
from issue_tracker.auth.single_sign_on.flows import LIFETIME
from issue_tracker.database.engine import Database
from issue_tracker.database.tables import (
    deliveries,
    events,
    sessions,
    sign_in_challenges,
    sign_in_failures,
    sign_in_flows,
    spent_challenges,
)
from issue_tracker.errors import Unavailable
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.events.webhooks import redeliver
from issue_tracker.retention import LOCK, Retention
from issue_tracker.settings import Settings
from tests.company_access.limits import user_id
from tests.locks import during
from tests.server import serving
from tests.waiting import eventually
from tests.world import World

TABLES = {table.name: table for table in (sessions, sign_in_failures, deliveries, events)}

ATTEMPT = {"account_key": "user:1", "address": "192.0.2.1", "network": "", "known": False}

OLD_ROWS = 2500
"""A number of rows that is deleted in three batches."""


def counts(world: World) -> dict[str, int]:
    with world.database.read() as tx:
        return {name: tx.execute(select(func.count()).select_from(of)).scalar_one() for name, of in TABLES.items()}


def given_old_rows(world: World) -> None:
    """Creates deliveries of all states, a session and sign-in attempts; then 91 days pass."""
    ada = world.client("ada")
    ada.call("POST", "/api/webhooks", 201, json={"url": "http://192.0.2.1/hook"})
    world.given_issue("VPN", {"Contoso": "new"})
    with world.database.write() as tx:
        row = tx.execute(select(deliveries).limit(1)).one()._mapping
        finished = {**row, "state": "delivered"}
        del finished["id"]
        tx.execute(insert(deliveries), [finished] * OLD_ROWS)
    for _ in range(3):
        credentials = {"email": "tess@helpdesk.example", "password": "not the password"}
        world.anonymous().call("POST", "/api/auth/login", 401, json=credentials)
    with world.database.write() as tx:
        record(tx, anonymous_actor(), [Change(type=EventType.SESSION_CREATED)], clock.now())
    world.clock.advance(days=91)


def given_newer_rows(world: World) -> None:
    """Creates a delivery that has just finished, though it was created 89 days ago, and a failed sign-in."""
    with world.database.write() as tx:
        row = dict(tx.execute(select(deliveries).limit(1)).one()._mapping)
        del row["id"]
        tx.execute(
            insert(deliveries).values(**row | {"state": "delivered", "created_at": clock.now() - timedelta(days=89)})
        )
        record(tx, anonymous_actor(), [Change(type=EventType.SESSION_FAILED, note="from 192.0.2.1")], clock.now())


def pending(world: World) -> int:
    with world.database.read() as tx:
        return tx.execute(select(func.count()).where(deliveries.c.state == "pending")).scalar_one()


def test_expired_rows_are_deleted_and_the_rest_remains(world: World) -> None:
    given_old_rows(world)
    given_newer_rows(world)
    living = world.client("tess")
    before, due = counts(world), pending(world)
    assert due and before["sign_in_failures"] == 3

    Retention(world.database, world.server.settings).prune(clock.now())

    assert counts(world) == {
        "sessions": 1,
        "sign_in_failures": 0,
        "deliveries": due + 1,
        "events": before["events"] - 3 + 1,
    }
    pruned = world.history(audit=True)[-1]
    assert (pruned.type, pruned.actor_name, pruned.channel) == ("data.pruned", "retention", "cli")
    assert pruned.note == f"{before['deliveries'] - due - 1} deliveries, 3 failed sign-ins"
    living.call("GET", "/api/issues", 200)
    again = counts(world)
    Retention(world.database, world.server.settings).prune(clock.now())
    assert counts(world) == again


def test_what_expires_within_minutes_is_deleted(world: World) -> None:
    """Anybody can begin a sign-in, and so cause these rows."""
    at = clock.now()
    flow = {
        "browser_hash": b"b" * 32,
        "provider": "p",
        "purpose": "sign-in",
        "target": "/",
        "carried": "",
        "address": "",
    }
    challenge = {"user_id": user_id(world, "tess"), "attempts": 0, "created_at": at}
    soon, past = at + timedelta(minutes=1), at - timedelta(minutes=1)
    with world.database.write() as tx:
        for hash_, expires_at in ((b"n" * 32, soon), (b"o" * 32, past)):
            tx.execute(insert(sign_in_challenges).values(token_hash=hash_, expires_at=expires_at, **challenge))
            tx.execute(insert(spent_challenges).values(token_hash=hash_, expires_at=expires_at))
            tx.execute(insert(sign_in_flows).values(state_hash=hash_, at=expires_at - LIFETIME, **flow))

    Retention(world.database, world.server.settings).prune(at)

    with world.database.read() as tx:
        for column in (sign_in_challenges.c.token_hash, spent_challenges.c.token_hash, sign_in_flows.c.state_hash):
            assert tx.execute(select(column)).scalars().all() == [b"n" * 32], column


def test_a_message_that_is_queued_again_meanwhile_is_not_deleted(world: World) -> None:
    ada = world.client("ada")
    webhook = ada.call("POST", "/api/webhooks", 201, json={"url": "http://192.0.2.1/hook"})["id"]
    delivery = ada.call("POST", f"/api/webhooks/{webhook}/test", 202)["id"]
    with world.database.write() as tx:
        tx.execute(update(deliveries).values(state="delivered"))
    world.clock.advance(days=91)

    def again(tx: Connection) -> None:
        redeliver(tx, command_line("Ada"), delivery)

    during(world, again, lambda: Retention(world.database, world.server.settings).prune(clock.now()))

    assert pending(world) == 1


def test_zero_days_retains_everything_but_sessions(world: World) -> None:
    given_old_rows(world)
    before = counts(world)
    settings = Settings(delivery_retention_days=0, failed_sign_in_retention_days=0)

    Retention(world.database, settings).prune(clock.now() + timedelta(days=1000))

    assert counts(world) == before | {"sessions": 0, "sign_in_failures": 0}


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_kind_that_cannot_be_deleted_does_not_keep_the_others(world: World) -> None:
    given_old_rows(world)
    due = pending(world)
    with world.database.write() as tx:
        tx.execute(text("CREATE TRIGGER broken BEFORE DELETE ON sessions BEGIN SELECT RAISE(ABORT, 'broken'); END"))
    try:
        Retention(world.database, world.server.settings).prune(clock.now())
        remaining = counts(world)
    finally:
        with world.database.write() as tx:
            tx.execute(text("DROP TRIGGER broken"))
    assert remaining["sessions"] > 0
    assert (remaining["sign_in_failures"], remaining["deliveries"]) == (0, due)


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)
def test_one_process_deletes_at_a_time(world: World) -> None:
    given_old_rows(world)
    before = counts(world)
    with world.database.write() as other:
        other.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        Retention(world.database, world.server.settings).prune(clock.now())
        assert counts(world) == before
    Retention(world.database, world.server.settings).prune(clock.now())
    assert counts(world) != before


def test_a_server_deletes_expired_rows_automatically(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "FIRST_SECONDS", 0.05)
    settings = Settings(database_url=migrated_url, log_level="error", deliver_webhooks=False)
    database = Database(settings)
    old = clock.now() - timedelta(days=1)
    with database.write() as tx:
        tx.execute(insert(sign_in_failures).values(ATTEMPT | {"at": old}))
        tx.execute(insert(sign_in_failures).values(ATTEMPT | {"at": clock.now()}))

    def left() -> int:
        with database.read() as tx:
            return tx.execute(select(func.count()).select_from(sign_in_failures)).scalar_one()

    with serving(settings):
        eventually(lambda: left() == 1)
    database.close()


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_the_history_calls_a_single_row_by_its_singular(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = [kind for kind in retention._kinds(world.server.settings, clock.now()) if kind not in retention.UNRECORDED]
    pieces = {kind: iter([1, 0]) for kind in kinds}
    monkeypatch.setattr(retention, "_kinds", lambda *_: {kind: lambda _, of=kind: next(pieces[of]) for kind in kinds})
    Retention(world.database, world.server.settings).prune(clock.now())
    assert world.history(audit=True)[-1].note == (
        "1 delivery, 1 failed sign-in, 1 alert, 1 unsorted alert beyond the limit, 1 failed sign-in beyond the limit"
    )


def test_what_was_deleted_before_a_failure_is_recorded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    given_old_rows(world)
    before, due = counts(world), pending(world)
    deletion = Retention(world.database, world.server.settings)

    def unavailable(*_: Any, **__: Any) -> int:
        raise Unavailable

    def notes() -> list[str | None]:
        return [event.note for event in world.history(audit=True) if event.type == "data.pruned"]

    with monkeypatch.context() as failing:
        failing.setattr(retention, "prune_sign_ins", unavailable)
        with failing.context() as worse:
            worse.setattr(retention, "record", unavailable)
            with pytest.raises(Unavailable):
                deletion.prune(clock.now())
        assert counts(world)["deliveries"] == due and notes() == []
        with pytest.raises(Unavailable):
            deletion.prune(clock.now())
    assert notes() == [f"{before['deliveries'] - due} deliveries"]
    deletion.prune(clock.now())
    assert notes()[1:] == ["3 failed sign-ins"]


def test_what_was_deleted_before_the_end_is_recorded(world: World) -> None:
    ended = Retention(world.database, world.server.settings)
    given_old_rows(world)
    with world.database.write() as tx:
        tx.execute(delete(sessions))
        tx.execute(delete(sign_in_failures))
    before = counts(world)["deliveries"]
    ended.close()
    ended.prune(clock.now())
    left = counts(world)["deliveries"]
    assert pending(world) < left < before
    assert world.history(audit=True)[-1].note == f"{before - left} deliveries"
