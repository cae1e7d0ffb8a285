"""The secrets that sign messages, stored encrypted with the server key (docs/decisions/0022)."""

import base64
import secrets
from collections.abc import Sequence
from contextlib import suppress

import msgspec
import structlog
from sqlalchemy import Connection, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from issue_tracker.database.engine import Database
from issue_tracker.database.server_key import ServerKey
from issue_tracker.database.tables import webhooks
from issue_tracker.encryption import Keyring, Undecryptable
from issue_tracker.errors import Unavailable

log = structlog.get_logger("issue_tracker.server_key")

PREFIX = "whsec_"
"""The prefix of a secret (Standard Webhooks 1.0.0). A stored text with this prefix was stored before secrets were
encrypted."""


class Reencrypted(msgspec.Struct, frozen=True):
    """The number of secrets that were re-encrypted, and the ids of webhooks whose secret no available key decrypts."""

    changed: int
    unreadable: list[int]


def new_secret() -> str:
    """Returns a new secret in the form that receivers enter."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def readable_secrets(keyring: Keyring, stored: Sequence[str]) -> list[str]:
    """Returns those of the stored secrets that an available key decrypts, in plain text."""
    found = []
    for secret in stored:
        with suppress(Undecryptable):
            found.append(_readable(keyring, secret))
    return found


def has_secrets(tx: Connection) -> bool:
    """Returns whether there is any webhook."""
    return tx.execute(select(webhooks.c.id).limit(1)).first() is not None


def reencrypt(tx: Connection, keyring: Keyring, *, only_plain: bool = False) -> Reencrypted:
    """Encrypts with the first key every secret that is not yet, or only those in plain text.

    Leaves secrets that no key decrypts unchanged.
    """
    changed, unreadable = 0, []
    columns = (webhooks.c.secret, webhooks.c.previous_secret)
    for row in tx.execute(select(webhooks.c.id, *columns).order_by(webhooks.c.id).with_for_update()).all():
        try:
            values = {
                name: keyring.encrypt(_readable(keyring, stored))
                for name, stored in (("secret", row.secret), ("previous_secret", row.previous_secret))
                if stored is not None and _is_due(keyring, stored, only_plain)
            }
        except Undecryptable:
            unreadable.append(row.id)
            continue
        if values:
            tx.execute(update(webhooks).where(webhooks.c.id == row.id).values(**values))
            changed += len(values)
    return Reencrypted(changed, unreadable)


def encrypt_stored(database: Database, key: ServerKey) -> None:
    """Encrypts secrets that an earlier version stored in plain text, when a server starts.

    Does nothing if the database is unavailable. Secrets encrypted with a former key are not re-encrypted, because other
    nodes may not have the new key yet; `issue-tracker reencrypt` does that. Reports secrets that no key decrypts to the
    operator.
    """
    with suppress(Unavailable, SQLAlchemyError):
        keyring = key.keyring()
        with database.read() as tx:
            stored = tx.execute(select(webhooks.c.id, webhooks.c.secret)).all()
        unreadable = [row.id for row in stored if not readable_secrets(keyring, [row.secret])]
        if unreadable:
            log.error("secrets of webhooks were encrypted with another server key", webhooks=unreadable)
        plain = or_(webhooks.c.secret.startswith(PREFIX), webhooks.c.previous_secret.startswith(PREFIX))
        with database.read() as tx:
            if tx.execute(select(webhooks.c.id).where(plain).limit(1)).first() is None:
                return
        with database.write() as tx:
            reencrypt(tx, keyring, only_plain=True)


def _is_due(keyring: Keyring, stored: str, only_plain: bool) -> bool:
    return stored.startswith(PREFIX) or not (only_plain or keyring.is_current(stored))


def _readable(keyring: Keyring, stored: str) -> str:
    return stored if stored.startswith(PREFIX) else keyring.decrypt(stored)
