"""The API of the specification, and what the contract adds to it (sections 4 and 5). The list is in `issue_list`."""

from urllib.parse import quote

from starlette.responses import Response

from issue_tracker.api.given_companies import bulk_targets, new_assignments
from issue_tracker.api.issue_bodies import (
    BULK_ANSWER_EXAMPLE,
    BULK_CHANGE_EXAMPLE,
    ISSUE_CHANGE_EXAMPLE,
    ISSUE_EXAMPLE,
    MERGE_EXAMPLE,
    NAMED_ASSIGNMENT_EXAMPLE,
    NEW_ISSUE_EXAMPLE,
    STATUS_CHANGE_EXAMPLE,
    BulkAnswer,
    BulkChange,
    IssueChange,
    IssueParts,
    Merge,
    NewIssue,
    StatusChange,
    Unassignment,
)
from issue_tracker.api.looks_like import looks_like
from issue_tracker.api.validators import check_if_match, find_mismatch, issue_etag, with_details
from issue_tracker.companies.queries import get_company_by_name
from issue_tracker.http.identity import Access
from issue_tracker.http.request import Request
from issue_tracker.http.responses import json_response, no_content
from issue_tracker.http.routes import Returns, Routes
from issue_tracker.issues import assignments, merge, operations
from issue_tracker.issues.assignment_fields import change_assignments
from issue_tracker.issues.bulk import Outcome, set_statuses
from issue_tracker.issues.models import Issue, IssueHead, NamedAssignment
from issue_tracker.issues.queries.former import get_issue_by_any_name
from issue_tracker.issues.queries.issue import (
    find_issue_head,
    get_assignment,
    get_issue_head,
    get_issue_head_by_id,
    load_issue,
    unknown_issue,
)
from issue_tracker.issues.queries.look_alikes import names_like

routes = Routes("Issues")


@routes.post(
    "/api/issues",
    returns=Returns(201, Issue, ISSUE_EXAMPLE, headers=("Location", "ETag", "X-Looks-Like")),
    example=NEW_ISSUE_EXAMPLE,
    errors=(404,),
)
def create_issue(request: Request, body: NewIssue) -> Response:
    """Create an issue with its assignments."""
    companies = bool(body.companies or body.company_groups)
    fields = operations.resolved_fields(request.tx, request.actor, body, "name", body.name, companies=companies)
    members = new_assignments(request.tx, request.actor, body.companies, body.company_groups, body.exclude)
    issue = operations.create_issue(request.tx, request.actor, body.name, body.description, members, fields=fields)
    location = f"/api/issues/{quote(issue.name, safe='')}"
    similar = looks_like(names_like(request.tx, request.actor, issue))
    return _issue(request, issue, status=201, headers={"Location": location, **similar})


@routes.get("/api/issues/{issue_name}", cached=True, returns=Returns(200, Issue, ISSUE_EXAMPLE))
def get_issue(request: Request, issue_name: str, query: IssueParts) -> Response:
    """Get one issue with all its assignments. A former name finds it until another issue takes that name."""
    head = get_issue_by_any_name(request.tx, request.actor, issue_name)
    if query.include is None:
        return _issue(request, head)
    etag = with_details(issue_etag(request, head))
    return json_response(load_issue(request.tx, request.actor, head.issue_id, details=True), headers={"ETag": etag})


@routes.put(
    "/api/issues/{issue_name}",
    returns=Returns(200, Issue, ISSUE_EXAMPLE, headers=("ETag", "X-Looks-Like")),
    example=ISSUE_CHANGE_EXAMPLE,
    if_match=True,
)
def update_issue(request: Request, issue_name: str, body: IssueChange) -> Response:
    """Change an issue: describe it, rename it, change its fields, or assign more companies.

    A company that is already assigned keeps its assignment.
    """
    # Invalid fields (400) come before an unknown issue or company (404), and these before a stale validator (412;
    # contract, section 2).
    issue = find_issue_head(request.tx, request.actor, issue_name, lock=True)
    fields = operations.resolved_fields(request.tx, request.actor, body, "new_name", body.new_name, issue)
    if issue is None:
        raise unknown_issue(issue_name)
    members = new_assignments(request.tx, request.actor, body.add_companies, body.company_groups, body.exclude)
    check_if_match(request, issue)
    changed = operations.update_issue(
        request.tx,
        request.actor,
        issue,
        description=body.description,
        new_name=body.new_name,
        fields=fields,
        add_members=members,
    )
    similar = names_like(request.tx, request.actor, changed) if changed.name != issue.name else []
    return _issue(request, changed, headers=looks_like(similar))


