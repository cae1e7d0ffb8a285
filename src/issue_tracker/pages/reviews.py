"""The review of a change before it is made: which companies would change, which are skipped, and why."""

import re
from collections.abc import Sequence

import msgspec
from starlette.responses import Response

from issue_tracker.http.request import Request
from issue_tracker.http.responses import json_response
from issue_tracker.issues.assignments import unassign
from issue_tracker.issues.bulk import BulkResult, Outcome, set_statuses
from issue_tracker.issues.queries.issue import find_issue_head_by_id, find_status, list_members
from issue_tracker.names import Note
from issue_tracker.pages.flash import Flash, flash_cookie
from issue_tracker.pages.forms import Form
from issue_tracker.pages.navigation import HOME, redirect
from issue_tracker.pages.routes import wants_json
from issue_tracker.pages.selection import NOT_AFFECTED, MovedPlace, SelectedIssue, place_of
from issue_tracker.pages.templating import fragment, page
from issue_tracker.status import Status

VERBS = {Status.RESOLVED: "Resolve", Status.CLOSED: "Close", None: "Remove"}
CLOSED_STAYS = "closed, and bulk changes do not change closed assignments"

_issue_page = re.compile(r"/issues/(\d{1,18})(?![^?#])")


class StatusForm(msgspec.Struct, forbid_unknown_fields=True):
    """The change that a form makes: a status, possibly with a note. Without a status, companies are removed."""

    status: Status | None
    note: Note | None = None


class ReviewedMember(msgspec.Struct, frozen=True):
    """A company that would change, with its present status; or one that would not, and why."""

    on: str
    issue_name: str
    company_name: str
    status: str | None = None
    why: str = ""


class ReviewPart(msgspec.Struct, frozen=True):
    """The companies that would change in one issue."""

    issue_name: str
    changed: list[ReviewedMember]


class Review(msgspec.Struct, frozen=True):
    """The effect of a bulk change, to be confirmed. `status` is `none` if companies would be removed."""

    status: str
    note: str
    parts: list[ReviewPart]
    skipped: list[ReviewedMember]
    title: str
    verb: str
    moved: list[MovedPlace] = []

    @property
    def count(self) -> int:
        return sum(len(part.changed) for part in self.parts)


class ChangedPlace(msgspec.Struct, frozen=True):
    """An assignment after a change, for the page that shows it. Without a status, it is no longer assigned."""

    on: str
    status: str | None
    at: str


class Outcomes(msgspec.Struct, frozen=True):
    """The result as a sentence, or the changes that another user made first. `undo` is the `undo_id` of the changes,
    None if there is nothing to undo.
    """

    text: str
    changed: list[ChangedPlace]
    moved: list[MovedPlace] = []
    undo: str | None = None


def answered(request: Request, back: str, outcomes: Outcomes) -> Response:
    """Returns the result of a form: as JSON for a script, otherwise as a message on the page `back`, which offers the
    undo. If that is an issue without any company left that the user may see, it is the list instead.
    """
    if wants_json(request):
        return json_response(outcomes)
    issue = _issue_page.match(back)
    hidden = issue and find_issue_head_by_id(request.tx, request.actor, int(issue[1])) is None
    return redirect(HOME if hidden else back, flash_cookie(request, Flash(outcomes.text, outcomes.undo)))


def status_form(form: Form) -> StatusForm:
    """Returns the change that a form makes. The status `none` removes companies. Raises Invalid."""
    fields = form.fields("status", "note")
    removes = fields["status"] == NOT_AFFECTED
    return form.read(fields | {"status": None} if removes else fields, StatusForm)


def review(
    request: Request,
    selected: list[SelectedIssue],
    change: StatusForm,
    back: str,
    *,
    everyone: bool = False,
    moved: Sequence[MovedPlace] = (),
) -> Response:
    """Returns the confirmation as a page, or as a fragment for the dialog. Changes nothing."""
    parts: list[ReviewPart] = []
    skipped: list[ReviewedMember] = []
    for each in (one for one in selected if one.companies):
        changed: list[ReviewedMember] = []
        for company, result in zip(each.companies, apply(request, each, change, dry_run=True), strict=True):
            on = place_of(each.issue.issue_id, company.company_id)
            member = ReviewedMember(on, each.issue.name, company.name, result.before, _reason(result))
            (changed if result.outcome is Outcome.CHANGED else skipped).append(member)
        parts.append(ReviewPart(each.issue.name, changed))
    shown = Review(
        status=NOT_AFFECTED if change.status is None else change.status.value,
        note=change.note or "",
        parts=parts,
        skipped=skipped,
        title="Resolve for everyone?" if everyone else _title(change.status, several=len(selected) > 1),
        verb=VERBS.get(change.status, f"Set to {change.status.label}:" if change.status else ""),
        moved=list(moved),
    )
    if request.header("x-fragment") is not None:
        return fragment(request, "issues/review_form.html", heading="h2", review=shown, next=back)
    response = page(request, "issues/review.html", place="issues", review=shown, next=back)
    response.status_code = 409 if moved else 200
    return response


def apply(
    request: Request, selected: SelectedIssue, change: StatusForm, *, dry_run: bool = False, single: bool = False
) -> list[BulkResult]:
    """Changes the selected assignments of one issue; `single` also changes a closed one, which was chosen by name."""
    if change.status is None:
        return _remove(request, selected, change.note or None, dry_run=dry_run)
    [first, *others] = selected.companies
    held = find_status(request.tx, request.actor, selected.issue.issue_id, first.company_id)
    return set_statuses(
        request.tx,
        request.actor,
        selected.issue,
        change.status,
        companies=selected.companies,
        only_from=tuple(Status) if single and not others and held else None,
        note=change.note or None,
        dry_run=dry_run,
    )


def _remove(request: Request, selected: SelectedIssue, note: str | None, *, dry_run: bool) -> list[BulkResult]:
    issue = selected.issue
    members = list_members(request.tx, request.actor, issue.issue_id)
    held = {member.company.company_id: member.status for member in members}
    results = []
    for company in selected.companies:
        before = held.get(company.company_id)
        if before is not None and not dry_run:
            issue = unassign(request.tx, request.actor, issue, company, note)
        outcome = Outcome.UNCHANGED if before is None else Outcome.CHANGED
        results.append(BulkResult(company_name=company.name, outcome=outcome, before=before, after=None))
    return results


def _title(status: Status | None, *, several: bool) -> str:
    if status is None:
        return "Remove from the issues?" if several else "Remove from the issue?"
    return f"Set to {status.label}?"


def _reason(result: BulkResult) -> str:
    if result.outcome is Outcome.UNCHANGED:
        return f"already {result.before.label}" if result.before else "not affected"
    return CLOSED_STAYS if result.outcome is Outcome.SKIPPED else ""
