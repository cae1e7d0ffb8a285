"""The pages of saved views: the list, a new view from the current filters, and the start view of a user."""

import msgspec
from starlette.responses import Response

from issue_tracker.api.views import NewView, ViewChange, change_view, save_view
from issue_tracker.http.request import Request
from issue_tracker.issues.views import operations
from issue_tracker.issues.views.queries import find_start_view, get_view, list_views
from issue_tracker.pages.confirmations import confirmation
from issue_tracker.pages.flash import Flash, flash_cookie
from issue_tracker.pages.forms import Form, FormView, ShownForm
from issue_tracker.pages.navigation import HOME, redirect
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import page

routes = PageRoutes()

CHECKBOXES = ("shared", "shared_with_limited", "start")


@routes.get("/start")
def start(request: Request) -> Response:
    """Redirects to the start view of the user, or to the open issues."""
    view = find_start_view(request.tx, request.actor)
    return redirect(HOME if view is None else view.address)


@routes.get("/views")
def show_views(request: Request) -> Response:
    """Shows the user's own views and the shared ones."""
    return page(request, "views/list.html", place="issues", views=list_views(request.tx, request.actor))


class NewViewQuery(msgspec.Struct, frozen=True):
    """The filters and the order to save, as in the address of the list of issues."""

    query: str = ""


WITHOUT_FILTERS = NewViewQuery()


@routes.get("/views/new")
def show_new_view(request: Request, form: FormView | None = None, query: NewViewQuery = WITHOUT_FILTERS) -> Response:
    """Shows the form to save a view."""
    form = (form or FormView()).with_defaults({"query": query.query})
    return page(request, "views/new.html", place="issues", form=form)


@routes.post("/views/new", shown_by=show_new_view)
def create(request: Request, form: Form) -> Response:
    """Saves a view."""
    body = form.read({**form.fields("name", "query"), **_checkboxes(form)}, NewView)
    view = save_view(request, body)
    return redirect(view.address, flash_cookie(request, Flash(f"Saved the view “{view.name}”.")))


@routes.get("/views/{view_id}")
def show_view(request: Request, view_id: int, form: FormView | None = None) -> Response:
    """Shows the form to change a view."""
    view = get_view(request.tx, request.actor, view_id)
    given = {"name": view.name, "query": view.query, **{name: getattr(view, name) for name in CHECKBOXES}}
    form = (form or FormView()).with_defaults(given)
    return page(request, "views/edit.html", place="issues", view=view, form=form)


@routes.post("/views/{view_id}", shown_by=show_view)
def edit(request: Request, form: Form, view_id: int) -> Response:
    """Changes a view; for a view of another user, only whether it is the start view."""
    changeable = get_view(request.tx, request.actor, view_id).changeable
    fields = (
        {**form.fields("name", "query"), **_checkboxes(form)} if changeable else {"start": _checkboxes(form)["start"]}
    )
    change_view(request, view_id, form.read(fields, ViewChange))
    return redirect("/views", flash_cookie(request, Flash("Saved.")))


@routes.post("/views/{view_id}/delete", shown_by=show_view, form=ShownForm(keep=False))
def delete(request: Request, form: Form, view_id: int) -> Response:
    """Deletes a view, after a confirmation."""
    view = get_view(request.tx, request.actor, view_id)
    consequence = "Other users can no longer use it, either." if view.shared else "Its issues are not changed."
    if unsure := confirmation(request, form, f"Delete the view {view.name}?", consequence, "Delete the view"):
        return unsure
    operations.delete_view(request.tx, request.actor, view_id)
    return redirect("/views", flash_cookie(request, Flash(f"Deleted the view “{view.name}”.")))


def _checkboxes(form: Form) -> dict[str, bool]:
    return {name: form.get(name) == "true" for name in CHECKBOXES}
