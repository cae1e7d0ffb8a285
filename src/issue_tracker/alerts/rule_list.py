"""The stored rules, in their order: super admins change them, and can try them first (alerts/rules.py)."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from issue_tracker.actor import Actor, require_administrator, require_helpdesk
from issue_tracker.alerts.company_search import CompanySearch
from issue_tracker.alerts.models import AlertOutcome
from issue_tracker.alerts.rules import DEFAULT, Rule, decide
from issue_tracker.alerts.senders import Kind
from issue_tracker.alerts.sorting import sort_again
from issue_tracker.clock import Timestamp, iso, now
from issue_tracker.companies.queries import find_companies
from issue_tracker.database.engine import created_id
from issue_tracker.database.tables import alert_receivers, alert_rules
from issue_tracker.errors import Invalid, NotFound
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.issues.models import Severity
from issue_tracker.names import Name, key, storable
from issue_tracker.new_names import require_visible

MOST_RULES = 500
"""Maximum number of rules: each alert is compared with all of them."""


class StoredRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule with its name and its position in the list, from 1."""

    id: int
    position: int
    name: str
    rule: Rule
    updated_at: Timestamp


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """The result of trying the rules on an alert. `rule_name` is null if no rule matches and the default applies.

    `company_names` are the companies that would be assigned; without any, or without an issue, the alert is unsorted.
    """

    rule_name: str | None
    ignored: bool
    issue_name: str | None
    company_text: str
    company_names: list[str]
    severity: Severity | None
    hold_minutes: int
    steady_minutes: int


def list_rules(tx: Connection, actor: Actor) -> list[StoredRule]:
    """Returns the rules in their order. Raises Forbidden without helpdesk access.

    An actor with limited company access gets none: the name, the conditions and the texts of a rule may be about hidden
    companies.
    """
    require_helpdesk(actor)
    if not actor.company_access.all:
        return []
    return [_rule(row) for row in tx.execute(select(alert_rules).order_by(alert_rules.c.position, alert_rules.c.id))]


def create_rule(
    tx: Connection, actor: Actor, name: Name, rule: Rule, position: int | None = None
) -> tuple[StoredRule, list[AlertOutcome]]:
    """Adds a rule at a position, or at the end if it is None, and applies the rules to the unsorted alerts.

    Returns the rule, and the outcomes of these alerts. Raises Invalid if there are already MOST_RULES, or if the name
    has an invisible character; and Forbidden unless the actor is a super admin who sees all companies.
    """
    require_administrator(actor)
    require_visible("name", name)
    lock_rules(tx)
    last = _count(tx)
    if last >= MOST_RULES:
        raise Invalid(f"There are {MOST_RULES} rules, which is the maximum. Delete one first.")
    at = now()
    values = {"position": last + 1, "name": name, "definition": _stored(rule), "created_at": at, "updated_at": at}
    rule_id = created_id(tx.execute(insert(alert_rules).values(**values)))
    _move(tx, rule_id, last + 1 if position is None else position)
    _record(tx, actor, EventType.ALERT_RULE_CREATED, rule_id, name)
    outcomes = sort_again(tx, actor.request_id)
    return get_rule(tx, actor, rule_id), outcomes


def update_rule(
    tx: Connection,
    actor: Actor,
    rule_id: int,
    *,
    name: Name | None = None,
    rule: Rule | None = None,
    position: int | None = None,
) -> StoredRule:
    """Changes the fields that are not None, and applies the rules to the unsorted alerts. A position beyond the last
    one means the last one.

    Raises NotFound; Invalid for a name with an invisible character; and Forbidden unless the actor is a super admin who
    sees all companies.
    """
    require_administrator(actor)
    lock_rules(tx)
    stored = get_rule(tx, actor, rule_id)
    if name is not None:
        require_visible("name", name)
    values: dict[str, Any] = {}
    if name is not None and name != stored.name:
        values["name"] = name
    if rule is not None and rule != stored.rule:
        values["definition"] = _stored(rule)
    if values:
        tx.execute(update(alert_rules).where(alert_rules.c.id == rule_id).values(**values, updated_at=now()))
    if position is not None and min(position, _count(tx)) != stored.position:
        _move(tx, rule_id, position)
        values["position"] = position
    if values:
        _record(tx, actor, EventType.ALERT_RULE_UPDATED, rule_id, name or stored.name)
        sort_again(tx, actor.request_id)
    return get_rule(tx, actor, rule_id)


