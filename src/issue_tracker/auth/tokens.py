"""API tokens: `itk_<key>_<secret>`, found by the key and verified by the hash of the secret (contract, section 9).

`token_use` contains their use by requests. People create their own tokens; super admins create those of service
accounts, to which nobody signs in (docs/decisions/0029).
"""

import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, Row, Select, delete, func, insert, select

from issue_tracker.actor import Actor, require_administrator, require_fresh_proof
from issue_tracker.auth.sessions import require_running, token_hash
from issue_tracker.auth.token_networks import read_networks, shown_networks, stored_networks
from issue_tracker.clock import Timestamp, iso, now
from issue_tracker.company_access.grants import Grant
from issue_tracker.company_access.queries import GrantedAccess, list_token_grants
from issue_tracker.database.engine import created_id
from issue_tracker.database.prepared import one_of
from issue_tracker.database.tables import token_companies, token_company_groups, tokens, users
from issue_tracker.errors import FieldError, Invalid, NotFound
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.integers import LARGEST_ID
from issue_tracker.looks import illegible
from issue_tracker.settings import PREFIX, Settings


class Scope(StrEnum):
    """What a token may do: with `read` alone, only requests with safe methods."""

    READ = "read"
    WRITE = "write"


class Token(msgspec.Struct, frozen=True):
    """A token without its secret.

    `networks` is empty for a token that is accepted from every address. `company_access` narrows that of its owner;
    `all` does not. `expires_at` is the earlier of its own end and the one that the settings impose; null for no end.
    """

    id: int
    name: str
    scopes: list[Scope]
    networks: list[str]
    company_access: Literal["all"] | GrantedAccess
    created_at: Timestamp
    expires_at: Timestamp | None
    last_used_at: Timestamp | None


def create_token(
    tx: Connection,
    settings: Settings,
    actor: Actor,
    user_id: int,
    name: str,
    scopes: list[Scope],
    expires_at: datetime | None = None,
    *,
    networks: Sequence[str] = (),
    grant: Grant | None = None,
) -> tuple[Token, str]:
    """Creates a token for the actor, or for a service account. Returns it with its full text, shown only once.

    `expires_at` is None for a token that is valid until it is revoked, or for as long as the settings allow. It is
    accepted only from `networks`, if any are given, and limited to what is granted; None does not narrow its owner's
    access. The number of tokens is limited except for the command line.

    Raises Invalid with all wrong fields: an end in the past or beyond the longest lifetime, no scope, an invalid
    network, a name with an invisible character or one that another token of the user has. Also raises Invalid for a
    token of another person or of a disabled account; ConfirmationRequired; and Forbidden unless an actor who creates a
    token of a service account is a super admin with access to all companies; and Unauthenticated if the actor's session
    has just ended.
    """
    require_fresh_proof(actor)
    if actor.user_id not in (None, user_id):
        require_administrator(actor)
        _require_service_account(tx, user_id)
    at = now()
    accepted, wrong = read_networks(networks)
    wrong += wrong_end(settings, expires_at, at)
    if not scopes:
        wrong.append(FieldError("scopes", "must name read, write or both"))
    # Locked, so that a concurrent request adds no other token with this name, or beyond the limit.
    active = tx.execute(select(users.c.active).where(users.c.user_id == user_id).with_for_update()).scalar_one()
    require_running(tx, actor)
    if not active:
        raise Invalid("The account is disabled; activate it first.")
    whose = "you already have" if actor.user_id == user_id else "the account already has"
    same = select(tokens.c.id).where(tokens.c.user_id == user_id, tokens.c.name == name)
    if tx.execute(same).first() is not None:
        wrong.append(FieldError("name", f"{whose} a token called “{name}”"))
    if reason := illegible(name):
        wrong.append(FieldError("name", reason))
    if wrong:
        raise Invalid.of(wrong)
    if actor.user_id is not None:
        _require_room(tx, user_id, settings.tokens_per_user, whose.capitalize())
    key, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    inserted = tx.execute(
        insert(tokens).values(
            key=key,
            secret_hash=token_hash(secret),
            user_id=user_id,
            name=name,
            scopes=" ".join(sorted(set(scopes))),
            networks=stored_networks(accepted),
            all_companies=grant is None,
            created_at=at,
            expires_at=expires_at,
        )
    )
    token_id = created_id(inserted)
    _store_grant(tx, token_id, grant)
    row = tx.execute(_select().where(tokens.c.id == token_id)).one()
    [token] = _shown(tx, settings, actor, [row])
    note = _named(tx, actor, user_id, name, _limits(token))
    record(tx, actor, [Change(type=EventType.TOKEN_CREATED, note=note, after=" ".join(sorted(set(scopes))))], at)
    return token, f"itk_{key}_{secret}"


def list_tokens(tx: Connection, settings: Settings, actor: Actor, user_id: int) -> list[Token]:
    """Returns a user's tokens, including expired ones, the newest first; with the companies that the actor may see."""
    query = _select().where(tokens.c.user_id == user_id).order_by(tokens.c.id.desc())
    return _shown(tx, settings, actor, tx.execute(query).all())


