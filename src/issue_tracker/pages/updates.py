"""The forms of updates: to add one on the page of its issue, to edit and to withdraw it."""

from starlette.responses import Response

from issue_tracker.api.given_companies import update_audience
from issue_tracker.api.updates import NewUpdate, UpdateChange
from issue_tracker.http.request import Request
from issue_tracker.issues.queries.issue import get_issue_head_by_id, list_members
from issue_tracker.issues.undo import undo_id
from issue_tracker.issues.updates import operations
from issue_tracker.issues.updates.queries import PlacedUpdate, get_update, require_changeable
from issue_tracker.pages.confirmations import confirmation
from issue_tracker.pages.flash import Flash, flash_cookie, number_of_companies
from issue_tracker.pages.forms import Form, FormView, ShownForm
from issue_tracker.pages.issues import show_issue
from issue_tracker.pages.navigation import redirect
from issue_tracker.pages.pasted_companies import EXCEPT, GROUPS, pasted_names
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import page
from issue_tracker.pages.update_list import shown_update
from issue_tracker.status import OPEN, Status

routes = PageRoutes()

NEW_UPDATE = ShownForm(unknown="companies", lists=(GROUPS,))


@routes.post("/issues/{issue_id}/updates", shown_by=show_issue, shown_as="new_update", form=NEW_UPDATE)
def add(request: Request, form: Form, issue_id: int) -> Response:
    """Adds an update, with or without a new status. Only companies that the form names are reopened. A form that is
    sent twice adds one update.
    """
    issue = get_issue_head_by_id(request.tx, request.actor, issue_id, lock=True)
    fields = {"issue_name": issue.name, "body": form.get("body"), "public": bool(form.get("public"))}
    given = {
        "companies": pasted_names(request, form, "companies") or None,
        "company_groups": form.all(GROUPS) or None,
        "exclude": pasted_names(request, form, EXCEPT) or None,
    }
    body = form.read({**fields, **given, "status": form.get("status") or None}, NewUpdate)
    audience = update_audience(
        request.tx,
        request.actor,
        issue_id,
        companies=body.companies,
        groups=body.company_groups,
        exclude=body.exclude,
    )
    before = _statuses(request, issue_id)
    operations.add_update(
        request.tx,
        request.actor,
        issue,
        body.body,
        public=body.public,
        companies=audience.companies,
        status=body.status,
        named=audience.named,
        only_from=OPEN if body.status and body.status.open else None,
        once=True,
    )
    changed = len(_statuses(request, issue_id).items() - before.items())
    if not (body.status and changed):
        return redirect(f"/issues/{issue_id}#update-list", flash_cookie(request, Flash("Update added.")))
    companies_set = f"{number_of_companies(changed)} set to {body.status.label}"
    flash = Flash(f"Update added. {companies_set}.", undo_id(request.actor))
    return redirect(f"/issues/{issue_id}#update-list", flash_cookie(request, flash))


def _statuses(request: Request, issue_id: int) -> dict[int, Status]:
    members = list_members(request.tx, request.actor, issue_id)
    return {member.company.company_id: member.status for member in members}


@routes.get("/updates/{update_id}")
def show_edit(request: Request, update_id: int, form: FormView | None = None) -> Response:
    """Shows the form to edit or withdraw an update."""
    placed = _changeable(request, update_id)
    form = (form or FormView()).with_defaults({"body": placed.update.body, "public": placed.update.public})
    return page(request, "issues/update.html", place="issues", update=shown_update(request, placed), form=form)


@routes.post("/updates/{update_id}", shown_by=show_edit)
def edit(request: Request, form: Form, update_id: int) -> Response:
    """Edits an update; the history contains the earlier text."""
    change = form.read({"body": form.get("body"), "public": bool(form.get("public"))}, UpdateChange)
    edited = operations.edit_update(request.tx, request.actor, update_id, body=change.body, public=change.public)
    return redirect(f"/issues/{edited.issue_id}#update-list", flash_cookie(request, Flash("Update edited.")))


@routes.post("/updates/{update_id}/withdraw")
def withdraw(request: Request, form: Form, update_id: int) -> Response:
    """Withdraws an update, after a confirmation; the history contains its text."""
    _changeable(request, update_id)
    consequence = "It is no longer shown on the pages. The history keeps its text."
    if unsure := confirmation(request, form, "Withdraw this update?", consequence, "Withdraw the update"):
        return unsure
    withdrawn = operations.withdraw_update(request.tx, request.actor, update_id)
    return redirect(f"/issues/{withdrawn.issue_id}#update-list", flash_cookie(request, Flash("Update withdrawn.")))


def _changeable(request: Request, update_id: int) -> PlacedUpdate:
    placed = get_update(request.tx, request.actor, update_id)
    require_changeable(request.tx, request.actor, placed)
    return placed
