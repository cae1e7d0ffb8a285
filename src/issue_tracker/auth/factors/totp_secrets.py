"""The secrets of authenticator apps during a replacement of the server key (docs/decisions/0022-server-key.md)."""

from sqlalchemy import Connection, select, update

from issue_tracker.database.tables import factors
from issue_tracker.encryption import Keyring, Undecryptable


def has_secrets(tx: Connection) -> bool:
    """Returns whether the secret of any app is stored."""
    return tx.execute(select(factors.c.id).where(factors.c.secret.is_not(None)).limit(1)).first() is not None


def reencrypt(tx: Connection, keyring: Keyring) -> tuple[int, list[int]]:
    """Encrypts with the first key every secret that is not yet. Leaves secrets that no key decrypts unchanged.

    Returns the number of re-encrypted secrets, and the ids of users with a secret that no available key decrypts.
    """
    changed, unreadable = 0, []
    stored = select(factors.c.id, factors.c.user_id, factors.c.secret).where(factors.c.secret.is_not(None))
    for row in tx.execute(stored.order_by(factors.c.id).with_for_update()).all():
        if keyring.is_current(row.secret):
            continue
        try:
            secret = keyring.decrypt(row.secret)
        except Undecryptable:
            unreadable.append(row.user_id)
            continue
        tx.execute(update(factors).where(factors.c.id == row.id).values(secret=keyring.encrypt(secret)))
        changed += 1
    return changed, unreadable
