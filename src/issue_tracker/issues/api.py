"""The API of the specification, and what the contract adds to it (sections 4 and 5)."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated
from urllib.parse import quote

import msgspec
from sqlalchemy import Connection

from issue_tracker.companies.queries import get_companies, get_company_by_name
from issue_tracker.issues import operations, queries, transfer
from issue_tracker.issues.bulk import BulkResult, Outcome, set_statuses
from issue_tracker.issues.listing import IssueQuery, filters_of, next_link, order_of, position_of
from issue_tracker.issues.models import Issue, IssueHead, NamedAssignment
from issue_tracker.issues.operations import NewAssignment
from issue_tracker.issues.queries import Filters, Order, Position, Row
from issue_tracker.issues.render import Page, render
from issue_tracker.names import Description, IssueName, Name, Note
from issue_tracker.status import Status
from issue_tracker.web import conditional
from issue_tracker.web.answer import JSON, Answer
from issue_tracker.web.context import Access, Context
from issue_tracker.web.routing import Routes
from issue_tracker.web.validation import Distinct, refuse_repeated

routes = Routes("Issues")

CHUNK = 1000
"""Issues per step of a list without a limit: one transaction, one piece of the stream."""

CSV = "text/csv"


class IssueList(msgspec.Struct):
    """Issues in the order asked for. `total` counts all matches, on whichever page they are."""

    items: list[Issue]
    total: int


class CompanyStatus(msgspec.Struct, forbid_unknown_fields=True):
    """A company to assign. Without a status it starts as `new`."""

    company_name: Name
    status: Status | None = None


Companies = Annotated[list[CompanyStatus], Distinct("company_name")]
Names = Annotated[list[Name], Distinct()]


class NewIssue(msgspec.Struct, forbid_unknown_fields=True):
    """An issue to create."""

    name: IssueName
    description: Description | None = None
    companies: Companies | None = None

    def __post_init__(self) -> None:
        refuse_repeated(self)


class IssueChange(msgspec.Struct, forbid_unknown_fields=True):
    """What to change. Absent or null keeps what is there; an empty description clears it."""

    description: Description | None = None
    new_name: IssueName | None = None
    add_companies: Companies | None = None

    def __post_init__(self) -> None:
        refuse_repeated(self)


class StatusChange(msgspec.Struct, forbid_unknown_fields=True):
    """A company's new status in an issue, with an optional note for the history."""

    issue_name: Name
    company_name: Name
    status: Status
    note: Note | None = None


class Unassignment(msgspec.Struct, kw_only=True):
    """Which company to take off which issue."""

    issue_name: str = msgspec.field(name="issueName")
    company_name: str = msgspec.field(name="companyName")


