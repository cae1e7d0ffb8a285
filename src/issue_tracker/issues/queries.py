"""Reads of issues. A list is read in two index-ordered steps: which issues, then their assignments."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, bindparam, select

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.companies.queries import Company, get_company, get_company_by_name
from issue_tracker.database.prepared import Prepared, instant, iso, numbers
from issue_tracker.database.tables import assignments, companies, issues
from issue_tracker.errors import NotFound
from issue_tracker.issues import statements
from issue_tracker.issues.models import Assignment, Issue, IssueHead, NamedAssignment
from issue_tracker.issues.search import Term, kind, parameters
from issue_tracker.issues.statements import Shape
from issue_tracker.names import key, printable, storable
from issue_tracker.status import LABELS, STATUSES, Status, mask

NO_LIMIT = 2**62

BATCH = 500
"""How many issues' assignments one statement fetches."""


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What a list shows. Company and status filters hold for the same assignment; empty means any.

    `statuses` and `company_ids` are None when not asked for; an empty tuple matches nothing.
    """

    search: str = ""
    statuses: tuple[Status, ...] | None = None
    company_ids: tuple[int, ...] | None = None
    updated_since: datetime | None = None

    @property
    def on_assignments(self) -> bool:
        """Whether only issues with a matching assignment are listed, and of those only the matching ones."""
        return self.statuses is not None or self.company_ids is not None

    @property
    def impossible(self) -> bool:
        """Whether nothing can match, because none of the statuses or none of the companies is left."""
        return self.statuses == () or self.company_ids == ()


class Position(msgspec.Struct, frozen=True):
    """Where a page ended: the sort value of its last issue, and its id."""

    value: str | datetime
    issue_id: int


class Order(msgspec.Struct, frozen=True):
    """A sort order: the column, and whether the largest comes first. Ties go by id, in the same direction."""

    by: str = "name"
    descending: bool = False


class Row(msgspec.Struct, frozen=True):
    """An issue in a list, before its assignments are fetched: enough to page on, and to find it rendered."""

    issue_id: int
    revision: int
    position: Position


def company_filter(tx: Connection, actor: Actor, ids: Sequence[int], name: str) -> tuple[int, ...] | None:
    """The companies that `companyId` (any of) and `companyName` select together; None when neither is given.

    Raises NotFound for a company that does not exist.
    """
    if not ids and not name:
        return None
    chosen = {get_company(tx, actor, company_id).company_id for company_id in ids}
    if name:
        named = get_company_by_name(tx, actor, name).company_id
        chosen = {named} if not ids or named in chosen else set()
    return tuple(sorted(chosen))


def list_rows(
    tx: Connection,
    actor: Actor,
    filters: Filters,
    order: Order = Order(),
    *,
    after: Position | None = None,
    limit: int | None = None,
) -> list[Row]:
    """The issues of a list, in order, from after a position on (keyset: others may come and go)."""
    require_helpdesk(actor)
    if filters.impossible:
        return []
    shape, values = _asked(tx, filters)
    by = "name_key" if order.by == "name" else order.by
    shape = msgspec.structs.replace(shape, by=by, descending=order.descending, after=after is not None)
    values["limit"] = NO_LIMIT if limit is None else limit
    if after is not None:
        values |= {"after": after.value, "after_id": after.issue_id}
    found = statements.rows(shape).all(tx, **values)
    if order.by == "name":
        return [Row(issue_id, revision, Position(value, issue_id)) for issue_id, revision, value in found]
    return [Row(issue_id, revision, Position(instant(value), issue_id)) for issue_id, revision, value in found]


def count_issues(tx: Connection, actor: Actor, filters: Filters) -> int:
    """How many issues a list has in all."""
    require_helpdesk(actor)
    if filters.impossible:
        return 0
    shape, values = _asked(tx, filters)
    return int(statements.count(shape).scalar(tx, **values))


def count_statuses(tx: Connection, actor: Actor, filters: Filters) -> dict[Status, int]:
    """How many assignments are in each status that occurs, under the filters except that on the status itself."""
    require_helpdesk(actor)
    filters = msgspec.structs.replace(filters, statuses=None)
    if filters.impossible:
        return {}
    shape, values = _asked(tx, filters)
    return {STATUSES[status]: int(count) for status, count in statements.totals(shape).all(tx, **values)}


def load_issues(tx: Connection, actor: Actor, issue_ids: Sequence[int], filters: Filters = Filters()) -> list[Issue]:
    """The issues with these ids, in this order, each with its assignments that match the filters."""
    require_helpdesk(actor)
    found: dict[int, Issue] = {}
    for start in range(0, len(issue_ids), BATCH):
        batch = list(issue_ids[start : start + BATCH])
        members = _assignments_by_issue(tx, batch, filters)
        for issue_id, name, description, created_at, updated_at in statements.heads.all(tx, issues=numbers(tx, batch)):
            created, updated = iso(created_at), iso(updated_at)
            found[issue_id] = Issue(
                issue_id, name, description, created, created, updated, updated, members.get(issue_id, [])
            )
    return [found[issue_id] for issue_id in issue_ids if issue_id in found]


def list_issues(tx: Connection, actor: Actor, filters: Filters = Filters(), order: Order = Order()) -> list[Issue]:
    """A whole list, in order."""
    rows = list_rows(tx, actor, filters, order)
    return load_issues(tx, actor, [row.issue_id for row in rows], filters)


def get_issue(tx: Connection, actor: Actor, name: str) -> Issue:
    """The issue with all its assignments. Raises NotFound, naming it."""
    return load_issues(tx, actor, [get_issue_head(tx, actor, name).issue_id])[0]


def get_issue_head(tx: Connection, actor: Actor, name: str, *, lock: bool = False) -> IssueHead:
    """The issue's own row, by name. With `lock`, other changes to this issue wait. Raises NotFound."""
    head = find_issue_head(tx, actor, name, lock=lock)
    if head is None:
        raise NotFound(f"There is no issue called “{printable(name)}”.")
    return head


