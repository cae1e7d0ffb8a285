"""Sessions: rows, found by the hash of a token that only the browser knows (contract, section 3)."""

import hashlib
import hmac
import secrets
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, insert, select, update

from issue_tracker.actor import ALL_COMPANIES, Actor, CompanyAccess, Permissions, Role
from issue_tracker.auth.places import USER_AGENT_LIMIT
from issue_tracker.clock import Timestamp, iso, now
from issue_tracker.company_access.queries import load_access, load_accesses
from issue_tracker.database.prepared import Prepared, instant, one_of
from issue_tracker.database.tables import sessions, sign_in_challenges, sign_in_devices, users
from issue_tracker.errors import NotFound, Unauthenticated
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.settings import Settings

REMEMBERED = timedelta(days=7)
"""How long an expired session is still recognized, so that a form that was filled in is not lost."""


class Session(msgspec.Struct, frozen=True):
    """A live session and its user, at the time of this request. All times are in UTC.

    `fresh_proof` says that its user signed in, or confirmed their identity, within the time that the settings allow.
    `password_change_required` says that the user must choose a password before anything else, and `enrolment_required`
    that they need a second factor and have none yet.
    """

    id: int
    user_id: int
    email: str
    name: str
    role: Role
    created_at: datetime
    used_at: datetime
    expires_at: datetime
    fresh_proof: bool
    password_change_required: bool
    enrolment_required: bool = False
    company_access: CompanyAccess = ALL_COMPANIES

    def actor(self, request_id: str) -> Actor:
        """Returns the user as the actor of one request."""
        return Actor(
            user_id=self.user_id,
            name=self.name,
            role=self.role,
            channel="session",
            request_id=request_id,
            session_id=self.id,
            company_access=self.company_access,
            fresh_proof=self.fresh_proof,
        )


class SessionInfo(msgspec.Struct, frozen=True):
    """One of a user's sessions, with details by which the user may recognize it."""

    id: int
    address: str
    user_agent: str
    created_at: Timestamp
    used_at: Timestamp
    expires_at: Timestamp
    current: bool


def touch_after(settings: Settings) -> timedelta:
    """Returns how far `used_at` may lag behind, so that there is one write a minute instead of one per request.

    With a short idle limit, it is a quarter of the limit, so that the limit stays accurate enough.
    """
    return min(timedelta(minutes=1), timedelta(hours=settings.session_idle_hours) / 4)


_by_token = Prepared(
    lambda _: (
        select(
            sessions.c.id,
            users.c.user_id,
            users.c.email,
            users.c.name,
            users.c.role,
            users.c.password_change_required,
            users.c.all_companies,
            users.c.has_factor,
            sessions.c.second_factor,
            sessions.c.created_at,
            sessions.c.used_at,
            sessions.c.expires_at,
            sessions.c.confirmed_at,
        )
        .join(users, users.c.user_id == sessions.c.user_id)
        .where(sessions.c.token_hash == bindparam("token_hash"), users.c.active)
    )
)


def start_session(
    tx: Connection,
    settings: Settings,
    user_id: int,
    address: str,
    user_agent: str,
    at: datetime,
    *,
    second_factor: bool = False,
) -> tuple[str, datetime]:
    """Creates a session at `at`. Returns its token, which is not stored anywhere, and its absolute end.

    `second_factor` says that the sign-in proved a second factor.
    """
    token = secrets.token_urlsafe(32)
    expires_at = at + timedelta(days=settings.session_lifetime_days)
    tx.execute(
        insert(sessions).values(
            token_hash=token_hash(token),
            user_id=user_id,
            address=address,
            user_agent=user_agent[:USER_AGENT_LIMIT],
            created_at=at,
            used_at=at,
            expires_at=expires_at,
            confirmed_at=at,
            second_factor=second_factor,
        )
    )
    return token, expires_at


def find_session(tx: Connection, settings: Settings, token: str, at: datetime) -> Session | None:
    """Returns the session with this token; None unless it is alive at `at` and its user is active."""
    row = _by_token.row(tx, token_hash=token_hash(token))
    if row is None:
        return None
    used_at, expires_at = instant(row.used_at), instant(row.expires_at)
    if expires_at <= at or used_at + timedelta(hours=settings.session_idle_hours) <= at:
        return None
    return Session(
        id=row.id,
        user_id=row.user_id,
        email=row.email,
        name=row.name,
        role=Role(row.role),
        created_at=instant(row.created_at),
        used_at=used_at,
        expires_at=expires_at,
        fresh_proof=row.confirmed_at is not None
        # A time in the future is that of a clock that was wrong.
        and abs(at - instant(row.confirmed_at)) < timedelta(minutes=settings.confirmation_minutes),
        password_change_required=bool(row.password_change_required),
        enrolment_required=_needs_enrolment(settings, row),
        company_access=load_access(tx, row.user_id, all_companies=bool(row.all_companies)),
    )


def _needs_enrolment(settings: Settings, row: Any) -> bool:
    """Returns whether the session's user needs a second factor and has none, here or at an identity provider."""
    if row.has_factor or row.second_factor:
        return False
    return settings.needs_second_factor(super_admin=row.role == Role.SUPER_ADMIN)


def was_session(tx: Connection, token: str) -> bool:
    """Returns whether this is the token of a session that is alive or has recently expired."""
    return _by_token.row(tx, token_hash=token_hash(token)) is not None


