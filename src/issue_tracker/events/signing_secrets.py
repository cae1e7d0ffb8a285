"""The secrets that sign messages, stored encrypted with the server key (docs/decisions/0022)."""

import base64
import secrets
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

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


class FormerSecret(msgspec.Struct, frozen=True):
    """A secret that was replaced, as it is stored, and the instant (UTC) until which it signs."""

    secret: str
    until: datetime


def new_secret() -> str:
    """Returns a new secret in the form that receivers enter."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def former_secrets(webhook: Any, at: datetime) -> list[FormerSecret]:
    """Returns the former secrets that still sign at an instant, the newest first.

    `webhook` is a row with the columns of former secrets.
    """
    found = _older_secrets(webhook)
    if webhook.previous_secret is not None:
        found.insert(0, FormerSecret(webhook.previous_secret, webhook.previous_secret_until))
    return [one for one in found if one.until > at]


def stored_form(older: Sequence[FormerSecret]) -> str | None:
    """Returns former secrets in the form of the column `older_secrets`."""
    return msgspec.json.encode(older).decode() if older else None


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


def reencrypt(tx: Connection, keyring: Keyring, *, only_plain: bool = False) -> tuple[int, list[int]]:
    """Re-encrypts the secrets as `reencrypt_column` does, or only those in plain text; the ids are those of the
    webhooks.
    """
    changed, unreadable = 0, []
    columns = (webhooks.c.secret, webhooks.c.previous_secret, webhooks.c.older_secrets)
    for row in tx.execute(select(webhooks.c.id, *columns).order_by(webhooks.c.id).with_for_update()).all():
        older = _older_secrets(row)
        stored = [row.secret, row.previous_secret, *(one.secret for one in older)]
        try:
            secret, previous, *rest = renewed = [
                _encrypted(keyring, text) if text is not None and _is_due(keyring, text, only_plain) else text
                for text in stored
            ]
        except Undecryptable:
            unreadable.append(row.id)
            continue
        if renewed != stored:
            kept = stored_form([FormerSecret(text, one.until) for text, one in zip(rest, older, strict=True)])
            values = {"secret": secret, "previous_secret": previous, "older_secrets": kept}
            tx.execute(update(webhooks).where(webhooks.c.id == row.id).values(**values))
            changed += sum(new != old for new, old in zip(renewed, stored, strict=True))
    return changed, unreadable


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


def _older_secrets(webhook: Any) -> list[FormerSecret]:
    stored = webhook.older_secrets
    return [] if stored is None else msgspec.json.decode(stored, type=list[FormerSecret])


def _encrypted(keyring: Keyring, stored: str) -> str:
    return keyring.encrypt(_readable(keyring, stored))


def _is_due(keyring: Keyring, stored: str, only_plain: bool) -> bool:
    return stored.startswith(PREFIX) or not (only_plain or keyring.is_current(stored))


def _readable(keyring: Keyring, stored: str) -> str:
    return stored if stored.startswith(PREFIX) else keyring.decrypt(stored)
