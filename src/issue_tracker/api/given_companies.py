"""Resolves the companies of a request body: names, groups and exclusions (contract, section 12)."""

from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

import msgspec
from sqlalchemy import Connection

from issue_tracker.actor import Actor
from issue_tracker.api.issue_bodies import BulkChange, CompanyStatus
from issue_tracker.companies.groups.queries import get_companies_in_groups
from issue_tracker.companies.queries import Company, get_companies
from issue_tracker.errors import Invalid, NotFound
from issue_tracker.issues.assignments import NewAssignment
from issue_tracker.issues.queries.issue import list_members
from issue_tracker.names import Name, key

Known = TypeVar("Known")
Other = TypeVar("Other")
Result = TypeVar("Result")


def with_known(resolve: Callable[[], Known], act: Callable[[Known | Other], Result], otherwise: Other) -> Result:
    """Returns the result of `act` for what `resolve` returns, in the open transaction.

    If `resolve` raises NotFound for an unknown name, all other errors come first (contract, section 2): `act` is called
    with `otherwise`, so that it can raise its own. Then NotFound is raised, which rolls back the transaction.
    """
    try:
        known = resolve()
    except NotFound:
        act(otherwise)
        raise
    return act(known)


def new_assignments(
    tx: Connection,
    actor: Actor,
    companies: Sequence[CompanyStatus] | None,
    groups: Sequence[str] | None = None,
    exclude: Sequence[str] | None = None,
) -> list[NewAssignment]:
    """Returns the assignments for the companies of a body and of its groups, without the excluded companies.

    Raises one NotFound that quotes every unknown company, or else every unknown group. Archived companies of a group
    are left out, because they accept no new assignments.
    """
    names = [member.company_name for member in companies or ()]
    known = get_companies(tx, actor, [*names, *(exclude or ())])
    excluded = {known[key(name)].company_id for name in exclude or ()}
    given = [NewAssignment(known[key(member.company_name)], member.status) for member in companies or ()]
    named = [each for each in given if each.company.company_id not in excluded]
    if not groups:
        return named
    others = _others(get_companies_in_groups(tx, actor, groups), [member.company for member in named], excluded)
    return named + [NewAssignment(company) for company in others if not company.archived]


def bulk_targets(
    tx: Connection, actor: Actor, issue_id: int, body: BulkChange
) -> tuple[list[Company] | None, list[Company]]:
    """Returns the companies of a bulk change and of its groups (None for all assigned ones), and the excluded
    companies.

    Archived companies of a group are left out unless they are assigned. Raises one NotFound that quotes every unknown
    company, or else every unknown group.
    """
    known = get_companies(tx, actor, [*(body.companies or ()), *(body.exclude or ())])
    exclude = [known[key(name)] for name in body.exclude or ()]
    if body.companies is None and body.company_groups is None:
        return None, exclude
    named = [known[key(name)] for name in body.companies or ()]
    if not body.company_groups:
        return named, exclude
    grouped = _others(get_companies_in_groups(tx, actor, body.company_groups), named)
    if any(company.archived for company in grouped):
        assigned = {member.company.company_id for member in list_members(tx, actor, issue_id)}
        grouped = [company for company in grouped if not company.archived or company.company_id in assigned]
    return named + grouped, exclude


class Audience(msgspec.Struct, frozen=True):
    """The companies that an update is for, None for all companies of the issue, and those of them that the request
    names one by one.
    """

    companies: Sequence[Company] | None
    named: Sequence[Company] = ()


def update_audience(
    tx: Connection,
    actor: Actor,
    issue_id: int,
    *,
    companies: Sequence[Name] | None,
    groups: Sequence[Name] | None,
    exclude: Sequence[Name] | None,
) -> Audience:
    """Returns the audience of an update: the named companies, and the assigned companies of the groups, without the
    excluded ones. Raises one NotFound that quotes every unknown company, or else every unknown group; and Invalid for
    groups without an assigned company, and if all companies are excluded.
    """
    known = get_companies(tx, actor, [*(companies or ()), *(exclude or ())])
    excluded = {known[key(name)].company_id for name in exclude or ()}
    named = [known[key(name)] for name in companies or ()]
    if companies is None and groups is None and not excluded:
        return Audience(None)
    found = [company for company in named if company.company_id not in excluded]
    others: Sequence[Company] = ()
    if companies is None or groups:
        assigned = [member.company for member in list_members(tx, actor, issue_id)]
        if groups is not None:
            of_groups = {company.company_id for company in get_companies_in_groups(tx, actor, groups)}
            assigned = [company for company in assigned if company.company_id in of_groups]
        others = _others(assigned, named, excluded)
        if groups and not (named or assigned):
            raise Invalid.field("company_groups", "contain no company that is assigned to the issue")
    if excluded and not (found or others):
        raise Invalid.field("exclude", "leaves no company for this update")
    return Audience([*found, *others], found)


def _others(companies: Sequence[Company], named: Sequence[Company], excluded: Collection[int] = ()) -> list[Company]:
    """Returns the companies that are neither named nor excluded."""
    ids = {company.company_id for company in named}.union(excluded)
    return [company for company in companies if company.company_id not in ids]
