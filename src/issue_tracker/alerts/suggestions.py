"""Suggests a rule for an unsorted alert; a super admin checks the suggestion before it is stored."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec
from sqlalchemy import Connection

from issue_tracker.actor import Actor, require_administrator
from issue_tracker.alerts.company_search import CompanySearch
from issue_tracker.alerts.models import Alert
from issue_tracker.alerts.rules import DEFAULT, CompanyBy, Condition, Rule, decide, filled

SHORTEST, LONGEST = 3, 100
"""Minimum and maximum length of a label's value that may be the name of a company."""

NAMES = ("alertname", "name", "check")
"""The labels that usually describe what an alert is about, the best first."""

TEXTS = ("summary", "description", "message", "severity")
"""Labels whose values are not names of companies, even if they contain one."""


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """A suggested rule, and what an alert would be about with it. Without companies, the alert remains unsorted."""

    name: str
    rule: Rule
    issue_name: str | None
    company_names: list[str]


def suggestions(tx: Connection, actor: Actor, found: Sequence[Alert]) -> dict[int, Suggestion]:
    """Returns a suggestion for each alert that has labels and would be sorted with it, by `alert_id`.

    Raises Forbidden.
    """
    require_administrator(actor)
    search = CompanySearch(tx, actor)
    suggested = {one.alert_id: _suggestion(search, one.labels) for one in found if one.labels}
    return {alert_id: one for alert_id, one in suggested.items() if one.issue_name is not None and one.company_names}


def suggested_rule(tx: Connection, actor: Actor, labels: Mapping[str, str]) -> Suggestion:
    """Returns a rule for alerts like one with these labels. `labels` must not be empty.

    The rule takes the company from a label whose value matches a company, if there is one. Raises Forbidden.
    """
    require_administrator(actor)
    return _suggestion(CompanySearch(tx, actor), labels)


def _suggestion(search: CompanySearch, labels: Mapping[str, str]) -> Suggestion:
    # A condition on an empty label would be met by all alerts without it.
    filled_in = [name for name in (*NAMES, *labels) if labels.get(name)]
    name = filled_in[0] if filled_in else next(iter(labels))
    conditions = [Condition(label=name[:100], value=labels[name][:255])]
    issue = DEFAULT.issue if decide((), "", labels).issue is not None else f"{{{name}}}"
    rule = Rule(conditions=conditions, issue=issue[:255])
    companies: list[str] = []
    for template, by in _ways(labels):
        companies = search.known(by, filled(template, labels))
        if companies:
            rule = msgspec.structs.replace(rule, company=template, company_by=by)
            break
    decided = decide([rule], "", labels).issue
    values = ", ".join(one.value for one in conditions)[:100]
    issue_name = None if decided is None else str(decided)
    return Suggestion(name=values, rule=rule, issue_name=issue_name, company_names=companies)


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
