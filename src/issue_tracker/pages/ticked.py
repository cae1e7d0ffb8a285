"""The companies of an issue that its page shows ticked: those of a group, for a bulk change without script."""

import msgspec

from issue_tracker.companies.groups.queries import get_companies_in_groups, get_groups
from issue_tracker.companies.queries import get_companies
from issue_tracker.errors import NotFound
from issue_tracker.http.request import Request
from issue_tracker.pages.history_query import IssuePageQuery


class TickedCompanies(msgspec.Struct, frozen=True):
    """The ticked companies, the names of their group and of the exceptions, and the reason why none are ticked."""

    company_ids: frozenset[int] = frozenset()
    group: str = ""
    exclude: list[str] = []
    wrong: str = ""


def ticked_companies(request: Request, query: IssuePageQuery) -> TickedCompanies:
    """Returns the companies of the group in a query, without its exceptions. An unknown name ticks nothing, and is
    reported in `wrong`.
    """
    names = list(dict.fromkeys(name.strip() for name in query.exclude if name.strip()))
    if not query.company_group:
        return TickedCompanies(exclude=names)
    try:
        [group] = get_groups(request.tx, request.actor, [query.company_group])
        excluded = {
            company.company_id: company.name for company in get_companies(request.tx, request.actor, names).values()
        }
    except NotFound as error:
        return TickedCompanies(group=query.company_group, exclude=names, wrong=error.detail)
    members = get_companies_in_groups(request.tx, request.actor, [group.name])
    ticked = frozenset(company.company_id for company in members if company.company_id not in excluded)
    return TickedCompanies(ticked, group.name, list(excluded.values()))
