"""Changing statuses from pages: one by plain form, many after a review, and undoing it.

Where somebody else changed the same assignment first, nothing is changed, and the reader learns who did it, when, and
to what. Whatever one form changes is one transaction and one request id.
"""

from collections.abc import Sequence

import msgspec
from starlette.responses import Response

from issue_tracker.clock import iso, now
from issue_tracker.companies.queries import get_companies_by_id
from issue_tracker.http.request import Request
from issue_tracker.http.responses import json_response
from issue_tracker.issues.bulk import BulkResult, Outcome, set_statuses
from issue_tracker.issues.overview import stragglers_first
from issue_tracker.issues.queries.issue import find_status, get_issue_head_by_id, load_issue
from issue_tracker.issues.undo import undo
from issue_tracker.names import Note
from issue_tracker.pages.flash import COOKIE_LIMIT, Flash, flash_cookie
from issue_tracker.pages.forms import Form
from issue_tracker.pages.navigation import local, redirect
from issue_tracker.pages.routes import PageRoutes, wants_json
from issue_tracker.pages.selection import (
    MovedPlace,
    NothingTicked,
    SelectedIssue,
    moved_places,
    place_of,
    selected_issues,
)
from issue_tracker.pages.templating import fragment, page
from issue_tracker.status import Status

routes = PageRoutes()

VERBS = {Status.RESOLVED: "Resolve", Status.CLOSED: "Close"}
CLOSED_STAYS = "closed, and bulk changes leave closed ones alone"


class StatusForm(msgspec.Struct, forbid_unknown_fields=True):
    """What a form sets: a status, perhaps with a note."""

    status: Status
    note: Note | None = None


class ReviewedMember(msgspec.Struct, frozen=True):
    """A company that would change, with its present status; or one that would not, and why."""

    on: str
    issue_name: str
    company_name: str
    status: str | None = None
    why: str = ""


class ReviewPart(msgspec.Struct, frozen=True):
    """The companies that would change in one issue."""

    issue_name: str
    changed: list[ReviewedMember]


class Review(msgspec.Struct, frozen=True):
    """What a bulk change would do, to be confirmed."""

    status: str
    note: str
    parts: list[ReviewPart]
    skipped: list[ReviewedMember]
    title: str
    moved: list[MovedPlace] = []

    @property
    def count(self) -> int:
        return sum(len(part.changed) for part in self.parts)

    @property
    def verb(self) -> str:
        status = Status(self.status)
        return VERBS.get(status, f"Set to {status.label}:")


class ChangedPlace(msgspec.Struct, frozen=True):
    """An assignment as it is now, for the page that shows it. Without a status it is no longer assigned."""

    on: str
    status: str | None
    at: str


class Outcomes(msgspec.Struct, frozen=True):
    """What was done, in one sentence, and where; or what somebody else changed first, and then nothing was done."""

    text: str
    changed: list[ChangedPlace]
    moved: list[MovedPlace] = []


class Choice(msgspec.Struct, frozen=True):
    """One assignment whose status is to be chosen; without a status the company is not affected yet."""

    on: str
    issue_id: int
    issue_name: str
    company_name: str
    status: str | None
    note: str = ""
    moved: MovedPlace | None = None


@routes.get("/assignments")
def choose(request: Request) -> Response:
    """Choose the status of one assignment: what a press on a status does without script."""
    [selected] = selected_issues(request, [request.query_params.get("on", "")])
    back = local(request.query_params.get("next", ""), f"/issues/{selected.issue.issue_id}")
    return _choice(request, selected, back)


def _choice(
    request: Request, selected: SelectedIssue, back: str, note: str = "", moved: MovedPlace | None = None
) -> Response:
    issue, [company] = selected.issue, selected.companies
    status = find_status(request.tx, request.actor, issue.issue_id, company.company_id)
    choice = Choice(
        on=place_of(issue.issue_id, company.company_id),
        issue_id=issue.issue_id,
        issue_name=issue.name,
        company_name=company.name,
        status=status.value if status else None,
        note=note,
        moved=moved,
    )
    response = page(request, "issues/change.html", place="issues", change=choice, next=back)
    response.status_code = 200 if moved is None else 409
    return response


@routes.post("/assignments/review", transaction=False)
def review_selection(request: Request, form: Form) -> Response:
    """Says which companies would change, and which are skipped and why. Changes nothing."""
    back = local(form.get("next"))
    try:
        with request.read():
            return _review(request, selected_issues(request, form.all("on")), _status_form(form), back)
    except NothingTicked as error:
        # Back to the page, with the note that was typed if a cookie can hold it; otherwise the browser's Back has it.
        cookie = flash_cookie(request, Flash(error.detail, note=form.get("note"), wrong=True))
        if wants_json(request) or len(cookie) > COOKIE_LIMIT:
            raise
        return redirect(back, cookie)


