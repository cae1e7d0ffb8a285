"""Ownership of issues, and of companies in issues: “Assign to me” and its opposite."""

from starlette.responses import Response

from issue_tracker.auth.users import User, get_user
from issue_tracker.http.request import Request
from issue_tracker.issues.assignment_fields import change_assignments
from issue_tracker.issues.fields import IssueFields
from issue_tracker.issues.operations import update_issue
from issue_tracker.issues.queries.issue import get_issue_head_by_id
from issue_tracker.pages.flash import Flash, flash_cookie, number_of_companies
from issue_tracker.pages.forms import Form
from issue_tracker.pages.navigation import local, redirect
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.selection import selected_issues

routes = PageRoutes()


@routes.post("/issues/{issue_id}/owner")
def own_issue(request: Request, form: Form, issue_id: int) -> Response:
    """Makes the reader the owner of an issue; with `release`, removes the owner."""
    issue = get_issue_head_by_id(request.tx, request.actor, issue_id, lock=True)
    owner = _owner(request, form)
    update_issue(request.tx, request.actor, issue, fields=IssueFields(owner=owner))
    text = "You own this issue now." if owner else "This issue has no owner now."
    return redirect(f"/issues/{issue_id}", flash_cookie(request, Flash(text)))


@routes.post("/assignments/own")
def own_assignments(request: Request, form: Form) -> Response:
    """Makes the reader the owner of everything that the form selects; with `release`, removes the owners."""
    selected = selected_issues(request, form.all("on"), lock=True)
    owner = _owner(request, form)
    for each in selected:
        change_assignments(request.tx, request.actor, each.issue, each.companies, owner=owner)
    count = sum(len(each.companies) for each in selected)
    if owner:
        text = f"{number_of_companies(count)} assigned to you."
    else:
        text = "One company has no owner now." if count == 1 else f"{count} companies have no owner now."
    return redirect(local(form.get("next")), flash_cookie(request, Flash(text)))


def _owner(request: Request, form: Form) -> User | None:
    return None if form.get("release") else get_user(request.tx, request.user_id)
