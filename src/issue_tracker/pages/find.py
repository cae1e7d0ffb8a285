"""Quick find: searches issues, companies, company groups, people and pages by approximate names, from every page."""

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlencode

import msgspec
from msgspec import Meta
from starlette.responses import Response

from issue_tracker.auth.people import list_people
from issue_tracker.companies.groups.queries import list_group_names
from issue_tracker.companies.queries import list_names as list_companies
from issue_tracker.http.request import Request
from issue_tracker.issues.queries.find import find_issues, most_alike
from issue_tracker.names import key, storable
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import fragment, page

routes = PageRoutes()

SHOWN = 6
"""Maximum number of results of each kind."""

ALIKE = 72.0
"""Minimum similarity of a name to the search text, of 100."""

ACTIONS = {
    "/issues/new": "New issue",
    "/?open=true": "Open issues",
    "/matrix?open=true": "Matrix",
    "/companies": "Companies",
    "/alerts": "Alerts",
    "/activity": "Activity",
    "/handover": "Handover",
    "/views": "Views",
    "/account": "Account: name, password, sessions, tokens",
    "/docs": "API reference",
}
"""Names of pages by URL."""

COMPANIES = {"/admin/companies": "Manage companies"}
"""The name of the page for all super admins, by URL."""

ADMINISTRATION = {
    "/admin/users": "Manage users",
    **COMPANIES,
    "/admin/company-groups": "Manage company groups",
    "/admin/templates": "Manage templates of issues",
    "/admin/group-mappings": "Manage mappings of groups",
    "/admin/alerts": "Manage alerts",
    "/admin/webhooks": "Manage webhooks",
    "/admin/credentials": "Manage credentials",
}
"""Names of pages by URL for super admins who see all companies."""


class FindQuery(msgspec.Struct, frozen=True):
    """The search text."""

    q: Annotated[str, Meta(max_length=255)] = ""


class Found(msgspec.Struct, frozen=True):
    """A search result whose name is similar to the search text, with the similarity `score`, at most 100. `former_name`
    is the earlier name of an issue, if that one is more similar.
    """

    name: str
    href: str
    score: float
    former_name: str | None = None


class FoundKind(msgspec.Struct, frozen=True):
    """The results of one kind, the most similar first."""

    title: str
    results: list[Found]


NOTHING = FindQuery()


@routes.get("/find")
def find(request: Request, query: FindQuery = NOTHING) -> Response:
    """Shows what has a name similar to the search text; the kind with the best result comes first."""
    text = query.q.strip()
    kinds = [kind for kind in _kinds(request, text) if kind.results] if text and storable(text) else []
    kinds.sort(key=lambda kind: -kind.results[0].score)
    if request.header("x-fragment") is not None:
        return fragment(request, "web/found.html", kinds=kinds, text=text)
    return page(request, "web/find.html", kinds=kinds, text=text)


def _kinds(request: Request, text: str) -> list[FoundKind]:
    issues = [
        Found(issue.name, f"/issues/{issue.issue_id}", issue.score, issue.former_name)
        for issue in find_issues(request.tx, request.actor, text, SHOWN)
    ]
    companies = list_companies(request.tx, request.actor)
    groups = list_group_names(request.tx, request.actor)
    people = list_people(request.tx, request.actor)
    administration = ADMINISTRATION if request.actor.company_access.all else COMPANIES
    pages = ACTIONS | (administration if request.actor.super_admin else {})
    return [
        FoundKind("Companies", _alike(text, {f"/companies/{each}": name for each, name in companies.items()})),
        FoundKind("Issues", issues),
        FoundKind("Company groups", _alike(text, {_open_issues_of(name): name for name in groups})),
        FoundKind("Go to", _alike(text, pages)),
        FoundKind("People", _alike(text, {f"/activity?{urlencode({'actor': name})}": name for name in people})),
    ]


def _open_issues_of(group: str) -> str:
    """Returns the URL of the open issues of a company group."""
    return f"/?{urlencode({'open': 'true', 'companyGroup': group})}"


def _alike(text: str, names: Mapping[str, str]) -> list[Found]:
    typed = key(text)
    choices = {href: key(name) for href, name in names.items()}
    found = most_alike(typed, choices, len(choices), least=ALIKE)
    # Names that begin with the text come first, then names with a word that does; many others may contain a short text.
    ranked = [(score + _bonus(typed, choices[href]), href) for href, score in found]
    ranked.sort(key=lambda each: -each[0])
    return [Found(names[href], href, score) for score, href in ranked[:SHOWN]]


def _bonus(typed: str, name: str) -> float:
    return 20 if name.startswith(typed) else 10 if f" {typed}" in name else 0
