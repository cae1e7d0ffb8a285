"""Issues and their assignments: the spec's operations, and the contract's sections 4 and 5.

Functions whose first argument is the session are the methods of `Tracker` and `AsyncTracker`. All raise
Refused, by status, when the server says no, Unreachable when it says nothing, and UnexpectedAnswer when
something else than the tracker answers. `companies` is a list of company names, or a mapping of company name to
status (None for the default); a lone text in the place of a list is Misuse.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TypedDict, Unpack

from issue_tracker_client.errors import BadRequest, Misuse, Refused, unexpected
from issue_tracker_client.models import Assignment, BulkResult, Issue, Listing, decoder
from issue_tracker_client.session import Session
from issue_tracker_client.sources import Pages
from issue_tracker_client.spelling import camel_case, issue_path, json_request, posted, query_pairs, several
from issue_tracker_client.steps import Plan, Request

ISSUES, STATUS = "/api/issues", "/api/issues/status"
Companies = Mapping[str, str | None] | Iterable[str | tuple[str, str | None]]

read_issue = decoder(Issue)
read_issues = decoder(Listing[Issue])
read_assignment = decoder(Assignment)
read_bulk = decoder(BulkResult)


class Filter(TypedDict, total=False):
    """Which issues, in which order; what is None is not asked for. `status` and `company_id` (one or
    several: any of them), `company_name` and `open` must hold for one and the same assignment; an issue
    lists only those that match.

    `open` is True for assignments neither resolved nor closed. `sort` is `name`, `updated_at` or
    `created_at`, with a `-` in front for the reverse. Raises InvalidQuery for an unsupported status,
    NotFound for an unknown company, Misuse for an `updated_since` without a zone.
    """

    search: str | None
    status: str | Iterable[str] | None
    company_id: int | Iterable[int] | None
    company_name: str | None
    open: bool | None
    updated_since: datetime | None
    sort: str | None


def issues(session: Session, *, page_size: int = 100, **where: Unpack[Filter]) -> Pages[Issue]:
    """The matching issues, fetched lazily, `page_size` (1 to 500) at a time.

    Issues that come, go or are renamed meanwhile neither hide others nor make them appear twice.
    """
    return Pages(session, filtered(where, limit=page_size), read_issues)


def poll_issues(session: Session, *, etag: str | None = None, **where: Unpack[Filter]) -> Plan[Listing[Issue] | None]:
    """All matching issues at once, or None when nothing changed since the answer that carried `etag`."""
    request = filtered(where)
    if etag is not None:
        request = dataclasses.replace(request, headers={"if-none-match": etag})
    reply = yield from session.perform(request)
    return None if reply.status == 304 else read_issues(reply)


def export_csv(session: Session, **where: Unpack[Filter]) -> Plan[str]:
    """The matching issues as CSV, one row an assignment; `issue-tracker issue import` reads it back."""
    request = dataclasses.replace(filtered(where), headers={"accept": "text/csv"})
    reply = yield from session.perform(request)
    if reply.media_type != "text/csv":
        raise unexpected(reply)
    try:
        return reply.content.decode()
    except UnicodeDecodeError as wrong:
        raise unexpected(reply) from wrong


def issue(session: Session, name: str) -> Plan[Issue]:
    """One issue by its name, in any case, with its ETag. Raises NotFound."""
    return read_issue((yield from session.perform(Request("GET", issue_path(name)))))


def issue_if_changed(session: Session, name: str, etag: str) -> Plan[Issue | None]:
    """The issue, or None when it still is the version with this ETag. Raises NotFound."""
    request = Request("GET", issue_path(name), headers={"if-none-match": etag})
    reply = yield from session.perform(request)
    return None if reply.status == 304 else read_issue(reply)


def create_issue(
    session: Session,
    name: str,
    *,
    description: str | None = None,
    companies: Companies = (),
    idempotency_key: str | None = None,
) -> Plan[Issue]:
    """Create an issue. Raises BadRequest when the name is taken, NotFound naming every unknown company.

    `idempotency_key` makes a repetition by another run of the caller safe too, for 24 hours.
    """
    body = {"name": name, "description": description, "companies": entries(companies)}
    return read_issue((yield from session.perform(posted(ISSUES, body, idempotency_key))))


def ensure_issue(
    session: Session, name: str, *, description: str | None = None, companies: Companies = ()
) -> Plan[Issue]:
    """The issue of this name as it is; created with the description and the companies if there is none.

    Raises what `create_issue` does, and then nothing was created.
    """
    found = yield from issue_if_any(session, name)
    if found is not None:
        return found
    try:
        return (yield from create_issue(session, name, description=description, companies=companies))
    except BadRequest:
        found = yield from issue_if_any(session, name)  # another client made it in between
        if found is None:
            raise
        return found


def issue_if_any(session: Session, name: str) -> Plan[Issue | None]:
    """The issue of this name, None where there is none. A reserved name is the path of something else: 405."""
    try:
        return (yield from issue(session, name))
    except Refused as refused:
        if refused.status not in (404, 405):
            raise
        return None


def update_issue(
    session: Session,
    name: str,
    *,
    description: str | None = None,
    new_name: str | None = None,
    add_companies: Companies = (),
    if_match: str | None = None,
) -> Plan[Issue]:
    """Change what is given; an empty description clears it. A company that is assigned already stays as it
    is, unless a status is given for it.

    With `if_match` (the `etag` of an issue read before), raises Changed if anybody changed the issue since.
    """
    given = {
        "description": description,
        "new_name": new_name,
        "add_companies": entries(add_companies) or None,
    }
    body = {name: value for name, value in given.items() if value is not None}
    request = json_request("PUT", issue_path(name), body, if_match=if_match)
    request = dataclasses.replace(request, once=new_name is not None or if_match is not None)
    return read_issue((yield from session.perform(request)))


def delete_issue(session: Session, name: str, *, if_match: str | None = None) -> Plan[None]:
    """Delete an issue; its history stays. Super admins only. Raises Changed as `update_issue` does."""
    headers = {} if if_match is None else {"if-match": if_match}
    yield from session.execute(Request("DELETE", issue_path(name), headers=headers))


def set_status(
    session: Session, issue_name: str, company_name: str, status: str, *, note: str | None = None
) -> Plan[Assignment]:
    """Set the status of one company, assigning it if it was not. The note goes into the history."""
    body = {"issue_name": issue_name, "company_name": company_name, "status": status}
    request = json_request("PUT", STATUS, body if note is None else {**body, "note": note})
    return read_assignment((yield from session.perform(request)))


def unassign(session: Session, issue_name: str, company_name: str) -> Plan[None]:
    """Take a company off an issue. Raises NotFound when it is not assigned."""
    query = query_pairs({"issueName": issue_name, "companyName": company_name})
    yield from session.execute(Request("DELETE", STATUS, query))


def set_status_in_bulk(
    session: Session,
    issue_name: str,
    status: str,
    *,
    companies: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    from_statuses: Iterable[str] | None = None,
    note: str | None = None,
    dry_run: bool = False,
    idempotency_key: str | None = None,
) -> Plan[BulkResult]:
    """Set the status of these companies, or of all that are assigned: all or nothing.

    Skipped are `exclude`, those in none of `from_statuses` where given, and closed ones unless
    `from_statuses` names `closed`. With `dry_run` nothing changes, and the outcomes say what would.
    """
    given = {
        "issue_name": issue_name,
        "status": status,
        "companies": None if companies is None else several("companies", companies),
        "exclude": several("exclude", exclude) or None,
        "from": None if from_statuses is None else several("from_statuses", from_statuses),
        "note": note,
        "dry_run": dry_run or None,
    }
    body = {name: value for name, value in given.items() if value is not None}
    return read_bulk((yield from session.perform(posted(f"{STATUS}/bulk", body, idempotency_key))))


def filtered(where: Filter, limit: int | None = None) -> Request:
    """The request for a list."""
    return Request("GET", ISSUES, query_pairs(camel_case({**where, "limit": limit})))


def entries(companies: Companies) -> list[dict[str, str]]:
    """Companies as the API takes them; a status that is not given is left to the server."""
    if isinstance(companies, str):
        raise Misuse(f"companies is a list, not one text: [{companies!r}]")
    listed = companies.items() if isinstance(companies, Mapping) else companies
    pairs = [(one, None) if isinstance(one, str) else one for one in listed]
    return [
        {"company_name": name} if status is None else {"company_name": name, "status": status} for name, status in pairs
    ]
