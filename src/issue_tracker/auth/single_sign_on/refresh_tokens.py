"""The refresh tokens of running sessions during a replacement of the server key (docs/decisions/0022-server-key.md)."""

from sqlalchemy import Connection, select, update

from issue_tracker.clock import now
from issue_tracker.database.tables import provider_sessions, sessions
from issue_tracker.encryption import Keyring, Undecryptable


def has_secrets(tx: Connection) -> bool:
    """Returns whether any refresh token is stored."""
    stored = select(provider_sessions.c.session_id).where(provider_sessions.c.refresh_token.is_not(None))
    return tx.execute(stored.limit(1)).first() is not None


def reencrypt(tx: Connection, keyring: Keyring) -> tuple[int, list[int]]:
    """Encrypts with the first key every refresh token that is not yet. Leaves those that no key decrypts unchanged.

    Returns the number of re-encrypted refresh tokens, and the ids of users with one that no available key decrypts.
    Refresh tokens of expired sessions are ignored.
    """
    changed, unreadable = 0, set()
    stored = (
        select(provider_sessions.c.session_id, provider_sessions.c.refresh_token, sessions.c.user_id)
        .join(sessions, sessions.c.id == provider_sessions.c.session_id)
        .where(provider_sessions.c.refresh_token.is_not(None), sessions.c.expires_at > now())
        .order_by(provider_sessions.c.session_id)
    )
    for row in tx.execute(stored.with_for_update(of=provider_sessions)).all():
        if keyring.is_current(row.refresh_token):
            continue
        try:
            refresh_token = keyring.encrypt(keyring.decrypt(row.refresh_token))
        except Undecryptable:
            unreadable.add(row.user_id)
            continue
        same = provider_sessions.c.session_id == row.session_id
        tx.execute(update(provider_sessions).where(same).values(refresh_token=refresh_token))
        changed += 1
    return changed, sorted(unreadable)
