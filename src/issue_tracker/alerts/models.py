"""What a sender reports, and what became of it (contract, section 14)."""

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from issue_tracker.clock import Timestamp
from issue_tracker.issues.models import Severity
from issue_tracker.names import IssueName
from issue_tracker.status import Status


class AlertState(StrEnum):
    """Whether the fault is there, as the sender sees it."""

    FIRING = "firing"
    RESOLVED = "resolved"


class AlertAction(StrEnum):
    """What a report changed.

    - `opened`: it created the issue, with the company.
    - `assigned`: it assigned the company to an existing issue.
    - `reopened`: the assignment was resolved or closed, and is investigated again.
    - `kept`: nothing but the count.
    - `held`: a rule wants it to last longer before it changes anything, or it is flapping.
    - `cleared`: it resolved the assignment.
    - `ignored`: nothing was there to be cleared.
    - `unsorted`: no company has the name that was sent.
    """

    OPENED = "opened"
    ASSIGNED = "assigned"
    REOPENED = "reopened"
    KEPT = "kept"
    HELD = "held"
    CLEARED = "cleared"
    IGNORED = "ignored"
    UNSORTED = "unsorted"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a sender says about one alert. A firing one that names no issue, or no known company, is unsorted.

    `strict`: the sender wants an error for an unknown company instead. `field` is the report's place in the request,
    such as `alerts[3].`, for the names of invalid fields. `labels` are what a receiver was sent; `hold`, `steady`,
    `flap_changes`, `flap_period` and `cleared_status` are those of the rule that it applied.
    `again`: it was counted before, and a new rule is applied to it.
    """

    key: str
    state: AlertState
    issue: IssueName | None = None
    company: str | None = None
    severity: Severity | None = None
    summary: str | None = None
    url: str | None = None
    strict: bool = False
    field: str = ""
    labels: dict[str, str] | None = None
    hold: timedelta = timedelta(0)
    steady: timedelta = timedelta(0)
    flap_changes: int = 0
    flap_period: timedelta = timedelta(0)
    cleared_status: Status = Status.RESOLVED
    again: bool = False


class AlertOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a report. `count` says how often in a row this state was reported. Names and status are null
    where the alert belongs to no assignment.
    """

    key: str
    state: AlertState
    action: AlertAction
    issue_name: str | None = None
    company_name: str | None = None
    status: Status | None = None
    count: int


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as it is listed: what was sent last, and the assignment that it is about.

    `receiver` is the name of the receiver that was sent it, `labels` are what it was sent; both are null for a report.
    A `flapping` alert changes its state so often that it clears nothing until it has been resolved for a while.
    """

    alert_id: int
    key: str
    state: AlertState
    unsorted: bool
    flapping: bool
    issue: str
    company: str
    severity: Severity | None
    summary: str | None
    url: str | None
    receiver: str | None
    labels: dict[str, str] | None
    issue_id: int | None
    issue_name: str | None
    company_id: int | None
    company_name: str | None
    status: Status | None
    count: int
    first_at: Timestamp
    changed_at: Timestamp
    last_at: Timestamp


class StoredAlert(msgspec.Struct, frozen=True, kw_only=True):
    """The columns of an alert that operations decide on. `count` is 0 when this transaction has just inserted it.

    `due_at` is when a firing alert that is held opens its assignment, or a resolved one clears it. `changes` are the
    instants at which its state last changed, the oldest first.
    """

    alert_id: int
    key: str
    state: AlertState
    issue_key: str
    company_key: str
    issue_id: int | None
    company_id: int | None
    opening_event_id: int | None
    count: int
    changed_at: datetime
    due_at: datetime | None
    cleared_status: Status
    summary: str | None
    changes: tuple[datetime, ...]
    flapping: bool
