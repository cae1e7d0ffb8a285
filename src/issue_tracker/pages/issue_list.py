"""The list of issues, and the code that it shares with the matrix. The parameters are those of the API, so that the URL
of a view can be used in a script.
"""

from collections.abc import Sequence
from urllib.parse import urlencode

import msgspec
from starlette.responses import Response

from issue_tracker.api.issue_query import (
    ATTENTION,
    IssueQuery,
    depends_on_time,
    filters_of,
    history_of,
    next_url,
    order_of,
    position_of,
)
from issue_tracker.api.views import lasting
from issue_tracker.auth.people import list_people
from issue_tracker.clock import in_utc, iso, now
from issue_tracker.companies.groups.queries import list_group_names
from issue_tracker.companies.queries import get_company, list_names
from issue_tracker.errors import AppError, InvalidQuery, NotFound
from issue_tracker.http.request import Request
from issue_tracker.http.validation import read_query
from issue_tracker.issues.attention_counts import GOOD_FOR
from issue_tracker.issues.models import Issue
from issue_tracker.issues.overview import Group, StatusCounts, group
from issue_tracker.issues.queries.attention import find_next_due
from issue_tracker.issues.queries.filters import Filters, Order, Row
from issue_tracker.issues.queries.issue_list import IssueList
from issue_tracker.issues.updates.queries import latest_updates
from issue_tracker.issues.views.queries import SavedView, list_views
from issue_tracker.names import key
from issue_tracker.pages.attention_counts import Count, attention_counts
from issue_tracker.pages.list_filters import field_filters, problems_by_field
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import page
from issue_tracker.pages.update_list import UpdateLine, line_of
from issue_tracker.status import RANKED

routes = PageRoutes()

LIST_LIMIT = 50
OTHERS = 5
"""How many issues that a search finds, and that are not listed, are named."""

SORTS: Sequence[tuple[str, str]] = (
    (ATTENTION, "Needs attention"),
    ("name", "By name"),
    ("updated_at", "Longest unmoved"),
    ("-updated_at", "Last changed"),
    ("-created_at", "Newest"),
    ("created_at", "Oldest"),
    ("-open_count", "Most companies open"),
)


class Others(msgspec.Struct, frozen=True):
    """The issues that match the words of a search but not the filter by status: their number, and some of them."""

    total: int
    shown: list[Issue]


class Beginning(msgspec.Struct, frozen=True):
    """The numbers of companies and technicians, shown while there are no issues."""

    companies: int = 0
    people: int = 0


class ListView(msgspec.Struct, kw_only=True):
    """The filters as requested, and their results. `wrong` contains error messages by field, or under `others`.
    `selection` is the query with which the page of an issue selects the companies of the selected groups.
    """

    search: str = ""
    statuses: list[str] = []
    open: str = ""
    company_name: str = ""
    companies: Sequence[tuple[str, str]] = ()
    company_groups: Sequence[str] = ()
    exclude: Sequence[str] = ()
    selection: str = ""
    known_groups: Sequence[str] = ()
    fields: Sequence[tuple[str, str, str]] = ()
    since: str = ""
    since_at: str | None = None
    wrong: dict[str, str] = {}
    totals: StatusCounts
    sorts: Sequence[tuple[str, str]] = ()
    sort: str = ""
    others: "Others | None" = None
    everything: str = "/"
    words_only: bool = False
    csv: str = ""
    as_list: str = "/"
    filtered: bool = False
    paged: bool = False
    first: str = "/"
    next: str | None = None
    limit: int = LIST_LIMIT
    total: int = 0
    groups: Sequence[Group] = ()
    latest: dict[int, UpdateLine] = {}
    beginning: Beginning = Beginning()
    attention: Sequence[Count] = ()
    views: Sequence[SavedView] = ()
    saved: str = ""


