"""The companies of an issue that its page shows selected: those of company groups, for a bulk change."""

from collections.abc import Sequence

import msgspec

from issue_tracker.companies.groups.queries import get_companies_in_groups, get_groups
from issue_tracker.companies.queries import get_companies
from issue_tracker.errors import NotFound
from issue_tracker.http.request import Request
from issue_tracker.pages.history_query import IssuePageQuery


class SelectedCompanies(msgspec.Struct, frozen=True):
    """The selected companies, the names of their groups and of the exceptions, and the reason why none are selected."""

    company_ids: frozenset[int] = frozenset()
    groups: list[str] = []
    exclude: list[str] = []
    wrong: str = ""


def select_companies(request: Request, query: IssuePageQuery) -> SelectedCompanies:
    """Returns the companies of the groups in a query, without its exceptions. An unknown name selects nothing, and is
    reported in `wrong`.
    """
    names, given = _distinct(query.exclude), _distinct(query.company_group)
    if not given:
        return SelectedCompanies(exclude=names)
    try:
        groups = [group.name for group in get_groups(request.tx, request.actor, given)]
        excluded = {
            company.company_id: company.name for company in get_companies(request.tx, request.actor, names).values()
        }
    except NotFound as error:
        return SelectedCompanies(groups=given, exclude=names, wrong=error.detail)
    members = get_companies_in_groups(request.tx, request.actor, groups)
    selected = frozenset(company.company_id for company in members if company.company_id not in excluded)
    return SelectedCompanies(selected, groups, list(excluded.values()))


def _distinct(names: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(name.strip() for name in names if name.strip()))
