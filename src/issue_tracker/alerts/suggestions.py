"""Suggests a rule for an unsorted alert; a super admin checks the suggestion before it is stored."""

from collections.abc import Iterator, Mapping

from sqlalchemy import Connection

from issue_tracker.actor import Actor, require_administrator
from issue_tracker.alerts.company_search import CompanySearch
from issue_tracker.alerts.rules import DEFAULT, CompanyBy, Condition, Rule, decide, filled
from issue_tracker.companies.queries import find_companies

SHORTEST, LONGEST = 3, 100
"""Minimum and maximum length of a label's value that may be the name of a company."""

NAMES = ("alertname", "name", "check")
"""The labels that usually describe what an alert is about, the best first."""

TEXTS = ("summary", "description", "message", "severity")
"""Labels whose values are no names of companies, even if they contain one."""


def suggested_rule(tx: Connection, actor: Actor, labels: Mapping[str, str]) -> Rule:
    """Returns a rule for alerts like one with these labels. `labels` must not be empty.

    The rule takes the company from a label whose value matches a company, if there is one. Raises Forbidden.
    """
    require_administrator(actor)
    # A condition on an empty label would be met by all alerts without it.
    filled_in = [name for name in (*NAMES, *labels) if labels.get(name)]
    name = filled_in[0] if filled_in else next(iter(labels))
    conditions = [Condition(label=name[:100], value=labels[name][:255])]
    issue = DEFAULT.issue if decide((), "", labels).issue is not None else f"{{{name}}}"
    search = CompanySearch(tx, actor)
    for template, by in _ways(labels):
        names = search.names(by, filled(template, labels))
        if names and find_companies(tx, actor, names):
            return Rule(conditions=conditions, issue=issue[:255], company=template, company_by=by)
    return Rule(conditions=conditions, issue=issue[:255])


def _ways(labels: Mapping[str, str]) -> Iterator[tuple[str, CompanyBy]]:
    """Yields the ways to find a company, the best first: by the usual labels, then by the others."""
    others = [
        f"{{{label}}}"
        for label, value in labels.items()
        if label not in (*NAMES, *TEXTS)
        and SHORTEST <= len(value) <= LONGEST
        and not set("{}|") & set(label)
        and len(label) < LONGEST
    ]
    for by in (CompanyBy.NAME, CompanyBy.LIKENESS, CompanyBy.GROUP):
        yield DEFAULT.company, by
    for by in (CompanyBy.NAME, CompanyBy.GROUP, CompanyBy.LIKENESS, CompanyBy.TAG):
        for template in others:
            yield template, by
