"""Parts that several bodies have in common: the fields of an issue, and the issue that a request is about."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta
from sqlalchemy import Connection

from issue_tracker.actor import Actor
from issue_tracker.auth.user_names import Email
from issue_tracker.errors import Invalid
from issue_tracker.http.validation import require_one
from issue_tracker.issues.fields import IssueFields
from issue_tracker.issues.models import IssueHead, Reference, Severity
from issue_tracker.issues.queries.issue import get_issue_head, get_issue_head_by_external_key
from issue_tracker.issues.queries.owners import find_owner
from issue_tracker.names import ExternalKey, Name, Tag, WebAddress

MOST_ITEMS = 50
"""Maximum number of tags, or of references, of an issue."""


class ReferenceBody(msgspec.Struct, forbid_unknown_fields=True):
    """The name of an issue or an assignment in another system, with the address of its page there."""

    system: Name
    key: Name
    url: WebAddress | None = None


References = Annotated[list[ReferenceBody], Meta(max_length=MOST_ITEMS)]


class NamedIssue(msgspec.Struct, kw_only=True):
    """The issue that a body is about, by name or by external key. If both are given, they must name the same issue."""

    issue_name: Name | None = None
    external_key: ExternalKey | None = None

    ONE_OF: ClassVar = ("issue_name", "external_key")

    def __post_init__(self) -> None:
        require_one(self)

    def find(self, tx: Connection, actor: Actor, *, lock: bool = True) -> IssueHead:
        """Returns the issue, locked unless `lock` is false. Raises NotFound; and Invalid if name and external key
        belong to different issues.
        """
        if self.external_key is None:
            return get_issue_head(tx, actor, self.issue_name or "", lock=lock)
        found = get_issue_head_by_external_key(tx, actor, self.external_key, lock=lock)
        if self.issue_name is not None and get_issue_head(tx, actor, self.issue_name).issue_id != found.issue_id:
            raise Invalid.field("external_key", f"is not the key of “{self.issue_name}”")
        return found


class FieldsBody(msgspec.Struct, kw_only=True):
    """The fields of an issue besides name and description. Absent leaves a field unchanged, null clears it. `owner` is
    the e-mail address of a technician.
    """

    severity: Severity | msgspec.UnsetType | None = msgspec.UNSET
    owner: Email | msgspec.UnsetType | None = msgspec.UNSET
    next_update_at: Annotated[datetime, Meta(tz=True)] | msgspec.UnsetType | None = msgspec.UNSET
    tags: Annotated[list[Tag], Meta(max_length=MOST_ITEMS)] | msgspec.UnsetType | None = msgspec.UNSET
    references: References | msgspec.UnsetType | None = msgspec.UNSET
    external_key: ExternalKey | msgspec.UnsetType | None = msgspec.UNSET

    def fields(self, tx: Connection, actor: Actor) -> IssueFields:
        """Returns the fields for operations. Raises Invalid for an owner who is no active technician."""
        return IssueFields(
            severity=self.severity,
            owner=find_owner(tx, actor, self.owner) if isinstance(self.owner, str) else self.owner,
            next_update_at=self.next_update_at,
            tags=self.tags,
            references=given_references(self.references) if isinstance(self.references, list) else self.references,
            external_key=self.external_key,
        )


def given_references(references: Sequence[ReferenceBody]) -> list[Reference]:
    """Returns references in the form for operations."""
    return [Reference(str(one.system), str(one.key), one.url and str(one.url)) for one in references]