def require_running(tx: Connection, actor: Actor) -> None:
    """Raises Unauthenticated if the session of the actor has ended since the request was checked.

    Call it with the user locked, before creating a credential. A new password, for example, ends the sessions and
    revokes what they have created, so they must not create anything afterwards.
    """
    same = select(sessions.c.id).where(sessions.c.id == actor.session_id)
    if actor.session_id is not None and tx.execute(same).first() is None:
        raise Unauthenticated


def live_sessions(tx: Connection, settings: Settings, ids: Collection[int], at: datetime) -> dict[int, Permissions]:
    """Returns those of the sessions with these ids that are alive at `at`, whose users are active and have the second
    factor that they need.

    Each comes with the present permissions of its user.
    """
    columns = (users.c.user_id, users.c.role, users.c.all_companies, users.c.has_factor, sessions.c.second_factor)
    query = (
        select(sessions.c.id, *columns)
        .join(users, users.c.user_id == sessions.c.user_id)
        .where(one_of(tx, sessions.c.id, ids), users.c.active, alive_sessions(settings, at))
    )
    return present_permissions(tx, [row for row in tx.execute(query) if not _needs_enrolment(settings, row)])


def present_permissions(tx: Connection, rows: Iterable[Any]) -> dict[int, Permissions]:
    """Returns the permissions of users by the id of their credential, from rows with `id` and columns of `users`."""
    rows = list(rows)
    limited = load_accesses(tx, {row.user_id for row in rows if not row.all_companies})
    return {row.id: Permissions(Role(row.role), limited.get(row.user_id, ALL_COMPANIES)) for row in rows}


def touch_session(tx: Connection, session_id: int, at: datetime) -> None:
    """Records a use of the session at `at`, from which its idle limit counts."""
    tx.execute(update(sessions).where(sessions.c.id == session_id).values(used_at=at))


def confirm_session(tx: Connection, session_id: int, at: datetime) -> None:
    """Records that the session's user proved their identity at `at`."""
    tx.execute(update(sessions).where(sessions.c.id == session_id).values(confirmed_at=at))


def list_sessions(
    tx: Connection, settings: Settings, user_id: int, current_id: int | None, at: datetime
) -> list[SessionInfo]:
    """Returns a user's sessions that are alive at `at`, the last used first.

    `current_id` is the session of the present request.
    """
    query = (
        select(sessions)
        .where(sessions.c.user_id == user_id, alive_sessions(settings, at))
        .order_by(sessions.c.used_at.desc(), sessions.c.id.desc())
    )
    return [
        SessionInfo(
            id=row.id,
            address=row.address,
            user_agent=row.user_agent,
            created_at=iso(row.created_at),
            used_at=iso(row.used_at),
            expires_at=iso(row.expires_at),
            current=row.id == current_id,
        )
        for row in tx.execute(query)
    ]


def end_session(tx: Connection, actor: Actor, user_id: int, session_id: int) -> None:
    """Ends one of a user's sessions. Raises NotFound for any other."""
    ended = sessions.c.id == session_id, sessions.c.user_id == user_id
    owned = select(sessions.c.address, users.c.email).join(users, users.c.user_id == sessions.c.user_id)
    row = tx.execute(owned.where(*ended)).first()
    if row is None or tx.execute(delete(sessions).where(*ended)).rowcount == 0:
        raise NotFound("There is no such session.")
    whose = "session" if user_id == actor.user_id else f"session of {row.email}"
    note = "signed out" if session_id == actor.session_id else f"{whose} from {row.address}"
    record(tx, actor, [Change(type=EventType.SESSION_ENDED, note=note)], now())


def end_sessions(tx: Connection, user_id: int, *, keep: int | None = None) -> None:
    """Ends all of a user's sessions except the one with the id `keep`, after a change of password or second factor.

    Also ends sign-ins that wait for their second step; and remembered browsers may no longer skip it.
    """
    tx.execute(delete(sign_in_challenges).where(sign_in_challenges.c.user_id == user_id))
    tx.execute(update(sign_in_devices).where(sign_in_devices.c.user_id == user_id).values(second_factor_until=None))
    condition = sessions.c.user_id == user_id
    tx.execute(delete(sessions).where(condition if keep is None else condition & (sessions.c.id != keep)))


def csrf_token(token: str) -> str:
    """Returns the CSRF token of the session with this token.

    It is derived from the session's token, so it needs no storage and cannot be guessed.
    """
    return hmac.digest(token.encode(), b"issue-tracker csrf", "sha256").hex()


def csrf_matches(token: str, given: str | None) -> bool:
    """Returns whether `given` is the CSRF token of the session with this token. Compares in constant time."""
    return hmac.compare_digest(csrf_token(token).encode(), (given or "").encode("utf-8", "surrogatepass"))


def token_hash(token: str) -> bytes:
    """Returns the stored form of a random token. With 256 bits of entropy, a fast hash without salt is sufficient."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def alive_sessions(settings: Settings, at: datetime) -> ColumnElement[bool]:
    """Returns the condition that a session has reached neither its absolute end nor its idle limit."""
    return and_(
        sessions.c.expires_at > at,
        sessions.c.used_at > at - timedelta(hours=settings.session_idle_hours),
    )
