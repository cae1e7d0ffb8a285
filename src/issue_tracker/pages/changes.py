"""Changes of statuses from pages: one by a plain form, many after a review; and undo.

If another user changed the same assignment first, nothing is changed, and the reader learns who did it, when, and to
what. Everything that one form changes is one transaction with one request id.
"""

from collections.abc import Sequence

import msgspec
from starlette.responses import Response

from issue_tracker.clock import iso, now
from issue_tracker.companies.queries import get_companies_by_id
from issue_tracker.errors import Invalid
from issue_tracker.http.request import Request
from issue_tracker.http.responses import json_response
from issue_tracker.issues.bulk import Outcome
from issue_tracker.issues.overview import stragglers_first
from issue_tracker.issues.queries.issue import find_status, get_issue_head_by_id, load_issue
from issue_tracker.issues.undo import UndoResult, last_change_after, undo, undo_id
from issue_tracker.names import parse_update, whole_number
from issue_tracker.pages.assignment_details import save_details, show_details
from issue_tracker.pages.flash import Flash, flash_cookie, number_of_companies
from issue_tracker.pages.forms import Form, FormView, ShownForm
from issue_tracker.pages.navigation import HOME, local, redirect
from issue_tracker.pages.notes import is_note_alone, nothing_selected, save_note
from issue_tracker.pages.reviews import ChangedPlace, Outcomes, StatusForm, answered, apply, review, status_form
from issue_tracker.pages.routes import PageRoutes, wants_json
from issue_tracker.pages.selection import (
    MovedPlace,
    NothingSelected,
    SelectedIssue,
    moved_places,
    place_of,
    selected_issues,
)
from issue_tracker.pages.templating import page
from issue_tracker.status import Status

routes = PageRoutes()


class ChoiceQuery(msgspec.Struct, frozen=True):
    """The assignment to change (pages/selection.py), and the page to return to."""

    on: str = ""
    next: str = ""


NOTHING_CHOSEN = ChoiceQuery()


class Choice(msgspec.Struct, frozen=True):
    """One assignment whose status is to be chosen; without a status, the company is not affected yet."""

    on: str
    issue_id: int
    issue_name: str
    company_name: str
    status: str | None
    note: str = ""
    moved: MovedPlace | None = None


@routes.get("/assignments")
def choose(request: Request, query: ChoiceQuery = NOTHING_CHOSEN) -> Response:
    """Lets the reader choose the status of one assignment, which replaces the menu of a status without script, and
    change its owner and references.
    """
    if not query.on:
        return redirect(HOME)
    [selected] = selected_issues(request, [query.on])
    back = local(query.next, f"/issues/{selected.issue.issue_id}")
    return _choice(request, selected, back)


