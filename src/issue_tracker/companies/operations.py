"""Changes to companies. Names are unique; an archived company keeps its assignments and takes no new ones."""

from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection, delete, exists, insert, select, update
from sqlalchemy.exc import IntegrityError

from issue_tracker.actor import Actor, require_super_admin
from issue_tracker.clock import now
from issue_tracker.companies.queries import Company, find_companies, get_company
from issue_tracker.database.engine import created_id
from issue_tracker.database.tables import assignments, companies, events, issues, webhooks
from issue_tracker.errors import Invalid
from issue_tracker.events.catalog import Change, EventType, Subject
from issue_tracker.events.record import record
from issue_tracker.names import Name, key


def create_company(tx: Connection, actor: Actor, name: Name) -> Company:
    """Raises Invalid when the name is taken."""
    require_super_admin(actor)
    at = now()
    try:
        with tx.begin_nested():
            inserted = tx.execute(
                insert(companies).values(name=name, name_key=key(name), archived=False, created_at=at, updated_at=at)
            )
    except IntegrityError:
        raise _taken(name) from None
    company = get_company(tx, created_id(inserted))
    record(tx, actor, [_change(EventType.COMPANY_CREATED, company)], at)
    return company


def create_missing_companies(tx: Connection, actor: Actor, names: Iterable[Name]) -> tuple[int, int]:
    """Creates those that do not exist yet, in batches; returns how many were created, how many existed."""
    require_super_admin(actor)
    wanted = {key(name): name for name in reversed(list(names))}
    existing = find_companies(tx, wanted.values())
    missing = {name_key: name for name_key, name in reversed(wanted.items()) if name_key not in existing}
    if missing:
        at = now()
        tx.execute(
            insert(companies),
            [
                {"name": name, "name_key": name_key, "archived": False, "created_at": at, "updated_at": at}
                for name_key, name in missing.items()
            ],
        )
        created = find_companies(tx, missing.values())
        record(tx, actor, [_change(EventType.COMPANY_CREATED, created[name_key]) for name_key in missing], at)
    return len(missing), len(existing)


def update_company(
    tx: Connection, actor: Actor, company_id: int, *, name: Name | None = None, archived: bool | None = None
) -> Company:
    """Changes what is given. Raises NotFound, and Invalid when the new name is taken."""
    require_super_admin(actor)
    tx.execute(select(companies.c.company_id).where(companies.c.company_id == company_id).with_for_update())
    company = get_company(tx, company_id)
    renamed = name is not None and name != company.name
    moved = archived is not None and archived != company.archived
    if not renamed and not moved:
        return company
    at = now()
    values: dict[str, object] = {"updated_at": at}
    if renamed and name is not None:
        values |= {"name": name, "name_key": key(name)}
    if moved:
        values["archived"] = archived
    try:
        with tx.begin_nested():
            tx.execute(update(companies).where(companies.c.company_id == company_id).values(**values))
    except IntegrityError:
        raise _taken(str(name)) from None
    if renamed:
        affected = select(assignments.c.issue_id).where(assignments.c.company_id == company_id)
        locked = select(issues.c.issue_id).where(issues.c.issue_id.in_(affected)).order_by(issues.c.issue_id)
        tx.execute(locked.with_for_update())
        tx.execute(update(issues).where(issues.c.issue_id.in_(affected)).values(revision=issues.c.revision + 1))
    changed = get_company(tx, company_id)
    note = None if not moved else ("archived" if archived else "restored")
    record(
        tx,
        actor,
        [
            Change(
                type=EventType.COMPANY_UPDATED,
                company=Subject(company_id, changed.name),
                before=company.name if renamed else None,
                after=changed.name if renamed else None,
                note=note,
            )
        ],
        at,
    )
    return changed


def delete_company(tx: Connection, actor: Actor, company_id: int) -> None:
    """Deletes a company that nothing ever referred to. Raises NotFound, and Invalid otherwise."""
    require_super_admin(actor)
    company = get_company(tx, company_id)
    history = exists().where(events.c.company_id == company_id, events.c.audit.is_(False))
    assigned = exists().where(assignments.c.company_id == company_id)
    chosen = tx.execute(select(webhooks.c.company_ids).where(webhooks.c.company_ids != "[]")).scalars()
    if any(company_id in msgspec.json.decode(ids) for ids in chosen):
        raise Invalid(f"A webhook is about “{company.name}”; it cannot be deleted; archive it instead.")
    if tx.execute(select(history | assigned)).scalar_one():
        raise Invalid(f"“{company.name}” has a history and cannot be deleted; archive it instead.")
    try:
        with tx.begin_nested():
            tx.execute(delete(companies).where(companies.c.company_id == company_id))
    except IntegrityError:
        raise Invalid(f"“{company.name}” was just assigned and cannot be deleted; archive it instead.") from None
    record(tx, actor, [_change(EventType.COMPANY_DELETED, company)], now())


def _change(type_: EventType, company: Company) -> Change:
    return Change(type=type_, company=Subject(company.company_id, company.name))


def _taken(name: str) -> Invalid:
    return Invalid.field("name", f"a company called “{name}” exists already")
