"""The page of a new issue: empty, from a template, or from another issue."""

from typing import Any, Literal

import msgspec
from starlette.responses import Response

from issue_tracker.api.issue_bodies import NewIssue
from issue_tracker.clock import now
from issue_tracker.companies.groups.queries import list_group_names
from issue_tracker.companies.queries import Company, list_names
from issue_tracker.http.request import Request
from issue_tracker.integers import RowId
from issue_tracker.issues import operations
from issue_tracker.issues.models import Issue
from issue_tracker.issues.queries.issue import list_members, load_issue
from issue_tracker.issues.queries.look_alikes import names_like
from issue_tracker.issues.templates.patterns import filled, renewed
from issue_tracker.issues.templates.queries import Template, get_template, list_templates
from issue_tracker.issues.updates.operations import add_update
from issue_tracker.names import UpdateText, whole_number
from issue_tracker.pages.flash import Flash, flash_cookie, with_look_alikes
from issue_tracker.pages.forms import Form, FormView, ShownForm
from issue_tracker.pages.issue_fields import body_fields, changed_texts, choices, texts_of
from issue_tracker.pages.issues import members_of, taken_by
from issue_tracker.pages.navigation import redirect
from issue_tracker.pages.pasted_companies import GROUPS, with_pasted_companies
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import page
from issue_tracker.status import Status

routes = PageRoutes()


class StartQuery(msgspec.Struct, frozen=True):
    """The source of the form's initial values: a template, another issue, or a company group that is affected."""

    template: RowId | None = None
    like: RowId | None = None
    company_group: str = msgspec.field(default="", name="companyGroup")


EMPTY = StartQuery()


class Source(msgspec.Struct, frozen=True):
    """The issue that a new one is copied from, and how many of its companies can be copied."""

    issue_id: int
    name: str
    total: int
    open: int


class FirstUpdate(msgspec.Struct):
    """The first update of a new issue, and which companies are copied from another issue."""

    first_update: UpdateText | None
    first_update_public: bool
    like: RowId | None
    companies_of: Literal["", "all", "open"]


@routes.get("/issues/new")
def show_new(request: Request, form: FormView | None = None, query: StartQuery = EMPTY) -> Response:
    """Shows the form for a new issue."""
    form = form or FormView()
    like = load_issue(request.tx, request.actor, query.like) if query.like else _posted_source(request, form)
    form = form.with_defaults(_beginning(request, query, like) | {"status": Status.NEW.value})
    return page(
        request,
        "issues/new.html",
        place="issues",
        form=form,
        choices=choices(request),
        any_company=bool(list_names(request.tx, request.actor)),
        groups=list_group_names(request.tx, request.actor),
        templates=[(one.template_id, one.name) for one in list_templates(request.tx, request.actor)],
        chosen=query.template,
        group=query.company_group,
        source=None if like is None else _source(like),
        taken=taken_by(request, form),
    )


@routes.post("/issues/new", shown_by=show_new, form=ShownForm(lists=(GROUPS,)))
def create(request: Request, form: Form) -> Response:
    """Creates an issue with its companies, all with the same status, and with its first update."""
    first = form.read(
        {
            "first_update": form.get("first_update").strip() or None,
            "first_update_public": bool(form.get("first_update_public")),
            "like": whole_number(form.get("like")),
            "companies_of": form.get("companies_of"),
        },
        FirstUpdate,
    )
    fields = {**form.fields("name", "description"), **body_fields(changed_texts(form, {}))}
    body, companies = with_pasted_companies(
        request, form, "companies", lambda: form.read(fields, NewIssue), _companies_of(request, first)
    )
    members = members_of(form, companies)
    given = operations.resolved_fields(request.tx, request.actor, body, "name", body.name)
    issue = operations.create_issue(request.tx, request.actor, body.name, body.description, members, fields=given)
    if first.first_update:
        add_update(request.tx, request.actor, issue, first.first_update, public=first.first_update_public)
    text = with_look_alikes("Created.", names_like(request.tx, request.actor, issue))
    return redirect(f"/issues/{issue.issue_id}", flash_cookie(request, Flash(text)))


def _beginning(request: Request, query: StartQuery, like: Issue | None) -> dict[str, Any]:
    """Returns the initial values of the fields."""
    if query.template:
        return _from_template(request, get_template(request.tx, request.actor, query.template))
    if like is None:
        return {GROUPS: [query.company_group]} if query.company_group else {}
    texts = texts_of(request, like)
    name = {"name": renewed(like.name, now()), "description": like.description or "", "like": str(like.issue_id)}
    return name | {field: texts[field] for field in ("severity", "tags")}


def _from_template(request: Request, template: Template) -> dict[str, Any]:
    # Archived companies would be refused, and only super admins can remove them from the template.
    current = set(list_names(request.tx, request.actor).values())
    return {
        "name": filled(template.name_pattern or "", now()),
        "description": template.description or "",
        "severity": template.severity or "",
        "tags": ", ".join(template.tags),
        GROUPS: template.company_groups,
        "companies": "\n".join(name for name in template.company_names if name in current),
        "first_update": template.first_update or "",
        "first_update_public": template.first_update_public,
    }


def _posted_source(request: Request, form: FormView) -> Issue | None:
    """Returns the source issue of a form that was rejected."""
    posted = whole_number(str(form.values["like"]))
    return load_issue(request.tx, request.actor, posted) if posted else None


def _source(issue: Issue) -> Source:
    opened = sum(1 for member in issue.assignments if member.status.open)
    return Source(issue.issue_id, issue.name, len(issue.assignments), opened)


def _companies_of(request: Request, first: FirstUpdate) -> list[Company]:
    """Returns the companies to copy, without archived ones, which accept no new assignments."""
    if first.like is None or not first.companies_of:
        return []
    members = list_members(request.tx, request.actor, load_issue(request.tx, request.actor, first.like).issue_id)
    return [
        member.company
        for member in members
        if not member.company.archived and (first.companies_of == "all" or member.status.open)
    ]
