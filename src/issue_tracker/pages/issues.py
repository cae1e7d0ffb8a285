"""The page of one issue and its forms. Rules are implemented in operations, reads in queries."""

from collections.abc import Sequence

import msgspec
from starlette.responses import Response

from issue_tracker.api.issue_bodies import IssueChange
from issue_tracker.companies.groups.queries import list_group_names
from issue_tracker.companies.queries import Company
from issue_tracker.errors import AppError
from issue_tracker.events.sentences import Entry, issue_history, last_edit
from issue_tracker.http.identity import Access
from issue_tracker.http.request import Request
from issue_tracker.issues import operations
from issue_tracker.issues.assignments import NewAssignment
from issue_tracker.issues.fields import FIELDS
from issue_tracker.issues.overview import detail
from issue_tracker.issues.queries.former import find_merged_into
from issue_tracker.issues.queries.issue import (
    find_issue_head,
    get_issue_head_by_id,
    has_hidden_assignments,
    list_members,
    load_issue,
    load_shown_issue,
)
from issue_tracker.issues.queries.look_alikes import names_like
from issue_tracker.issues.undo import undo_id
from issue_tracker.issues.updates.queries import UpdateFilters
from issue_tracker.names import storable
from issue_tracker.pages.flash import Flash, flash_cookie, with_look_alikes
from issue_tracker.pages.forms import Form, FormView, ShownForm
from issue_tracker.pages.group_selection import select_companies
from issue_tracker.pages.history_query import NEWEST_OF_ISSUE, IssuePageQuery
from issue_tracker.pages.issue_fields import all_seen_texts, all_texts, body_fields, changed_texts, choices, take_over
from issue_tracker.pages.navigation import redirect
from issue_tracker.pages.pasted_companies import AddedCompanies, chosen_companies
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import page
from issue_tracker.pages.update_list import shown_updates, updates_by_id
from issue_tracker.status import Status

routes = PageRoutes()


@routes.get("/issues/{issue_id}")
def show_issue(
    request: Request,
    issue_id: int,
    edit: FormView | None = None,
    add: FormView | None = None,
    new_update: FormView | None = None,
    query: IssuePageQuery = NEWEST_OF_ISSUE,
) -> Response:
    """Shows one issue: its updates, its companies (the longest unmoved first), and its history."""
    into = find_merged_into(request.tx, request.actor, issue_id)
    if into is not None:
        return redirect(f"/issues/{into}")
    issue = load_shown_issue(request.tx, request.actor, issue_id)
    texts, edit = all_texts(request, issue), edit or FormView()
    seen = take_over(edit, texts)
    history = issue_history(request.tx, request.actor, issue_id, query.before)
    only_updates = query.only is not None or query.updates is not None
    return page(
        request,
        "issues/detail.html",
        place="issues",
        issue=detail(issue, query.order),
        order=query.order,
        editable=not has_hidden_assignments(request.tx, request.actor, issue_id),
        edit=edit,
        owner_email=texts["owner"],
        seen=seen,
        seen_fields=msgspec.json.encode({name: seen[name] for name in FIELDS}).decode(),
        choices=choices(request, issue),
        groups=list_group_names(request.tx, request.actor),
        selected=select_companies(request, query),
        taken=taken_by(request, edit, other_than=issue_id),
        add=(add or FormView()).with_defaults({"status": Status.NEW.value}),
        new_update=new_update or FormView(),
        update_list=shown_updates(request, UpdateFilters(issue_id=issue_id), query.updates, "only=updates&"),
        about_company=False,
        only_updates=only_updates,
        history=history,
        cards=updates_by_id(request, [entry.update_id for entry in history.entries if entry.update_id]),
    )


class ChosenStatus(msgspec.Struct):
    """The status selected in a form."""

    status: Status


class EditConflict(msgspec.Struct, frozen=True):
    """The fields that another user changed since a form was shown, and that its user has edited, too; and who last
    changed one of them, and when.
    """

    by: str
    at: str
    fields: Sequence[str]


class ChangedMeanwhile(AppError):
    """Another user changed the same fields since this form was shown (409)."""

    status = 409
    title = "Conflict"

    def __init__(self, edit: Entry | None, fields: Sequence[str]) -> None:
        super().__init__("Someone else changed this after you opened it.")
        self.conflict = EditConflict(edit.by if edit else "Someone", edit.at if edit else "", fields)


