"""Reads of saved views: named filters, order and search words of the list of issues.

Users see their own views and the shared ones. The name and the filters of a view may name what its author sees. An
actor with limited company access therefore sees the shared view of an author who sees more only if it is also shared
with users who see less, and even then not if it filters by a company, a group or an owner unknown to the actor, or by a
text. This also applies to a token that sees fewer companies than its owner.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from sqlalchemy import Connection, Row, Select, or_, select

from issue_tracker.actor import Actor, require_helpdesk
from issue_tracker.company_access.queries import load_accesses
from issue_tracker.database.tables import saved_views, start_views, users
from issue_tracker.errors import AppError, NotFound
from issue_tracker.integers import LARGEST_ID
from issue_tracker.issues.models import Owner
from issue_tracker.issues.queries.filters import company_filter
from issue_tracker.issues.queries.owners import list_technicians
from issue_tracker.names import key, whole_number

TEXTS = ("search", "words", "tag", "reference")
"""Filters by texts, which only users who can see the matching issues should read."""


class SavedView(msgspec.Struct, frozen=True):
    """A view, as one user sees it. `query` contains the parameters of the list, as in its URL. `start`: the user starts
    with this view; `changeable`: the user may change and delete it. `shared_with_limited`: it is also shared with users
    whose company access is narrower than that of its owner.
    """

    view_id: int
    name: str
    query: str
    shared: bool
    shared_with_limited: bool
    start: bool
    owner: Owner
    changeable: bool

    @property
    def address(self) -> str:
        """The URL of the page that shows the view."""
        return f"/?{self.query}" if self.query else "/"


def list_views(tx: Connection, actor: Actor) -> list[SavedView]:
    """Returns the views that the actor may use, by name: their own and the shared ones.

    Raises Forbidden without helpdesk access.
    """
    require_helpdesk(actor)
    return _visible(tx, actor, _views(actor).where(_usable(actor)))


def get_view(tx: Connection, actor: Actor, view_id: int) -> SavedView:
    """Returns the view with this id. Raises NotFound, which names the id, if the actor may not use it."""
    require_helpdesk(actor)
    found = []
    if 0 < view_id <= LARGEST_ID:
        found = _visible(tx, actor, _views(actor).where(_usable(actor), saved_views.c.view_id == view_id))
    if not found:
        raise NotFound(f"There is no view with the id {view_id}.")
    return found[0]


def read_changed_view(tx: Connection, actor: Actor, view_id: int) -> SavedView:
    """Returns the view that the actor has just saved or changed, even if the actor may not use it from now on: a super
    admin who ends the sharing of another user's view, or a token that sees fewer companies than its owner.
    """
    require_helpdesk(actor)
    return _shown(actor, tx.execute(_views(actor).where(saved_views.c.view_id == view_id)).one())


def find_start_view(tx: Connection, actor: Actor) -> SavedView | None:
    """Returns the view that the actor starts with; None if there is none or the actor may no longer use it."""
    require_helpdesk(actor)
    found = _visible(tx, actor, _views(actor).where(_usable(actor), start_views.c.view_id.is_not(None)))
    return found[0] if found else None


def _views(actor: Actor) -> Select[Any]:
    own_start = (start_views.c.view_id == saved_views.c.view_id) & (start_views.c.user_id == actor.user_id)
    return (
        select(
            saved_views,
            users.c.name.label("author"),
            users.c.all_companies,
            start_views.c.view_id.label("start"),
        )
        .join(users, users.c.user_id == saved_views.c.user_id)
        .outerjoin(start_views, own_start)
        .order_by(saved_views.c.name_key, saved_views.c.view_id)
    )


def _usable(actor: Actor) -> Any:
    return or_(saved_views.c.user_id == actor.user_id, saved_views.c.shared)


def _visible(tx: Connection, actor: Actor, query: Select[Any]) -> list[SavedView]:
    rows = tx.execute(query).all()
    if actor.company_access.all:
        shown = rows
    else:
        known = _Known(tx, actor, rows)
        shown = [row for row in rows if known.may_show(row)]
    return [_shown(actor, row) for row in shown]


def _shown(actor: Actor, row: Row[Any]) -> SavedView:
    return SavedView(
        view_id=row.view_id,
        name=row.name,
        query=row.query,
        shared=bool(row.shared),
        shared_with_limited=bool(row.shared_with_limited),
        start=row.start is not None,
        owner=Owner(row.user_id, row.author),
        changeable=row.user_id == actor.user_id or actor.super_admin,
    )


class _Known:
    """Which views an actor with limited company access may see: those that name nothing hidden. A token may see fewer
    companies than its owner, whose own views are then like those of another user.

    Each company, group and owner is read once for all views.
    """

    def __init__(self, tx: Connection, actor: Actor, views: Sequence[Row[Any]]) -> None:
        self._tx = tx
        self._actor = actor
        self._visible = actor.company_access.company_ids or frozenset()
        self._narrow = load_accesses(tx, {row.user_id for row in views if not row.all_companies})
        self._answers: dict[tuple[str, str], bool] = {}

    def may_show(self, view: Row[Any]) -> bool:
        """Returns whether this view is shown to the actor: it names nothing that is hidden from the actor."""
        author = self._narrow.get(view.user_id)
        companies = None if author is None else author.company_ids
        # The companies of an author who sees none have been taken away, and the view may name them to others.
        if companies is not None and companies <= self._visible and (companies or view.user_id == self._actor.user_id):
            return True
        if not view.shared_with_limited:
            return False
        filters = parse_qsl(view.query)
        return not any(name in TEXTS for name, _ in filters) and all(map(self._knows, filters))

    def _knows(self, one: tuple[str, str]) -> bool:
        if one not in self._answers:
            self._answers[one] = self._exists(*one)
        return self._answers[one]

    def _exists(self, name: str, value: str) -> bool:
        """Returns whether the company, the group or the owner in a filter exists for the actor."""
        try:
            if name == "owner":
                return key(value) in ("me", "none", "") or key(value) in self._emails
            if name == "companyId":
                company_filter(self._tx, self._actor, [whole_number(value) or 0], "")
            elif name == "companyName":
                company_filter(self._tx, self._actor, [], value)
            elif name == "companyGroup":
                company_filter(self._tx, self._actor, [], "", [value])
            elif name == "exclude":
                company_filter(self._tx, self._actor, [], "", exclude=[value])
        except AppError:
            return False
        return True

    @cached_property
    def _emails(self) -> set[str]:
        return {key(user.email) for user in list_technicians(self._tx, self._actor)}
