"""Notes without a change of status, which become internal updates of the issues that a form selects."""

from collections.abc import Sequence

from starlette.responses import Response

from issue_tracker.errors import Invalid
from issue_tracker.http.request import Request
from issue_tracker.issues.updates.operations import add_update
from issue_tracker.names import UpdateText, parse_update
from issue_tracker.pages.flash import COOKIE_LIMIT, Flash, flash_cookie, number_of_companies
from issue_tracker.pages.forms import Form
from issue_tracker.pages.navigation import local, redirect
from issue_tracker.pages.reviews import Outcomes, StatusForm, answered
from issue_tracker.pages.routes import PageRoutes, wants_json
from issue_tracker.pages.selection import NothingSelected, SelectedIssue, selected_issues

routes = PageRoutes()


@routes.post("/assignments/note")
def save(request: Request, form: Form) -> Response:
    """Saves the note of a form for everything that it selects, without changing a status."""
    back = local(form.get("next"))
    try:
        text = form.get("note").strip()
        if not text:
            raise Invalid("Enter a note first.")
        saved = save_note(request, selected_issues(request, form.all("on"), lock=True), parse_update(text))
    except NothingSelected as error:
        return nothing_selected(request, form, back, error)
    return answered(request, back, Outcomes(saved, []))


def save_note(request: Request, selected: Sequence[SelectedIssue], text: UpdateText) -> str:
    """Adds the text to each issue, for its selected companies, once. Returns a sentence about the result.

    Raises Invalid for a company that the issue does not affect.
    """
    for each in selected:
        add_update(request.tx, request.actor, each.issue, text, companies=each.companies, once=True)
    return f"Note saved for {number_of_companies(sum(len(each.companies) for each in selected))}."


def is_note_alone(selected: Sequence[SelectedIssue], change: StatusForm) -> bool:
    """Returns whether a form has a note, and selects the status that it already showed."""
    status = change.status
    if not change.note or status is None:
        return False
    return all(each.shown.get(one.company_id) == status.value for each in selected for one in each.companies)


def nothing_selected(request: Request, form: Form, back: str, error: NothingSelected) -> Response:
    """Redirects to the page, with the entered note if a cookie can hold it.

    Raises the error otherwise, and for scripts; the browser then still has the note.
    """
    cookie = flash_cookie(request, Flash(error.detail, note=form.get("note"), wrong=True))
    if wants_json(request) or len(cookie) > COOKIE_LIMIT:
        raise error
    return redirect(back, cookie)
