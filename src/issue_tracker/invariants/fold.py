"""The fold of an issue's events: the state that they lead to, one after the other."""

from datetime import datetime

import msgspec

from issue_tracker.events.catalog import EventType


class RecordedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """What an event says about the state of an issue or of a company."""

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


class FoldedAssignment(msgspec.Struct):
    status: str | None
    created_at: datetime
    updated_at: datetime


class FoldedIssue:
    """An issue as its events say. It does not exist before the first one."""

    def __init__(self) -> None:
        self.exists = False
        self.name: str | None = None
        self.created_at: datetime | None = None
        self.updated_at: datetime | None = None
        self.assignments: dict[int | None, FoldedAssignment] = {}

    def apply(self, event: RecordedEvent) -> str | None:
        """Applies the next event. Returns the rest of a sentence if it cannot follow those before."""
        created = event.type == EventType.ISSUE_CREATED
        problem = self._time_problem(event)
        self.updated_at = event.at
        if created == self.exists:
            problem = "creates an issue that exists already" if created else "is about an issue that does not exist"
        self.exists = event.type != EventType.ISSUE_DELETED
        if created:
            self.name, self.created_at = event.issue_name, event.at
            self.assignments = {}
        elif event.type == EventType.ISSUE_UPDATED:
            problem = self._update(event) or problem
        elif event.type != EventType.ISSUE_DELETED:
            problem = self._assignment(event) or problem
        if event.issue_name != self.name:
            problem = problem or f"calls the issue “{event.issue_name}”, and the events before call it “{self.name}”"
            self.name = event.issue_name
        return problem

    def _time_problem(self, event: RecordedEvent) -> str | None:
        went_back = self.updated_at is not None and event.at < self.updated_at
        return f"is from {event.at}, before the last one of {self.updated_at}" if went_back else None

    def _update(self, event: RecordedEvent) -> str | None:
        if event.field != "name":
            return None
        before, self.name = self.name, event.after
        if event.before == before:
            return None
        return f"changes the name from “{event.before}”, and the events before call the issue “{before}”"

    def _assignment(self, event: RecordedEvent) -> str | None:
        current = self.assignments.get(event.company_id)
        new = event.type == EventType.ASSIGNMENT_CREATED
        if event.type == EventType.ASSIGNMENT_DELETED:
            self.assignments.pop(event.company_id, None)
        elif new or current is None:
            self.assignments[event.company_id] = FoldedAssignment(event.after, event.at, event.at)
        else:
            created_at = current.created_at
            self.assignments[event.company_id] = FoldedAssignment(event.after, created_at, event.at)
        if new:
            return None if current is None else f"assigns company {event.company_id}, which is assigned already"
        if current is None:
            return f"changes company {event.company_id}, which is not assigned"
        if current.status != event.before:
            said = f"company {event.company_id} from {event.before}"
            return f"changes {said}, and the events before say {current.status}"
        return None