@routes.get("/", cached=True)
def show_list(request: Request) -> Response:
    """Shows the issues, in groups."""
    at = now()
    view, found, rows, status = find_list(request, "/", LIST_LIMIT)
    if found is not None:
        ids = [row.issue_id for row in rows]
        view.groups = [group(issue, at) for issue in found.load_shown(ids)]
        updates = latest_updates(request.tx, request.actor, ids)
        view.latest = {issue_id: line_of(update) for issue_id, update in updates.items()}
        if not view.groups and not view.filtered:
            people = list_people(request.tx, request.actor)
            view.beginning = Beginning(len(list_names(request.tx, request.actor)), len(people))
    view.attention = attention_counts(request, at)
    view.views, view.saved = list_views(request.tx, request.actor), lasting(request.parameters)
    if request.valid_until is None:
        # Without a new event, the list changes only when an update becomes overdue, and the counts over time.
        due = find_next_due(request.tx, request.actor.company_access, at)
        request.valid_until = min(due or at + GOOD_FOR, at + GOOD_FOR)
    response = page(request, "issues/list.html", place="issues", view=view)
    response.status_code = status
    return response


def find_list(
    request: Request, path: str, limit: int, own: Sequence[str] = ()
) -> tuple[ListView, IssueList | None, list[Row], int]:
    """Returns the view without content, the list, its rows and a status; None as the list if a filter is invalid.

    `own` contains the parameters of the page that are not parameters of the list.
    """
    parameters = [(name, value) for name, value in request.parameters if name not in own]
    shared = [(name, value) for name, value in parameters if name not in ("cursor", "limit")]
    known_groups = list_group_names(request.tx, request.actor)
    try:
        query = _by_words(read_query(parameters, IssueQuery, request.settings.query_values))
        if not dict(parameters).get("sort"):
            query = msgspec.structs.replace(query, sort=_default_sort(path))
        filters, order, after = filters_of(request, query), order_of(query), position_of(query)
    except (InvalidQuery, NotFound) as refused:
        return _wrong(path, shared, refused, known_groups), None, [], refused.status
    shown = list(shared)
    if path == "/matrix" and filters.statuses is None:
        filters = msgspec.structs.replace(filters, statuses=RANKED)
        shown += [("status", status.value) for status in RANKED]
    # The page handles changes of its order itself.
    if depends_on_time(msgspec.structs.replace(query, sort="name") if path == "/" else query):
        request.valid_until = now()
    size = query.limit or limit
    found = IssueList(request.tx, request.actor, filters, order, after=after)
    rows = found.rows(size + 1)
    more, rows = len(rows) > size, rows[:size]
    counts, total = found.status_counts(), _total(request, found)
    others = _others(request, filters, total) if filters.words and not after else None
    groups, exclude = _as_called(query.company_group, known_groups), list(dict.fromkeys(query.exclude))
    selection = [("companyGroup", name) for name in groups] + [("exclude", name) for name in exclude]
    view = ListView(
        search=query.words,
        others=others,
        everything=link(path, [("search", query.words)]) if query.words else path,
        words_only={name for name, value in shared if value and name != "sort"} <= {"search", "words"},
        statuses=[status.value for status in query.status],
        open="" if query.open is None else str(query.open).lower(),
        company_name=query.company_name,
        companies=[
            (str(each), get_company(request.tx, request.actor, each).name) for each in dict.fromkeys(query.company_id)
        ],
        company_groups=groups,
        exclude=exclude,
        selection=link("", selection) if groups else "",
        known_groups=known_groups,
        fields=field_filters(shared),
        since=dict(shared).get("updatedSince", "") if query.updated_since else "",
        since_at=iso(in_utc(query.updated_since)) if query.updated_since else None,
        totals=[(status.value, counts.get(status, 0)) for status in RANKED],
        sorts=_sorts(path),
        sort="" if query.sort == _default_sort(path) else query.sort,
        csv=link("/api/issues", [*_as_api(shown), *_default_order(path, shown), ("format", "csv")]),
        as_list=link("/", shown),
        filtered=bool(shared) and bool(total or IssueList(request.tx, request.actor).count()),
        paged=after is not None,
        first=link(path, shared),
        limit=size,
        total=total,
    )
    if more:
        view.next = next_url(path, request.parameters, query, rows[-1].position)
    return view, found, rows, 200