def find_issue_head(tx: Connection, actor: Actor, name: str, *, lock: bool = False) -> IssueHead | None:
    """As get_issue_head; None when there is none."""
    return _head(tx, actor, _by_name[lock], key(name)) if storable(name) else None


def get_issue_head_by_id(tx: Connection, actor: Actor, issue_id: int, *, lock: bool = False) -> IssueHead:
    """As get_issue_head, by id: for pages, whose links must outlive a rename."""
    head = _head(tx, actor, _by_id[lock], issue_id) if 0 < issue_id < 2**63 else None
    if head is None:
        raise NotFound("There is no such issue.")
    return head


def get_assignment(tx: Connection, issue: IssueHead, company_id: int) -> NamedAssignment:
    """A company's assignment in an issue, with the issue's name. Raises NotFound."""
    member = next(iter(list_assignments(tx, issue.issue_id, company_id=company_id)), None)
    if member is None:
        raise NotFound(f"This company is not assigned to “{issue.name}”.")
    return NamedAssignment(**msgspec.structs.asdict(member), issue_name=issue.name)


def list_assignments(tx: Connection, issue_id: int, *, company_id: int | None = None) -> list[Assignment]:
    """An issue's assignments, by company name."""
    filters = Filters(company_ids=None if company_id is None else (company_id,))
    return _assignments_by_issue(tx, [issue_id], filters).get(issue_id, [])


class Member(msgspec.Struct, frozen=True):
    """A company in an issue, for operations."""

    company: Company
    status: Status


def list_members(tx: Connection, issue_id: int) -> list[Member]:
    """The companies assigned to an issue with their statuses, by company name."""
    query = (
        select(companies.c.company_id, companies.c.name, companies.c.archived, assignments.c.status)
        .join(assignments, assignments.c.company_id == companies.c.company_id)
        .where(assignments.c.issue_id == issue_id)
        .order_by(companies.c.name_key, companies.c.company_id)
    )
    return [
        Member(Company(row.company_id, row.name, bool(row.archived), 0), Status(row.status))
        for row in tx.execute(query)
    ]


def _head_by(which: ColumnElement[Any], lock: bool) -> Prepared:
    query = select(
        issues.c.issue_id, issues.c.name, issues.c.description, issues.c.revision, issues.c.updated_at
    ).where(which == bindparam("which", type_=which.type))
    return Prepared(lambda _: query.with_for_update() if lock else query)


_by_name = {lock: _head_by(issues.c.name_key, lock) for lock in (False, True)}
_by_id = {lock: _head_by(issues.c.issue_id, lock) for lock in (False, True)}


def _head(tx: Connection, actor: Actor, statement: Prepared, which: str | int) -> IssueHead | None:
    require_helpdesk(actor)
    row = statement.first(tx, which=which)
    return None if row is None else IssueHead(row[0], row[1], row[2], row[3], instant(row[4]))


def _asked(tx: Connection, filters: Filters) -> tuple[Shape, dict[str, Any]]:
    """The shape of a list, and the values that belong into it."""
    term = kind(filters.search) if filters.search else Term.NONE
    shape = Shape(
        term=term,
        statuses=None if filters.statuses is None else len(filters.statuses),
        companies=None if filters.company_ids is None else len(filters.company_ids),
        since=filters.updated_since is not None,
    )
    values = chosen(tx, filters)
    if term is not Term.NONE:
        values |= parameters(tx.dialect.name, filters.search)
    if filters.updated_since is not None:
        values["since"] = filters.updated_since
    return shape, values


def chosen(tx: Connection, filters: Filters) -> dict[str, Any]:
    """The values of the status and company filters, for a statement on assignments."""
    values: dict[str, Any] = {}
    if filters.statuses is not None:
        values["mask"] = mask(filters.statuses)
        for turn, status in enumerate(filters.statuses):
            values[f"status_{turn}"] = status.value
    if filters.company_ids is not None:
        values["companies"] = numbers(tx, filters.company_ids)
        for turn, company_id in enumerate(filters.company_ids[: statements.MERGED]):
            values[f"company_{turn}"] = company_id
    return values


def _assignments_by_issue(tx: Connection, issue_ids: Sequence[int], filters: Filters) -> dict[int, list[Assignment]]:
    if filters.impossible:
        return {}
    statement = statements.members(
        None if filters.statuses is None else len(filters.statuses), filters.company_ids is not None
    )
    found: dict[int, list[Assignment]] = {}
    for issue_id, assignment_id, company_id, company_name, status, updated_at in statement.all(
        tx, issues=numbers(tx, issue_ids), **chosen(tx, filters)
    ):
        at, state = iso(updated_at), STATUSES[status]
        member = Assignment(assignment_id, issue_id, company_id, company_name, state, LABELS[state], at, at)
        if issue_id in found:
            found[issue_id].append(member)
        else:
            found[issue_id] = [member]
    return found
