"""API tokens: `itk_<key>_<secret>`, found by the key and verified by the hash of the secret (contract, section 9)."""

import hmac
import re
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, Select, bindparam, delete, func, insert, select, update

from issue_tracker.actor import ALL_COMPANIES, Actor, CompanyAccess, Permissions, Role, require_fresh_proof
from issue_tracker.auth.sessions import present_permissions, token_hash
from issue_tracker.clock import Timestamp, iso, now
from issue_tracker.company_access.queries import load_access
from issue_tracker.database.engine import created_id
from issue_tracker.database.prepared import Prepared, instant
from issue_tracker.database.tables import tokens, users
from issue_tracker.errors import FieldError, Invalid, NotFound
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.looks import invisible

TOUCH_AFTER = timedelta(seconds=50)
"""How far `last_used_at` may lag behind: it is exact within a minute, with one write in that time."""

_FORM = re.compile(r"itk_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


class Scope(StrEnum):
    """What a token may do: with `read` alone, only requests with safe methods."""

    READ = "read"
    WRITE = "write"


class Token(msgspec.Struct, frozen=True):
    """A token as its owner sees it, without its secret."""

    id: int
    name: str
    scopes: list[Scope]
    created_at: Timestamp
    expires_at: Timestamp | None
    last_used_at: Timestamp | None


class TokenHolder(msgspec.Struct, frozen=True):
    """A live token and its owner, with the owner's present role. All times are in UTC."""

    id: int
    user_id: int
    name: str
    role: Role
    token_name: str
    scopes: frozenset[Scope]
    last_used_at: datetime | None
    expires_at: datetime | None
    company_access: CompanyAccess = ALL_COMPANIES

    def actor(self, request_id: str) -> Actor:
        """Returns the owner as the actor of one request that carries this token."""
        return Actor(
            user_id=self.user_id,
            name=self.name,
            role=self.role,
            channel=f"token:{self.token_name}",
            request_id=request_id,
            company_access=self.company_access,
        )


def create_token(
    tx: Connection,
    actor: Actor,
    user_id: int,
    name: str,
    scopes: list[Scope],
    expires_at: datetime | None,
    *,
    most: int | None = None,
) -> tuple[Token, str]:
    """Creates a token for a user, who has at most `most`. Returns it with its full text, which is shown this once.

    `expires_at` is None for a token that lives until it is revoked. Raises Invalid, with all fields that are wrong,
    for an end in the past, no scope, a name with an invisible character or that another token of the user has;
    ConfirmationRequired.
    """
    require_fresh_proof(actor)
    at = now()
    wrong = []
    if expires_at is not None and expires_at <= at:
        wrong.append(FieldError("expires_at", "must be in the future"))
    if not scopes:
        wrong.append(FieldError("scopes", "must name read, write or both"))
    same = select(tokens.c.id).where(tokens.c.user_id == user_id, tokens.c.name == name)
    if tx.execute(same).first() is not None:
        wrong.append(FieldError("name", f"you have a token called “{name}” already"))
    if reason := invisible(name):
        wrong.append(FieldError("name", reason))
    if wrong:
        raise Invalid.of(wrong)
    if most is not None:
        tx.execute(select(users.c.user_id).where(users.c.user_id == user_id).with_for_update())
        if tx.execute(select(func.count()).where(tokens.c.user_id == user_id)).scalar_one() >= most:
            raise Invalid(f"You have {most} tokens, the most that are allowed (tokens_per_user). Revoke one first.")
    key, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    inserted = tx.execute(
        insert(tokens).values(
            key=key,
            secret_hash=token_hash(secret),
            user_id=user_id,
            name=name,
            scopes=" ".join(sorted(set(scopes))),
            created_at=at,
            expires_at=expires_at,
        )
    )
    record(tx, actor, [Change(type=EventType.TOKEN_CREATED, note=name, after=" ".join(sorted(set(scopes))))], at)
    row = tx.execute(_select().where(tokens.c.id == created_id(inserted))).one()
    return _token(row), f"itk_{key}_{secret}"


def list_tokens(tx: Connection, user_id: int) -> list[Token]:
    """Returns a user's tokens, the newest first, expired ones too."""
    query = _select().where(tokens.c.user_id == user_id).order_by(tokens.c.id.desc())
    return [_token(row) for row in tx.execute(query)]


def revoke_token(tx: Connection, actor: Actor, user_id: int, token_id: int) -> None:
    """Deletes one of a user's tokens, for good. Raises NotFound for any other."""
    query = select(tokens.c.name).where(tokens.c.id == token_id, tokens.c.user_id == user_id)
    name = tx.execute(query).scalar_one_or_none() if token_id < 2**63 else None
    if name is None:
        raise NotFound("No such token.")
    tx.execute(delete(tokens).where(tokens.c.id == token_id))
    record(tx, actor, [Change(type=EventType.TOKEN_DELETED, note=name)], now())


def revoke_tokens(tx: Connection, actor: Actor, user_id: int) -> None:
    """Deletes all tokens of a user, for good."""
    names = list(tx.execute(select(tokens.c.name).where(tokens.c.user_id == user_id).order_by(tokens.c.id)).scalars())
    tx.execute(delete(tokens).where(tokens.c.user_id == user_id))
    record(tx, actor, [Change(type=EventType.TOKEN_DELETED, note=name) for name in names], now())


_by_key = Prepared(
    lambda _: (
        select(
            tokens.c.id,
            tokens.c.secret_hash,
            users.c.user_id,
            users.c.name,
            users.c.role,
            users.c.all_companies,
            tokens.c.name.label("token_name"),
            tokens.c.scopes,
            tokens.c.last_used_at,
            tokens.c.expires_at,
        )
        .join(users, users.c.user_id == tokens.c.user_id)
        .where(tokens.c.key == bindparam("key"), users.c.active)
    )
)


def find_token(tx: Connection, text: str, at: datetime) -> TokenHolder | None:
    """Returns the token with this full text; None unless it is alive at `at` and its owner is active."""
    parts = _FORM.fullmatch(text)
    if parts is None:
        return None
    row = _by_key.row(tx, key=parts[1])
    if row is None or not hmac.compare_digest(row.secret_hash, token_hash(parts[2])):
        return None
    expires_at = None if row.expires_at is None else instant(row.expires_at)
    if expires_at is not None and expires_at <= at:
        return None
    return TokenHolder(
        id=row.id,
        user_id=row.user_id,
        name=row.name,
        role=Role(row.role),
        token_name=row.token_name,
        scopes=frozenset(_scopes(row.scopes)),
        last_used_at=None if row.last_used_at is None else instant(row.last_used_at),
        expires_at=expires_at,
        company_access=load_access(tx, row.user_id, all_companies=bool(row.all_companies)),
    )


def live_tokens(tx: Connection, ids: Collection[int], at: datetime) -> dict[int, Permissions]:
    """Returns, of the tokens with these ids, those that are alive at `at` and whose owners are active.

    Each comes with the present permissions of its owner.
    """
    query = (
        select(tokens.c.id, users.c.user_id, users.c.role, users.c.all_companies)
        .join(users, users.c.user_id == tokens.c.user_id)
        .where(tokens.c.id.in_(ids), users.c.active, tokens.c.expires_at.is_(None) | (tokens.c.expires_at > at))
    )
    return present_permissions(tx, tx.execute(query).all())


def touch_token(tx: Connection, token_id: int, at: datetime) -> None:
    """Records a use of the token at `at`."""
    tx.execute(update(tokens).where(tokens.c.id == token_id).values(last_used_at=at))


def _select() -> Select[Any]:
    columns = tokens.c
    return select(
        columns.id, columns.name, columns.scopes, columns.created_at, columns.expires_at, columns.last_used_at
    )


def _token(row: Row[Any]) -> Token:
    return Token(
        id=row.id,
        name=row.name,
        scopes=_scopes(row.scopes),
        created_at=iso(row.created_at),
        expires_at=iso(row.expires_at) if row.expires_at else None,
        last_used_at=iso(row.last_used_at) if row.last_used_at else None,
    )


def _scopes(stored: str) -> list[Scope]:
    """The scopes of a token, which are stored as words with spaces between them."""
    return [Scope(scope) for scope in stored.split()]
