"""What a sender reports, and the outcome (contract, section 14)."""

from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from issue_tracker.clock import Timestamp
from issue_tracker.issues.models import Severity
from issue_tracker.names import IssueName
from issue_tracker.status import Status


class AlertState(StrEnum):
    """Whether the fault is present, according to the sender."""

    FIRING = "firing"
    RESOLVED = "resolved"


class AlertAction(StrEnum):
    """What a report changed.

    - `opened`: the issue was created, with the company.
    - `assigned`: the company was assigned to an existing issue.
    - `reopened`: the assignment was resolved or closed, and is under investigation again.
    - `kept`: only the count changed.
    - `held`: the rule delays the change, or the alert is flapping.
    - `cleared`: the assignment was resolved.
    - `ignored`: there was nothing to clear.
    - `unsorted`: no company has the given name, or it is archived and not assigned to the issue.
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
    """A sender's report about one alert. A firing alert without an issue or a known company is unsorted.

    `strict`: the sender wants an error for an unknown company instead. `field` is the path of the report in the
    request, such as `alerts[3].`, for the names of invalid fields. `labels` are those that a receiver received; `hold`,
    `steady`, `flap_changes`, `flap_period` and `cleared_status` come from the rule that the receiver applied.
    `again`: the alert was counted before, and is only sorted by changed rules. `since`: it has been firing since then,
    under a former name of the company.
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
    since: datetime | None = None


class AlertOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a report. `count` is the number of consecutive reports of this state. The names and the status are
    null if the alert belongs to no assignment.
    """

    key: str
    state: AlertState
    action: AlertAction
    issue_name: str | None = None
    company_name: str | None = None
    status: Status | None = None
    count: int


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as it is listed: the last report, and the assignment that it is about.

    `receiver` is the name of the receiver and `labels` are those that it received; both are null for a report. Labels
    of an alert about several companies are null for an actor with limited company access, as they may name the others.
    A `flapping` alert changes its state so often that it clears nothing until it has been resolved for some time.
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
    """The columns of an alert that operations depend on. `count` is 0 if this transaction has just inserted it.

    `due_at` is the time at which a firing alert on hold opens its assignment, or a resolved one clears it. `changes`
    are the times of its last changes of state, the oldest first.
    """

    alert_id: int
    key: str
    state: AlertState
    issue_key: str
    company_key: str
    issue_id: int | None
    company_id: int | None
    count: int
    changed_at: datetime
    due_at: datetime | None
    cleared_status: Status
    summary: str | None
    changes: tuple[datetime, ...]
    flapping: bool
