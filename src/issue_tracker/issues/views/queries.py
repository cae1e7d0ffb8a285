"""Reads of saved views: named filters, order and search words of the list of issues.

Users see their own views and the shared ones. An actor with limited company access does not see shared views that would
disclose others: views that filter by a company, a group or an owner unknown to the actor, or by a text, unless the
author of the view sees no more than the actor.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from sqlalchemy import Connection, Row, Select, or_, select

from issue_tracker.actor import Actor, CompanyAccess, require_helpdesk
from issue_tracker.companies.queries import LARGEST_ID
from issue_tracker.company_access.queries import load_access
from issue_tracker.database.tables import saved_views, start_views, users
from issue_tracker.errors import AppError, NotFound
from issue_tracker.issues.models import Owner
from issue_tracker.issues.queries.filters import company_filter
from issue_tracker.issues.queries.owners import list_technicians
from issue_tracker.names import key, whole_number

TEXTS = ("search", "words", "tag", "reference")
"""Filters by texts, which only users who can see the matching issues should read."""


class SavedView(msgspec.Struct, frozen=True):
    """A view, as one user sees it. `query` contains the parameters of the list, as in its URL. `start`: the user starts
    with this view; `changeable`: the user may change and delete it.
    """

    view_id: int
    name: str
    query: str
    shared: bool
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
    return [
        SavedView(
            view_id=row.view_id,
            name=row.name,
            query=row.query,
            shared=bool(row.shared),
            start=row.start is not None,
            owner=Owner(row.user_id, row.author),
            changeable=row.user_id == actor.user_id or actor.super_admin,
        )
        for row in tx.execute(query).all()
        if row.user_id == actor.user_id or _tells_nothing(tx, actor, row)
    ]


def _tells_nothing(tx: Connection, actor: Actor, row: Row[Any]) -> bool:
    """Returns whether the actor can see everything that the shared view of another user names."""
    visible = actor.company_access
    if visible.all:
        return True
    filters = parse_qsl(row.query)
    if _covers(visible, load_access(tx, row.user_id, all_companies=bool(row.all_companies))):
        return True
    return not any(name in TEXTS for name, _ in filters) and _knows(tx, actor, filters)


def _covers(wide: CompanyAccess, narrow: CompanyAccess) -> bool:
    return wide.company_ids is None or (narrow.company_ids is not None and narrow.company_ids <= wide.company_ids)


def _knows(tx: Connection, actor: Actor, filters: Sequence[tuple[str, str]]) -> bool:
    """Returns whether the companies, groups and owners in these filters exist for the actor."""
    emails = {key(value) for name, value in filters if name == "owner"} - {"me", "none", ""}
    if emails and not emails <= {key(user.email) for user in list_technicians(tx, actor)}:
        return False
    try:
        for name, value in filters:
            if name == "companyId":
                company_filter(tx, actor, [whole_number(value) or 0], "")
            elif name == "companyName":
                company_filter(tx, actor, [], value)
            elif name == "companyGroup":
                company_filter(tx, actor, [], "", [value])
            elif name == "exclude":
                company_filter(tx, actor, [], "", exclude=[value])
    except AppError:
        return False
    return True
