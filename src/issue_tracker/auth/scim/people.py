"""The accounts of people as an identity provider sees them by SCIM.

A provider sees the accounts of all people, so that it can find existing ones. It does not see service accounts, which
belong to programs; break-glass accounts, which must work without any provider; and accounts that it has deleted, unless
a super admin has enabled them again.
"""

from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, or_, select

from issue_tracker.auth.single_sign_on.break_glass import break_glass_keys
from issue_tracker.clock import Timestamp, iso
from issue_tracker.database.prepared import one_of
from issue_tracker.database.tables import scim_users, users
from issue_tracker.errors import NotFound
from issue_tracker.integers import LARGEST_ID
from issue_tracker.names import key, storable
from issue_tracker.settings import Settings


class Person(msgspec.Struct, frozen=True):
    """An account as a provider sees it. `user_name` is the address of the account until a provider sets another one.

    `email` is the address of the account. `external_id`, `given_name` and `family_name` are None unless a provider has
    set them.
    """

    user_id: int
    user_name: str
    external_id: str | None
    email: str
    name: str
    given_name: str | None
    family_name: str | None
    active: bool
    created_at: Timestamp
    updated_at: Timestamp


class WantedPeople(msgspec.Struct, frozen=True):
    """The values to search for in the database, or None. Names and addresses are compared regardless of case."""

    user_name: str | None = None
    external_id: str | None = None
    email: str | None = None

    @property
    def texts(self) -> list[str]:
        return [text for text in (self.user_name, self.external_id, self.email) if text is not None]


def list_people(
    tx: Connection, settings: Settings, wanted: WantedPeople | None = None, *, skip: int = 0, most: int | None = None
) -> list[Person]:
    """Returns accounts in the order of creation, without the first `skip`, and at most `most`."""
    query = _select(settings, wanted or WantedPeople())
    if query is None:
        return []
    return [_person(row) for row in tx.execute(query.order_by(users.c.user_id).offset(skip).limit(most))]


def count_people(tx: Connection, settings: Settings) -> int:
    """Returns the number of accounts that a provider can see."""
    joined = users.outerjoin(scim_users, scim_users.c.user_id == users.c.user_id)
    return int(tx.execute(select(func.count()).select_from(joined).where(*_seen(settings))).scalar_one())


def get_person(tx: Connection, settings: Settings, user_id: int) -> Person:
    """Returns an account. Raises NotFound for an account that providers cannot see."""
    query = _select(settings, WantedPeople())
    row = None
    if query is not None and user_id <= LARGEST_ID:
        row = tx.execute(query.where(users.c.user_id == user_id)).first()
    if row is None:
        raise NotFound("There is no user with this id.")
    return _person(row)


def seen_ids(tx: Connection, settings: Settings, user_ids: set[int]) -> set[int]:
    """Returns the ids of those accounts that providers can see."""
    joined = users.outerjoin(scim_users, scim_users.c.user_id == users.c.user_id)
    these = one_of(tx, users.c.user_id, user_ids)
    return set(tx.execute(select(users.c.user_id).select_from(joined).where(these, *_seen(settings))).scalars())


def _select(settings: Settings, wanted: WantedPeople) -> Select[Any] | None:
    """Returns the statement that finds the accounts; None for values that cannot be stored in a database."""
    if not all(map(storable, wanted.texts)):
        return None
    columns = (users.c.user_id, users.c.email, users.c.name, users.c.active, users.c.created_at, users.c.updated_at)
    said = (scim_users.c.user_name, scim_users.c.external_id, scim_users.c.given_name, scim_users.c.family_name)
    joined = users.outerjoin(scim_users, scim_users.c.user_id == users.c.user_id)
    query = select(*columns, *said).select_from(joined).where(*_seen(settings))
    if wanted.user_name is not None:
        named = key(wanted.user_name)
        unnamed = scim_users.c.user_name_key.is_(None)
        query = query.where(or_(scim_users.c.user_name_key == named, and_(unnamed, users.c.email_key == named)))
    if wanted.external_id is not None:
        query = query.where(scim_users.c.external_id == wanted.external_id)
    if wanted.email is not None:
        query = query.where(users.c.email_key == key(wanted.email))
    return query


def _seen(settings: Settings) -> list[ColumnElement[bool]]:
    return [
        users.c.service_account.is_(False),
        users.c.email_key.not_in(break_glass_keys(settings)),
        scim_users.c.deleted_at.is_(None) | users.c.active,
    ]


def _person(row: Row[Any]) -> Person:
    return Person(
        user_id=row.user_id,
        user_name=row.user_name or row.email,
        external_id=row.external_id,
        email=row.email,
        name=row.name,
        given_name=row.given_name,
        family_name=row.family_name,
        active=bool(row.active),
        created_at=iso(row.created_at),
        updated_at=iso(row.updated_at),
    )
