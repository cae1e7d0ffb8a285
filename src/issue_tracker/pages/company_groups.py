"""The pages of company groups, for super admins."""

from starlette.responses import Response

from issue_tracker.api.company_groups import (
    CompanyGroupChange,
    NewCompanyGroup,
    change_group,
    create_group,
    import_text,
)
from issue_tracker.companies.groups import operations, queries
from issue_tracker.errors import Invalid
from issue_tracker.http.identity import Access
from issue_tracker.http.request import Request
from issue_tracker.pages.confirmations import confirmation
from issue_tracker.pages.flash import Flash, flash_cookie, with_look_alikes
from issue_tracker.pages.forms import Form, FormView, ShownForm
from issue_tracker.pages.navigation import redirect
from issue_tracker.pages.pasted_companies import pasted_names
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import page

routes = PageRoutes(access=Access.ADMINISTRATOR)

_FORM = ShownForm(unknown="company_names")

MOST_BAD = 10
"""Maximum number of invalid rows that the page lists."""


@routes.get("/admin/company-groups")
def show_groups(request: Request, form: FormView | None = None, import_form: FormView | None = None) -> Response:
    """Shows all company groups, with forms to add one and to import many."""
    groups = queries.list_groups(request.tx, request.actor)
    return page(
        request,
        "companies/groups.html",
        place="admin",
        section="company-groups",
        groups=groups,
        form=form or FormView(),
        import_form=import_form or FormView(),
    )


@routes.post(
    "/admin/company-groups/import",
    hashes=True,
    shown_by=show_groups,
    shown_as="import_form",
)
def import_csv(request: Request, form: Form) -> Response:
    """Imports company groups from pasted CSV; if a row is invalid, nothing is imported."""
    imported = import_text(request, form.get("csv"), replace=bool(form.get("replace")))
    if imported.bad:
        shown = "; ".join(f"line {row.line}: {row.reason}" for row in imported.bad[:MOST_BAD])
        more = f"; and {len(imported.bad) - MOST_BAD} more" if len(imported.bad) > MOST_BAD else ""
        raise Invalid.field("csv", f"nothing was imported: {shown}{more}")
    return redirect("/admin/company-groups", flash_cookie(request, Flash(imported.sentence)))


@routes.post("/admin/company-groups", shown_by=show_groups, form=_FORM)
def create(request: Request, form: Form) -> Response:
    """Adds a company group."""
    body = form.read(
        {"name": form.get("name"), "company_names": pasted_names(request, form, "company_names")}, NewCompanyGroup
    )
    group = create_group(request, body)
    text = with_look_alikes(f"Added {group.name}.", queries.names_like(request.tx, request.actor, group))
    return redirect("/admin/company-groups", flash_cookie(request, Flash(text)))


@routes.get("/admin/company-groups/{group_id}")
def show_group(request: Request, group_id: int, form: FormView | None = None) -> Response:
    """Shows the form to rename a company group, to change its companies, or to delete it."""
    group = queries.get_group(request.tx, request.actor, group_id)
    form = (form or FormView()).with_defaults({"name": group.name, "company_names": "\n".join(group.company_names)})
    return page(request, "companies/group.html", place="admin", section="company-groups", group=group, form=form)


@routes.post("/admin/company-groups/{group_id}", hashes=True, shown_by=show_group, form=_FORM)
def edit(request: Request, form: Form, group_id: int) -> Response:
    """Renames a company group and replaces its companies."""
    body = form.read(
        {"name": form.get("name"), "company_names": pasted_names(request, form, "company_names")}, CompanyGroupChange
    )
    _, similar = change_group(request, group_id, body)
    return redirect("/admin/company-groups", flash_cookie(request, Flash(with_look_alikes("Saved.", similar))))


@routes.post(
    "/admin/company-groups/{group_id}/delete",
    shown_by=show_group,
    form=ShownForm(keep=False),
)
def delete(request: Request, form: Form, group_id: int) -> Response:
    """Deletes a company group, after a confirmation; its companies remain."""
    group = queries.get_group(request.tx, request.actor, group_id)
    consequence = "Its companies are not deleted. Users lose the access that they have through the group."
    if unsure := confirmation(request, form, f"Delete {group.name}?", consequence, "Delete the group"):
        return unsure
    operations.delete_group(request.tx, request.actor, group_id)
    return redirect("/admin/company-groups", flash_cookie(request, Flash(f"Deleted {group.name}.")))
