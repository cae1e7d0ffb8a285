"""The pages of templates of issues, for super admins."""

from functools import partial
from typing import Any

import msgspec
from starlette.responses import Response

from issue_tracker.api.templates import NewTemplate
from issue_tracker.companies.groups.queries import list_group_names
from issue_tracker.http.identity import Access
from issue_tracker.http.request import Request
from issue_tracker.issues.models import Severity
from issue_tracker.issues.templates import operations, queries
from issue_tracker.pages.confirmations import confirmation
from issue_tracker.pages.flash import Flash, flash_cookie
from issue_tracker.pages.forms import Form, FormView, ShownForm
from issue_tracker.pages.issue_fields import body_fields
from issue_tracker.pages.navigation import redirect
from issue_tracker.pages.pasted_companies import GROUPS, pasted_names
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import page

routes = PageRoutes(access=Access.ADMINISTRATOR)

HERE = "/admin/templates"
SEVERITIES = [("", "None"), *((severity.value, severity.label) for severity in Severity)]

_FORM = ShownForm(unknown="company_names", lists=(GROUPS,))


@routes.get(HERE)
def show_templates(request: Request, form: FormView | None = None) -> Response:
    """Shows all templates, with a form to add one."""
    return page(
        request,
        "issues/templates.html",
        place="admin",
        section="templates",
        templates=queries.list_templates(request.tx, request.actor),
        groups=list_group_names(request.tx, request.actor),
        severities=SEVERITIES,
        form=form or FormView(),
    )


@routes.post(HERE, shown_by=show_templates, form=_FORM)
def create(request: Request, form: Form) -> Response:
    """Adds a template."""
    body = _read(request, form)
    template = body.saved(request, body.name, partial(operations.create_template, request.tx, request.actor))
    return redirect(HERE, flash_cookie(request, Flash(f"Added {template.name}.")))


@routes.get(f"{HERE}/{{template_id}}")
def show_template(request: Request, template_id: int, form: FormView | None = None) -> Response:
    """Shows the form to change or delete a template."""
    template = queries.get_template(request.tx, request.actor, template_id)
    values: dict[str, Any] = msgspec.structs.asdict(template)
    values |= {
        "tags": ", ".join(template.tags),
        "company_names": "\n".join(template.company_names),
        **{name: values[name] or "" for name in ("name_pattern", "description", "severity", "first_update")},
    }
    return page(
        request,
        "issues/template.html",
        place="admin",
        section="templates",
        edited=template,
        groups=list_group_names(request.tx, request.actor),
        severities=SEVERITIES,
        form=(form or FormView()).with_defaults(values),
    )


@routes.post(f"{HERE}/{{template_id}}", shown_by=show_template, form=_FORM)
def edit(request: Request, form: Form, template_id: int) -> Response:
    """Changes a template."""
    body = _read(request, form)
    update = partial(operations.update_template, request.tx, request.actor, template_id)
    body.saved(request, body.name, update)
    return redirect(HERE, flash_cookie(request, Flash("Saved.")))


@routes.post(
    f"{HERE}/{{template_id}}/delete",
    shown_by=show_template,
    form=ShownForm(keep=False),
)
def delete(request: Request, form: Form, template_id: int) -> Response:
    """Deletes a template, after a confirmation."""
    template = queries.get_template(request.tx, request.actor, template_id)
    consequence = "Issues that were created from it are not deleted."
    if unsure := confirmation(request, form, f"Delete {template.name}?", consequence, "Delete the template"):
        return unsure
    operations.delete_template(request.tx, request.actor, template_id)
    return redirect(HERE, flash_cookie(request, Flash(f"Deleted {template.name}.")))


def _read(request: Request, form: Form) -> NewTemplate:
    """Returns the form as the body of an API request, with every field set."""
    texts = {name: form.get(name).strip() or None for name in ("name_pattern", "severity", "first_update")}
    tags = body_fields({"tags": form.get("tags")})
    return form.read(
        {
            **form.fields("name", "description"),
            **texts,
            **tags,
            "company_groups": form.all(GROUPS),
            "company_names": pasted_names(request, form, "company_names"),
            "first_update_public": bool(form.get("first_update_public")),
        },
        NewTemplate,
    )
