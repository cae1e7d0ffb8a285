"""Pages that merge an issue into another one: choice of the issue, preview of the companies, confirmation."""

import msgspec
from starlette.responses import Response

from issue_tracker.errors import AppError, NotFound
from issue_tracker.http.request import Request
from issue_tracker.issues.merge import lock_issues, merge_issues, plan_merge
from issue_tracker.issues.queries.issue import get_issue_head, get_issue_head_by_id
from issue_tracker.pages.flash import Flash, flash_cookie
from issue_tracker.pages.forms import Form, FormView
from issue_tracker.pages.navigation import redirect
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import page

routes = PageRoutes()


class MergeQuery(msgspec.Struct, frozen=True):
    """The name of the issue that remains; empty until it is chosen."""

    into: str = ""


NOT_CHOSEN = MergeQuery()


@routes.get("/issues/{issue_id}/merge")
def show_merge(request: Request, issue_id: int, query: MergeQuery = NOT_CHOSEN) -> Response:
    """Shows the form for the name of the other issue; with `into`, a preview of the result."""
    source = get_issue_head_by_id(request.tx, request.actor, issue_id)
    form, plan, target, status = FormView({"into": query.into}), None, None, 200
    if query.into:
        try:
            target = get_issue_head(request.tx, request.actor, query.into)
            plan = plan_merge(request.tx, request.actor, source, target)
        except AppError as refused:
            form.errors["into"] = refused.fields[0].message if refused.fields else refused.detail
            status = 404 if isinstance(refused, NotFound) else refused.status
    response = page(request, "issues/merge.html", place="issues", source=source, target=target, plan=plan, form=form)
    response.status_code = status
    return response


@routes.post("/issues/{issue_id}/merge")
def merge(request: Request, form: Form, issue_id: int) -> Response:
    """Merges the issues, as shown in the preview."""
    into_id = get_issue_head(request.tx, request.actor, form.get("into")).issue_id
    source, target = lock_issues(request.tx, request.actor, issue_id, into_id)
    merge_issues(request.tx, request.actor, source, target)
    text = f"Merged “{source.name}” into this issue."
    return redirect(f"/issues/{into_id}", flash_cookie(request, Flash(text)))
