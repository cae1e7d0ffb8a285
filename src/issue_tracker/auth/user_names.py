"""The names of users: email addresses, and display names that imitate no other user."""

import re

from sqlalchemy import Connection, select

from issue_tracker.database.tables import users
from issue_tracker.errors import Invalid
from issue_tracker.names import key, parse_name
from issue_tracker.new_names import Kind, find_look_alikes, require_visible


class Email(str):
    """An email address, spelled as it was entered. Two addresses are equal if their `names.key` is."""

    __slots__ = ()


class DisplayName(str):
    """The name under which a user appears in lists and in the history: NFC, trimmed, one line, 1-255 characters."""

    __slots__ = ()


def parse_email(text: str) -> Email:
    """Returns the trimmed address. Raises ValueError unless it has the form of one; its existence is not checked."""
    address = text.strip()
    if len(address) > 254 or not re.fullmatch(
        r"[^@\s\x00-\x1f\x7f-\x9f\ud800-\udfff]+@[^@\s\x00-\x1f\x7f-\x9f\ud800-\udfff]+", address
    ):
        raise ValueError("must be an email address")
    return Email(parse_name(address))


def parse_display_name(text: str) -> DisplayName:
    """Returns a user's name in its stored form. Raises ValueError with the reason.

    No name is reserved: unlike an issue's name, a user's name is never a part of a path.
    """
    name = parse_name(text)
    if len(name.splitlines()) > 1:
        raise ValueError("must be on one line")
    return DisplayName(name)


def require_own_look(tx: Connection, name: DisplayName, user_id: int | None = None, *, shared: bool = True) -> None:
    """Raises Invalid for a name that looks like another user's, active or not.

    Different people may really have the same name, so with `shared`, for super admins, an equal name is accepted; the
    history then shows their email addresses. A name that only looks the same is never accepted.
    """
    require_visible("name", name)
    ids = find_look_alikes(tx, Kind.USER, name, other_than=user_id)
    others = tx.execute(select(users.c.name).where(users.c.user_id.in_(ids))).scalars().all() if ids else []
    if any(not shared or key(other) != key(name) for other in others):
        raise Invalid.field("name", "looks like the name of another user")
