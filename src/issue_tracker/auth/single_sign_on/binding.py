"""The binding of a session to the provider that started it: it ends soon unless the provider confirms it."""

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from issue_tracker.auth.sessions import token_hash
from issue_tracker.database.tables import identities, provider_sessions, sessions, sign_in_challenges, users
from issue_tracker.settings import Settings


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """The provider's part of a new session, in a form that can be stored until the session starts.

    `provider` is the id of the provider, `provider_sid` the provider's own session. `refresh_token` is encrypted, and
    None if the provider sent none. `proved_at` is when the user proved their identity there (UTC), None if unknown.
    """

    identity_id: int
    provider: str
    provider_name: str
    provider_sid: str | None
    refresh_token: str | None
    session_minutes: float
    check_minutes: float
    proved_at: datetime | None


def bind_session(tx: Connection, settings: Settings, token: str, binding: Binding, at: datetime) -> None:
    """Binds the session with this token, which was just started; its proof is only as fresh as the provider's."""
    session_id = tx.execute(select(sessions.c.id).where(sessions.c.token_hash == token_hash(token))).scalar_one()
    lifetime = min(timedelta(minutes=binding.session_minutes), timedelta(days=settings.session_lifetime_days))
    proved_at = None if binding.proved_at is None else min(binding.proved_at, at)
    tx.execute(
        update(sessions).where(sessions.c.id == session_id).values(expires_at=at + lifetime, confirmed_at=proved_at)
    )
    tx.execute(
        insert(provider_sessions).values(
            session_id=session_id,
            identity_id=binding.identity_id,
            provider=binding.provider,
            provider_sid=binding.provider_sid,
            refresh_token=binding.refresh_token,
            check_at=at + timedelta(minutes=binding.check_minutes) if binding.refresh_token else None,
            at=at,
        )
    )


def provider_of_session(tx: Connection, session_id: int) -> str | None:
    """Returns the id of the provider that started a session; None for any other session."""
    query = select(provider_sessions.c.provider).where(provider_sessions.c.session_id == session_id)
    return tx.execute(query).scalar_one_or_none()


def end_provider_sessions(
    tx: Connection, issuer: str, *, subject: str | None, session: str | None, until: datetime
) -> list[str]:
    """Ends the sessions that have ended at their provider and were started until an instant: those of one provider
    session, or all of a subject. Returns the email addresses of their users.

    Sign-ins of them that wait for the second step end, too. They come first, so that one whose second step is just
    being taken has become a session.
    """
    _end_waiting(tx, issuer, subject, session, until)
    query = (
        select(provider_sessions.c.session_id, users.c.email)
        .join(identities, identities.c.id == provider_sessions.c.identity_id)
        .join(users, users.c.user_id == identities.c.user_id)
        .where(identities.c.issuer == issuer, provider_sessions.c.at <= until)
    )
    if subject is not None:
        query = query.where(identities.c.subject == subject)
    if session is not None:
        query = query.where(provider_sessions.c.provider_sid == session)
    rows = tx.execute(query).all()
    tx.execute(delete(sessions).where(sessions.c.id.in_([row.session_id for row in rows])))
    return [row.email for row in rows]


def _end_waiting(tx: Connection, issuer: str, subject: str | None, session: str | None, until: datetime) -> None:
    """Ends the waiting sign-ins that `end_provider_sessions` is about."""
    waiting = sign_in_challenges.c
    query = (
        select(waiting.token_hash, waiting.binding, identities.c.id)
        .join(identities, identities.c.user_id == waiting.user_id)
        .where(identities.c.issuer == issuer, waiting.binding.is_not(None), waiting.created_at <= until)
    )
    if subject is not None:
        query = query.where(identities.c.subject == subject)
    ended = []
    for row in tx.execute(query):
        binding = msgspec.json.decode(row.binding, type=Binding)
        if binding.identity_id == row.id and session in (None, binding.provider_sid):
            ended.append(row.token_hash)
    if ended:
        tx.execute(delete(sign_in_challenges).where(waiting.token_hash.in_(ended)))
