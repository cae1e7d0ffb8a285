"""The pages of companies: the open issues of one customer, and the administration for super admins."""

import msgspec
from starlette.responses import Response

from issue_tracker.api.companies import CompanyChange, CompanyQuery, NewCompany
from issue_tracker.companies import operations, queries
from issue_tracker.companies.groups.queries import list_groups_of
from issue_tracker.errors import Invalid
from issue_tracker.events.sentences import company_history
from issue_tracker.http.identity import Access
from issue_tracker.http.request import Request
from issue_tracker.issues.assignments import NewAssignment
from issue_tracker.issues.operations import update_issue
from issue_tracker.issues.overview import Member, company_members
from issue_tracker.issues.queries.find import FoundIssue, find_issues
from issue_tracker.issues.queries.former import find_issue_by_any_name
from issue_tracker.issues.queries.issue import find_status
from issue_tracker.issues.undo import undo_id
from issue_tracker.issues.updates.queries import UpdateFilters
from issue_tracker.names import Name, storable
from issue_tracker.pages.company_sentences import sentences
from issue_tracker.pages.confirmations import confirmation
from issue_tracker.pages.flash import Flash, flash_cookie, with_look_alikes
from issue_tracker.pages.forms import Form, FormView, ShownForm
from issue_tracker.pages.history_query import NEWEST, HistoryQuery
from issue_tracker.pages.navigation import redirect
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import page
from issue_tracker.pages.update_list import shown_updates
from issue_tracker.status import Status

routes = PageRoutes()
admin_routes = PageRoutes(access=Access.SUPER_ADMIN)


UNFILTERED = CompanyQuery()


class CompaniesView(msgspec.Struct, frozen=True):
    """The list of companies, and the filters of the request."""

    search: str
    archived: bool
    companies: list[queries.Company]


class Part(msgspec.Struct, frozen=True):
    """Some of a company's assignments; the finished ones are folded."""

    title: str
    fold: bool
    rows: list[Member]


@routes.get("/companies")
def show_companies(request: Request, query: CompanyQuery = UNFILTERED) -> Response:
    """Shows all companies, those with most open issues first."""
    search, archived = query.search.strip(), query.include_archived
    found = queries.list_companies(request.tx, request.actor, search=search, include_archived=archived)
    found.sort(key=lambda company: -company.open_issues)
    return page(request, "companies/list.html", place="companies", view=CompaniesView(search, archived, found))


SIMILAR = 5
"""Maximum number of suggested issues for a name that no issue has."""


@routes.get("/companies/{company_id}")
def show_company(
    request: Request, company_id: int, add: FormView | None = None, query: HistoryQuery = NEWEST
) -> Response:
    """Shows a company, for a call from this customer: a sentence about each open issue, then the finished issues and
    the history.
    """
    company = queries.get_company(request.tx, request.actor, company_id)
    members = company_members(request.tx, request.actor, company_id)
    waiting = [member for member in members if member.open]
    done = [member for member in members if not member.open]
    parts = [Part(f"{len(waiting)} open", False, waiting), Part(f"{len(done)} resolved or closed", True, done)]
    return page(
        request,
        "companies/detail.html",
        place="companies",
        company=company,
        parts=parts,
        sentences=sentences(request, company, waiting),
        any=bool(members),
        groups=list_groups_of(request.tx, request.actor, company_id),
        add=(add or FormView()).with_defaults({"status": Status.NEW.value}),
        similar=_similar(request, add),
        update_list=shown_updates(request, UpdateFilters(company_ids=(company_id,)), query.updates),
        history=company_history(request.tx, request.actor, company_id, query.before),
    )


class IssueToAddTo(msgspec.Struct):
    """The issue to which a company is added, and its status there."""

    issue_name: Name
    status: Status


