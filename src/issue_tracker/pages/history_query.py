"""The parameters of pages that show a history and updates."""

from typing import Literal

import msgspec

from issue_tracker.integers import Cursor


class HistoryQuery(msgspec.Struct, frozen=True):
    """The positions of the history (before this event_id) and of the updates (before this update_id), or None."""

    before: Cursor | None = None
    updates: Cursor | None = None
    only: Literal["updates"] | None = None
    """Whether the page of an issue shows only its updates, without the other events."""
    order: Literal["name", "affected"] | None = None
    """The order of an issue's companies: by name, the longest affected first or (None) the longest unmoved first."""


class IssuePageQuery(HistoryQuery, frozen=True):
    """The parameters of the page of an issue: also company groups whose companies are selected, and exceptions."""

    company_group: list[str] = msgspec.field(default_factory=list, name="companyGroup")
    exclude: list[str] = []


NEWEST = HistoryQuery()
NEWEST_OF_ISSUE = IssuePageQuery()
