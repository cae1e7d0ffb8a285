"""Operations on updates: add, edit, withdraw. Adding an update may also set the status of its companies.

An update does not change its issue: the issue's time, revision and validator stay the same, unless statuses change
with it. Every operation locks the issue first, like all operations on issues.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, insert, update

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.companies.queries import Company
from issue_tracker.database.engine import created_id
from issue_tracker.database.tables import update_companies, updates
from issue_tracker.errors import Invalid
from issue_tracker.events.catalog import Change, EventType, Readers, Subject
from issue_tracker.events.record import record
from issue_tracker.issues.bulk import set_statuses
from issue_tracker.issues.models import IssueHead
from issue_tracker.issues.queries.issue import get_issue_head_by_id, list_members
from issue_tracker.issues.updates.queries import PlacedUpdate, find_repeated, get_update, require_changeable
from issue_tracker.names import UpdateText
from issue_tracker.status import Status


def add_update(
    tx: Connection,
    actor: Actor,
    issue: IssueHead,
    body: UpdateText,
    *,
    public: bool = False,
    companies: Sequence[Company] | None = None,
    status: Status | None = None,
    named: Sequence[Company] = (),
    only_from: Collection[Status] | None = None,
    once: bool = False,
) -> PlacedUpdate:
    """Adds a text to an issue, for these companies or, if None, for all; returns it. With `once`, the update is not
    added, but its status set, if the actor has just added the same one (`find_repeated`).

    Under limited company access, None means the visible companies of the issue. With a `status`, it is set for the
    companies: those in `named` are assigned if they are not, whereas others remain closed if they are, and change only
    from the statuses in `only_from`, if it is given. `issue` must have been read with a lock in this transaction.
    Raises Invalid if `companies` is empty, for a company that is not assigned if there is no status, and for an
    archived one that would have to be assigned.
    """
    require_helpdesk(actor)
    if companies is not None and not companies:
        raise Invalid.field("companies", "must name at least one company; null means all companies of the issue")
    assigned = {member.company.company_id: member.company for member in list_members(tx, actor, issue.issue_id)}
    if status is not None:
        set_statuses(tx, actor, issue, status, companies=companies, only_from=only_from, named=named)
    elif companies is not None:
        _refuse_unassigned([company for company in companies if company.company_id not in assigned], issue)
    audience = list(assigned.values()) if companies is None and not actor.company_access.all else companies
    readers = None if audience is None else {company.company_id for company in audience}
    if once and (repeated := find_repeated(tx, actor, issue.issue_id, body, readers, public=public)):
        return repeated
    at = issue.time_of_change()
    inserted = tx.execute(
        insert(updates).values(
            issue_id=issue.issue_id,
            body=body,
            public=public,
            for_all=audience is None,
            author_id=actor.user_id,
            author_name=actor.name,
            channel=actor.channel,
            created_at=at,
        )
    )
    update_id = created_id(inserted)
    if readers:
        rows = [{"update_id": update_id, "company_id": company_id} for company_id in sorted(readers)]
        tx.execute(insert(update_companies), rows)
    added = get_update(tx, actor, update_id)
    record(tx, actor, [_change(EventType.UPDATE_CREATED, added, after=added)], at)
    return added


def edit_update(
    tx: Connection, actor: Actor, update_id: int, *, body: UpdateText | None = None, public: bool | None = None
) -> PlacedUpdate:
    """Changes the given fields of an update, and returns it. Raises NotFound; and Forbidden unless the actor is its
    author or a super admin, and may see all companies that it is for.
    """
    require_helpdesk(actor)
    before, issue = _lock(tx, actor, update_id)
    values: dict[str, object] = {}
    if body is not None and body != before.update.body:
        values["body"] = body
    if public is not None and public is not before.update.public:
        values["public"] = public
    if not values:
        return before
    at = issue.time_of_change()
    tx.execute(update(updates).where(updates.c.update_id == update_id).values(**values, edited_at=at))
    edited = get_update(tx, actor, update_id)
    record(tx, actor, [_change(EventType.UPDATE_EDITED, edited, before=before, after=edited)], at)
    return edited


def withdraw_update(tx: Connection, actor: Actor, update_id: int) -> PlacedUpdate:
    """Withdraws an update, which then remains only in the history. Returns it. Raises the same as edit_update."""
    require_helpdesk(actor)
    before, issue = _lock(tx, actor, update_id)
    at = issue.time_of_change()
    tx.execute(update(updates).where(updates.c.update_id == update_id).values(withdrawn_at=at))
    record(tx, actor, [_change(EventType.UPDATE_DELETED, before, before=before)], at)
    return before


def _lock(tx: Connection, actor: Actor, update_id: int) -> tuple[PlacedUpdate, IssueHead]:
    """Returns the update that is to be changed, and its issue, locked."""
    issue = get_issue_head_by_id(tx, actor, get_update(tx, actor, update_id).issue_id, lock=True)
    found = get_update(tx, actor, update_id)
    require_changeable(tx, actor, found)
    return found, issue


def _refuse_unassigned(companies: Sequence[Company], issue: IssueHead) -> None:
    if companies:
        listed = ", ".join(f"“{company.name}”" for company in companies)
        are = "is" if len(companies) == 1 else "are"
        raise Invalid.field("companies", f"{listed} {are} not assigned to “{issue.name}”")


def _change(
    type_: EventType, placed: PlacedUpdate, *, before: PlacedUpdate | None = None, after: PlacedUpdate | None = None
) -> Change:
    """Returns the event: who could and can read the update, its text, and its company if it is for a single one.

    The actor may see all companies that the update is for.
    """
    company = None
    if placed.company_ids is not None and placed.update.company_names and len(placed.company_ids) == 1:
        company = Subject(min(placed.company_ids), placed.update.company_names[0])
    return Change(
        type=type_,
        issue=Subject(placed.issue_id, placed.update.issue_name),
        company=company,
        before=None if before is None else _readers(before),
        after=None if after is None else _readers(after),
        note=None if after is None else after.update.body,
        update_id=placed.update.update_id,
    )


def _readers(placed: PlacedUpdate) -> Readers:
    return Readers.PUBLIC if placed.update.public else Readers.INTERNAL
