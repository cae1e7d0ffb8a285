"""Companies: contract section 6. Technicians read them, super admins change them.

Every function raises Refused (its subclass by status) when the server refuses, and Unreachable when there is no
response.
"""

from issue_tracker_client.models import Company, Listing, decoder
from issue_tracker_client.session import Session
from issue_tracker_client.spelling import json_request, posted, query_pairs
from issue_tracker_client.steps import Plan, Request

COMPANIES = "/api/companies"

read_company = decoder(Company)
read_companies = decoder(Listing[Company])


def companies(session: Session, *, search: str | None = None, include_archived: bool = False) -> Plan[Listing[Company]]:
    """Returns companies by name, each with the number of its open issues. `search` is a part of the name."""
    query = query_pairs({"search": search, "includeArchived": include_archived or None})
    return read_companies((yield from session.perform(Request("GET", COMPANIES, query))))


def create_company(session: Session, name: str, *, idempotency_key: str | None = None) -> Plan[Company]:
    """Creates a company. Raises BadRequest when the name is taken."""
    return read_company((yield from session.perform(posted(COMPANIES, {"name": name}, idempotency_key))))


def update_company(
    session: Session, company_id: int, *, name: str | None = None, archived: bool | None = None
) -> Plan[Company]:
    """Renames, archives or restores a company. An archived company keeps its assignments and cannot be assigned to
    further issues.
    """
    given = {"name": name, "archived": archived}
    body = {field: value for field, value in given.items() if value is not None}
    return read_company((yield from session.perform(json_request("PUT", f"{COMPANIES}/{company_id}", body))))


def delete_company(session: Session, company_id: int) -> Plan[None]:
    """Deletes a company to which nothing has ever referred. Raises BadRequest for any other; archive it instead."""
    yield from session.execute(Request("DELETE", f"{COMPANIES}/{company_id}"))