@routes.post("/issues/{issue_id}/edit", shown_by=show_issue, shown_as="edit", form=ShownForm({"new_name": "name"}))
def edit(request: Request, form: Form, issue_id: int) -> Response:
    """Changes the fields of an issue, unless this would overwrite a change that the user has not seen."""
    seen = all_seen_texts(form)
    edited = changed_texts(form, seen, seen)
    fields = {name: text for name, text in edited.items() if name in FIELDS}
    # The name is always checked, so that an empty form is refused.
    change = form.read({"new_name": form.get("name"), **form.fields("description"), **body_fields(fields)}, IssueChange)
    issue = get_issue_head_by_id(request.tx, request.actor, issue_id, lock=True)
    if edited:
        held = all_texts(request, load_issue(request.tx, request.actor, issue_id))
        wanted = edited | {"name": str(change.new_name), "description": change.description or ""}
        moved = [name for name in edited if held[name] not in (wanted[name], seen[name])]
        if moved:
            raise ChangedMeanwhile(last_edit(request.tx, request.actor, issue_id, moved), moved)
    new_name = change.new_name if "name" in edited else None
    changed = operations.update_issue(
        request.tx,
        request.actor,
        issue,
        description=change.description if "description" in edited else None,
        new_name=new_name,
        fields=operations.resolved_fields(request.tx, request.actor, change, "new_name", new_name, issue),
    )
    similar = names_like(request.tx, request.actor, changed) if changed.name != issue.name else []
    return redirect(f"/issues/{issue_id}", flash_cookie(request, Flash(with_look_alikes("Saved.", similar))))


@routes.post(
    "/issues/{issue_id}/companies",
    shown_by=show_issue,
    shown_as="add",
    form=ShownForm({"add_companies": "companies"}, lists=("company_groups",)),
)
def add_companies(request: Request, form: Form, issue_id: int) -> Response:
    """Assigns more companies; existing assignments are not changed."""
    issue = get_issue_head_by_id(request.tx, request.actor, issue_id, lock=True)
    companies = chosen_companies(request, form, "companies")
    assigned = {member.company.company_id for member in list_members(request.tx, request.actor, issue_id)}
    members = members_of(form, [company for company in companies if company.company_id not in assigned])
    operations.update_issue(request.tx, request.actor, issue, add_members=members)
    added = AddedCompanies(len(members), len(companies) - len(members))
    flash = Flash(added.sentence, undo_id(request.actor) if members else None)
    return redirect(f"/issues/{issue_id}", flash_cookie(request, flash))


@routes.get("/issues/{issue_id}/delete", access=Access.SUPER_ADMIN)
def confirm_delete(request: Request, issue_id: int) -> Response:
    """Asks for a confirmation before an issue is deleted permanently."""
    shown = detail(load_issue(request.tx, request.actor, issue_id))
    return page(request, "issues/delete.html", place="issues", issue=shown)


@routes.post("/issues/{issue_id}/delete", access=Access.SUPER_ADMIN)
def delete(request: Request, form: Form, issue_id: int) -> Response:
    """Deletes an issue; its history remains."""
    issue = get_issue_head_by_id(request.tx, request.actor, issue_id, lock=True)
    operations.delete_issue(request.tx, request.actor, issue)
    return redirect("/?open=true", flash_cookie(request, Flash(f"Deleted “{issue.name}”.")))


def members_of(form: Form, companies: Sequence[Company]) -> list[NewAssignment]:
    """Returns assignments for the companies, all with the status selected in the form."""
    chosen = form.read({"status": form.get("status", Status.NEW.value)}, ChosenStatus)
    return [NewAssignment(company, chosen.status) for company in companies]


def taken_by(request: Request, form: FormView | None, *, other_than: int | None = None) -> int | None:
    """Returns the id of the issue whose existing name is the reason why a form was rejected; None if there is none."""
    if form is None or not form.errors["name"]:
        return None
    name = str(form.values["name"]).strip()
    found = find_issue_head(request.tx, request.actor, name) if name and storable(name) else None
    return None if found is None or found.issue_id == other_than else found.issue_id
