"""API tokens in requests: whether they are valid, which actor they stand for, and with which company access.

One statement finds a token and reads everything that limits it; a limited company access takes further statements.
"""

import hmac
import re
from collections.abc import Collection
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import ColumnElement, Connection, bindparam, func, select, update

from issue_tracker.actor import ALL_COMPANIES, Actor, CompanyAccess, Permissions, Role
from issue_tracker.auth.sessions import present_permissions, token_hash
from issue_tracker.auth.tokens import Scope, read_scopes
from issue_tracker.company_access.queries import load_access, load_token_accesses
from issue_tracker.database.prepared import Prepared, instant, one_of
from issue_tracker.database.tables import tokens, users
from issue_tracker.settings import Settings

TOUCH_AFTER = timedelta(seconds=50)
"""How far `last_used_at` may lag behind: it is accurate within a minute, with one write in that time."""

_FORM = re.compile(r"itk_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


class TokenHolder(msgspec.Struct, frozen=True):
    """A valid token and its owner, with the owner's present role. All times are in UTC.

    `networks` has its stored form (`token_networks`); the authentication of a request compares the client's address.
    `expires_at` is the earliest of the token's own end and those that the settings impose. `company_access` is what
    both the owner and the token may see.
    """

    id: int
    user_id: int
    name: str
    role: Role
    token_name: str
    scopes: frozenset[Scope]
    networks: str | None
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
            tokens.c.networks,
            tokens.c.all_companies.label("whole_access"),
            tokens.c.created_at,
            tokens.c.last_used_at,
            tokens.c.expires_at,
        )
        .join(users, users.c.user_id == tokens.c.user_id)
        .where(tokens.c.key == bindparam("key"), users.c.active)
    )
)


def find_token(tx: Connection, settings: Settings, text: str, at: datetime) -> TokenHolder | None:
    """Returns the token with this full text; None unless it is valid at `at` and its owner is active."""
    parts = _FORM.fullmatch(text)
    if parts is None:
        return None
    row = _by_key.row(tx, key=parts[1])
    if row is None or not hmac.compare_digest(row.secret_hash, token_hash(parts[2])):
        return None
    last_used_at = None if row.last_used_at is None else instant(row.last_used_at)
    ends = [] if row.expires_at is None else [instant(row.expires_at)]
    if settings.token_lifetime_days:
        ends.append(instant(row.created_at) + timedelta(days=settings.token_lifetime_days))
    if settings.token_idle_days:
        ends.append((last_used_at or instant(row.created_at)) + timedelta(days=settings.token_idle_days))
    end = min(ends, default=None)
    if end is not None and end <= at:
        return None
    access = load_access(tx, row.user_id, all_companies=bool(row.all_companies))
    if not row.whole_access:
        access = access.common_with(load_token_accesses(tx, [row.id])[row.id])
    return TokenHolder(
        id=row.id,
        user_id=row.user_id,
        name=row.name,
        role=Role(row.role),
        token_name=row.token_name,
        scopes=frozenset(read_scopes(row.scopes)),
        networks=row.networks,
        last_used_at=last_used_at,
        expires_at=end,
        company_access=access,
    )


def live_tokens(tx: Connection, settings: Settings, ids: Collection[int], at: datetime) -> dict[int, Permissions]:
    """Returns those of the tokens with these ids that are valid at `at` and whose owners are active.

    Each comes with the present role of its owner, and with what both may see.
    """
    query = (
        select(tokens.c.id, users.c.user_id, users.c.role, users.c.all_companies, tokens.c.all_companies.label("whole"))
        .join(users, users.c.user_id == tokens.c.user_id)
        .where(one_of(tx, tokens.c.id, ids), users.c.active, *alive(settings, at))
    )
    rows = tx.execute(query).all()
    found = present_permissions(tx, rows)
    for id_, access in load_token_accesses(tx, [row.id for row in rows if not row.whole]).items():
        common = found[id_].company_access.common_with(access)
        found[id_] = msgspec.structs.replace(found[id_], company_access=common)
    return found


def alive(settings: Settings, at: datetime) -> list[ColumnElement[bool]]:
    """Returns the conditions that a token has not expired, neither by itself nor by the settings."""
    conditions: list[ColumnElement[bool]] = [tokens.c.expires_at.is_(None) | (tokens.c.expires_at > at)]
    if settings.token_lifetime_days:
        conditions.append(tokens.c.created_at > at - timedelta(days=settings.token_lifetime_days))
    if settings.token_idle_days:
        used = func.coalesce(tokens.c.last_used_at, tokens.c.created_at, type_=tokens.c.created_at.type)
        conditions.append(used > at - timedelta(days=settings.token_idle_days))
    return conditions


def touch_token(tx: Connection, token_id: int, at: datetime) -> None:
    """Records a use of the token at `at`."""
    tx.execute(update(tokens).where(tokens.c.id == token_id).values(last_used_at=at))
