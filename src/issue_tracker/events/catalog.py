"""Every type of event, and the form of an event (contract, section 7)."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

from issue_tracker.clock import Timestamp


class EventType(StrEnum):
    """What happened, in the past tense."""

    ISSUE_CREATED = "issue.created"
    ISSUE_UPDATED = "issue.updated"
    ISSUE_DELETED = "issue.deleted"
    ASSIGNMENT_CREATED = "assignment.created"
    ASSIGNMENT_STATUS_CHANGED = "assignment.status_changed"
    ASSIGNMENT_UPDATED = "assignment.updated"
    ASSIGNMENT_DELETED = "assignment.deleted"
    UPDATE_CREATED = "update.created"
    UPDATE_EDITED = "update.edited"
    UPDATE_DELETED = "update.deleted"
    # The types below are audit events, for super admins only.
    COMPANY_CREATED = "company.created"
    COMPANY_UPDATED = "company.updated"
    COMPANY_DELETED = "company.deleted"
    COMPANY_GROUP_CREATED = "company_group.created"
    COMPANY_GROUP_UPDATED = "company_group.updated"
    COMPANY_GROUP_DELETED = "company_group.deleted"
    TEMPLATE_CREATED = "template.created"
    TEMPLATE_UPDATED = "template.updated"
    TEMPLATE_DELETED = "template.deleted"
    VIEW_CREATED = "view.created"
    VIEW_UPDATED = "view.updated"
    VIEW_DELETED = "view.deleted"
    USER_CREATED = "user.created"
    USER_UPDATED = "user.updated"
    USER_INVITED = "user.invited"
    IDENTITY_LINKED = "identity.linked"
    IDENTITY_UNLINKED = "identity.unlinked"
    GROUP_MAPPING_CREATED = "group_mapping.created"
    GROUP_MAPPING_UPDATED = "group_mapping.updated"
    GROUP_MAPPING_DELETED = "group_mapping.deleted"
    SCIM_GROUP_CREATED = "scim_group.created"
    SCIM_GROUP_UPDATED = "scim_group.updated"
    SCIM_GROUP_DELETED = "scim_group.deleted"
    SESSION_CREATED = "session.created"
    SESSION_FAILED = "session.failed"
    SESSION_THROTTLED = "session.throttled"
    SESSION_PROOF_FAILED = "session.proof_failed"
    SESSION_SECOND_FACTOR_FAILED = "session.second_factor_failed"
    SESSION_ENDED = "session.ended"
    SETUP_FAILED = "setup.failed"
    REQUEST_REFUSED = "request.refused"
    DATA_EXPORTED = "data.exported"
    DATA_PRUNED = "data.pruned"
    FACTOR_CREATED = "factor.created"
    FACTOR_DELETED = "factor.deleted"
    FACTOR_CODES_CREATED = "factor.codes_created"
    FACTOR_RESET = "factor.reset"
    TOKEN_CREATED = "token.created"
    TOKEN_DELETED = "token.deleted"
    TOKEN_REFUSED = "token.refused"
    RECEIVER_CREATED = "receiver.created"
    RECEIVER_UPDATED = "receiver.updated"
    RECEIVER_DELETED = "receiver.deleted"
    ALERT_RULE_CREATED = "alert_rule.created"
    ALERT_RULE_UPDATED = "alert_rule.updated"
    ALERT_RULE_DELETED = "alert_rule.deleted"
    WEBHOOK_CREATED = "webhook.created"
    WEBHOOK_UPDATED = "webhook.updated"
    WEBHOOK_DELETED = "webhook.deleted"
    WEBHOOK_DISABLED = "webhook.disabled"

    @property
    def audit(self) -> bool:
        """Whether only super admins may see events of this type."""
        return not self.value.startswith(("issue.", "assignment.", "update."))


FAILURES = (
    EventType.SESSION_FAILED,
    EventType.SESSION_PROOF_FAILED,
    EventType.SESSION_SECOND_FACTOR_FAILED,
    EventType.SESSION_THROTTLED,
    EventType.SETUP_FAILED,
    EventType.REQUEST_REFUSED,
    EventType.TOKEN_REFUSED,
)
"""Types of events that clients without an account can cause in any number."""

SIGN_INS = (*FAILURES, EventType.SESSION_CREATED, EventType.SESSION_ENDED)
"""Types of events that record no lasting change. No list of issues depends on them (docs/decisions/0005)."""


STATUS_CHANGES = (
    EventType.ASSIGNMENT_CREATED,
    EventType.ASSIGNMENT_STATUS_CHANGED,
    EventType.ASSIGNMENT_DELETED,
)
"""Types of events that change the status of a company in an issue, or whether it is assigned. An undo reverts them."""


class Readers(StrEnum):
    """The readers of an update, as the update's events name them in `from` and `to`."""

    PUBLIC = "public"
    INTERNAL = "internal"


class Subject(msgspec.Struct, frozen=True):
    """What an event is about: an issue or a company, with its name at that time."""

    id: int | None
    name: str


class AssignmentTimes(msgspec.Struct, frozen=True):
    """Since when an assignment has its status, and since when it has been open without a break; None if not open."""

    status_since: datetime
    affected_since: datetime | None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that an operation did, to be recorded. `before` and `after` become `from` and `to`.

    `field` is the changed field, as the API calls it, for `issue.updated` and `assignment.updated` only. `update_id` is
    for the events of updates only; their `company` is the company that the update is for, or None for several or all.
    `undoes` is the id of the request that the change undoes. `times` are the assignment's previous times, which an undo
    restores; for an assignment that a merge creates or changes, the times that it gets.
    """

    type: EventType
    issue: Subject | None = None
    company: Subject | None = None
    field: str | None = None
    before: str | None = None
    after: str | None = None
    note: str | None = None
    update_id: int | None = None
    undoes: str | None = None
    times: AssignmentTimes | None = None


class EventActor(msgspec.Struct, frozen=True):
    """The actor of an event, with their name at that time.

    `id` is null if no user acted: for the command line, receivers of alerts, identity providers, and requests without a
    user, such as failed sign-ins.
    """

    id: int | None
    name: str
    channel: str


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event, in the same form in the history, in the stream and in webhooks."""

    event_id: int
    type: EventType
    at: Timestamp
    actor: EventActor
    request_id: str
    issue_id: int | None
    issue_name: str | None
    company_id: int | None
    company_name: str | None
    field: Annotated[
        str | None,
        Meta(description="Which field `issue.updated` or `assignment.updated` changed. Null for other types."),
    ]
    before: str | None = msgspec.field(name="from")
    after: str | None = msgspec.field(name="to")
    note: str | None
    update_id: Annotated[int | None, Meta(description="The update that it is about. Null for other types.")]
    undoes: Annotated[str | None, Meta(description="The id of the request that it undoes. Null otherwise.")]