def _total(request: Request, found: IssueList) -> int:
    if found.access.all:
        return found.count()
    whole_log = request.app_state.watermarks.watermark(request.tx)
    return request.app_state.totals.count(request.tx, found, history_of(request), whole_log)


def _as_called(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """Returns the names of groups in their stored spelling, without duplicates."""
    spelt = {key(name): name for name in known}
    return list(dict.fromkeys(spelt.get(key(name), name) for name in names))


def _by_words(query: IssueQuery) -> IssueQuery:
    """Moves the text of the search field to `words`, because the pages search for words."""
    words = f"{query.search} {query.words}".strip()
    return msgspec.structs.replace(query, search="", words=words)


def _as_api(parameters: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Returns the parameters of a page as parameters of the API."""
    words = " ".join(value for name, value in parameters if name in ("search", "words") and value)
    others = [(name, value) for name, value in parameters if name not in ("search", "words")]
    return [("words", words), *others] if words else others


def _default_order(path: str, parameters: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Returns the default order of the list, as a parameter of the API."""
    return [] if path != "/" or dict(parameters).get("sort") else [("sort", ATTENTION)]


def _default_sort(path: str) -> str:
    """Returns the order of a page whose address names none."""
    return ATTENTION if path == "/" else "name"


def _sorts(path: str) -> list[tuple[str, str]]:
    """Returns the orders to choose from. The default one has no value, and so stays out of the address."""
    return [("" if value == _default_sort(path) else value, text) for value, text in SORTS]


def _others(request: Request, filters: Filters, total: int) -> Others | None:
    """Returns the issues that match the words but not the status, the latest first; None if there are none."""
    if filters.statuses is None or set(filters.statuses) >= set(RANKED):
        return None
    listed = set(filters.statuses)
    every = IssueList(
        request.tx,
        request.actor,
        msgspec.structs.replace(filters, statuses=None),
        Order("updated_at", descending=True),
    )
    missing = every.count() - total
    if missing <= 0:
        return None
    issues = every.load(every.rows(LIST_LIMIT))
    shown = [issue for issue in issues if not any(member.status in listed for member in issue.assignments)]
    return Others(missing, shown[:OTHERS])


def _wrong(
    path: str, parameters: Sequence[tuple[str, str]], refused: AppError, known_groups: Sequence[str]
) -> ListView:
    """Returns the view for invalid filters: the filters as requested, and no results."""
    given = dict(parameters)
    # Without fields, the error is an unknown company: by its name, unless ids or a group were given too.
    others = ("companyId", "companyGroup", "exclude")
    home = "others" if any(given.get(name) for name in others) else "companyName"
    wrong = problems_by_field(refused, ("search", "companyName"), home)
    return ListView(
        search=given.get("search", ""),
        statuses=[value for name, value in parameters if name == "status"],
        open=given.get("open", ""),
        company_name=given.get("companyName", ""),
        companies=[(value, f"company {value}") for name, value in parameters if name == "companyId"],
        company_groups=[value for name, value in parameters if name == "companyGroup" and value],
        exclude=[value for name, value in parameters if name == "exclude" and value],
        known_groups=known_groups,
        fields=field_filters(parameters),
        since=given.get("updatedSince", ""),
        wrong=wrong,
        totals=[(status.value, 0) for status in RANKED],
        sorts=_sorts(path),
        sort=given.get("sort", ""),
        csv=link("/api/issues", [*_as_api(parameters), ("format", "csv")]),
        filtered=True,
    )


def link(path: str, parameters: Sequence[tuple[str, str]]) -> str:
    """Returns the URL of a page with these parameters."""
    return f"{path}?{urlencode(parameters)}" if parameters else path
