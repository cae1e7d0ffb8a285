"""A change and its event are stored together or, if the operation fails later, not at all, for every type of event."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import pyotp
import pytest
from sqlalchemy import Connection, func, select

from issue_tracker.actor import Actor, Role, command_line
from issue_tracker.alerts import receivers, rule_list
from issue_tracker.alerts.rules import Rule
from issue_tracker.alerts.senders import Kind
from issue_tracker.auth import invitations, sessions, tokens, users
from issue_tracker.auth.factors import totp
from issue_tracker.auth.factors.stored import list_factors, remove_factor, renew_recovery_codes, reset_factors
from issue_tracker.auth.passwords import hash_password
from issue_tracker.auth.signin import Visitor, sign_in
from issue_tracker.auth.tokens import Scope
from issue_tracker.auth.user_names import parse_display_name, parse_email
from issue_tracker.cli.arguments import parse_age
from issue_tracker.cli.maintenance import prune_events
from issue_tracker.clock import now
from issue_tracker.companies import operations as company_operations
from issue_tracker.companies.queries import Company, find_companies, get_company_by_name
from issue_tracker.database.before_commit import finish_transaction
from issue_tracker.database.driver import driver
from issue_tracker.database.tables import deliveries, events, metadata
from issue_tracker.encryption import Keyring, generate_key
from issue_tracker.errors import Unauthenticated
from issue_tracker.events import webhooks
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.queries.webhooks import list_webhooks
from issue_tracker.events.record import record
from issue_tracker.events.webhooks import WebhookFields
from issue_tracker.issues import assignments, operations
from issue_tracker.issues.assignment_fields import change_assignments
from issue_tracker.issues.bulk import set_statuses
from issue_tracker.issues.models import IssueHead
from issue_tracker.issues.queries.issue import get_issue_head
from issue_tracker.issues.updates.operations import add_update, edit_update, withdraw_update
from issue_tracker.names import parse_issue_name, parse_name, parse_note, parse_update
from issue_tracker.settings import Settings
from issue_tracker.status import Status
from tests.events.sign_in_acts import SIGN_IN_ACTS
from tests.events.sign_in_acts import given as given_sign_in
from tests.events.statements import statements
from tests.events.template_acts import TEMPLATE_ACTS, given_group_and_template
from tests.world import CAST, World

ADA = Actor(None, "Ada Lund", Role.SUPER_ADMIN, "session", "request-1", fresh_proof=True)
KEYRING = Keyring([generate_key()])

Act = Callable[[Connection], object]


def _issue(act: Callable[[Connection, IssueHead], object]) -> Act:
    return lambda tx: act(tx, get_issue_head(tx, ADA, "VPN", lock=True))


def _webhook(act: Callable[[Connection, int], object]) -> Act:
    return lambda tx: act(tx, list_webhooks(tx, ADA)[0].id)


def _receiver(act: Callable[[Connection, int], object]) -> Act:
    return lambda tx: act(tx, receivers.list_receivers(tx, ADA)[0].id)


def _rule(act: Callable[[Connection, int], object]) -> Act:
    return lambda tx: act(tx, rule_list.list_rules(tx, ADA)[0].id)


def _user(tx: Connection, who: str) -> Actor:
    return Actor(_user_id(tx, who), CAST[who][1], CAST[who][2], "session", "request-1", fresh_proof=True)


def _user_id(tx: Connection, who: str = "tess") -> int:
    return users.get_user_by_email(tx, CAST[who][0]).user_id


def _given_factor(tx: Connection, who: str) -> None:
    app, at = totp.begin_totp(tx, KEYRING, _user(tx, who), "App"), now()
    totp.confirm_totp(tx, KEYRING, _user(tx, who), app.id, pyotp.TOTP(app.secret).at(at))


def _factor_id(tx: Connection) -> int:
    return list_factors(tx, _user_id(tx))[0].id


def _company(tx: Connection, name: str = "Contoso") -> Company:
    return get_company_by_name(tx, ADA, name)


def _update(tx: Connection, issue: IssueHead) -> int:
    return add_update(tx, ADA, issue, parse_update("On it")).update.update_id


ACTS: dict[EventType, Act] = {
    EventType.ISSUE_CREATED: lambda tx: operations.create_issue(tx, ADA, parse_issue_name("New"), None),
    EventType.ISSUE_UPDATED: _issue(lambda tx, i: operations.update_issue(tx, ADA, i, new_name=parse_name("Tunnel"))),
    EventType.ISSUE_DELETED: _issue(lambda tx, i: operations.delete_issue(tx, ADA, i)),
    EventType.ASSIGNMENT_CREATED: _issue(
        lambda tx, i: assignments.set_status(tx, ADA, i, _company(tx, "Fabrikam"), Status.NEW)
    ),
    EventType.ASSIGNMENT_STATUS_CHANGED: _issue(
        lambda tx, i: assignments.set_status(tx, ADA, i, _company(tx), Status.CLOSED)
    ),
    EventType.ASSIGNMENT_UPDATED: _issue(
        lambda tx, i: change_assignments(tx, ADA, i, [_company(tx)], owner=users.get_user(tx, _user_id(tx)))
    ),
    EventType.ASSIGNMENT_DELETED: _issue(lambda tx, i: assignments.unassign(tx, ADA, i, _company(tx))),
    EventType.UPDATE_CREATED: _issue(lambda tx, i: add_update(tx, ADA, i, parse_update("On it"))),
    EventType.UPDATE_EDITED: _issue(lambda tx, i: edit_update(tx, ADA, _update(tx, i), public=True)),
    EventType.UPDATE_DELETED: _issue(lambda tx, i: withdraw_update(tx, ADA, _update(tx, i))),
    EventType.COMPANY_CREATED: lambda tx: company_operations.create_company(tx, ADA, parse_name("New")),
    EventType.COMPANY_UPDATED: lambda tx: company_operations.update_company(
        tx, ADA, _company(tx).company_id, archived=True
    ),
    EventType.COMPANY_DELETED: lambda tx: company_operations.delete_company(
        tx, ADA, _company(tx, "Fabrikam").company_id
    ),
    EventType.USER_CREATED: lambda tx: users.create_user(
        tx, ADA, parse_email("new@example.com"), parse_display_name("New"), Role.MEMBER, "hash"
    ),
    EventType.USER_UPDATED: lambda tx: users.update_user(tx, ADA, _user_id(tx), active=False),
    EventType.USER_INVITED: lambda tx: invitations.invite(tx, ADA, _user_id(tx)),
    EventType.SESSION_ENDED: lambda tx: sessions.end_session(
        tx, ADA, _user_id(tx), int(tx.execute(select(metadata.tables["sessions"].c.id)).scalar_one())
    ),
    EventType.FACTOR_CREATED: lambda tx: _given_factor(tx, "mia"),
    EventType.FACTOR_DELETED: lambda tx: remove_factor(tx, Settings(), _user(tx, "tess"), _factor_id(tx)),
    EventType.FACTOR_CODES_CREATED: lambda tx: renew_recovery_codes(tx, _user(tx, "tess")),
    EventType.FACTOR_RESET: lambda tx: reset_factors(tx, ADA, _user_id(tx), parse_note("lost")),
    EventType.TOKEN_CREATED: lambda tx: tokens.create_token(
        tx, Settings(), ADA, _user_id(tx), "ci", [Scope.READ], None
    ),
    EventType.TOKEN_DELETED: lambda tx: tokens.revoke_token(
        tx, ADA, _user_id(tx), tokens.list_tokens(tx, Settings(), ADA, _user_id(tx))[0].id
    ),
    EventType.RECEIVER_CREATED: lambda tx: receivers.create_receiver(tx, ADA, parse_name("New"), Kind.GENERIC),
    EventType.RECEIVER_UPDATED: _receiver(lambda tx, id_: receivers.update_receiver(tx, ADA, id_, active=False)),
    EventType.RECEIVER_DELETED: _receiver(lambda tx, id_: receivers.delete_receiver(tx, ADA, id_)),
    EventType.ALERT_RULE_CREATED: lambda tx: rule_list.create_rule(tx, ADA, parse_name("New"), Rule()),
    EventType.ALERT_RULE_UPDATED: _rule(lambda tx, id_: rule_list.update_rule(tx, ADA, id_, name=parse_name("Other"))),
    EventType.ALERT_RULE_DELETED: _rule(lambda tx, id_: rule_list.delete_rule(tx, ADA, id_)),
    EventType.WEBHOOK_CREATED: lambda tx: webhooks.create_webhook(
        tx, ADA, KEYRING, WebhookFields(url="https://example.com/new")
    ),
    EventType.WEBHOOK_UPDATED: _webhook(lambda tx, id_: webhooks.rotate_secret(tx, ADA, KEYRING, id_)),
    EventType.WEBHOOK_DELETED: _webhook(lambda tx, id_: webhooks.delete_webhook(tx, ADA, id_)),
    EventType.WEBHOOK_DISABLED: _webhook(
        lambda tx, id_: webhooks.disable_webhook(tx, ADA, id_, list_webhooks(tx, ADA)[0].url, "gone")
    ),
}
ACTS |= SIGN_IN_ACTS | TEMPLATE_ACTS
ELSEWHERE = {
    EventType.SESSION_CREATED,
    EventType.SESSION_FAILED,
    EventType.SESSION_THROTTLED,
    EventType.SESSION_PROOF_FAILED,
    EventType.SESSION_SECOND_FACTOR_FAILED,
    EventType.SETUP_FAILED,
    EventType.REQUEST_REFUSED,
    EventType.TOKEN_REFUSED,
    EventType.DATA_EXPORTED,
    EventType.DATA_PRUNED,
}
"""Types without a lasting change, which are tested elsewhere (tests/auth, tests/cli)."""


TYPE = list(events.c).index(events.c.type)
"""The position of the type in a row of the events."""


class Failed(Exception):
    """A failure after the operation has written."""


def _content(world: World) -> dict[str, list[tuple[object, ...]]]:
    """Returns the content of all tables."""
    with world.database.read() as tx:
        return _rows(tx)


def _rows(tx: Connection) -> dict[str, list[tuple[object, ...]]]:
    """Returns the content of all tables, as this transaction sees it."""
    found = {table.name: driver(tx).execute(f"SELECT * FROM {table.name}") for table in metadata.sorted_tables}
    return {name: sorted(map(tuple, rows), key=str) for name, rows in found.items()}


def _count(world: World, type_: EventType) -> int:
    with world.database.read() as tx:
        query = select(func.count()).where(events.c.type == type_.value)
        return int(tx.execute(query).scalar_one())


def test_every_event_type_is_covered() -> None:
    assert ACTS.keys() | ELSEWHERE == set(EventType)


def test_a_change_and_its_event_are_stored_together_or_not_at_all(world: World) -> None:
    """Each transaction is complete when it is rolled back: only the commit is missing."""
    world.given_issue("VPN", {"Contoso": "new"})
    world.token("tess")
    with world.database.write() as tx:
        webhooks.create_webhook(tx, ADA, KEYRING, WebhookFields(url="https://example.com/"))
        given_group_and_template(tx)
        _given_factor(tx, "tess")
        sessions.start_session(tx, Settings(), _user_id(tx), "127.0.0.1", "tests", now())
        given_sign_in(tx)
        receivers.create_receiver(tx, ADA, parse_name("Monitoring"), Kind.GENERIC)
        rule_list.create_rule(tx, ADA, parse_name("Lines"), Rule())
    before = _content(world)
    for type_, act in ACTS.items():
        with suppress(Failed), world.database.write() as tx:
            act(tx)
            finish_transaction(tx)
            after = _rows(tx)
            raise Failed
        assert _content(world) == before, type_
        changed = {name for name in after if after[name] != before[name]}
        assert "events" in changed and changed - {"events", "deliveries"}, f"{type_}: the change itself"
        recorded = [row[TYPE] for row in after["events"] if row not in before["events"]]
        assert recorded.count(type_) == 1, recorded


@pytest.mark.parametrize("right", [True, False])
def test_a_sign_in_and_its_event_are_stored_together_or_not_at_all(
    world: World, right: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = "correct horse battery staple"
    with world.database.write() as tx:
        users.update_user(tx, command_line("tests"), _user_id(tx), password_hash=hash_password(password))
    type_ = EventType.SESSION_CREATED if right else EventType.SESSION_FAILED
    visitor = Visitor("192.0.2.7", "tests", "request-1")
    email, given = CAST["tess"][0], password if right else "wrong"

    def record_and_fail(tx: Connection, actor: Actor, changes: Sequence[Change], at: datetime) -> None:
        record(tx, actor, changes, at)
        raise Failed

    monkeypatch.setattr("issue_tracker.auth.signin.record", record_and_fail)
    before = _content(world)
    with pytest.raises(Failed):
        sign_in(world.database, world.server.settings, KEYRING, email, given, visitor)
    after = _content(world)
    assert (after["events"], after["sessions"]) == (before["events"], before["sessions"])
    monkeypatch.undo()
    if right:
        sign_in(world.database, world.server.settings, KEYRING, email, given, visitor)
    else:
        with pytest.raises(Unauthenticated):
            sign_in(world.database, world.server.settings, KEYRING, email, given, visitor)
    assert _count(world, type_) == 1
    assert len(_content(world)["sessions"]) == len(before["sessions"]) + right


def test_events_are_written_in_batches(world: World) -> None:
    """A bulk change of many companies takes no more statements than one of a few."""
    names = [f"Company {number}" for number in range(300)]
    world.given_companies(*names)
    counts: dict[str, list[int]] = {}
    for count in (3, 300):
        name = f"Of {count}"
        world.given_issue(name)
        for what, status, chosen in (("assigned", Status.NEW, names[:count]), ("moved", Status.RESOLVED, None)):
            with world.database.write() as tx, statements(tx) as executed:
                companies = None if chosen is None else list(find_companies(tx, ADA, chosen).values())
                set_statuses(tx, ADA, get_issue_head(tx, ADA, name, lock=True), status, companies=companies)
            assert any("INSERT INTO events" in statement for statement, _ in executed)
            counts.setdefault(what, []).append(len(executed))
    assert all(few == many <= 9 for few, many in counts.values()), counts


def test_retention_deletes_only_finished_deliveries_and_sign_ins(world: World) -> None:
    world.given_issue("VPN", {"Contoso": "new"})
    with world.database.write() as tx:
        webhook, _ = webhooks.create_webhook(tx, ADA, KEYRING, WebhookFields(url="https://example.com/"))
        webhooks.send_test(tx, ADA, webhook.id)
        webhooks.send_test(tx, ADA, webhook.id)
        last = select(func.max(deliveries.c.id)).scalar_subquery()
        tx.execute(deliveries.update().where(deliveries.c.id == last).values(state="delivered"))
    with pytest.raises(Unauthenticated):
        sign_in(world.database, world.server.settings, KEYRING, "nobody@example.com", "x", Visitor("192.0.2.7", "", ""))
    before = _content(world)
    prune_events(world.database, timedelta(days=1))
    assert _content(world) == before
    world.clock.advance(days=91)
    prune_events(world.database, parse_age("90d"))
    after = _content(world)
    assert len(after["events"]) == len(before["events"]) and _count(world, EventType.SESSION_FAILED) == 0
    pruned = world.history(audit=True)[-1]
    assert pruned.type == "data.pruned" and pruned.note.startswith("1 delivery and 1 sign-in from before ")
    assert len(after["deliveries"]) == len(before["deliveries"]) - 1
    assert parse_age("36h") == timedelta(hours=36)
    for bad in ("", "90", "d", "-1d", "1w", "0d"):
        with pytest.raises(ValueError, match="such as 90d"):
            parse_age(bad)
