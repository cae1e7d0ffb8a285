"""The bodies of the issues API, with an example of each (specification; contract, sections 4 and 5)."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from sqlalchemy import Connection

from issue_tracker.actor import Actor
from issue_tracker.api.issue_fields import FieldsBody, NamedIssue, References
from issue_tracker.auth.user_names import Email
from issue_tracker.http.validation import Distinct, refuse_repeated, require_one
from issue_tracker.issues.bulk import BulkResult
from issue_tracker.issues.models import Issue
from issue_tracker.issues.queries.owners import find_owner
from issue_tracker.names import Description, IssueName, Name, Note
from issue_tracker.status import Status


class IssueList(msgspec.Struct):
    """Issues in the requested order. `total` counts all matches on all pages."""

    items: list[Issue]
    total: int


class CompanyStatus(msgspec.Struct, forbid_unknown_fields=True):
    """A company to assign. Without a status, it gets the status `new`."""

    company_name: Name
    status: Status | None = None


Companies = Annotated[list[CompanyStatus], Distinct("company_name")]
Names = Annotated[list[Name], Distinct()]


class NewIssue(FieldsBody, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An issue to create, with these companies and those of these groups. Companies in `exclude` are left out of
    both.
    """

    name: IssueName
    description: Description | None = None
    companies: Companies | None = None
    company_groups: Names | None = None
    exclude: Names | None = None

    def __post_init__(self) -> None:
        refuse_repeated(self)


class IssueChange(FieldsBody, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to change. An absent field keeps the present value, as does null for the name, the description and the
    companies; an empty description clears it. The companies of `company_groups` are added like those of
    `add_companies`, except for those in `exclude`.
    """

    description: Description | None = None
    new_name: IssueName | None = None
    add_companies: Companies | None = None
    company_groups: Names | None = None
    exclude: Names | None = None

    def __post_init__(self) -> None:
        refuse_repeated(self)


class IssueParts(msgspec.Struct):
    """Which parts of an issue to include."""

    include: Annotated[
        Literal["details"] | None,
        Meta(description="`details`: assignments also have affected_since, owner and references."),
    ] = None


class StatusChange(NamedIssue, forbid_unknown_fields=True, kw_only=True):
    """A company's new status in an issue, with an optional note for the history. `owner` and `references` are those of
    the assignment: absent leaves them unchanged, null clears them.
    """

    company_name: Name
    status: Status
    note: Note | None = None
    owner: Email | msgspec.UnsetType | None = msgspec.UNSET
    references: References | msgspec.UnsetType | None = msgspec.UNSET

    def fields(self, tx: Connection, actor: Actor) -> dict[str, Any]:
        """Returns the fields of the assignment for operations. Raises Invalid for an owner who is unknown."""
        return {
            "owner": find_owner(tx, actor, self.owner) if isinstance(self.owner, str) else self.owner,
            "references": self.references,
        }


class Merge(NamedIssue, forbid_unknown_fields=True, kw_only=True):
    """The issue to merge, and the one to merge it into. With `dry_run`, nothing changes."""

    into: Name
    dry_run: bool = False


class Unassignment(msgspec.Struct, kw_only=True):
    """The company to remove, and the issue to remove it from."""

    issue_name: str = msgspec.field(name="issueName")
    company_name: str = msgspec.field(name="companyName")


class BulkChange(NamedIssue, forbid_unknown_fields=True, kw_only=True):
    """A status for many companies of an issue: for all assigned ones if `companies` and `company_groups` are absent or
    null. `exclude` leaves out companies of either.
    """

    status: Status
    companies: Names | None = None
    company_groups: Names | None = None
    exclude: Names | None = None
    only_from: list[Status] | None = msgspec.field(default=None, name="from")
    note: Note | None = None
    dry_run: bool = False

    def __post_init__(self) -> None:
        require_one(self)
        refuse_repeated(self)


class BulkAnswer(msgspec.Struct):
    """What a bulk change did, or, as a dry run, would do."""

    issue_name: str
    status: Status
    changed: int
    results: list[BulkResult]


CREATED_AT = "2025-01-04T10:15:00+00:00"
UPDATED_AT = "2025-01-09T08:45:00+00:00"

ASSIGNMENT_EXAMPLE: dict[str, Any] = {
    "assignment_id": 12,
    "issue_id": 7,
    "company_id": 3,
    "company_name": "Acme Manufacturing",
    "status": "investigating",
    "status_label": "Investigating",
    "updated_at": UPDATED_AT,
    "updated_at_iso": UPDATED_AT,
}
NAMED_ASSIGNMENT_EXAMPLE = ASSIGNMENT_EXAMPLE | {
    "status": "resolved",
    "status_label": "Resolved",
    "issue_name": "Network degradation",
}
ISSUE_EXAMPLE: dict[str, Any] = {
    "issue_id": 7,
    "name": "Network degradation",
    "description": "Packet loss on primary WAN links",
    "severity": "high",
    "owner": {"user_id": 2, "name": "Tess Ngo"},
    "next_update_at": "2025-01-09T12:00:00+00:00",
    "tags": ["carrier", "wan"],
    "references": [{"system": "PSA", "key": "T20250104.0017", "url": "https://psa.example.com/T20250104.0017"}],
    "external_key": "monitoring:wan-1",
    "created_at": CREATED_AT,
    "created_at_iso": CREATED_AT,
    "updated_at": UPDATED_AT,
    "updated_at_iso": UPDATED_AT,
    "assignments": [ASSIGNMENT_EXAMPLE],
}
CSV_EXAMPLE = (
    "name,description,company_name,status,created_at,updated_at\r\n"
    "Network degradation,Packet loss on primary WAN links,Acme Manufacturing,investigating,"
    f"{CREATED_AT},{UPDATED_AT}\r\n"
)
NEW_ISSUE_EXAMPLE = {
    "name": "Printer firmware failure",
    "description": "Firmware 4.3.2 fails to initialise on multi-function devices.",
    "companies": [
        {"company_name": "Contoso", "status": "new"},
        {"company_name": "Fabrikam", "status": "investigating"},
    ],
}
ISSUE_CHANGE_EXAMPLE = {
    "description": "Packet loss on all WAN links",
    "new_name": "WAN degradation",
    "add_companies": [{"company_name": "Contoso", "status": "new"}],
}
MERGE_EXAMPLE = {"issue_name": "No internet", "into": "Network degradation"}
STATUS_CHANGE_EXAMPLE = {
    "issue_name": "Network degradation",
    "company_name": "Acme Manufacturing",
    "status": "resolved",
}
BULK_CHANGE_EXAMPLE = {
    "issue_name": "Network degradation",
    "status": "resolved",
    "exclude": ["Contoso"],
    "note": "Carrier confirms the repair",
}
BULK_ANSWER_EXAMPLE = {
    "issue_name": "Network degradation",
    "status": "resolved",
    "changed": 1,
    "results": [
        {"company_name": "Acme Manufacturing", "outcome": "changed", "from": "investigating", "to": "resolved"},
        {"company_name": "Contoso", "outcome": "skipped", "from": "new", "to": "new"},
    ],
}
