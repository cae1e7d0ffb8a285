"""The list of issues as one object: which issues, in which order, how many, and their content."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.clock import now
from issue_tracker.company_access.queries import access_values
from issue_tracker.database.prepared import Prepared, instant, numbers
from issue_tracker.issues.models import DetailedAssignment, DetailedIssue, Issue
from issue_tracker.issues.queries import attention, limited_attention, open_order, words
from issue_tracker.issues.queries import list_statements as statements
from issue_tracker.issues.queries.attention import Place
from issue_tracker.issues.queries.company_ranges import SEVERAL, first_of_ranges
from issue_tracker.issues.queries.conditions import (
    Condition,
    Conditions,
    changed_since,
    has_assignment,
    has_status,
    in_statuses,
    is_assigned,
    of_companies,
    padded,
    spread,
    updated_since,
)
from issue_tracker.issues.queries.field_conditions import field_filters, unfinished
from issue_tracker.issues.queries.filters import Filters, Order, Position, Row, visible_companies
from issue_tracker.issues.queries.paging import page_size
from issue_tracker.issues.queries.rows import assignment, detailed_assignment, issue, shown_assignment
from issue_tracker.names import key
from issue_tracker.status import OPEN, STATUSES, Status, mask

NO_LIMIT = 2**62
"""The limit of an unlimited list, because both databases need a number; no list is this long."""

MERGED = 32
"""Maximum number of companies in a filter that are read from their index ranges. More become an ordinary condition."""

FEW = 200
"""Maximum number of selected companies whose assignments are found before issues are searched or sorted, in the order
of attention and for actors with limited company access."""

SKIPPED = 1000
"""Maximum number of issues without assignments that the list of all statuses reads in vain."""

BATCH = 500
"""Number of issues that one statement reads with their assignments."""


class IssueList:
    """The issues that an actor may see and that match the filters, in an order, in one transaction.

    Limited company access acts like a filter by the visible companies: an issue without assignments to them is not
    listed, and only these assignments of a listed issue are shown and counted. Therefore access narrows the company
    filter. Apart from that, only the time of the last change differs, because hidden changes must not affect it.
    """

    def __init__(
        self,
        tx: Connection,
        actor: Actor,
        filters: Filters = Filters(),
        order: Order = Order(),
        *,
        after: Position | None = None,
    ) -> None:
        """Prepares the list. `rows` begins after the position `after`; counts cover the whole list. The issue at this
        position may have changed or been deleted since (keyset paging). Raises Forbidden without helpdesk access.
        """
        require_helpdesk(actor)
        self.access = actor.company_access
        self.filters = filters
        self._tx = tx
        self._order, self._after = order, after
        self._statuses = filters.statuses
        self._companies = visible_companies(actor.company_access, filters.company_ids)

        of_issue: list[Condition] = []
        of_company: list[Condition] = []
        of_status: list[Condition] = []
        values: dict[str, Any] = {}
        of_issue += words.add_texts(tx, actor, key(filters.search), filters.words, values)
        if filters.updated_since is not None:
            of_issue.append(updated_since(limited=not self.access.all))
            values["since"] = filters.updated_since
        if filters.changed_since is not None:
            of_issue.append(changed_since(limited=not self.access.all))
            values["after_event"] = filters.changed_since.last_event_id
            values["seen"] = numbers(tx, filters.changed_since.beyond)
        conditions, of_fields = field_filters(filters, limited=not self.access.all)
        of_issue += conditions
        values |= of_fields | {"at": filters.at or now()} | access_values(tx, self.access)
        if self._companies is not None:
            of_company.append(of_companies)
            values["companies"] = numbers(tx, self._companies)
        if self._statuses is not None:
            alternatives = spread("status", [status.value for status in self._statuses], "")
            values |= alternatives
            values["mask"] = mask(self._statuses)
            # All statuses together exclude no assignments, only issues without any.
            if len(self._statuses) < len(Status):
                of_status.append(in_statuses(len(alternatives)))
        self._of_issue: Conditions = tuple(of_issue)
        self._of_company: Conditions = tuple(of_company)
        self._of_status: Conditions = tuple(of_status)
        self._of_assignment = self._of_company + self._of_status
        self._values = values
        self._counted: Any = None
        """The cursor of a statement of `count` that was sent."""

    def _conditions(self, *, in_order: bool = False) -> Conditions:
        """Returns all conditions as conditions on an issue. `in_order`: issues are read in an order, up to a limit."""
        if self._companies is not None:
            sorted_ = self._order.by == "attention" or (not self.access.all and (self._of_issue or not in_order))
            assigned = is_assigned if sorted_ and len(self._companies) <= FEW else has_assignment
            return (*self._of_issue, assigned(self._of_assignment))
        if self._statuses is None:
            return self._of_issue
        # An issue with an open company is not finished; this condition makes the index of unowned issues usable.
        live = self.filters.unowned and not in_order and set(self._statuses) <= set(OPEN)
        return (*self._of_issue, has_status, *([unfinished(limited=False)] if live else []))

    @property
    def shown_key(self) -> str:
        """A text that identifies which assignments of an issue the list shows; a part of the keys of cached issues."""
        if not self.filters.on_assignments:
            return self.access.key
        chosen = f"{self._values.get('mask')} {self._companies}"
        return f"{self.access.key} {hashlib.blake2b(chosen.encode(), digest_size=12).hexdigest()}"

    @property
    def _beginning(self) -> dict[str, Any]:
        """The position after which the rows begin, as parameters."""
        after = self._after
        return {} if after is None else {"after": after.value, "after_id": after.issue_id}

    @property
    def _nothing(self) -> bool:
        """Whether nothing can match, because no status or no company is left."""
        return self._statuses == () or self._companies == ()

    def rows(self, limit: int | None = None, *, counted: bool = False) -> list[Row]:
        """Returns the issues in order, at most `limit` of them, without their content.

        `counted` announces that `count` follows; if it takes little time, it then needs no round trip to PostgreSQL.
        """
        if self._nothing:
            return []
        if counted and self._tx.dialect.name == "postgresql" and not self._of_issue and self._companies is None:
            self._counted = self._count_statement().send(self._tx, **self._values)
        if self._order.by == "attention":
            return list(self._rows_by_attention(NO_LIMIT if limit is None else limit))
        values = self._values | self._beginning | {"limit": NO_LIMIT if limit is None else limit}
        paged = self._after is not None
        if self._order.by == open_order.OPEN_COUNT:
            only_open = self._statuses is not None and set(self._statuses) <= set(OPEN)
            of_both = self._conditions(), self._of_assignment
            found = open_order.read_rows(self._tx, *of_both, values, self._order, only_open=only_open, paged=paged)
            return [Row(issue_id=issue_id, revision=revision, sort_value=count) for issue_id, revision, count in found]
        by_name = self._order.by == "name"
        mergeable = by_name and not self._of_issue
        if mergeable and self._companies is not None and len(self._companies) <= MERGED:
            if limit is not None and len(self._companies) >= SEVERAL:
                values = self._values | self._beginning
                return first_of_ranges(self._tx, self._companies, self._of_status, self._order, paged, values, limit)
            alternatives = spread("company", self._companies, 0)
            values |= alternatives
            statement = statements.rows_by_company(len(alternatives), self._of_status, self._order, paged)
        elif mergeable and self._companies is None and self._statuses is not None and not self._few_skipped():
            statement = statements.rows_by_status(padded(len(self._statuses)), self._order, paged)
        else:
            limited = not self.access.all
            conditions = self._conditions(in_order=not limited or self._order.by != "updated_at")
            size = None if conditions else page_size(values["limit"])
            statement = statements.rows(conditions, self._order, paged, limited=limited, size=size)
        return [
            Row(issue_id=issue_id, revision=revision, sort_value=value if by_name else instant(value))
            for issue_id, revision, value in statement.all(self._tx, **values)[:limit]
        ]

    def _few_skipped(self) -> bool:
        """Returns whether reading all issues in order is faster than merging the ranges of all of their statuses."""
        return not self._of_status and statements.count_without_status.scalar(self._tx) <= SKIPPED

    def _rows_by_attention(self, limit: int) -> Iterator[Row]:
        after = None if self._after is None else (Place.read(str(self._after.value)), self._after.issue_id)
        common: dict[str, Any] = {"access": self.access, "after": after, "limit": limit}
        found = limited_attention.read_rows(self._tx, self.filters, self._of_issue, self._values, **common)
        if found is None:
            ranks = attention.ranks_of(self.filters, unlimited=self._companies is None)
            found = attention.read_rows(self._tx, self._conditions(), self._values, ranks=ranks, **common)
        return (Row(issue_id, revision, place.text) for issue_id, revision, place in found)

    def count(self) -> int:
        """Returns the number of matching issues, on all pages together."""
        if self._nothing:
            return 0
        cursor = self._counted or self._count_statement().run(self._tx, **self._values)
        return int(cursor.fetchone()[0])

    def _count_statement(self) -> Prepared:
        if self._of_issue:
            return statements.count(self._conditions())
        if self._companies is not None:
            return statements.count_assigned(self._of_assignment, one_company=len(self._companies) == 1)
        return statements.count_all if self._statuses is None else statements.count_by_status

    def count_up_to(self, most: int) -> int:
        """Returns the same number, but at most `most`: further issues are not counted."""
        if self._nothing:
            return 0
        before = self.filters.unmoved_since
        if before is not None and not self.access.all and self.filters == Filters(unmoved_since=before):
            found = limited_attention.count_unmoved(self._tx, self.access, before, most)
            if found is not None:
                return found
        by_time = self.filters.unowned and self._companies is None
        statement = attention.count_up_to(self._conditions(), by_time=by_time)
        return int(statement.scalar(self._tx, **self._values, limit=most))

    def status_counts(self) -> dict[Status, int]:
        """Returns how many assignments have each status, under all filters except the one by status.

        Statuses without assignments may be absent.
        """
        if self._companies == ():
            return {}
        if self._of_issue or self._of_company:
            statement = statements.status_counts(self._of_issue, self._of_company)
        else:
            statement = statements.status_counts_of_all
        return {STATUSES[status]: int(count) for status, count in statement.all(self._tx, **self._values)}

    def load(self, rows: Sequence[Row], *, details: bool = False) -> list[Issue]:
        """Returns the issues of rows of this list, in their order, each with its assignments that match the filters.

        Omits issues that are no longer in the list. With `details`, they are DetailedIssues.
        """
        return self.load_by_id([row.issue_id for row in rows], details=details)

    def load_shown(self, issue_ids: Sequence[int]) -> list[Issue]:
        """Like `load_by_id`, for pages: the assignments are ShownAssignments."""
        return self.load_by_id(issue_ids, details=True, member=shown_assignment)

    def load_by_id(
        self,
        issue_ids: Sequence[int],
        *,
        details: bool = False,
        member: Callable[[tuple[Any, ...]], DetailedAssignment] = detailed_assignment,
    ) -> list[Issue]:
        """Like `load`, by id. Includes issues that do not match the search or the times. `member` converts a row to an
        assignment with details.
        """
        found: dict[int, Issue] = {}
        heads = statements.heads if self.access.all else statements.limited_heads
        values = {} if self.access.all else {"access": self._values["access"]}
        affected_only = self._companies is not None or self._statuses is not None
        for start in range(0, len(issue_ids), BATCH):
            batch = list(issue_ids[start : start + BATCH])
            of_batch = heads.send(self._tx, issues=numbers(self._tx, batch), **values)
            if details:
                members = self._members(batch, statements.detailed_members, member)
            else:
                members = self._members(batch, statements.members, assignment)
            for row in heads.fetch(self._tx, of_batch):
                issue_id = row.issue_id
                if not affected_only or issue_id in members:
                    found[issue_id] = issue(row, members.get(issue_id, []), DetailedIssue if details else Issue)
        return [found[issue_id] for issue_id in issue_ids if issue_id in found]

    def _members(
        self, issue_ids: Sequence[int], read: Callable[[Conditions], Prepared], member: Callable[[Any], Any]
    ) -> dict[int, list[Any]]:
        """Returns the assignments of issues, which `member` creates from the rows of the statement `read`."""
        if self._nothing:
            return {}
        found: dict[int, list[Any]] = {}
        values = self._values | {"issues": numbers(self._tx, issue_ids)}
        for row in read(self._of_assignment).rows(self._tx, **values):
            if row.issue_id in found:
                found[row.issue_id].append(member(row))
            else:
                found[row.issue_id] = [member(row)]
        return found

    def packed_statuses(self, issue_ids: Sequence[int], marked_before: datetime) -> list[tuple[Any, ...]]:
        """Returns the rows of `packed_members`, with the assignments that `load_by_id` would return, unordered."""
        values = self._values | {"issues": numbers(self._tx, issue_ids), "before": marked_before}
        return [] if self._nothing else statements.packed_members(self._of_assignment).all(self._tx, **values)