class BulkChange(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A status for many companies of an issue: all assigned ones where `companies` is absent or null."""

    issue_name: Name
    status: Status
    companies: Names | None = None
    exclude: Names | None = None
    only_from: list[Status] | None = msgspec.field(default=None, name="from")
    note: Note | None = None
    dry_run: bool = False

    def __post_init__(self) -> None:
        refuse_repeated(self)


class BulkAnswer(msgspec.Struct):
    """What a bulk change did, or, as a dry run, would do."""

    issue_name: str
    status: Status
    changed: int
    results: list[BulkResult]


def _list_etag(request: Context) -> str:
    """The validator of a list: the query is part of it, as it stands."""
    return conditional.data_etag(request, "csv" if request.call.prefers(CSV, JSON) else "json")


@routes.get("/api/issues", kept=True, answers={200: IssueList}, errors=(404, 422))
def list_issues(request: Context, query: IssueQuery) -> Answer:
    """List issues with their assignments, as JSON or (`format=csv` or `Accept: text/csv`) as CSV."""
    etag = _list_etag(request)
    if conditional.fresh(request, etag):
        return conditional.not_modified(etag, "Accept")
    known = request.runtime.rendered.page(etag)
    if known is not None:
        return Answer(known.body, headers=known.headers, etag=etag)
    as_csv = query.format == "csv" or (query.format is None and request.call.prefers(CSV, JSON))
    filters, order, after = filters_of(request.tx, query), order_of(query), position_of(query)
    size = query.limit or CHUNK
    rows = queries.list_rows(request.tx, request.actor, filters, order, after=after, limit=size + 1)
    more, rows = len(rows) > size, rows[:size]
    headers = {"Vary": "Accept"}
    if as_csv:
        headers["Content-Disposition"] = 'attachment; filename="issues.csv"'
    if query.limit is not None and more:
        headers["Link"] = next_link("/api/issues", request.call.query, query, rows[-1].position)
    form = _Csv() if as_csv else _Json()
    first = form.opening + form.render(request.tx, request, rows, filters)
    if query.limit is None and more:
        total = None if after is None else queries.count_issues(request.tx, request.actor, filters)
        stream = _stream(request, form, first, rows, filters, order, total)
        return Answer(stream=stream, media_type=form.media_type, headers=headers, etag=etag)
    whole = after is None and not more
    total = len(rows) if whole else queries.count_issues(request.tx, request.actor, filters)
    answer = Answer(first + form.closing(total), media_type=form.media_type, headers=headers, etag=etag)
    request.runtime.rendered.keep_page(etag, Page(answer.body, tuple(answer.headers)))
    return answer


@routes.post("/api/issues", answers={201: Issue}, errors=(400, 404, 409, 413, 415, 422))
def create_issue(request: Context, body: NewIssue) -> Answer:
    """Create an issue with its assignments."""
    issue = operations.create_issue(request.tx, request.actor, body.name, body.description, _members(body.companies))
    location = f"/api/issues/{quote(issue.name, safe='')}"
    return _issue(request, issue, status=201, headers={"Location": location})


@routes.get("/api/issues/{issue_name}", kept=True, answers={200: Issue}, errors=(404,))
def get_issue(request: Context, issue_name: str) -> Answer:
    """One issue with all its assignments."""
    return _issue(request, queries.get_issue_head(request.tx, request.actor, issue_name))


@routes.put("/api/issues/{issue_name}", answers={200: Issue}, errors=(400, 404, 412, 413, 415))
def update_issue(request: Context, issue_name: str, body: IssueChange) -> Answer:
    """Describe, rename, or assign more companies. A company that is assigned already keeps its assignment."""
    issue = queries.get_issue_head(request.tx, request.actor, issue_name, lock=True)
    if request.header("if-match") is not None:
        # An unknown company (404) comes before a stale validator (412; contract, section 2).
        get_companies(request.tx, [member.company_name for member in body.add_companies or ()])
    conditional.check_if_match(request, issue)
    changed = operations.update_issue(
        request.tx,
        request.actor,
        issue,
        description=body.description,
        new_name=body.new_name,
        add=_members(body.add_companies),
    )
    return _issue(request, changed)


@routes.delete("/api/issues/{issue_name}", access=Access.SUPER_ADMIN, answers={204: None}, errors=(404, 412))
def delete_issue(request: Context, issue_name: str) -> Answer:
    """Delete an issue with its assignments. Its history stays."""
    issue = queries.get_issue_head(request.tx, request.actor, issue_name, lock=True)
    conditional.check_if_match(request, issue)
    operations.delete_issue(request.tx, request.actor, issue)
    return Answer.none()


@routes.put("/api/issues/status", answers={200: NamedAssignment}, errors=(400, 404, 413, 415))
def set_status(request: Context, body: StatusChange) -> Answer:
    """Set a company's status in an issue; assigns the company if it was not."""
    issue = queries.get_issue_head(request.tx, request.actor, body.issue_name, lock=True)
    company = get_company_by_name(request.tx, body.company_name)
    operations.set_status(request.tx, request.actor, issue, company, body.status, body.note or None)
    return Answer.json(queries.get_assignment(request.tx, issue, company.company_id))


@routes.delete("/api/issues/status", answers={204: None}, errors=(404, 422))
def unassign(request: Context, query: Unassignment) -> Answer:
    """Take a company off an issue."""
    issue = queries.get_issue_head(request.tx, request.actor, query.issue_name, lock=True)
    company = get_company_by_name(request.tx, query.company_name)
    operations.unassign(request.tx, request.actor, issue, company)
    return Answer.none()


@routes.post("/api/issues/status/bulk", answers={200: BulkAnswer}, errors=(400, 404, 409, 413, 415, 422))
def set_statuses_in_bulk(request: Context, body: BulkChange) -> Answer:
    """Set the status of many companies in an issue: all or nothing."""
    issue = queries.get_issue_head(request.tx, request.actor, body.issue_name, lock=True)
    results = set_statuses(
        request.tx,
        request.actor,
        issue,
        body.status,
        names=body.companies,
        exclude=body.exclude or (),
        only_from=body.only_from or (),
        note=body.note or None,
        dry_run=body.dry_run,
    )
    changed = sum(result.outcome is Outcome.CHANGED for result in results)
    return Answer.json(BulkAnswer(issue.name, body.status, changed, results))


def _members(companies: list[CompanyStatus] | None) -> list[NewAssignment]:
    return [NewAssignment(member.company_name, member.status) for member in companies or ()]


def _issue(request: Context, issue: IssueHead, *, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    etag = conditional.issue_etag(issue)
    content = queries.load_issues(request.tx, request.actor, [issue.issue_id])[0]
    answer = Answer.json(content, status=status, headers=headers, etag=etag)
    if request.call.method not in ("GET", "HEAD"):
        answer.headers.append(("ETag", f'"{etag}"'))
    return answer


class _Json:
    """A list as JSON, piece by piece."""

    media_type = "application/json"
    opening = b'{"items":['
    between = b","

    def render(self, tx: Connection, request: Context, rows: list[Row], filters: Filters, keep: bool = True) -> bytes:
        return b",".join(render(tx, request.actor, request.runtime.rendered, rows, filters, keep=keep))

    def closing(self, total: int) -> bytes:
        return b'],"total":%d}' % total


class _Csv:
    """A list as CSV, piece by piece."""

    media_type = "text/csv; charset=utf-8"
    opening = transfer.header().encode()
    between = b""

    def render(self, tx: Connection, request: Context, rows: list[Row], filters: Filters, keep: bool = True) -> bytes:
        ids = [row.issue_id for row in rows]
        return transfer.rows(queries.load_issues(tx, request.actor, ids, filters)).encode()

    def closing(self, _total: int) -> bytes:
        return b""


async def _stream(
    request: Context,
    form: _Json | _Csv,
    first: bytes,
    rows: list[Row],
    filters: Filters,
    order: Order,
    total: int | None,
) -> AsyncIterator[bytes]:
    """A whole list in pieces, each read in a transaction of its own, so that a slow reader holds none open.

    Without a given `total` it is what was sent: true by construction, also when others write meanwhile.
    """

    def read(after: Position) -> tuple[list[Row], bytes]:
        with request.database.read(in_bulk=True) as tx:
            rows = queries.list_rows(tx, request.actor, filters, order, after=after, limit=CHUNK)
            return rows, form.render(tx, request, rows, filters, keep=False)

    yield first
    sent = len(rows)
    while len(rows) == CHUNK:
        last = rows[-1].position
        rows, piece = await asyncio.get_running_loop().run_in_executor(request.runtime.workers, read, last)
        sent += len(rows)
        if piece:
            yield form.between + piece
    yield form.closing(sent if total is None else total)