@routes.delete("/api/issues/{issue_name}", access=Access.SUPER_ADMIN, returns=Returns(204), if_match=True)
def delete_issue(request: Request, issue_name: str) -> Response:
    """Delete an issue with its assignments. Its history remains."""
    issue = get_issue_head(request.tx, request.actor, issue_name, lock=True)
    check_if_match(request, issue)
    operations.delete_issue(request.tx, request.actor, issue)
    return no_content()


@routes.put(
    "/api/issues/status",
    returns=Returns(200, NamedAssignment, NAMED_ASSIGNMENT_EXAMPLE, headers=("ETag",)),
    example=STATUS_CHANGE_EXAMPLE,
    errors=(404,),
    if_match=True,
    shares_commit=True,
)
def set_status(request: Request, body: StatusChange) -> Response:
    """Set a company's status in an issue, and assign the company if it is not. The ETag is the issue's new one.

    `owner` and `references` are those of the assignment; absent leaves them unchanged, null clears them.
    """
    fields = body.fields(request.tx, request.actor)
    issue = body.find(request.tx, request.actor)
    company = get_company_by_name(request.tx, request.actor, body.company_name)
    check_if_match(request, issue)
    changed = assignments.set_status(request.tx, request.actor, issue, company, body.status, body.note or None)
    changed = change_assignments(request.tx, request.actor, changed, [company], **fields)
    etag = issue_etag(request, changed)
    return json_response(get_assignment(request.tx, request.actor, issue, company.company_id), headers={"ETag": etag})


@routes.delete("/api/issues/status", returns=Returns(204), errors=(404,), if_match=True, shares_commit=True)
def unassign(request: Request, query: Unassignment) -> Response:
    """Remove a company from an issue."""
    issue = get_issue_head(request.tx, request.actor, query.issue_name, lock=True)
    company = get_company_by_name(request.tx, request.actor, query.company_name)
    stale = find_mismatch(request, issue)
    # The error for an unassigned company (404) precedes the one for a stale validator (412), which undoes the removal.
    assignments.unassign(request.tx, request.actor, issue, company)
    if stale is not None:
        raise stale
    return no_content()


@routes.post(
    "/api/issues/status/bulk",
    returns=Returns(200, BulkAnswer, BULK_ANSWER_EXAMPLE, headers=("ETag",)),
    example=BULK_CHANGE_EXAMPLE,
    errors=(404,),
    if_match=True,
)
def set_statuses_in_bulk(request: Request, body: BulkChange) -> Response:
    """Set the status of many companies in an issue: all or nothing. The ETag is the issue's new one."""
    issue = body.find(request.tx, request.actor)
    companies, exclude = bulk_targets(request.tx, request.actor, issue.issue_id, body)
    check_if_match(request, issue)
    results = set_statuses(
        request.tx,
        request.actor,
        issue,
        body.status,
        companies=companies,
        exclude=exclude,
        only_from=body.only_from,
        note=body.note or None,
        dry_run=body.dry_run,
    )
    changed = sum(result.outcome is Outcome.CHANGED for result in results)
    head = get_issue_head_by_id(request.tx, request.actor, issue.issue_id)
    etag = issue_etag(request, head)
    return json_response(BulkAnswer(issue.name, body.status, changed, results), headers={"ETag": etag})


@routes.post(
    "/api/issues/merge",
    returns=Returns(200, Issue, ISSUE_EXAMPLE, headers=("ETag",)),
    example=MERGE_EXAMPLE,
    errors=(404,),
    shares_path=True,
)
def merge_issues(request: Request, body: Merge) -> Response:
    """Merge an issue into another one, which is returned.

    A company of both gets the less finished status. The merged issue no longer exists; its name and its updates lead to
    the other one. With `dry_run`, nothing changes, and the response shows the result.
    """
    source = body.find(request.tx, request.actor, lock=False)
    target = get_issue_head(request.tx, request.actor, body.into)
    source, target = merge.lock_issues(request.tx, request.actor, source.issue_id, target.issue_id)
    if not body.dry_run:
        return _issue(request, merge.merge_issues(request.tx, request.actor, source, target))
    with request.tx.begin_nested() as trial:
        response = _issue(request, merge.merge_issues(request.tx, request.actor, source, target, dry_run=True))
        trial.rollback()
    return response


def _issue(request: Request, issue: IssueHead, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    etag = issue_etag(request, issue)
    content = load_issue(request.tx, request.actor, issue.issue_id)
    return json_response(content, status, {"ETag": etag, **(headers or {})})
