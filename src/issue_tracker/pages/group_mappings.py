"""The pages of group mappings, for super admins."""

from functools import partial

from starlette.responses import Response

from issue_tracker.api.group_mappings import NewGroupMapping, saved
from issue_tracker.auth.group_mappings import operations, queries
from issue_tracker.auth.group_mappings.queries import SCIM
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.request import Request
from issue_tracker.pages.company_access import ACCESSES, access_fields, access_of, access_sources
from issue_tracker.pages.flash import Flash, flash_cookie
from issue_tracker.pages.forms import Form, FormView, ShownForm
from issue_tracker.pages.navigation import redirect
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import page
from issue_tracker.pages.users import ROLES

routes = PageRoutes(access=Access.ADMINISTRATOR)

_FORM = ShownForm({"company_access": "access"}, unknown="companies")


@routes.get("/admin/group-mappings")
def show_mappings(request: Request, form: FormView | None = None) -> Response:
    """Shows all group mappings, with a form to add one."""
    first = next((provider.id for provider in request.settings.providers), SCIM)
    return page(
        request,
        "auth/group_mappings.html",
        place="admin",
        section="group-mappings",
        mappings=queries.list_mappings(request.tx, request.actor),
        sources=access_sources(request),
        roles=ROLES,
        accesses=ACCESSES,
        form=(form or FormView()).with_defaults({"source": first, "role": "technician", "access": "limited"}),
    )


@routes.post("/admin/group-mappings", proof=Proof.FRESH_SESSION, shown_by=show_mappings, form=_FORM)
def create(request: Request, form: Form) -> Response:
    """Adds a group mapping."""
    create = partial(operations.create_mapping, request.tx, request.actor, request.settings)
    added = saved(request, _read(request, form), create)
    return redirect("/admin/group-mappings", flash_cookie(request, Flash(f"Added {added.group}.")))


@routes.get("/admin/group-mappings/{mapping_id}")
def show_mapping(request: Request, mapping_id: int, form: FormView | None = None) -> Response:
    """Shows the form to change or delete a group mapping."""
    mapping = queries.get_mapping(request.tx, request.actor, mapping_id)
    present = {
        "source": mapping.source,
        "group": mapping.group,
        "role": mapping.role.value,
        **access_fields(mapping.company_access),
    }
    sources = access_sources(request)
    return page(
        request,
        "auth/group_mapping.html",
        place="admin",
        section="group-mappings",
        mapping=mapping,
        sources=sources | {mapping.source: sources.get(mapping.source, mapping.source)},
        roles=ROLES,
        accesses=ACCESSES,
        form=(form or FormView()).with_defaults(present),
    )


@routes.post("/admin/group-mappings/{mapping_id}", proof=Proof.FRESH_SESSION, shown_by=show_mapping, form=_FORM)
def edit(request: Request, form: Form, mapping_id: int) -> Response:
    """Replaces a group mapping."""
    update = partial(operations.update_mapping, request.tx, request.actor, request.settings, mapping_id)
    saved(request, _read(request, form), update)
    return redirect("/admin/group-mappings", flash_cookie(request, Flash("Saved.")))


@routes.post(
    "/admin/group-mappings/{mapping_id}/delete",
    proof=Proof.FRESH_SESSION,
    shown_by=show_mapping,
    form=ShownForm(keep=False),
)
def delete(request: Request, form: Form, mapping_id: int) -> Response:
    """Deletes a group mapping."""
    operations.delete_mapping(request.tx, request.actor, request.settings, mapping_id)
    return redirect("/admin/group-mappings", flash_cookie(request, Flash("Deleted.")))


def _read(request: Request, form: Form) -> NewGroupMapping:
    fields = {**form.fields("source", "group", "role"), "company_access": access_of(request, form) or "all"}
    return form.read(fields, NewGroupMapping)
