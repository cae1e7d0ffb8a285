"""The fold of an issue's events: the state to which they lead when they are applied in order."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from issue_tracker.events.catalog import AssignmentTimes, EventType, Readers
from issue_tracker.status import Status


class RecordedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of an event that concern the state of an issue or of a company."""

    event_id: int
    type: str
    at: datetime
    issue_id: int | None
    issue_name: str | None
    company_id: int | None
    company_name: str | None
    field: str | None
    before: str | None
    after: str | None
    note: str | None
    update_id: int | None
    request_id: str
    undoes: str | None
    status_since: datetime | None
    affected_since: datetime | None

    @property
    def times(self) -> AssignmentTimes | None:
        """The previous times of the assignment; None if the event has none, like those of earlier programs."""
        return None if self.status_since is None else AssignmentTimes(self.status_since, self.affected_since)


class FoldedUpdate(msgspec.Struct):
    body: str | None
    public: bool
    created_at: datetime
    edited_at: datetime | None = None
    withdrawn_at: datetime | None = None


class FoldedAssignment(msgspec.Struct):
    status: str | None
    created_at: datetime
    updated_at: datetime
    times: AssignmentTimes | None = None
    """None if they cannot be known."""


class FoldedIssue:
    """An issue according to its events. It does not exist before the first one."""

    def __init__(self) -> None:
        self.exists = False
        self.name: str | None = None
        self.created_at: datetime | None = None
        self.updated_at: datetime | None = None
        self.assignments: dict[int | None, FoldedAssignment] = {}
        self.fields: dict[str, str | None] = {}
        self._merge: tuple[str, datetime] | None = None
        """The request and the time of the last merge of another issue into this one."""
        self._before: dict[tuple[str, int | None, str | None], AssignmentTimes | None] = {}
        """The previous times of changed assignments, by request, company and status; None if they are not unique."""

    def apply(self, event: RecordedEvent) -> str | None:
        """Applies the next event. Returns the rest of a sentence if it cannot follow the previous events."""
        if event.update_id is not None:
            return None  # an update is a text on the issue, and does not change the issue itself
        created = event.type == EventType.ISSUE_CREATED
        problem = self._time_problem(event)
        self.updated_at = event.at
        if created == self.exists:
            problem = "creates an issue that already exists" if created else "is about an issue that does not exist"
        self.exists = event.type != EventType.ISSUE_DELETED
        if created:
            self.name, self.created_at = event.issue_name, event.at
            self.assignments, self.fields = {}, {}
        elif event.type == EventType.ISSUE_UPDATED:
            problem = self._update(event) or problem
        elif event.type != EventType.ISSUE_DELETED:
            problem = self._assignment(event) or problem
        if event.issue_name != self.name:
            problem = problem or f"calls the issue “{event.issue_name}”, but the earlier events call it “{self.name}”"
            self.name = event.issue_name
        return problem

    def _time_problem(self, event: RecordedEvent) -> str | None:
        went_back = self.updated_at is not None and event.at < self.updated_at
        return f"is from {event.at}, before the last one of {self.updated_at}" if went_back else None

    def _update(self, event: RecordedEvent) -> str | None:
        if event.field == "merged":
            self._merge = event.request_id, event.at
            return None
        if event.field != "name":
            return self._change_field(event)
        before, self.name = self.name, event.after
        if event.before == before:
            return None
        return f"changes the name from “{event.before}”, but the earlier events call the issue “{before}”"

    def _change_field(self, event: RecordedEvent) -> str | None:
        """Compares and stores a field, except descriptions, which events do not contain; the first value is
        accepted.
        """
        if event.field in (None, "description"):
            return None
        assert event.field is not None
        known, before = event.field in self.fields, self.fields.get(event.field)
        self.fields[event.field] = event.after
        if not known or before == event.before:
            return None
        return f"changes the {event.field} from “{event.before}”, but it is “{before}” in the earlier events"

    def _times(self, event: RecordedEvent, current: FoldedAssignment | None) -> AssignmentTimes | None:
        """Returns the times of the assignment after an event."""
        if event.type == EventType.ASSIGNMENT_CREATED and event.times is not None:
            return event.times  # those of an issue that was merged
        if event.undoes is not None:
            return self._before.get((event.undoes, event.company_id, event.after))
        open_ = Status(event.after).open if event.after is not None else False
        if current is None:
            return AssignmentTimes(event.at, event.at if open_ else None)
        if current.times is None:
            return None
        if self._is_merge(event):
            # In events of earlier programs, these are the previous times, which the change did not keep.
            return event.times if event.times != current.times else None
        return AssignmentTimes(event.at, (current.times.affected_since or event.at) if open_ else None)

    def _remember(self, event: RecordedEvent) -> None:
        """Stores the times that an undo of this event restores. If several requests have the same id, it cannot be
        known which of them an undo means.
        """
        change = event.request_id, event.company_id, event.before
        known = self._before.get(change, event.times)
        self._before[change] = event.times if known == event.times else None

    def _is_merge(self, event: RecordedEvent) -> bool:
        return (event.request_id, event.at) == self._merge

    def _assignment(self, event: RecordedEvent) -> str | None:
        current = self.assignments.get(event.company_id)
        if event.type == EventType.ASSIGNMENT_UPDATED:
            if current is None:
                return f"changes company {event.company_id}, which is not assigned"
            current.updated_at = event.at
            current.times = event.times or current.times
            return None
        known = current.times if current is not None else None
        wrong_times = known is not None and event.times not in (None, known) and not self._is_merge(event)
        self._remember(event)
        times = self._times(event, current)
        new = event.type == EventType.ASSIGNMENT_CREATED
        if event.type == EventType.ASSIGNMENT_DELETED:
            self.assignments.pop(event.company_id, None)
        elif new or current is None:
            self.assignments[event.company_id] = FoldedAssignment(event.after, event.at, event.at, times)
        else:
            created_at = current.created_at
            self.assignments[event.company_id] = FoldedAssignment(event.after, created_at, event.at, times)
        if new:
            return None if current is None else f"assigns company {event.company_id}, which is already assigned"
        if current is None:
            return f"changes company {event.company_id}, which is not assigned"
        if current.status != event.before:
            said = f"company {event.company_id} from {event.before}"
            return f"changes {said}, but the status is {current.status} in the earlier events"
        if wrong_times:
            return f"contains other times of company {event.company_id} than the earlier events"
        return None


def fold_update(events: Iterable[RecordedEvent]) -> tuple[FoldedUpdate | None, list[str]]:
    """Returns the update to which these events lead, and sentences about events that contradict earlier ones."""
    known: FoldedUpdate | None = None
    problems = []
    for event in events:
        public = event.after == Readers.PUBLIC
        before = None if known is None else Readers.PUBLIC if known.public else Readers.INTERNAL
        if (event.type == EventType.UPDATE_CREATED) is not (known is None) or (known and known.withdrawn_at):
            problems.append(f"Event {event.event_id} ({event.type}) cannot follow the events of the update before it.")
        elif event.before != before:
            problems.append(f"Event {event.event_id} changes the update from {event.before}, but it was {before}.")
        if known is None or event.type == EventType.UPDATE_CREATED:
            known = FoldedUpdate(event.note, public, event.at)
        elif event.type == EventType.UPDATE_EDITED:
            known.body, known.public, known.edited_at = event.note, public, event.at
        else:
            known.withdrawn_at = event.at
    return known, problems