@routes.post("/companies/{company_id}/issues", shown_by=show_company, shown_as="add")
def add_to_issue(request: Request, form: Form, company_id: int) -> Response:
    """Assigns the company to an issue, given by its present name or a former one. An existing assignment is not
    changed.
    """
    company = queries.get_company(request.tx, request.actor, company_id)
    fields = {"issue_name": form.get("chosen") or form.get("issue_name"), "status": form.get("status")}
    body = form.read(fields, IssueToAddTo)
    issue = find_issue_by_any_name(request.tx, request.actor, body.issue_name, lock=True)
    if issue is None:
        raise Invalid.field("issue_name", f"there is no issue called “{body.issue_name}”")
    back = f"/companies/{company_id}"
    if find_status(request.tx, request.actor, issue.issue_id, company_id) is not None:
        return redirect(back, flash_cookie(request, Flash(f"“{issue.name}” already has this company.")))
    update_issue(request.tx, request.actor, issue, add_members=[NewAssignment(company, body.status)])
    return redirect(back, flash_cookie(request, Flash(f"Added to “{issue.name}”.", undo_id(request.actor))))


def _similar(request: Request, add: FormView | None) -> list[FoundIssue]:
    """Returns issues whose names are similar to the rejected one."""
    name = str(add.values["issue_name"]) if add is not None and add.errors["issue_name"] else ""
    return find_issues(request.tx, request.actor, name, SIMILAR) if name and storable(name) else []


@admin_routes.get("/admin/companies")
def show_admin(request: Request, form: FormView | None = None) -> Response:
    """Shows all companies, with a form to add one."""
    found = queries.list_companies(request.tx, request.actor, include_archived=True)
    return page(
        request,
        "companies/admin.html",
        place="admin",
        section="companies",
        companies=found,
        form=form or FormView(),
    )


class NewCompanies(msgspec.Struct):
    """Names of companies to create; existing ones are skipped."""

    several: list[Name]


@admin_routes.post("/admin/companies", access=Access.ADMINISTRATOR, shown_by=show_admin)
def create(request: Request, form: Form) -> Response:
    """Adds one or several companies."""
    if several := form.lines("several"):
        wanted = form.read({"several": several}, NewCompanies)
        added, existed = operations.create_missing_companies(request.tx, request.actor, wanted.several)
        text = f"{added} added." if not existed else f"{added} added, {existed} already existed."
        return redirect("/admin/companies", flash_cookie(request, Flash(text)))
    body = form.read(form.fields("name"), NewCompany)
    company = operations.create_company(request.tx, request.actor, body.name)
    text = with_look_alikes(f"Added {company.name}.", queries.names_like(request.tx, request.actor, company))
    return redirect("/admin/companies", flash_cookie(request, Flash(text)))


@admin_routes.get("/admin/companies/{company_id}")
def show_edit(request: Request, company_id: int, form: FormView | None = None) -> Response:
    """Shows the form to rename, archive or delete a company."""
    company = queries.get_company(request.tx, request.actor, company_id)
    form = (form or FormView()).with_defaults({"name": company.name, "archived": company.archived})
    return page(request, "companies/edit.html", place="admin", section="companies", company=company, form=form)


@admin_routes.post("/admin/companies/{company_id}", shown_by=show_edit)
def edit(request: Request, form: Form, company_id: int) -> Response:
    """Renames, archives or restores a company."""
    change = form.read({"name": form.get("name"), "archived": bool(form.get("archived"))}, CompanyChange)
    before = queries.get_company(request.tx, request.actor, company_id)
    company = operations.update_company(
        request.tx, request.actor, company_id, name=change.name, archived=change.archived
    )
    similar = queries.names_like(request.tx, request.actor, company) if company.name != before.name else []
    text = with_look_alikes("Saved.", similar)
    return redirect("/admin/companies", flash_cookie(request, Flash(text)))


@admin_routes.post("/admin/companies/{company_id}/delete", shown_by=show_edit, form=ShownForm(keep=False))
def delete(request: Request, form: Form, company_id: int) -> Response:
    """Deletes a company to which nothing has ever referred, after a confirmation."""
    company = queries.get_company(request.tx, request.actor, company_id)
    consequence = "It is deleted permanently. That is possible only if nothing has ever referred to it."
    if unsure := confirmation(request, form, f"Delete {company.name}?", consequence, "Delete the company"):
        return unsure
    operations.delete_company(request.tx, request.actor, company_id)
    return redirect("/admin/companies", flash_cookie(request, Flash(f"Deleted {company.name}.")))
