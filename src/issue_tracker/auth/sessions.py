"""Sessions: rows, found by the hash of a token that only the browser knows (contract, section 3)."""

import hashlib
import hmac
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection, bindparam, delete, insert, select, update

from issue_tracker.actor import Role
from issue_tracker.clock import Timestamp, iso
from issue_tracker.database.prepared import Prepared, instant
from issue_tracker.database.tables import sessions, users
from issue_tracker.errors import NotFound
from issue_tracker.settings import Settings


def touch_after(settings: Settings) -> timedelta:
    """How stale `used_at` may be: one write a minute, not one a request; more often where the idle limit is short."""
    return min(timedelta(minutes=1), timedelta(hours=settings.session_idle_hours) / 4)


class Session(msgspec.Struct, frozen=True):
    """A live session and its user, as of this request."""

    id: int
    user_id: int
    email: str
    name: str
    role: Role
    created_at: datetime
    used_at: datetime
    expires_at: datetime


class SessionInfo(msgspec.Struct, frozen=True):
    """One of a user's own sessions, to recognise it by."""

    id: int
    address: str
    user_agent: str
    created_at: Timestamp
    used_at: Timestamp
    expires_at: Timestamp
    current: bool


_by_token = Prepared(
    lambda _: (
        select(
            sessions.c.id,
            users.c.user_id,
            users.c.email,
            users.c.name,
            users.c.role,
            sessions.c.created_at,
            sessions.c.used_at,
            sessions.c.expires_at,
        )
        .join(users, users.c.user_id == sessions.c.user_id)
        .where(sessions.c.token_hash == bindparam("token_hash"), users.c.active)
    )
)


def start_session(
    tx: Connection, settings: Settings, user_id: int, address: str, user_agent: str, at: datetime
) -> tuple[str, datetime]:
    """Creates a session and returns its token, which is stored nowhere, and its absolute end."""
    token = secrets.token_urlsafe(32)
    expires_at = at + timedelta(days=settings.session_lifetime_days)
    tx.execute(delete(sessions).where(sessions.c.expires_at <= at))
    tx.execute(
        insert(sessions).values(
            token_hash=token_hash(token),
            user_id=user_id,
            address=address,
            user_agent=user_agent[:400],
            created_at=at,
            used_at=at,
            expires_at=expires_at,
        )
    )
    return token, expires_at


def find_session(tx: Connection, settings: Settings, token: str, at: datetime) -> Session | None:
    """The session behind a token, if it is alive at `at` and its user is active."""
    row = _by_token.first(tx, token_hash=token_hash(token))
    if row is None:
        return None
    created_at, used_at, expires_at = map(instant, row[5:])
    if expires_at <= at or used_at + timedelta(hours=settings.session_idle_hours) <= at:
        return None
    return Session(row[0], row[1], row[2], row[3], Role(row[4]), created_at, used_at, expires_at)


def live_sessions(tx: Connection, settings: Settings, ids: Collection[int], at: datetime) -> dict[int, Role]:
    """Of these sessions, those alive at `at` whose users are active, with the roles of this moment."""
    query = (
        select(sessions.c.id, users.c.role)
        .join(users, users.c.user_id == sessions.c.user_id)
        .where(
            sessions.c.id.in_(ids),
            users.c.active,
            sessions.c.expires_at > at,
            sessions.c.used_at > at - timedelta(hours=settings.session_idle_hours),
        )
    )
    return {row.id: Role(row.role) for row in tx.execute(query)}


def touch_session(tx: Connection, session_id: int, at: datetime) -> None:
    """Slides the idle limit."""
    tx.execute(update(sessions).where(sessions.c.id == session_id).values(used_at=at))


def list_sessions(
    tx: Connection, settings: Settings, user_id: int, current_id: int | None, at: datetime
) -> list[SessionInfo]:
    """A user's live sessions, the latest used first."""
    query = (
        select(sessions)
        .where(
            sessions.c.user_id == user_id,
            sessions.c.expires_at > at,
            sessions.c.used_at > at - timedelta(hours=settings.session_idle_hours),
        )
        .order_by(sessions.c.used_at.desc(), sessions.c.id.desc())
    )
    return [
        SessionInfo(
            row.id,
            row.address,
            row.user_agent,
            iso(row.created_at),
            iso(row.used_at),
            iso(row.expires_at),
            row.id == current_id,
        )
        for row in tx.execute(query)
    ]


def end_session(tx: Connection, user_id: int, session_id: int) -> None:
    """Ends one of the user's own sessions. Raises NotFound for any other."""
    ended = tx.execute(delete(sessions).where(sessions.c.id == session_id, sessions.c.user_id == user_id))
    if ended.rowcount == 0:
        raise NotFound("No such session.")


def end_sessions(tx: Connection, user_id: int, *, keep: int | None = None) -> None:
    """Ends all of a user's sessions, but the one to keep."""
    condition = sessions.c.user_id == user_id
    tx.execute(delete(sessions).where(condition if keep is None else condition & (sessions.c.id != keep)))


def csrf_token(token: str) -> str:
    """The CSRF token of a session: derived from its token, so that it needs no storage and cannot be guessed."""
    return hmac.new(token.encode(), b"issue-tracker csrf", hashlib.sha256).hexdigest()


def csrf_matches(token: str, given: str | None) -> bool:
    """Whether the given CSRF token is the session's, compared in constant time."""
    return hmac.compare_digest(csrf_token(token).encode(), (given or "").encode("utf-8", "surrogatepass"))


def token_hash(token: str) -> bytes:
    """What is stored of a random token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
