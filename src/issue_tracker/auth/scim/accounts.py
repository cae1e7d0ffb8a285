"""Changes to accounts by SCIM: the operations of super admins, with the identity provider as the actor.

An account that a provider creates has no password: its user signs in with the provider, or is invited by a super admin.
Its role is `member` until a group mapping gives another one (auth/scim/memberships.py).
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from issue_tracker.actor import Actor, Role, require_administrator
from issue_tracker.auth.addresses import change_address
from issue_tracker.auth.company_access import set_company_access
from issue_tracker.auth.factors.stored import count_factors, reset_factors
from issue_tracker.auth.passwords import NO_PASSWORD
from issue_tracker.auth.scim.errors import Taken
from issue_tracker.auth.scim.people import Person, WantedPeople, get_person, list_people
from issue_tracker.auth.single_sign_on.identities import list_identities, unlink_identity
from issue_tracker.auth.user_names import DisplayName, Email, parse_display_name
from issue_tracker.auth.users import User, create_user, find_credentials, lock_user, set_own_password, update_user
from issue_tracker.clock import now
from issue_tracker.company_access.grants import Grant
from issue_tracker.company_access.queries import list_granted
from issue_tracker.database.before_commit import savepoint
from issue_tracker.database.tables import saved_views, scim_group_members, scim_users, start_views, users
from issue_tracker.errors import Invalid
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.names import key, parse_note
from issue_tracker.settings import Settings

DELETED = "deleted by SCIM"
"""The reason in the audit log for the consequences of deleting a user."""


class PersonFields(msgspec.Struct, frozen=True):
    """The desired state of an account."""

    user_name: str
    email: Email
    name: DisplayName
    external_id: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    active: bool = True


def create_person(tx: Connection, actor: Actor, settings: Settings, fields: PersonFields) -> Person:
    """Creates an account with the role `member` and without a password. If the provider deleted the user before, the
    existing account is enabled again, without a role or credentials.

    A name that imitates another user's is replaced by the address. Raises Taken for a user name or an address that
    another account has, and Invalid.
    """
    require_administrator(actor)
    _require_free(tx, settings, fields.user_name)
    found = find_credentials(tx, fields.email)
    if found is None:
        user = _named(tx, fields, lambda name: create_user(tx, actor, fields.email, name, Role.MEMBER, None))
        user_id = user.user_id
    else:
        user = lock_user(tx, found[0].user_id)
        user_id = user.user_id
        said = select(scim_users.c.deleted_at).where(scim_users.c.user_id == user_id)
        if user.active or tx.execute(said).scalar_one_or_none() is None:
            raise Taken(f"An account for “{fields.email}” already exists.")
        _named(tx, fields, lambda name: update_user(tx, actor, user_id, name=name, active=True))
    _store(tx, user_id, fields)
    if not fields.active:
        update_user(tx, actor, user_id, active=False)
    return get_person(tx, settings, user_id)


def change_person(tx: Connection, actor: Actor, settings: Settings, user_id: int, fields: PersonFields) -> Person:
    """Changes an account to the desired state. Disabling it ends its sessions and tokens.

    Raises NotFound; Taken for a user name or an address that another account has; Invalid for a name that imitates
    another user's, and if no active super admin who sees all companies would be left.
    """
    require_administrator(actor)
    present = get_person(tx, settings, user_id)
    lock_user(tx, user_id)
    if key(fields.user_name) != key(present.user_name):
        _require_free(tx, settings, fields.user_name)
    if fields.email != present.email:
        same = find_credentials(tx, fields.email)
        if same is not None and same[0].user_id != user_id:
            raise Taken(f"An account for “{fields.email}” already exists.")
        change_address(tx, actor, user_id, fields.email)
    name = fields.name if fields.name != present.name else None
    update_user(tx, actor, user_id, name=name, active=fields.active)
    said = {
        "userName": (present.user_name, fields.user_name),
        "externalId": (present.external_id, fields.external_id),
        "givenName": (present.given_name, fields.given_name),
        "familyName": (present.family_name, fields.family_name),
    }
    changed = [attribute for attribute, (before, after) in said.items() if before != after]
    if changed:
        at = now()
        _store(tx, user_id, fields)
        tx.execute(update(users).where(users.c.user_id == user_id).values(updated_at=at))
        note = f"{fields.email} (SCIM: {', '.join(changed)})"
        record(tx, actor, [Change(type=EventType.USER_UPDATED, note=note)], at)
    return get_person(tx, settings, user_id)


def remove_person(tx: Connection, actor: Actor, settings: Settings, user_id: int) -> None:
    """Disables the account of a deleted user, because the history refers to it; removes its role, groups, companies,
    credentials and private views; and hides it from the provider.

    Raises NotFound, and Invalid if no active super admin who sees all companies would be left.
    """
    require_administrator(actor)
    person = get_person(tx, settings, user_id)
    lock_user(tx, user_id)
    update_user(tx, actor, user_id, role=Role.MEMBER, active=False)
    if count_factors(tx, user_id):
        reset_factors(tx, actor, user_id, parse_note(DELETED))
    for identity in list_identities(tx, user_id):
        unlink_identity(tx, actor, user_id, identity.id)
    at = now()
    set_own_password(tx, user_id, NO_PASSWORD, at)
    tx.execute(delete(scim_group_members).where(scim_group_members.c.user_id == user_id))
    if user_id in list_granted(tx, actor, [user_id]):
        set_company_access(tx, actor, user_id, Grant([], []))
    tx.execute(update(users).where(users.c.user_id == user_id).values(access_source=None))
    _delete_private_views(tx, actor, user_id, at)
    _write(tx, user_id, {column.name: None for column in scim_users.c if column.name != "user_id"} | {"deleted_at": at})
    note = f"{person.email} ({DELETED})"
    record(tx, actor, [Change(type=EventType.USER_UPDATED, note=note)], at)


def _delete_private_views(tx: Connection, actor: Actor, user_id: int, at: datetime) -> None:
    """Deletes the views that nobody else uses, and forgets with which one the user started."""
    private = saved_views.c.user_id == user_id, saved_views.c.shared.is_(False)
    names = list(tx.execute(select(saved_views.c.name).where(*private).order_by(saved_views.c.view_id)).scalars())
    tx.execute(delete(saved_views).where(*private))
    tx.execute(delete(start_views).where(start_views.c.user_id == user_id))
    record(tx, actor, [Change(type=EventType.VIEW_DELETED, after=name) for name in names], at)


def _require_free(tx: Connection, settings: Settings, user_name: str) -> None:
    if list_people(tx, settings, WantedPeople(user_name=user_name), most=1):
        raise _taken(user_name)


def _named(tx: Connection, fields: PersonFields, change: Callable[[DisplayName], User]) -> User:
    """Calls `change` with the name or, if the name imitates another user's, with the address. As at a sign-in with a
    provider, such a name is not an error.
    """
    try:
        with savepoint(tx):
            return change(fields.name)
    except Invalid as refused:
        if all(wrong.field != "name" for wrong in refused.fields):
            raise
    return change(parse_display_name(fields.email))


def _store(tx: Connection, user_id: int, fields: PersonFields) -> None:
    values: dict[str, str | datetime | None] = {
        "user_name": fields.user_name,
        "user_name_key": key(fields.user_name),
        "external_id": fields.external_id,
        "given_name": fields.given_name,
        "family_name": fields.family_name,
        "deleted_at": None,
    }
    try:
        with tx.begin_nested():
            _write(tx, user_id, values)
    except IntegrityError:
        raise _taken(fields.user_name) from None


def _write(tx: Connection, user_id: int, values: dict[str, Any]) -> None:
    if tx.execute(update(scim_users).where(scim_users.c.user_id == user_id).values(values)).rowcount == 0:
        tx.execute(insert(scim_users).values(user_id=user_id, **values))


def _taken(user_name: str) -> Taken:
    return Taken(f"A user called “{user_name}” already exists.")
