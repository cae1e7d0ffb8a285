"""Issues and their assignments: the spec's operations, and the contract's sections 4 and 5.

Functions whose first argument is the session are the methods of `Tracker` and `AsyncTracker`. All raise Refused
(its subclass by status) when the server refuses, Unreachable when there is no response, and UnexpectedAnswer when
the response does not come from the tracker. `companies` is a list of company names, or a mapping of company name to
status (None for the default); a single string instead of a list is Misuse.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Unpack

from issue_tracker_client.errors import BadRequest, Misuse, Refused, unexpected
from issue_tracker_client.fields import AssignmentFields, Fields, Filter, given_fields
from issue_tracker_client.models import Assignment, BulkResult, Issue, Listing, decoder
from issue_tracker_client.session import Session
from issue_tracker_client.sources import Pages
from issue_tracker_client.spelling import camel_case, issue_path, json_request, named, posted, query_pairs, several
from issue_tracker_client.steps import Plan, Request

ISSUES, STATUS = "/api/issues", "/api/issues/status"
Companies = Mapping[str, str | None] | Iterable[str | tuple[str, str | None]]

read_issue = decoder(Issue)
read_issues = decoder(Listing[Issue])
read_assignment = decoder(Assignment)
read_bulk = decoder(BulkResult)


def issues(session: Session, *, page_size: int = 100, **where: Unpack[Filter]) -> Pages[Issue]:
    """Returns the matching issues, fetched lazily, `page_size` (1 to 500) at a time.

    Issues that are created, deleted or renamed in the meantime cause no other issue to be skipped or repeated.
    """
    return Pages(session, filtered(where, limit=page_size), read_issues)


def poll_issues(session: Session, *, etag: str | None = None, **where: Unpack[Filter]) -> Plan[Listing[Issue] | None]:
    """Returns all matching issues in one list, or None if nothing has changed since the response with this `etag`."""
    request = filtered(where)
    if etag is not None:
        request = dataclasses.replace(request, headers={"if-none-match": etag})
    reply = yield from session.perform(request)
    return None if reply.status == 304 else read_issues(reply)


def export_csv(session: Session, **where: Unpack[Filter]) -> Plan[str]:
    """Returns the matching issues as CSV, one row per assignment; `issue-tracker issue import` reads it."""
    request = dataclasses.replace(filtered(where), headers={"accept": "text/csv"})
    reply = yield from session.perform(request)
    if reply.media_type != "text/csv":
        raise unexpected(reply)
    try:
        return reply.content.decode()
    except UnicodeDecodeError as wrong:
        raise unexpected(reply) from wrong


def issue(session: Session, name: str, *, include: str | None = None) -> Plan[Issue]:
    """Returns one issue, with its ETag, by its name in any case. `include="details"` sets more fields of assignments.
    Raises NotFound.
    """
    request = Request("GET", issue_path(name), query_pairs({"include": include}))
    return read_issue((yield from session.perform(request)))


def issue_if_changed(session: Session, name: str, etag: str) -> Plan[Issue | None]:
    """Returns the issue, or None if it is still the version with this ETag. Raises NotFound."""
    request = Request("GET", issue_path(name), headers={"if-none-match": etag})
    reply = yield from session.perform(request)
    return None if reply.status == 304 else read_issue(reply)


def create_issue(
    session: Session,
    name: str,
    *,
    description: str | None = None,
    companies: Companies = (),
    company_groups: Iterable[str] = (),
    exclude: Iterable[str] = (),
    idempotency_key: str | None = None,
    **fields: Unpack[Fields],
) -> Plan[Issue]:
    """Creates an issue with these companies and those of these groups, without those in `exclude`.

    Raises BadRequest when the name is taken, NotFound naming every unknown company or group.

    With your own `idempotency_key` a second run of your program is safe as well, for 24 hours.
    """
    body: dict[str, object] = {"name": name, "description": description, "companies": entries(companies)}
    body |= given_fields(fields)
    more = {"company_groups": several("company_groups", company_groups), "exclude": several("exclude", exclude)}
    body |= {name: names for name, names in more.items() if names}
    return read_issue((yield from session.perform(posted(ISSUES, body, idempotency_key))))


def ensure_issue(
    session: Session, name: str, *, description: str | None = None, companies: Companies = ()
) -> Plan[Issue]:
    """Returns the issue with this name unchanged, or creates it with the description and the companies.

    Raises like `create_issue`; nothing was created then.
    """
    found = yield from issue_if_any(session, name)
    if found is not None:
        return found
    try:
        return (yield from create_issue(session, name, description=description, companies=companies))
    except BadRequest:
        found = yield from issue_if_any(session, name)  # another client has created it in the meantime
        if found is None:
            raise
        return found


def issue_if_any(session: Session, name: str) -> Plan[Issue | None]:
    """Returns the issue with this name, or None. A reserved name is the path of another resource, hence the 405."""
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
    company_groups: Iterable[str] = (),
    exclude: Iterable[str] = (),
    if_match: str | None = None,
    **fields: Unpack[Fields],
) -> Plan[Issue]:
    """Changes the given fields; an empty description or field is cleared.

    The companies of `company_groups` are added like those of `add_companies`, without those in `exclude`. One that is
    already assigned keeps its status unless one is given. With `if_match` (the `etag` of an issue that was read
    before), raises Changed if anyone has changed the issue since.
    """
    given = {
        "description": description,
        "new_name": new_name,
        "add_companies": entries(add_companies) or None,
        "company_groups": several("company_groups", company_groups) or None,
        "exclude": several("exclude", exclude) or None,
    }
    body: dict[str, object] = {name: value for name, value in given.items() if value is not None}
    body |= given_fields(fields)
    request = json_request("PUT", issue_path(name), body, if_match=if_match)
    request = dataclasses.replace(request, once=new_name is not None or if_match is not None)
    return read_issue((yield from session.perform(request)))


def delete_issue(session: Session, name: str, *, if_match: str | None = None) -> Plan[None]:
    """Deletes an issue; its history remains. For super admins only. Raises Changed like `update_issue`."""
    headers = {} if if_match is None else {"if-match": if_match}
    yield from session.execute(Request("DELETE", issue_path(name), headers=headers))


def set_status(
    session: Session,
    issue_name: str | None,
    company_name: str,
    status: str,
    *,
    note: str | None = None,
    external_key: str | None = None,
    if_match: str | None = None,
    **fields: Unpack[AssignmentFields],
) -> Plan[Assignment]:
    """Sets the status of one company, and its fields if they are given; assigns the company if necessary. The note is
    recorded in the history.

    `external_key` identifies the issue instead of its name, which may then be None. The result has the issue's new
    ETag. With `if_match`, raises Changed like `update_issue`.
    """
    body = named(issue_name, external_key) | {"company_name": company_name, "status": status} | given_fields(fields)
    request = json_request("PUT", STATUS, body if note is None else {**body, "note": note}, if_match=if_match)
    request = dataclasses.replace(request, once=if_match is not None)
    return read_assignment((yield from session.perform(request)))


def unassign(session: Session, issue_name: str, company_name: str, *, if_match: str | None = None) -> Plan[None]:
    """Removes a company from an issue. Raises NotFound when it is not assigned, and Changed like `update_issue`."""
    query = query_pairs({"issueName": issue_name, "companyName": company_name})
    headers = {} if if_match is None else {"if-match": if_match}
    yield from session.execute(Request("DELETE", STATUS, query, headers=headers))


def set_status_in_bulk(
    session: Session,
    issue_name: str | None,
    status: str,
    *,
    external_key: str | None = None,
    companies: Iterable[str] | None = None,
    company_groups: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    from_statuses: Iterable[str] | None = None,
    note: str | None = None,
    dry_run: bool = False,
    idempotency_key: str | None = None,
    if_match: str | None = None,
) -> Plan[BulkResult]:
    """Sets the status of these companies and those of these groups, or of all assigned companies: of all of them or of
    none.

    It skips the companies in `exclude`, companies whose status is not in `from_statuses` if that is given, and
    closed ones unless `from_statuses` contains `closed`. With `dry_run` nothing changes, and the outcomes say what
    would change. `external_key` and `if_match` as in `set_status`; the result has the issue's new ETag.
    """
    given = {
        "status": status,
        "companies": None if companies is None else several("companies", companies),
        "company_groups": None if company_groups is None else several("company_groups", company_groups),
        "exclude": several("exclude", exclude) or None,
        "from": None if from_statuses is None else several("from_statuses", from_statuses),
        "note": note,
        "dry_run": dry_run or None,
    }
    body = named(issue_name, external_key) | {name: value for name, value in given.items() if value is not None}
    return read_bulk((yield from session.perform(posted(f"{STATUS}/bulk", body, idempotency_key, if_match))))


def filtered(where: Filter, limit: int | None = None) -> Request:
    """Returns the request for a list."""
    return Request("GET", ISSUES, query_pairs(camel_case({**where, "limit": limit})))


def entries(companies: Companies) -> list[dict[str, str]]:
    """Returns companies in the API's form; the server chooses a status that is not given."""
    if isinstance(companies, str):
        raise Misuse(f"companies must be a list, not a single string: [{companies!r}]")
    listed = companies.items() if isinstance(companies, Mapping) else companies
    pairs = [(one, None) if isinstance(one, str) else one for one in listed]
    return [
        {"company_name": name} if status is None else {"company_name": name, "status": status} for name, status in pairs
    ]