@routes.get("/issues/{issue_id}/resolve")
def review_everyone(request: Request, issue_id: int) -> Response:
    """As `review_selection`, for resolving an issue for every company that it affects."""
    issue = get_issue_head_by_id(request.tx, request.actor, issue_id)
    members = stragglers_first(load_issue(request.tx, request.actor, issue_id))
    known = get_companies_by_id(request.tx, request.actor, [member.company_id for member in members])
    everyone = SelectedIssue(issue, [known[member.company_id] for member in members])
    return _review(request, [everyone], StatusForm(Status.RESOLVED), f"/issues/{issue_id}", everyone=True)


def _review(
    request: Request,
    selected: list[SelectedIssue],
    change: StatusForm,
    back: str,
    *,
    everyone: bool = False,
    moved: Sequence[MovedPlace] = (),
) -> Response:
    parts: list[ReviewPart] = []
    skipped: list[ReviewedMember] = []
    for each in selected:
        changed: list[ReviewedMember] = []
        for company, result in zip(each.companies, _set(request, each, change, dry_run=True), strict=True):
            on = place_of(each.issue.issue_id, company.company_id)
            member = ReviewedMember(on, each.issue.name, company.name, result.before, _reason(result))
            (changed if result.outcome is Outcome.CHANGED else skipped).append(member)
        parts.append(ReviewPart(each.issue.name, changed))
    title = "Resolve for everyone?" if everyone else f"Set to {change.status.label}?"
    review = Review(change.status.value, change.note or "", parts, skipped, title, list(moved))
    if request.header("x-fragment") is not None:
        return fragment(request, "issues/review_form.html", heading="h2", review=review, next=back)
    response = page(request, "issues/review.html", place="issues", review=review, next=back)
    response.status_code = 409 if moved else 200
    return response


@routes.post("/assignments/bulk")
def change_selection(request: Request, form: Form) -> Response:
    """Sets the status of all that the form selects; `single` lets it leave closed, as it was chosen by name."""
    change, back, single = _status_form(form), local(form.get("next")), bool(form.get("single"))
    selected = selected_issues(request, form.all("on"), lock=True)
    moved = [place for each in selected for place in moved_places(request, each, change.status)]
    if moved:
        if wants_json(request):
            return json_response(Outcomes("Someone else changed this first; nothing was changed.", [], moved))
        if single:
            return _choice(request, selected[0], back, change.note or "", moved[0])
        return _review(request, selected, change, back, moved=moved)
    changed, skipped = [], 0
    for each in selected:
        for company, result in zip(each.companies, _set(request, each, change, single=single), strict=True):
            if result.outcome is Outcome.CHANGED:
                changed.append(place_of(each.issue.issue_id, company.company_id))
            else:
                skipped += 1
    text = _summary(len(changed), skipped, change.status)
    if wants_json(request):
        at = iso(now())
        return json_response(Outcomes(text, [ChangedPlace(on, change.status.value, at) for on in changed]))
    return redirect(back, flash_cookie(request, Flash(text, request.request_id if changed else None)))


@routes.post("/undo")
def undo_change(request: Request, form: Form) -> Response:
    """Undoes what one's own request changed, where nobody has changed it since."""
    undone = undo(request.tx, request.actor, form.get("request_id"))
    text = f"{len(undone)} undone." if undone else "Someone changed it since; nothing was undone."
    if wants_json(request):
        places = [
            ChangedPlace(place_of(each.issue_id, each.company_id), each.status, iso(each.status_since or now()))
            for each in undone
        ]
        return json_response(Outcomes(text, places))
    return redirect(local(form.get("next")), flash_cookie(request, Flash(text)))


def _status_form(form: Form) -> StatusForm:
    return form.read(form.fields("status", "note"), StatusForm)


def _set(
    request: Request, selected: SelectedIssue, change: StatusForm, *, dry_run: bool = False, single: bool = False
) -> list[BulkResult]:
    [first, *others] = selected.companies
    held = find_status(request.tx, request.actor, selected.issue.issue_id, first.company_id)
    return set_statuses(
        request.tx,
        request.actor,
        selected.issue,
        change.status,
        companies=selected.companies,
        only_from=tuple(Status) if single and not others and held else (),
        note=change.note or None,
        dry_run=dry_run,
    )


def _summary(changed: int, skipped: int, status: Status) -> str:
    if not changed:
        return "Nothing had to be changed."
    companies = f"{changed} {'company' if changed == 1 else 'companies'} set to {status.label}."
    return f"{companies} {skipped} skipped." if skipped else companies


def _reason(result: BulkResult) -> str:
    if result.outcome is Outcome.UNCHANGED and result.before is not None:
        return f"already {result.before.label}"
    return CLOSED_STAYS if result.outcome is Outcome.SKIPPED else ""
