"""Operations on companies. Names are unique; an archived company retains its assignments and accepts no new ones.

Only super admins change companies: every function here raises Forbidden for other actors.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, delete, insert, update
from sqlalchemy.exc import IntegrityError

from issue_tracker.actor import Actor, require_administrator, require_super_admin
from issue_tracker.clock import now
from issue_tracker.companies.groups.queries import is_in_a_group
from issue_tracker.companies.queries import (
    Company,
    find_companies,
    get_company,
    has_references,
    lock_company,
    lock_issues_of,
)
from issue_tracker.company_access.queries import is_company_granted
from issue_tracker.database.engine import created_id
from issue_tracker.database.prepared import among, numbers
from issue_tracker.database.tables import companies, issues
from issue_tracker.database.upserts import upsert
from issue_tracker.errors import Invalid
from issue_tracker.events.catalog import Change, EventType, Subject
from issue_tracker.events.queries.webhooks import is_chosen_by_a_webhook
from issue_tracker.events.record import record
from issue_tracker.field_errors import FieldErrors
from issue_tracker.names import Name, key
from issue_tracker.new_names import Kind, forget, remember, remember_new, require_visible


def create_company(tx: Connection, actor: Actor, name: Name) -> Company:
    """Creates a company.

    Raises Invalid if the name is taken, or has an invisible character; Forbidden for an actor with limited company
    access, who would not see the new company.
    """
    require_administrator(actor)
    require_visible("name", name)
    at = now()
    try:
        with tx.begin_nested():
            inserted = tx.execute(
                insert(companies).values(name=name, name_key=key(name), archived=False, created_at=at, updated_at=at)
            )
    except IntegrityError:
        raise _taken(name) from None
    company = Company(company_id=created_id(inserted), name=str(name), archived=False)
    remember(tx, Kind.COMPANY, {company.company_id: name})
    record(tx, actor, [_change(EventType.COMPANY_CREATED, company)], at)
    return company


def create_missing_companies(tx: Connection, actor: Actor, names: Iterable[Name]) -> tuple[int, int]:
    """Creates those of the companies that do not exist yet, even if another request creates some at the same moment.

    Returns how many were created and how many existed. Of equal names, the first spelling is used. Raises Invalid for a
    new name with an invisible character; Forbidden for an actor who would not see them then.
    """
    require_administrator(actor)
    requested = {key(name): name for name in reversed(list(names))}
    existing = find_companies(tx, actor, requested.values())
    missing = {name_key: name for name_key, name in reversed(requested.items()) if name_key not in existing}
    errors = FieldErrors()
    for name in missing.values():
        with errors.collected():
            require_visible(f"name {str(name)!a}", name)
    errors.raise_found()
    if not missing:
        return 0, len(existing)
    at = now()
    # In the order of the names, whatever that of the file is, so that two imports do not deadlock.
    rows = [
        {"name": name, "name_key": name_key, "archived": False, "created_at": at, "updated_at": at}
        for name_key, name in sorted(missing.items())
    ]
    new = upsert(tx, companies).on_conflict_do_nothing().returning(companies.c.name_key)
    inserted = set(tx.execute(new, rows).scalars())
    found = find_companies(tx, actor, missing.values())
    created = [found[name_key] for name_key in missing if name_key in inserted]
    remember(tx, Kind.COMPANY, {one.company_id: one.name for one in created})
    record(tx, actor, [_change(EventType.COMPANY_CREATED, one) for one in created], at)
    return len(created), len(existing) + len(missing) - len(created)


def update_company(
    tx: Connection, actor: Actor, company_id: int, *, name: Name | None = None, archived: bool | None = None
) -> Company:
    """Changes the given fields; None leaves a field unchanged.

    Raises NotFound, and Invalid if a new name is taken or has an invisible character.
    """
    require_super_admin(actor)
    company = lock_company(tx, actor, company_id)
    renamed = name is not None and name != company.name
    moved = archived is not None and archived != company.archived
    if not renamed and not moved:
        return company
    at = now()
    values: dict[str, object] = {"updated_at": at}
    affected: list[int] = []
    if renamed and name is not None:
        require_visible("name", name)
        values |= {"name": name, "name_key": key(name)}
        # Locked before the new name, which is a key, makes foreign keys wait (lock_company).
        affected = lock_issues_of(tx, actor, company_id)
    if moved:
        values["archived"] = archived
    try:
        with tx.begin_nested():
            tx.execute(update(companies).where(companies.c.company_id == company_id).values(**values))
    except IntegrityError:
        raise _taken(str(name)) from None
    if renamed:
        remember_new(tx, Kind.COMPANY, company_id, str(name))
        # Every issue with this company shows the new name, so its ETag and its cached fragment must change.
        condition = among(issues.c.issue_id, "affected", tx.dialect.name)
        grown = update(issues).where(condition).values(revision=issues.c.revision + 1)
        tx.execute(grown, {"affected": numbers(tx, affected)})
    changed = get_company(tx, actor, company_id)
    note = None if not moved else ("archived" if archived else "restored")
    change = Change(
        type=EventType.COMPANY_UPDATED,
        company=Subject(company_id, changed.name),
        before=company.name if renamed else None,
        after=changed.name if renamed else None,
        note=note,
    )
    record(tx, actor, [change], at)
    return changed


def delete_company(tx: Connection, actor: Actor, company_id: int) -> None:
    """Deletes a company to which nothing has ever referred. Raises NotFound, and Invalid for any other company."""
    require_super_admin(actor)
    company = lock_company(tx, actor, company_id, to_delete=True)
    if is_chosen_by_a_webhook(tx, company_id):
        raise Invalid(f"“{company.name}” is selected by a webhook and cannot be deleted; archive it instead.")
    if is_in_a_group(tx, actor, company_id):
        raise Invalid(f"“{company.name}” is in a company group and cannot be deleted; archive it instead.")
    if is_company_granted(tx, company_id):
        raise Invalid(
            f"“{company.name}” is in the company access of a user, a token or a group mapping and cannot be deleted; "
            "archive it instead."
        )
    if has_references(tx, actor, company_id):
        raise Invalid(f"“{company.name}” has a history and cannot be deleted; archive it instead.")
    try:
        with tx.begin_nested():
            tx.execute(delete(companies).where(companies.c.company_id == company_id))
    except IntegrityError:
        raise Invalid(f"“{company.name}” was just assigned and cannot be deleted; archive it instead.") from None
    forget(tx, Kind.COMPANY, company_id)
    record(tx, actor, [_change(EventType.COMPANY_DELETED, company)], now())


def _change(type_: EventType, company: Company) -> Change:
    return Change(type=type_, company=Subject(company.company_id, company.name))


def _taken(name: str) -> Invalid:
    return Invalid.field("name", f"a company called “{name}” already exists")
