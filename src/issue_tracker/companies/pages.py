"""The pages of companies: what is open for one customer, and for super admins their upkeep."""

import msgspec

from issue_tracker.companies import operations, queries
from issue_tracker.companies.api import CompanyChange, NewCompany
from issue_tracker.errors import AppError
from issue_tracker.events.history import company_history
from issue_tracker.issues.overview import Member, company_members
from issue_tracker.web.answer import Answer
from issue_tracker.web.context import Access, Context
from issue_tracker.web.navigation import redirect
from issue_tracker.web.pages import Form, PageRoutes, read
from issue_tracker.web.templating import Flash, FormView, flash_cookie, page

routes = PageRoutes()
admin_routes = PageRoutes(access=Access.SUPER_ADMIN)


class CompaniesView(msgspec.Struct, frozen=True):
    """The list of companies, and what was asked for."""

    search: str
    archived: bool
    companies: list[queries.Company]


class Part(msgspec.Struct, frozen=True):
    """Some of a company's assignments; what is done is folded."""

    title: str
    fold: bool
    rows: list[Member]


@routes.get("/companies")
def show_companies(request: Context) -> Answer:
    """All companies, those with most open issues first."""
    asked = dict(request.call.query)
    search, archived = asked.get("search", "").strip(), asked.get("includeArchived") == "true"
    found = queries.list_companies(request.tx, request.actor, search=search, include_archived=archived)
    found.sort(key=lambda company: -company.open_issues)
    view = CompaniesView(search, archived, found)
    return page(request, "companies/list.html", place="companies", view=view)


@routes.get("/companies/{company_id}")
def show_company(request: Context, company_id: int) -> Answer:
    """All that is open for one customer, what is done, and what happened: what to say when they call."""
    company = queries.get_company(request.tx, company_id)
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
        open=len(waiting),
        any=bool(members),
        history=company_history(request.tx, request.actor, company_id, dict(request.call.query).get("before", "")),
    )


@admin_routes.get("/admin/companies")
def show_admin(request: Context) -> Answer:
    """Every company, with the form to add one."""
    return _admin(request, FormView())


def _admin_refused(request: Context, form: Form, error: AppError) -> Answer:
    return _admin(request, FormView(form.values, error), status=error.status)


def _admin(request: Context, form: FormView, status: int = 200) -> Answer:
    found = queries.list_companies(request.tx, request.actor, include_archived=True)
    return page(
        request, "companies/admin.html", place="admin", section="companies", status=status, companies=found, form=form
    )


@admin_routes.post("/admin/companies", refused=_admin_refused)
def create(request: Context, form: Form) -> Answer:
    """Adds a company."""
    body = read({"name": form.get("name")}, NewCompany)
    company = operations.create_company(request.tx, request.actor, body.name)
    return redirect("/admin/companies", flash_cookie(Flash(f"Added {company.name}.")))


@admin_routes.get("/admin/companies/{company_id}")
def show_edit(request: Context, company_id: int) -> Answer:
    """The form to rename, archive or delete a company."""
    company = queries.get_company(request.tx, company_id)
    return _edit(request, company_id, FormView({"name": company.name, "archived": company.archived}))


def _edit_refused(request: Context, form: Form, company_id: int, error: AppError) -> Answer:
    return _edit(request, company_id, FormView(form.values, error), status=error.status)


def _delete_refused(request: Context, form: Form, company_id: int, error: AppError) -> Answer:
    company = queries.get_company(request.tx, company_id)
    view = FormView({"name": company.name, "archived": company.archived}, error)
    return _edit(request, company_id, view, status=error.status)


def _edit(request: Context, company_id: int, form: FormView, status: int = 200) -> Answer:
    company = queries.get_company(request.tx, company_id)
    return page(
        request, "companies/edit.html", place="admin", section="companies", status=status, company=company, form=form
    )


@admin_routes.post("/admin/companies/{company_id}", refused=_edit_refused)
def edit(request: Context, form: Form, company_id: int) -> Answer:
    """Renames, archives, restores."""
    change = read({"name": form.get("name"), "archived": bool(form.get("archived"))}, CompanyChange)
    operations.update_company(request.tx, request.actor, company_id, name=change.name, archived=change.archived)
    return redirect("/admin/companies", flash_cookie(Flash("Saved.")))


@admin_routes.post("/admin/companies/{company_id}/delete", refused=_delete_refused)
def delete(request: Context, form: Form, company_id: int) -> Answer:
    """Deletes a company that nothing ever referred to."""
    company = queries.get_company(request.tx, company_id)
    operations.delete_company(request.tx, request.actor, company_id)
    return redirect("/admin/companies", flash_cookie(Flash(f"Deleted {company.name}.")))
