"""The details of a company in an issue, which the matrix shows when the pointer is on the cell."""

import msgspec

from issue_tracker.http.request import Request
from issue_tracker.issues.models import Owner, ShownAssignment
from issue_tracker.issues.queries.filters import Filters
from issue_tracker.issues.queries.issue_list import IssueList
from issue_tracker.issues.updates.queries import UpdateFilters, list_updates
from issue_tracker.pages.selection import selected_issues
from issue_tracker.pages.update_list import UpdateLine, line_of


class Cell(msgspec.Struct, frozen=True):
    """A company in an issue. `member` is None if the company is not affected. The owner is that of the assignment or,
    without one, of the issue.
    """

    issue_name: str
    company_name: str
    member: ShownAssignment | None
    owner: Owner | None
    update: UpdateLine | None


def about_cell(request: Request, on: str) -> Cell:
    """Returns the cell with this name (pages/selection.py). Raises NotFound, and Invalid for a malformed name."""
    [selected] = selected_issues(request, [on])
    [company] = selected.companies
    issue_id, only = selected.issue.issue_id, (company.company_id,)
    issues = IssueList(request.tx, request.actor, Filters(company_ids=only)).load_shown([issue_id])
    members = [each for issue in issues for each in issue.assignments if isinstance(each, ShownAssignment)]
    member = members[0] if members else None
    filters = UpdateFilters(issue_id=issue_id, company_ids=only)
    updates = list_updates(request.tx, request.actor, filters, limit=1).updates if member else []
    return Cell(
        issue_name=selected.issue.name,
        company_name=company.name,
        member=member,
        owner=(member.owner or issues[0].owner) if member else None,
        update=line_of(updates[0]) if updates else None,
    )
