"""The selection of a form: assignments by their ids, in any number of issues.

A form names an assignment as `on=<issue>-<company>`; a form that changes something also says which status it showed,
`on=<issue>-<company>-<status>`, or `-none` for a company that it showed as not affected. Therefore a change that
another user made first is noticed, and not overwritten (docs/decisions/0008-pages.md).
"""

import re
from collections.abc import Sequence

import msgspec

from issue_tracker.companies.queries import Company, get_companies_by_id, lock_for_assignment
from issue_tracker.errors import Invalid, NotFound
from issue_tracker.events.sentences import last_assignment_change
from issue_tracker.http.request import Request
from issue_tracker.issues.models import IssueHead
from issue_tracker.issues.queries.issue import get_issue_head_by_id, list_members
from issue_tracker.status import Status

NOT_AFFECTED = "none"
"""The status in a form of a company that it showed as not affected."""

_place = re.compile(r"([1-9]\d{0,17})-([1-9]\d{0,17})(?:-([a-z_]+))?")


class SelectedIssue(msgspec.Struct, frozen=True):
    """An issue and those of its companies that a form selects; `shown` are the statuses that it showed, by company."""

    issue: IssueHead
    companies: list[Company]
    shown: dict[int, str] = {}


class MovedPlace(msgspec.Struct, frozen=True):
    """An assignment that another user changed since the form showed it: its present status, who changed it, and
    when.
    """

    on: str
    company_name: str
    status: str | None
    by: str
    at: str


class NothingSelected(Invalid):
    """The form selects nothing."""

    def __init__(self) -> None:
        super().__init__("Select at least one company.")


def place_of(issue_id: int, company_id: int) -> str:
    """Returns the name of an assignment in forms and scripts."""
    return f"{issue_id}-{company_id}"


def selected_issues(request: Request, places: Sequence[str], *, lock: bool = False) -> list[SelectedIssue]:
    """Returns the selected assignments of a form by issue, in the order of ids.

    With `lock`, the issues are locked in that order, so that two such forms cannot deadlock. The companies are locked
    before them, as when a company gets another name. Raises NothingSelected, NotFound, and Invalid for a malformed
    name.
    """
    chosen: dict[int, dict[int, str | None]] = {}
    for place in dict.fromkeys(places):
        found = _place.fullmatch(place)
        if found is None:
            raise Invalid("The form selects an assignment that cannot exist.") if place else NothingSelected()
        chosen.setdefault(int(found[1]), {})[int(found[2])] = found[3]
    if not chosen:
        raise NothingSelected
    known = get_companies_by_id(
        request.tx, request.actor, {company_id for ids in chosen.values() for company_id in ids}
    )
    if lock and len(chosen) > 1:
        known = lock_for_assignment(request.tx, request.actor.company_access, known.values())
    selected = []
    for issue_id in sorted(chosen):
        issue = get_issue_head_by_id(request.tx, request.actor, issue_id, lock=lock)
        if any(company_id not in known for company_id in chosen[issue_id]):
            raise NotFound("A company that you selected no longer exists.")
        shown = {company_id: status for company_id, status in chosen[issue_id].items() if status is not None}
        selected.append(SelectedIssue(issue, [known[company_id] for company_id in chosen[issue_id]], shown))
    return selected


def moved_places(request: Request, selected: SelectedIssue, status: Status | None) -> list[MovedPlace]:
    """Returns the assignments that neither have the status that the form showed nor the new one already."""
    issue_id = selected.issue.issue_id
    members = list_members(request.tx, request.actor, issue_id)
    current = {member.company.company_id: member.status for member in members}
    moved = []
    for company in selected.companies:
        held = current.get(company.company_id)
        now_shown = NOT_AFFECTED if held is None else held.value
        if held is status or selected.shown.get(company.company_id, now_shown) == now_shown:
            continue
        entry = last_assignment_change(request.tx, request.actor, issue_id, company.company_id)
        moved.append(MovedPlace(place_of(issue_id, company.company_id), company.name, held, entry.by, entry.at))
    return moved