def delete_rule(tx: Connection, actor: Actor, rule_id: int) -> None:
    """Deletes a rule; the rules after it move up. Raises as `get_rule`."""
    require_administrator(actor)
    lock_rules(tx)
    stored = get_rule(tx, actor, rule_id)
    tx.execute(delete(alert_rules).where(alert_rules.c.id == rule_id))
    _number(tx, [rule.id for rule in list_rules(tx, actor)])
    _record(tx, actor, EventType.ALERT_RULE_DELETED, rule_id, stored.name)


def get_rule(tx: Connection, actor: Actor, rule_id: int) -> StoredRule:
    """Returns one rule. Raises NotFound, and Forbidden unless the actor is a super admin who sees all companies."""
    require_administrator(actor)
    row = tx.execute(select(alert_rules).where(alert_rules.c.id == rule_id)).first()
    if row is None:
        raise NotFound("There is no such rule.")
    return _rule(row)


def lock_rules(tx: Connection) -> None:
    """Makes concurrent changes of the rules wait, because their positions depend on each other. On SQLite, all changes
    wait for each other anyway.
    """
    if tx.dialect.name == "postgresql":
        # A lock of the rows would not make two requests wait that both create the first rule.
        tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("alert rules", 0))))


def try_rules(
    tx: Connection,
    actor: Actor,
    receiver: str,
    labels: Mapping[str, str],
    draft: Rule | None = None,
    *,
    group: str | None = None,
) -> Trial:
    """Returns the result for an alert with these labels, sent to the receiver of this name.

    `group` is the company group of a feed, by default that of an earlier alert of a feed. With `draft`, only this
    rule is tried, otherwise the stored rules. Nothing is changed. Raises Forbidden.
    """
    require_administrator(actor)
    stored = [] if draft is not None else list_rules(tx, actor)
    rules = [draft] if draft is not None else [one.rule for one in stored]
    decision = decide(rules, receiver, labels, group=group or _group(tx, receiver, labels))
    names = CompanySearch(tx, actor).names(decision.company_by, decision.company)
    found = find_companies(tx, actor, names)
    known = [found[key(name)] for name in names if key(name) in found]
    return Trial(
        rule_name=next((one.name for one in stored if one.rule is decision.rule), None),
        ignored=decision.rule.ignore,
        issue_name=None if decision.issue is None else str(decision.issue),
        company_text=decision.company,
        company_names=[company.name for company in known if not company.archived],
        severity=decision.severity,
        hold_minutes=decision.rule.hold_minutes,
        steady_minutes=decision.rule.steady_minutes,
    )


def _group(tx: Connection, receiver: str, labels: Mapping[str, str]) -> str | None:
    """Returns the company group of an alert of a feed. Without a name, the receiver may be one."""
    if receiver:
        query = select(alert_receivers.c.kind).where(alert_receivers.c.name_key == key(receiver))
        if not storable(receiver) or tx.execute(query).scalar() != Kind.FEED.value:
            return None
    return labels.get("company_group")


def _count(tx: Connection) -> int:
    return int(tx.execute(select(func.count()).select_from(alert_rules)).scalar_one())


def _move(tx: Connection, rule_id: int, position: int) -> None:
    others = select(alert_rules.c.id).where(alert_rules.c.id != rule_id)
    ids = list(tx.execute(others.order_by(alert_rules.c.position, alert_rules.c.id)).scalars())
    ids.insert(max(position, 1) - 1, rule_id)
    _number(tx, ids)


def _number(tx: Connection, ids: list[int]) -> None:
    for position, rule_id in enumerate(ids, 1):
        moved = update(alert_rules).where(alert_rules.c.id == rule_id, alert_rules.c.position != position)
        tx.execute(moved.values(position=position))


def _stored(rule: Rule) -> str:
    """Returns the rule as JSON without its default values, so that an older program can read it."""
    fields = msgspec.to_builtins(rule)
    default = msgspec.to_builtins(DEFAULT)
    return msgspec.json.encode({name: value for name, value in fields.items() if value != default[name]}).decode()


def _rule(row: Row[Any]) -> StoredRule:
    return StoredRule(
        id=row.id,
        position=row.position,
        name=row.name,
        rule=msgspec.json.decode(row.definition, type=Rule),
        updated_at=iso(row.updated_at),
    )


def _record(tx: Connection, actor: Actor, type_: EventType, rule_id: int, name: str) -> None:
    record(tx, actor, [Change(type=type_, note=f"{rule_id}: {name}")], now())
