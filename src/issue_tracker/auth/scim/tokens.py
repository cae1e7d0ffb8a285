"""The bearer tokens of SCIM: `itscim_<key>_<secret>`, found by the key and verified by the hash of the secret.

A token permits its holder to administer accounts and groups as an identity provider, and nothing else
(docs/decisions/0031-scim.md). The settings that limit the lifetime of API tokens apply to SCIM tokens too.
"""

import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from issue_tracker.actor import Actor, Role, require_administrator, require_fresh_proof
from issue_tracker.auth.sessions import token_hash
from issue_tracker.auth.token_networks import read_networks, shown_networks, stored_networks
from issue_tracker.auth.tokens import wrong_end
from issue_tracker.clock import Timestamp, iso, now
from issue_tracker.database.engine import created_id
from issue_tracker.database.tables import scim_tokens
from issue_tracker.errors import FieldError, Invalid, NotFound
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.integers import LARGEST_ID
from issue_tracker.looks import illegible
from issue_tracker.names import Name, key
from issue_tracker.settings import Settings

MOST = 20
"""Maximum number of tokens: one for each identity provider, and another one during its replacement."""

_FORM = re.compile(r"itscim_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")


class ScimToken(msgspec.Struct, frozen=True):
    """A token without its secret. If `networks` is empty, it is accepted from any address.

    `expires_at` is the earlier of its own end and the longest lifetime of the settings; null if there is neither.
    """

    id: int
    name: str
    networks: list[str]
    created_at: Timestamp
    expires_at: Timestamp | None
    last_used_at: Timestamp | None


class ScimHolder(msgspec.Struct, frozen=True):
    """A valid token of a request. All times are in UTC; `expires_at` is the latest time at which it expires."""

    id: int
    name: str
    networks: str | None
    last_used_at: datetime | None
    expires_at: datetime | None

    def actor(self, request_id: str) -> Actor:
        """Returns the identity provider as the actor of one request.

        A super admin gave the token access to all accounts when creating it, so no other proof is required.
        """
        channel = f"scim:{self.name}"
        return Actor(None, self.name, Role.SUPER_ADMIN, channel, request_id, fresh_proof=True)


def create_scim_token(
    tx: Connection,
    settings: Settings,
    actor: Actor,
    name: Name,
    expires_at: datetime | None = None,
    networks: Sequence[str] = (),
) -> tuple[ScimToken, str]:
    """Creates a token. Returns it with its full text, which is shown only once.

    Raises Invalid, with all wrong fields, for an end in the past or beyond the longest lifetime, an invalid network,
    and a name that is taken; Forbidden unless `actor` is a super admin who sees all companies; ConfirmationRequired.
    """
    require_administrator(actor)
    require_fresh_proof(actor)
    at = now()
    accepted, wrong = read_networks(networks)
    wrong += wrong_end(settings, expires_at, at)
    if reason := illegible(name):
        wrong.append(FieldError("name", reason))
    if wrong:
        raise Invalid.of(wrong)
    if len(tx.execute(select(scim_tokens.c.id)).all()) >= MOST:
        raise Invalid(f"There are {MOST} SCIM tokens, which is the maximum. Revoke one first.")
    public, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
    values: dict[str, object] = {"name": name, "name_key": key(name), "key": public, "secret_hash": token_hash(secret)}
    values |= {"networks": stored_networks(accepted), "created_at": at, "expires_at": expires_at}
    try:
        with tx.begin_nested():
            inserted = tx.execute(insert(scim_tokens).values(values))
    except IntegrityError:
        raise Invalid.field("name", f"a SCIM token called “{name}” already exists") from None
    row = tx.execute(select(scim_tokens).where(scim_tokens.c.id == created_id(inserted))).one()
    limits = f"; networks: {', '.join(accepted)}" if accepted else ""
    record(tx, actor, [Change(type=EventType.TOKEN_CREATED, note=f"{name} (SCIM{limits})")], at)
    return _shown(settings, row), f"itscim_{public}_{secret}"


def list_scim_tokens(tx: Connection, settings: Settings, actor: Actor) -> list[ScimToken]:
    """Returns all tokens, including expired ones: the last used first, and those that were never used at the end.

    Raises Forbidden unless `actor` is a super admin who sees all companies.
    """
    require_administrator(actor)
    rows = tx.execute(select(scim_tokens).order_by(scim_tokens.c.id.desc())).all()
    return sorted((_shown(settings, row) for row in rows), key=lambda token: token.last_used_at or "", reverse=True)


def revoke_scim_token(tx: Connection, actor: Actor, token_id: int) -> None:
    """Deletes a token permanently. The accounts that it created remain as they are.

    Raises NotFound; Forbidden unless `actor` is a super admin who sees all companies.
    """
    require_administrator(actor)
    query = select(scim_tokens.c.name).where(scim_tokens.c.id == token_id)
    name = tx.execute(query).scalar_one_or_none() if token_id <= LARGEST_ID else None
    if name is None:
        raise NotFound("There is no such SCIM token.")
    tx.execute(delete(scim_tokens).where(scim_tokens.c.id == token_id))
    record(tx, actor, [Change(type=EventType.TOKEN_DELETED, note=f"{name} (SCIM)")], now())


def find_scim_token(tx: Connection, settings: Settings, text: str, at: datetime) -> ScimHolder | None:
    """Returns the token with this full text; None if there is none that is valid at `at`."""
    parts = _FORM.fullmatch(text)
    if parts is None:
        return None
    row = tx.execute(select(scim_tokens).where(scim_tokens.c.key == parts[1])).first()
    if row is None or not hmac.compare_digest(row.secret_hash, token_hash(parts[2])):
        return None
    end = _end(settings, row)
    if settings.token_idle_days:
        unused = (row.last_used_at or row.created_at) + timedelta(days=settings.token_idle_days)
        end = unused if end is None else min(end, unused)
    if end is not None and end <= at:
        return None
    return ScimHolder(row.id, row.name, row.networks, row.last_used_at, end)


def touch_scim_token(tx: Connection, token_id: int, at: datetime) -> None:
    """Records a use of the token at `at`."""
    tx.execute(update(scim_tokens).where(scim_tokens.c.id == token_id).values(last_used_at=at))


def _end(settings: Settings, row: Row[Any]) -> datetime | None:
    ends = [row.expires_at] if row.expires_at else []
    if settings.token_lifetime_days:
        ends.append(row.created_at + timedelta(days=settings.token_lifetime_days))
    return min(ends, default=None)


def _shown(settings: Settings, row: Row[Any]) -> ScimToken:
    end = _end(settings, row)
    return ScimToken(
        id=row.id,
        name=row.name,
        networks=shown_networks(row.networks),
        created_at=iso(row.created_at),
        expires_at=iso(end) if end else None,
        last_used_at=iso(row.last_used_at) if row.last_used_at else None,
    )
