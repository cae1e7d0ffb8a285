"""Operations on company groups. Their names are unique, like those of companies.

Only super admins with access to all companies change groups, because others would change what they may not see. Every
function here raises Forbidden for other actors.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, delete, insert, update
from sqlalchemy.exc import IntegrityError

from issue_tracker.actor import Actor, require_administrator, require_session_proof
from issue_tracker.clock import now
from issue_tracker.companies.groups.queries import CompanyGroup, get_group, list_companies_of, lock_group
from issue_tracker.companies.queries import Company
from issue_tracker.company_access.queries import is_group_granted
from issue_tracker.database.engine import created_id
from issue_tracker.database.prepared import among, numbers
from issue_tracker.database.tables import company_group_members, company_groups
from issue_tracker.errors import Invalid
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.names import Name, key
from issue_tracker.new_names import require_visible

NAMED = 20
"""Maximum number of companies that an event names; it also says how many more there are."""


def create_group(tx: Connection, actor: Actor, name: Name, companies: Sequence[Company]) -> CompanyGroup:
    """Creates a group of these companies. Raises Invalid if the name is taken, or has an invisible character."""
    require_administrator(actor)
    require_visible("name", name)
    at = now()
    try:
        with tx.begin_nested():
            inserted = tx.execute(
                insert(company_groups).values(name=name, name_key=key(name), created_at=at, updated_at=at)
            )
    except IntegrityError:
        raise _taken(name) from None
    group_id = created_id(inserted)
    _add(tx, group_id, companies)
    change = Change(type=EventType.COMPANY_GROUP_CREATED, after=name, note=_named(companies) or None)
    record(tx, actor, [change], at)
    return get_group(tx, actor, group_id)


def update_group(
    tx: Connection,
    actor: Actor,
    group_id: int,
    *,
    name: Name | None = None,
    companies: Sequence[Company] | None = None,
) -> CompanyGroup:
    """Changes the given fields; None leaves a field unchanged. `companies` replaces all members of the group.

    Raises NotFound, and Invalid if the new name is taken, or has an invisible character. Replacing the companies of a
    group that is part of a company access changes what users see, so it also raises like `require_session_proof`.
    """
    require_administrator(actor)
    group = lock_group(tx, actor, group_id)
    present = {company.company_id: company for company in list_companies_of(tx, actor, [group_id])}
    wanted = present if companies is None else {company.company_id: company for company in companies}
    added = [company for company in wanted.values() if company.company_id not in present]
    removed = [company for company in present.values() if company.company_id not in wanted]
    renamed = name if name is not None and name != group.name else None
    if renamed is None and not added and not removed:
        return group
    if added or removed:
        require_proof_for_members(tx, actor, group_id)
    if renamed is not None:
        require_visible("name", renamed)
    at = now()
    values: dict[str, object] = {} if renamed is None else {"name": renamed, "name_key": key(renamed)}
    try:
        with tx.begin_nested():
            same = company_groups.c.group_id == group_id
            tx.execute(update(company_groups).where(same).values(**values, updated_at=at))
    except IntegrityError:
        raise _taken(str(name)) from None
    if removed:
        members = company_group_members.c
        these = members.group_id == group_id, among(members.company_id, "removed", tx.dialect.name)
        ids = numbers(tx, [company.company_id for company in removed])
        tx.execute(delete(company_group_members).where(*these), {"removed": ids})
    _add(tx, group_id, added)
    parts = [("added", added), ("removed", removed)]
    note = "; ".join(f"{word}: {_named(changed)}" for word, changed in parts if changed)
    change = Change(
        type=EventType.COMPANY_GROUP_UPDATED,
        before=None if renamed is None else group.name,
        after=renamed or group.name,
        note=note or None,
    )
    record(tx, actor, [change], at)
    return get_group(tx, actor, group_id)


def require_proof_for_members(tx: Connection, actor: Actor, group_id: int) -> None:
    """Raises like `require_session_proof` if the group is part of a company access: its companies decide what users
    see.
    """
    if is_group_granted(tx, group_id):
        require_session_proof(actor)


def delete_group(tx: Connection, actor: Actor, group_id: int) -> None:
    """Deletes a group but not its companies. Raises NotFound, and Invalid if any company access names the group."""
    require_administrator(actor)
    group = lock_group(tx, actor, group_id)
    if is_group_granted(tx, group_id):
        raise Invalid(
            f"“{group.name}” is in the company access of a user, a token or a group mapping; change that first."
        )
    tx.execute(delete(company_groups).where(company_groups.c.group_id == group_id))
    record(tx, actor, [Change(type=EventType.COMPANY_GROUP_DELETED, after=group.name)], now())


def _add(tx: Connection, group_id: int, companies: Collection[Company]) -> None:
    if not companies:
        return
    rows = [{"group_id": group_id, "company_id": company.company_id} for company in companies]
    try:
        with tx.begin_nested():
            tx.execute(insert(company_group_members), rows)
    except IntegrityError:
        raise Invalid("A company of the group was just deleted; nothing was changed.") from None


def _named(companies: Sequence[Company]) -> str:
    names = [company.name for company in companies[:NAMED]]
    more = len(companies) - NAMED
    return ", ".join(names) + (f" and {more:,} more" if more > 0 else "")


def _taken(name: str) -> Invalid:
    return Invalid.field("name", f"a company group called “{name}” already exists")
