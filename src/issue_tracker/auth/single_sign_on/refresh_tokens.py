"""The refresh tokens of running sessions during a replacement of the server key (docs/decisions/0022-server-key.md)."""

from sqlalchemy import Connection, select

from issue_tracker.clock import now
from issue_tracker.database.reencryption import reencrypt_column
from issue_tracker.database.tables import provider_sessions, sessions
from issue_tracker.encryption import Keyring


def has_secrets(tx: Connection) -> bool:
    """Returns whether any refresh token is stored."""
    stored = select(provider_sessions.c.session_id).where(provider_sessions.c.refresh_token.is_not(None))
    return tx.execute(stored.limit(1)).first() is not None


def reencrypt(tx: Connection, keyring: Keyring) -> tuple[int, list[int]]:
    """Re-encrypts the refresh tokens as `reencrypt_column` does, except those of expired sessions, which are ignored;
    the ids are those of users, each once.
    """
    session_id, refresh_token = provider_sessions.c.session_id, provider_sessions.c.refresh_token
    stored = (
        select(session_id, sessions.c.user_id, refresh_token)
        .join(sessions, sessions.c.id == session_id)
        .where(refresh_token.is_not(None), sessions.c.expires_at > now())
        .order_by(session_id)
    )
    changed, users = reencrypt_column(tx, keyring, stored, refresh_token, session_id)
    return changed, sorted(set(users))