def list_all_tokens(
    tx: Connection, settings: Settings, actor: Actor, user_ids: Collection[int]
) -> list[tuple[int, Token]]:
    """Returns the tokens of several users, the newest first, each with the id of its owner."""
    query = _select().where(one_of(tx, tokens.c.user_id, user_ids)).order_by(tokens.c.id.desc())
    rows = tx.execute(query.add_columns(tokens.c.user_id)).all()
    return list(zip([row.user_id for row in rows], _shown(tx, settings, actor, rows), strict=True))


def revoke_token(tx: Connection, actor: Actor, user_id: int, token_id: int) -> None:
    """Deletes one of a user's tokens permanently. Raises NotFound for any other."""
    query = select(tokens.c.name).where(tokens.c.id == token_id, tokens.c.user_id == user_id)
    name = tx.execute(query).scalar_one_or_none() if token_id <= LARGEST_ID else None
    if name is None:
        raise NotFound("There is no such token.")
    tx.execute(delete(tokens).where(tokens.c.id == token_id))
    record(tx, actor, [Change(type=EventType.TOKEN_DELETED, note=_named(tx, actor, user_id, name))], now())


def revoke_tokens(tx: Connection, actor: Actor, user_id: int) -> None:
    """Deletes all tokens of a user permanently."""
    names = list(tx.execute(select(tokens.c.name).where(tokens.c.user_id == user_id).order_by(tokens.c.id)).scalars())
    tx.execute(delete(tokens).where(tokens.c.user_id == user_id))
    notes = [_named(tx, actor, user_id, name) for name in names]
    record(tx, actor, [Change(type=EventType.TOKEN_DELETED, note=note) for note in notes], now())


def read_scopes(stored: str) -> list[Scope]:
    """Returns the scopes of a token, which are stored separated by spaces."""
    return [Scope(scope) for scope in stored.split()]


def wrong_end(settings: Settings, expires_at: datetime | None, at: datetime) -> list[FieldError]:
    """Returns errors for the end of a new token if it is in the past or beyond the longest lifetime."""
    days = settings.token_lifetime_days
    if expires_at is not None and expires_at <= at:
        return [FieldError("expires_at", "must be in the future")]
    if expires_at is not None and days and expires_at > at + timedelta(days=days):
        return [FieldError("expires_at", f"must be at most {days:g} days from now, the limit on this server")]
    return []


def _require_service_account(tx: Connection, user_id: int) -> None:
    """Raises NotFound for an unknown user, and Invalid for a person."""
    service = tx.execute(select(users.c.service_account).where(users.c.user_id == user_id)).scalar_one_or_none()
    if service is None:
        raise NotFound("There is no such user.")
    if not service:
        raise Invalid("People create their own tokens. Create a service account for a program without an owner.")


def _require_room(tx: Connection, user_id: int, most: int, whose: str) -> None:
    """Raises Invalid, whose sentence begins with `whose`, if the user already has `most` tokens."""
    if tx.execute(select(func.count()).where(tokens.c.user_id == user_id)).scalar_one() >= most:
        raise Invalid(f"{whose} {most} tokens, which is the maximum ({PREFIX}TOKENS_PER_USER). Revoke one first.")


def _store_grant(tx: Connection, token_id: int, grant: Grant | None) -> None:
    if grant is not None and grant.company_ids:
        rows = [{"token_id": token_id, "company_id": company_id} for company_id in sorted(set(grant.company_ids))]
        tx.execute(insert(token_companies), rows)
    if grant is not None and grant.group_ids:
        rows = [{"token_id": token_id, "group_id": group_id} for group_id in sorted(set(grant.group_ids))]
        tx.execute(insert(token_company_groups), rows)


def _limits(token: Token) -> list[str]:
    """Returns descriptions of a token's limits, for the audit."""
    limits = [f"networks: {', '.join(token.networks)}"] if token.networks else []
    if isinstance(token.company_access, GrantedAccess):
        limits.append(f"company access: {token.company_access.described}")
    return limits


def _named(tx: Connection, actor: Actor, user_id: int, name: str, about: Sequence[str] = ()) -> str:
    """Returns a token's description for the audit: its name, its owner unless it is the actor's own, and `about`."""
    if actor.user_id not in (None, user_id):
        email = tx.execute(select(users.c.email).where(users.c.user_id == user_id)).scalar_one()
        about = [f"of {email}", *about]
    return f"{name} ({'; '.join(about)})" if about else name


def _select() -> Select[Any]:
    names = "id", "name", "scopes", "networks", "all_companies", "created_at", "expires_at", "last_used_at"
    return select(*(tokens.c[name] for name in names))


def _shown(tx: Connection, settings: Settings, actor: Actor, rows: Sequence[Row[Any]]) -> list[Token]:
    granted = list_token_grants(tx, actor, [row.id for row in rows if not row.all_companies])
    found = []
    for row in rows:
        ends = [row.expires_at] if row.expires_at else []
        if settings.token_lifetime_days:
            ends.append(row.created_at + timedelta(days=settings.token_lifetime_days))
        found.append(
            Token(
                id=row.id,
                name=row.name,
                scopes=read_scopes(row.scopes),
                networks=shown_networks(row.networks),
                company_access=granted.get(row.id, "all"),
                created_at=iso(row.created_at),
                expires_at=iso(min(ends)) if ends else None,
                last_used_at=iso(row.last_used_at) if row.last_used_at else None,
            )
        )
    return found