def _choice(
    request: Request,
    selected: SelectedIssue,
    back: str,
    note: str = "",
    moved: MovedPlace | None = None,
    details: FormView | None = None,
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
    shown = show_details(request, issue.issue_id, company.company_id, details) if status else None
    response = page(request, "issues/change.html", place="issues", change=choice, next=back, details=shown)
    response.status_code = 409 if moved else 400 if details else 200
    return response


@routes.post("/assignments/details")
def change_details(request: Request, form: Form) -> Response:
    """Changes the owner and the references of one company in an issue."""
    [selected] = selected_issues(request, [form.get("on")], lock=True)
    back = local(form.get("next"), f"/issues/{selected.issue.issue_id}")
    try:
        save_details(request, selected.issue, selected.companies[0], form)
    except Invalid as error:
        return _choice(request, selected, back, details=ShownForm().refused(form, error))
    return redirect(back, flash_cookie(request, Flash("Saved.")))


@routes.post("/assignments/review", transaction=False)
def review_selection(request: Request, form: Form) -> Response:
    """Shows which companies would change, and which are skipped and why. Changes nothing.

    The field `everyone` selects all companies: of the issue with this id, or of all issues of the selection.
    """
    back, everyone = local(form.get("next")), form.get("everyone")
    try:
        with request.read():
            if everyone:
                issue_id = whole_number(everyone)
                chosen = [] if issue_id else selected_issues(request, form.all("on"))
                ids = [issue_id] if issue_id else [each.issue.issue_id for each in chosen]
                change = form.read(form.fields("note") | {"status": Status.RESOLVED}, StatusForm)
                return _review_everyone(request, ids, back, change)
            return review(request, selected_issues(request, form.all("on")), status_form(form), back)
    except NothingSelected as error:
        return nothing_selected(request, form, back, error)


@routes.get("/issues/{issue_id}/resolve")
def review_everyone(request: Request, issue_id: int) -> Response:
    """Reviews, like `review_selection`, the resolution of an issue for every company that it affects."""
    return _review_everyone(request, [issue_id], f"/issues/{issue_id}", StatusForm(Status.RESOLVED))


def _review_everyone(request: Request, issue_ids: Sequence[int], back: str, change: StatusForm) -> Response:
    selected = []
    for issue_id in issue_ids:
        issue = get_issue_head_by_id(request.tx, request.actor, issue_id)
        members = stragglers_first(load_issue(request.tx, request.actor, issue_id))
        known = get_companies_by_id(request.tx, request.actor, [member.company_id for member in members])
        selected.append(SelectedIssue(issue, [known[member.company_id] for member in members]))
    return review(request, selected, change, back, everyone=True)


@routes.post("/assignments/bulk")
def change_selection(request: Request, form: Form) -> Response:
    """Sets the status of everything that the form selects, or removes it from its issue.

    `single` also changes a closed assignment, because it was chosen by name. A note with an unchanged status is saved
    as a note.
    """
    change, back, single = status_form(form), local(form.get("next")), bool(form.get("single"))
    selected = selected_issues(request, form.all("on"), lock=True)
    moved = [place for each in selected for place in moved_places(request, each, change.status)]
    if moved:
        if wants_json(request):
            return json_response(Outcomes("Someone else changed this first; nothing was changed.", [], moved))
        if single:
            return _choice(request, selected[0], back, change.note or "", moved[0])
        return review(request, selected, change, back, moved=moved)
    changed, skipped = [], 0
    if change.note and is_note_alone(selected, change):
        saved = save_note(request, selected, parse_update(change.note))
        return answered(request, back, Outcomes(saved, []))
    for each in selected:
        for company, result in zip(each.companies, apply(request, each, change, single=single), strict=True):
            if result.outcome is Outcome.CHANGED:
                changed.append(place_of(each.issue.issue_id, company.company_id))
            else:
                skipped += 1
    text, at = _summary(len(changed), skipped, change.status), iso(now())
    places = [ChangedPlace(on, change.status and change.status.value, at) for on in changed]
    return answered(request, back, Outcomes(text, places, undo=undo_id(request.actor) if changed else None))


@routes.post("/undo")
def undo_change(request: Request, form: Form) -> Response:
    """Undoes the changes of a request of the user, except those that were changed again since."""
    request_id = form.get("request_id")
    result = undo(request.tx, request.actor, request_id)
    places = [
        ChangedPlace(place_of(each.issue_id, each.company_id), each.status, iso(each.status_since or now()))
        for each in result.undone
    ]
    return answered(request, local(form.get("next")), Outcomes(_undone(request, request_id, result), places))


def _undone(request: Request, request_id: str, result: UndoResult) -> str:
    """Returns the sentence about the result of an undo: what it has left, and why."""
    changed, archived = result.changed_since, result.archived
    if not result.undone and not (changed and archived):
        why = _changed_since(request, request_id) if changed else f"{_archived(archived)}; nothing was undone."
        return f"{why[0].upper()}{why[1:]}"
    parts = [f"{len(result.undone)} undone"]
    if changed:
        reason = "it has been changed since" if changed == 1 else "they have been changed since"
        parts.append(f"{changed} left because {reason}")
    if archived:
        parts.append(f"{len(archived)} left because {_archived(archived)}")
    return f"{', '.join(parts)}."


def _archived(names: Sequence[str]) -> str:
    return "the companies are archived" if len(set(names)) > 1 else f"“{names[0]}” is archived"


def _changed_since(request: Request, request_id: str) -> str:
    """Returns a sentence about who last changed what a request had changed: the user, also by an earlier undo of the
    same request, or another user by name.
    """
    last = last_change_after(request.tx, request.actor, request_id)
    if last is None:
        return "It has been changed since; nothing was undone."
    if last.undoes == request_id.partition("#")[0]:
        return "This change has already been undone."
    by = "You have" if last.actor.id == request.user_id else f"{last.actor.name} has"
    return f"{by} changed it since; nothing was undone."


def _summary(changed: int, skipped: int, status: Status | None) -> str:
    if not changed:
        return "Nothing had to be changed."
    done = "removed" if status is None else f"set to {status.label}"
    companies = f"{number_of_companies(changed)} {done}."
    return f"{companies} {skipped} skipped." if skipped else companies
