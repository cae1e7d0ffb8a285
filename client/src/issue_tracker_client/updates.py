"""Updates: texts on issues, internal or for customers (contract section 13).

Every function raises Refused (its subclass by status) when the server refuses, and Unreachable when there is no
response.
"""

from collections.abc import Iterable
from typing import TypedDict, Unpack

from issue_tracker_client.models import Listing, Update, decoder
from issue_tracker_client.session import Session
from issue_tracker_client.sources import Pages
from issue_tracker_client.spelling import camel_case, json_request, named, posted, query_pairs, several
from issue_tracker_client.steps import Plan, Request

UPDATES = "/api/updates"

read_update = decoder(Update)
read_updates = decoder(Listing[Update])


class UpdateFilter(TypedDict, total=False):
    """Which updates to list; None means no restriction. `public` is True for updates that customers may read, False for
    internal ones. Raises NotFound for an unknown issue or company.
    """

    issue_name: str | None
    company_name: str | None
    public: bool | None


def updates(session: Session, *, page_size: int = 100, **where: Unpack[UpdateFilter]) -> Pages[Update]:
    """Returns the matching updates, the newest first, fetched lazily, `page_size` (1 to 500) at a time."""
    query = query_pairs(camel_case({**where, "limit": page_size}))
    return Pages(session, Request("GET", UPDATES, query), read_updates)


def add_update(
    session: Session,
    issue_name: str | None,
    body: str,
    *,
    external_key: str | None = None,
    public: bool = False,
    companies: Iterable[str] | None = None,
    company_groups: Iterable[str] | None = None,
    exclude: Iterable[str] = (),
    status: str | None = None,
    idempotency_key: str | None = None,
) -> Plan[Update]:
    """Adds a Markdown text to an issue, for these companies and those of these groups that it affects, or for all of
    the issue, without those in `exclude`; for customers if `public`.

    With a `status` the companies change to that status in the same transaction: those in `companies` are assigned if
    necessary, all others remain closed if they are closed. `external_key` identifies the issue instead of its name,
    which may then be None.
    """
    given = {
        "body": body,
        "public": public or None,
        "companies": None if companies is None else several("companies", companies),
        "company_groups": None if company_groups is None else several("company_groups", company_groups),
        "exclude": several("exclude", exclude) or None,
        "status": status,
    }
    content = named(issue_name, external_key) | {name: value for name, value in given.items() if value is not None}
    return read_update((yield from session.perform(posted(UPDATES, content, idempotency_key))))


def edit_update(
    session: Session, update_id: int, *, body: str | None = None, public: bool | None = None
) -> Plan[Update]:
    """Changes the given fields. Only the author and super admins may do so; the history contains the former text."""
    given = {"body": body, "public": public}
    content = {field: value for field, value in given.items() if value is not None}
    return read_update((yield from session.perform(json_request("PUT", f"{UPDATES}/{update_id}", content))))


def withdraw_update(session: Session, update_id: int) -> Plan[None]:
    """Withdraws an update. Only the author and super admins may do so; the history contains its text."""
    yield from session.execute(Request("DELETE", f"{UPDATES}/{update_id}"))
