"""All credentials in one list, for super admins: what could be used to act as a user, and how to revoke it.

Each kind is stored in a table of its own; here they form one list, with their owners.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from sqlalchemy import Connection, select

from issue_tracker.actor import Actor, Role, require_administrator
from issue_tracker.auth.browsers import forget_browser
from issue_tracker.auth.places import list_all_devices
from issue_tracker.auth.scim.tokens import list_scim_tokens, revoke_scim_token
from issue_tracker.auth.sessions import alive_sessions, end_session
from issue_tracker.auth.tokens import Scope, list_all_tokens, revoke_token
from issue_tracker.clock import Timestamp, iso
from issue_tracker.company_access.queries import GrantedAccess
from issue_tracker.database.prepared import one_of
from issue_tracker.database.tables import sessions, tokens, users
from issue_tracker.errors import NotFound
from issue_tracker.integers import RowId
from issue_tracker.names import END, whole_number
from issue_tracker.settings import Settings

Kind = Literal["token", "session", "browser", "scim"]

BrowserId = Annotated[str, Meta(pattern="^[1-9][0-9]{0,17}-[0-9a-f]{16}" + END)]

CredentialKey = RowId | BrowserId
"""The id of a credential in the list. That of a browser has two parts, because several users may share a browser."""


class CredentialOwner(msgspec.Struct, frozen=True):
    """The user who owns a credential."""

    user_id: int
    email: str
    name: str
    role: Role
    service_account: bool


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """A token, a live session, a browser in which a user has signed in, or a SCIM token. Fields of the other kinds are
    null; a SCIM token belongs to no user.

    `last_used_at` is null for a token that was never used. `expires_at` of a browser is the time until which its user
    needs no second factor in it, null if one is needed. `current` says that this is the session of this request.
    """

    kind: Kind
    id: CredentialKey
    user: CredentialOwner | None
    name: str | None = None
    scopes: list[Scope] | None = None
    networks: list[str] | None = None
    company_access: Literal["all"] | GrantedAccess | None = None
    address: str | None = None
    user_agent: str | None = None
    created_at: Timestamp | None
    last_used_at: Timestamp | None
    expires_at: Timestamp | None
    current: bool = False


def list_credentials(
    tx: Connection,
    settings: Settings,
    actor: Actor,
    at: datetime,
    *,
    kind: Kind | None = None,
    user_id: int | None = None,
) -> list[Credential]:
    """Returns the tokens of all users, their sessions that are active at `at`, the browsers in which they have signed
    in, and the SCIM tokens, each kind ordered from the last used to the first.

    `kind` and `user_id` limit the list. Raises Forbidden unless `actor` is a super admin with access to all companies.
    """
    require_administrator(actor)
    owners = _owners(tx, user_id)
    found: list[Credential] = []
    if kind in (None, "token"):
        found += sorted(_tokens(tx, settings, actor, owners), key=lambda token: token.last_used_at or "", reverse=True)
    if kind in (None, "session"):
        found += _sessions(tx, settings, actor, owners, at)
    if kind in (None, "browser"):
        found += _browsers(tx, owners, at)
    if kind in (None, "scim") and user_id is None:
        found += _scim_tokens(tx, settings, actor)
    return found


def _tokens(
    tx: Connection, settings: Settings, actor: Actor, owners: dict[int, CredentialOwner]
) -> Iterator[Credential]:
    for owner_id, token in list_all_tokens(tx, settings, actor, owners):
        yield Credential(
            kind="token",
            id=token.id,
            user=owners[owner_id],
            name=token.name,
            scopes=token.scopes,
            networks=token.networks,
            company_access=token.company_access,
            created_at=token.created_at,
            last_used_at=token.last_used_at,
            expires_at=token.expires_at,
        )


def _sessions(
    tx: Connection, settings: Settings, actor: Actor, owners: dict[int, CredentialOwner], at: datetime
) -> Iterator[Credential]:
    query = select(sessions).where(alive_sessions(settings, at), one_of(tx, sessions.c.user_id, owners))
    for row in tx.execute(query.order_by(sessions.c.used_at.desc(), sessions.c.id.desc())):
        yield Credential(
            kind="session",
            id=row.id,
            user=owners[row.user_id],
            address=row.address,
            user_agent=row.user_agent,
            created_at=iso(row.created_at),
            last_used_at=iso(row.used_at),
            expires_at=iso(row.expires_at),
            current=row.id == actor.session_id,
        )


def _browsers(tx: Connection, owners: dict[int, CredentialOwner], at: datetime) -> Iterator[Credential]:
    for owner_id, device, until in list_all_devices(tx, owners):
        yield Credential(
            kind="browser",
            id=f"{owner_id}-{device.id}",
            user=owners[owner_id],
            user_agent=device.user_agent,
            created_at=None,
            last_used_at=device.used_at,
            expires_at=iso(until) if until and until > at else None,
        )


def _scim_tokens(tx: Connection, settings: Settings, actor: Actor) -> Iterator[Credential]:
    for token in list_scim_tokens(tx, settings, actor):
        yield Credential(
            kind="scim",
            id=token.id,
            user=None,
            name=token.name,
            networks=token.networks,
            created_at=token.created_at,
            last_used_at=token.last_used_at,
            expires_at=token.expires_at,
        )


def revoke_credentials(tx: Connection, actor: Actor, chosen: Iterable[tuple[Kind, int | str]]) -> int:
    """Revokes tokens, ends sessions and forgets browsers. Returns the number of those that existed.

    Raises Forbidden unless `actor` is a super admin with access to all companies.
    """
    require_administrator(actor)
    ended = 0
    for kind, id_ in dict.fromkeys(chosen):
        try:
            _revoke(tx, actor, kind, id_)
        except NotFound:
            continue
        ended += 1
    return ended


def _revoke(tx: Connection, actor: Actor, kind: Kind, id_: int | str) -> None:
    """Ends one credential. Raises NotFound."""
    if kind == "browser":
        user_id, _, device_id = str(id_).partition("-")
        forget_browser(tx, actor, whole_number(user_id) or 0, device_id)
        return
    if not isinstance(id_, int):
        raise NotFound("There is no such credential.")
    if kind == "scim":
        revoke_scim_token(tx, actor, id_)
        return
    table = tokens if kind == "token" else sessions
    owner_id = tx.execute(select(table.c.user_id).where(table.c.id == id_)).scalar_one_or_none()
    if owner_id is None:
        raise NotFound("There is no such credential.")
    end = revoke_token if kind == "token" else end_session
    end(tx, actor, owner_id, id_)


def _owners(tx: Connection, user_id: int | None) -> dict[int, CredentialOwner]:
    query = select(users.c.user_id, users.c.email, users.c.name, users.c.role, users.c.service_account)
    if user_id is not None:
        query = query.where(users.c.user_id == user_id)
    return {
        row.user_id: CredentialOwner(row.user_id, row.email, row.name, Role(row.role), bool(row.service_account))
        for row in tx.execute(query)
    }
