"""The owner and the references of one company in an issue, as a form on the page of this assignment."""

from collections.abc import Mapping

import msgspec

from issue_tracker.api.issue_bodies import StatusChange
from issue_tracker.companies.queries import Company
from issue_tracker.errors import Invalid, NotFound
from issue_tracker.http.request import Request
from issue_tracker.issues.assignment_fields import change_assignments
from issue_tracker.issues.field_texts import write_fields
from issue_tracker.issues.models import DetailedAssignment, IssueHead
from issue_tracker.issues.queries.issue import load_issue
from issue_tracker.issues.queries.owners import emails_of
from issue_tracker.pages.forms import Form, FormView
from issue_tracker.pages.issue_fields import Choices, body_fields, changed_texts, choices, seen_texts


class ShownDetails(msgspec.Struct, frozen=True):
    """The form, the texts that it shows as JSON, and the owners to choose from."""

    form: FormView
    seen: str
    choices: Choices


def show_details(request: Request, issue_id: int, company_id: int, form: FormView | None) -> ShownDetails:
    """Returns the form for the details of an assignment, or the rejected one again."""
    assignment = _assignment(request, issue_id, company_id)
    texts = _texts(request, assignment)
    form = (form or FormView()).with_defaults(texts)
    return ShownDetails(form, msgspec.json.encode(texts).decode(), choices(request, assignment))


def save_details(request: Request, issue: IssueHead, company: Company, form: Form) -> None:
    """Changes the owner and the references that the form has changed. `issue` must have been read with a lock.

    Raises Invalid for a wrong field, and for one that another user changed since the form was shown; NotFound if the
    company is not assigned.
    """
    seen: Mapping[str, str] = seen_texts(form) or {}
    changed = changed_texts(form, seen)
    assignment = _assignment(request, issue.issue_id, company.company_id)
    held = _texts(request, assignment)
    if any(held[name] not in (seen.get(name, ""), text.strip()) for name, text in changed.items()):
        raise Invalid("Someone else changed this after you opened it. Nothing was changed.")
    status = {"issue_name": str(issue.name), "company_name": str(company.name), "status": assignment.status.value}
    body = form.read(status | body_fields(changed), StatusChange)
    change_assignments(request.tx, request.actor, issue, [company], **body.fields(request.tx, request.actor))


def _assignment(request: Request, issue_id: int, company_id: int) -> DetailedAssignment:
    found = load_issue(request.tx, request.actor, issue_id, details=True).assignments
    for assignment in found:
        if assignment.company_id == company_id and isinstance(assignment, DetailedAssignment):
            return assignment
    raise NotFound("The company is no longer affected by this issue.")


def _texts(request: Request, assignment: DetailedAssignment) -> dict[str, str]:
    return write_fields(assignment, ("owner", "references"), emails_of(request.tx, request.actor))
