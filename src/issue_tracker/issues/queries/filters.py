"""The filters of a list of issues, its order, and the position at which a page begins."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import Connection

from issue_tracker.actor import Actor, CompanyAccess
from issue_tracker.companies.groups.queries import get_companies_in_groups
from issue_tracker.companies.queries import get_companies, get_company, get_company_by_name, list_ids_by_part
from issue_tracker.events.order import Watermark
from issue_tracker.issues.models import Severity
from issue_tracker.status import Status


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """The filters of a list; all of them must match. Those by status and by company must match the same assignment.

    `search` is a trimmed literal part of an issue's name or description in any case; empty means no search. `words` are
    casefolded and must all occur, each in the name, the description or the name of an affected company (`words.py`).
    `statuses` and `company_ids` are None for no filter, and match nothing if empty; neither may contain a value twice.
    `updated_since` is an aware datetime: issues changed at that time or later match. For `severities`, `owner` (a
    user's id), `tag` and `reference` (casefolded), None matches everything. `unowned` selects issues without an owner.
    `overdue` selects unfinished issues whose next update was due before `at`. `changed_since` is a watermark of the
    log: it selects issues with an event, including one about the name of an assigned company, that it does not cover.
    `unmoved_since` (time zone aware) selects unfinished issues whose last change was before this time.
    """

    search: str = ""
    words: tuple[str, ...] = ()
    statuses: tuple[Status, ...] | None = None
    company_ids: tuple[int, ...] | None = None
    updated_since: datetime | None = None
    changed_since: Watermark | None = None
    severities: tuple[Severity, ...] | None = None
    owner: int | None = None
    unowned: bool = False
    tag: str | None = None
    reference: str | None = None
    overdue: bool | None = None
    unmoved_since: datetime | None = None
    at: datetime | None = None

    @property
    def on_assignments(self) -> bool:
        """Whether the filters select among the assignments of an issue, of which the others are not shown."""
        return self.statuses is not None or self.company_ids is not None


class Order(msgspec.Struct, frozen=True):
    """An order by `name` (casefolded), `updated_at`, `created_at`, `open_count` (queries/open_order.py) or `attention`
    (queries/attention.py). Issues with equal values are in the order of their ids, in the same direction.
    """

    by: str = "name"
    descending: bool = False


class Position(msgspec.Struct, frozen=True):
    """The place of an issue in an order: its sort value (a text or a time in UTC) and its id."""

    value: str | datetime
    issue_id: int


class Row(msgspec.Struct, frozen=True):
    """An issue in a list without its content: enough to continue the list after it, and to find it in a cache."""

    issue_id: int
    revision: int
    sort_value: str | datetime

    @property
    def position(self) -> Position:
        return Position(self.sort_value, self.issue_id)


def company_filter(
    tx: Connection,
    actor: Actor,
    company_ids: Sequence[int],
    name: str,
    groups: Sequence[str] = (),
    *,
    exclude: Sequence[str] = (),
) -> tuple[int, ...] | None:
    """Returns the ids of the companies that match all of the parameters `companyId` (any of), `companyName` and
    `companyGroup` (any of), and are not named in `exclude`.

    Returns None if there are no such parameters. Raises NotFound for a company or a group that does not exist.
    """
    alternatives = []
    if company_ids:
        alternatives.append({get_company(tx, actor, company_id).company_id for company_id in company_ids})
    if name:
        alternatives.append({get_company_by_name(tx, actor, name).company_id})
    if groups:
        alternatives.append({company.company_id for company in get_companies_in_groups(tx, actor, groups)})
    if exclude:
        excluded = {company.company_id for company in get_companies(tx, actor, exclude).values()}
        alternatives.append(set(list_ids_by_part(tx, actor, "")) - excluded)
    return tuple(sorted(set.intersection(*alternatives))) if alternatives else None


def visible_companies(access: CompanyAccess, company_ids: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """Returns a company filter (see Filters) without companies that are hidden under `access`.

    Under limited access, no filter becomes a filter by all visible companies.
    """
    if access.company_ids is None:
        return company_ids
    if company_ids is None:
        return tuple(sorted(access.company_ids))
    return tuple(company_id for company_id in company_ids if company_id in access.company_ids)
