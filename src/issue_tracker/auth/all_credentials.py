"""All credentials in one list, for super admins: what could be used to act as a user, and how to revoke it.

Sessions and tokens are stored in separate tables; here they form one list, with their owners.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

import msgspec
from sqlalchemy import Connection, select

from issue_tracker.actor import Actor, Role, require_administrator
from issue_tracker.auth.sessions import alive_sessions, end_session
from issue_tracker.auth.tokens import Scope, list_all_tokens, revoke_token
from issue_tracker.clock import Timestamp, iso
from issue_tracker.company_access.queries import GrantedAccess
from issue_tracker.database.tables import sessions, tokens, users
from issue_tracker.settings import Settings

Kind = Literal["token", "session"]

LARGEST_ID = 2**63 - 1


class CredentialOwner(msgspec.Struct, frozen=True):
    """The user who owns a credential."""

    user_id: int
    email: str
    name: str
    role: Role
    service_account: bool


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """A token or a live session. Fields of the other kind are null.

    `last_used_at` is null for a token that was never used. `current` says that this is the session of this request.
    """

    kind: Kind
    id: int
    user: CredentialOwner
    name: str | None = None
    scopes: list[Scope] | None = None
    networks: list[str] | None = None
    company_access: Literal["all"] | GrantedAccess | None = None
    address: str | None = None
    user_agent: str | None = None
    created_at: Timestamp
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
    """Returns the tokens of all users, then their sessions that are alive at `at`; each with the last used first.

    `kind` and `user_id` limit the list. Raises Forbidden unless `actor` is a super admin with access to all companies.
    """
    require_administrator(actor)
    owners = _owners(tx, user_id)
    found: list[Credential] = []
    if kind != "session":
        for owner_id, token in list_all_tokens(tx, settings, actor, owners):
            found.append(
                Credential(
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
            )
        found.sort(key=lambda token: token.last_used_at or "", reverse=True)
    if kind != "token":
        query = select(sessions).where(alive_sessions(settings, at), sessions.c.user_id.in_(owners))
        for row in tx.execute(query.order_by(sessions.c.used_at.desc(), sessions.c.id.desc())):
            found.append(
                Credential(
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
            )
    return found


def revoke_credentials(tx: Connection, actor: Actor, chosen: Iterable[tuple[Kind, int]]) -> int:
    """Revokes tokens and ends sessions. Returns how many still existed.

    Raises Forbidden unless `actor` is a super admin with access to all companies.
    """
    require_administrator(actor)
    ended = 0
    for kind, id_ in dict.fromkeys(chosen):
        table = tokens if kind == "token" else sessions
        query = select(table.c.user_id).where(table.c.id == id_)
        user_id = tx.execute(query).scalar_one_or_none() if 0 < id_ <= LARGEST_ID else None
        if user_id is None:
            continue
        end = revoke_token if kind == "token" else end_session
        end(tx, actor, user_id, id_)
        ended += 1
    return ended


def _owners(tx: Connection, user_id: int | None) -> dict[int, CredentialOwner]:
    query = select(users.c.user_id, users.c.email, users.c.name, users.c.role, users.c.service_account)
    if user_id is not None:
        query = query.where(users.c.user_id == user_id)
    return {
        row.user_id: CredentialOwner(row.user_id, row.email, row.name, Role(row.role), bool(row.service_account))
        for row in tx.execute(query)
    }
