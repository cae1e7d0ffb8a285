"""Parts that several bodies have in common: the fields of an issue, and the issue that a request is about."""

from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta
from sqlalchemy import Connection

from issue_tracker.actor import Actor
from issue_tracker.auth.user_names import Email
from issue_tracker.errors import Invalid
from issue_tracker.http.validation import require_one
from issue_tracker.issues.fields import MOST_ITEMS, WrittenFields
from issue_tracker.issues.models import IssueHead, Reference
from issue_tracker.issues.queries.former import get_issue_by_external_key
from issue_tracker.issues.queries.issue import get_issue_head
from issue_tracker.names import ExternalKey, Name, WebAddress


class ReferenceBody(Reference, frozen=True, forbid_unknown_fields=True):
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
        found = get_issue_by_external_key(tx, actor, self.external_key, lock=lock)
        if self.issue_name is not None and get_issue_head(tx, actor, self.issue_name).issue_id != found.issue_id:
            raise Invalid.field("external_key", f"is not the key of “{self.issue_name}”")
        return found


class FieldsBody(WrittenFields, frozen=True, kw_only=True):
    """The fields of an issue besides name and description. Absent leaves a field unchanged, null clears it."""

    owner: Email | msgspec.UnsetType | None = msgspec.UNSET
    references: References | msgspec.UnsetType | None = msgspec.UNSET
