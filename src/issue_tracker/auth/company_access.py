"""Changes of a user's company access (contract, section 12; docs/decisions/0024-company-access.md)."""

from sqlalchemy import Connection, delete, insert, select, update

from issue_tracker.actor import Actor, Role, require_administrator, require_fresh_proof
from issue_tracker.auth.users import LAST_SUPER_ADMIN, lock_user, other_super_admins
from issue_tracker.clock import now
from issue_tracker.company_access.grants import Grant
from issue_tracker.company_access.queries import list_granted
from issue_tracker.database.tables import user_companies, user_company_groups, users
from issue_tracker.errors import Invalid
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record

CUSTOMER_SEES_SOME = "must name the companies or company groups that the customer sees; a customer never sees all"


def set_company_access(tx: Connection, actor: Actor, user_id: int, grant: Grant | None) -> None:
    """Limits a user to what is granted; None means all companies. It takes effect with the user's next request.

    Raises NotFound; Invalid for None to a customer, who never has access to all companies, and if no active super admin
    would have access to all companies; Forbidden unless `actor` is a super admin with access to all companies; and
    ConfirmationRequired.
    """
    require_administrator(actor)
    user = lock_user(tx, user_id)
    present = _present(tx, user_id)
    if grant is None and user.role is Role.CUSTOMER:
        raise Invalid.field("company_access", CUSTOMER_SEES_SOME)
    if present == grant or (present and grant and _sorted(present) == _sorted(grant)):
        return
    require_fresh_proof(actor)
    if grant is not None and user.administers and other_super_admins(tx, user_id) == 0:
        raise Invalid.field("company_access", LAST_SUPER_ADMIN.rstrip("."))
    at = now()
    same = users.c.user_id == user_id
    tx.execute(update(users).where(same).values(all_companies=grant is None, updated_at=at))
    tx.execute(delete(user_companies).where(user_companies.c.user_id == user_id))
    tx.execute(delete(user_company_groups).where(user_company_groups.c.user_id == user_id))
    if grant is not None and grant.company_ids:
        rows = [{"user_id": user_id, "company_id": company_id} for company_id in sorted(set(grant.company_ids))]
        tx.execute(insert(user_companies), rows)
    if grant is not None and grant.group_ids:
        rows = [{"user_id": user_id, "group_id": group_id} for group_id in sorted(set(grant.group_ids))]
        tx.execute(insert(user_company_groups), rows)
    note = f"{user.email} (company access: {_described(tx, actor, user_id)})"
    record(tx, actor, [Change(type=EventType.USER_UPDATED, note=note)], at)


def _present(tx: Connection, user_id: int) -> Grant | None:
    if tx.execute(select(users.c.all_companies).where(users.c.user_id == user_id)).scalar_one():
        return None
    direct = select(user_companies.c.company_id).where(user_companies.c.user_id == user_id)
    grouped = select(user_company_groups.c.group_id).where(user_company_groups.c.user_id == user_id)
    return Grant(list(tx.execute(direct).scalars()), list(tx.execute(grouped).scalars()))


def _sorted(grant: Grant) -> tuple[list[int], list[int]]:
    return sorted(set(grant.company_ids)), sorted(set(grant.group_ids))


def _described(tx: Connection, actor: Actor, user_id: int) -> str:
    granted = list_granted(tx, actor, [user_id]).get(user_id)
    return "all" if granted is None else granted.described
