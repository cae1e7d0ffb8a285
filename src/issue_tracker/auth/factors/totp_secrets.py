"""The secrets of authenticator apps during a replacement of the server key (docs/decisions/0022-server-key.md)."""

from sqlalchemy import Connection, select

from issue_tracker.database.reencryption import reencrypt_column
from issue_tracker.database.tables import factors
from issue_tracker.encryption import Keyring


def has_secrets(tx: Connection) -> bool:
    """Returns whether the secret of any app is stored."""
    return tx.execute(select(factors.c.id).where(factors.c.secret.is_not(None)).limit(1)).first() is not None


def reencrypt(tx: Connection, keyring: Keyring) -> tuple[int, list[int]]:
    """Re-encrypts the secrets as `reencrypt_column` does; the ids are those of users."""
    stored = select(factors.c.id, factors.c.user_id, factors.c.secret).where(factors.c.secret.is_not(None))
    return reencrypt_column(tx, keyring, stored.order_by(factors.c.id), factors.c.secret, factors.c.id)
