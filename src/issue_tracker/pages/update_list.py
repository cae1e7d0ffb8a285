"""Updates on the pages of an issue and of a company: the newest first, in pages."""

from collections.abc import Sequence

import msgspec
from markupsafe import Markup

from issue_tracker.http.request import Request
from issue_tracker.issues.updates.queries import PlacedUpdate, UpdateFilters, is_changeable, list_updates
from issue_tracker.pages.markdown import first_words, render

SHOWN = 20
"""Maximum number of updates on a page."""

OLDER = "updates"
"""The parameter with the update_id before which the list begins."""


class ShownUpdate(msgspec.Struct, frozen=True):
    """An update with its text as HTML, and whether the user may edit and withdraw it."""

    update_id: int
    issue_id: int
    issue_name: str
    html: Markup
    public: bool
    company_names: list[str] | None
    author: str
    at: str
    edited_at: str | None
    changeable: bool


class UpdateLine(msgspec.Struct, frozen=True):
    """An update in one line: its author, time and beginning."""

    author: str
    at: str
    text: str


class UpdateList(msgspec.Struct, frozen=True):
    """Updates, their number on all pages, and the query for older ones; None if there are none."""

    updates: list[ShownUpdate]
    total: int
    older: str | None


def shown_updates(request: Request, filters: UpdateFilters, before: int | None, alone: str = "") -> UpdateList:
    """Returns the matching updates before this update_id; None for the newest. `alone` is the parameter with which a
    page shows only updates.
    """
    found = list_updates(request.tx, request.actor, filters, before=before, limit=SHOWN)
    last = found.updates[-1].update.update_id if found.more else None
    return UpdateList(
        [shown_update(request, placed) for placed in found.updates],
        found.total,
        None if last is None else f"?{alone}{OLDER}={last}#{'history' if alone else 'update-list'}",
    )


def updates_by_id(request: Request, update_ids: Sequence[int]) -> dict[int, ShownUpdate]:
    """Returns those of these updates that still exist, by id."""
    if not update_ids:
        return {}
    wanted = UpdateFilters(update_ids=tuple(update_ids))
    found = list_updates(request.tx, request.actor, wanted, limit=len(update_ids))
    return {placed.update.update_id: shown_update(request, placed) for placed in found.updates}


def shown_update(request: Request, placed: PlacedUpdate) -> ShownUpdate:
    """Returns one update as the page shows it to the user."""
    update = placed.update
    return ShownUpdate(
        update_id=update.update_id,
        issue_id=placed.issue_id,
        issue_name=update.issue_name,
        html=render(update.body),
        public=update.public,
        company_names=update.company_names,
        author=update.actor.name,
        at=update.at,
        edited_at=update.edited_at,
        changeable=is_changeable(request.tx, request.actor, placed),
    )


def line_of(placed: PlacedUpdate) -> UpdateLine:
    """Returns an update in one line."""
    return UpdateLine(placed.update.actor.name, placed.update.at, first_words(placed.update.body))
