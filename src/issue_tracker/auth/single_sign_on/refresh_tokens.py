"""The refresh tokens of running sessions, and of sign-ins that wait for their second step, during a replacement of the
server key (docs/decisions/0022-server-key.md).
"""

from collections.abc import Iterator

import msgspec
from sqlalchemy import Connection, select, update

from issue_tracker.auth.single_sign_on.binding import Binding
from issue_tracker.clock import now
from issue_tracker.database.reencryption import reencrypt_column
from issue_tracker.database.tables import provider_sessions, sessions, sign_in_challenges
from issue_tracker.encryption import Keyring, Undecryptable


def has_secrets(tx: Connection) -> bool:
    """Returns whether any refresh token is stored."""
    stored = select(provider_sessions.c.session_id).where(provider_sessions.c.refresh_token.is_not(None))
    return tx.execute(stored.limit(1)).first() is not None or any(_waiting(tx))


def reencrypt(tx: Connection, keyring: Keyring) -> tuple[int, list[int]]:
    """Re-encrypts the refresh tokens as `reencrypt_column` does, except those of expired sessions and sign-ins, which
    are ignored; the ids are those of users, each once.
    """
    session_id, refresh_token = provider_sessions.c.session_id, provider_sessions.c.refresh_token
    stored = (
        select(session_id, sessions.c.user_id, refresh_token)
        .join(sessions, sessions.c.id == session_id)
        .where(refresh_token.is_not(None), sessions.c.expires_at > now())
        .order_by(session_id)
    )
    changed, users = reencrypt_column(tx, keyring, stored, refresh_token, session_id)
    for token_hash, user_id, binding, text in list(_waiting(tx, lock=True)):
        if keyring.is_current(text):
            continue
        try:
            renewed = msgspec.structs.replace(binding, refresh_token=keyring.encrypt(keyring.decrypt(text)))
        except Undecryptable:
            users.append(user_id)
            continue
        same = sign_in_challenges.c.token_hash == token_hash
        tx.execute(update(sign_in_challenges).where(same).values(binding=msgspec.json.encode(renewed).decode()))
        changed += 1
    return changed, sorted(set(users))


def _waiting(tx: Connection, *, lock: bool = False) -> Iterator[tuple[bytes, int, Binding, str]]:
    """Yields the waiting sign-ins that have a refresh token: their ids, users, bindings and encrypted tokens."""
    waiting = sign_in_challenges.c
    query = select(waiting.token_hash, waiting.user_id, waiting.binding).order_by(waiting.token_hash)
    query = query.where(waiting.binding.is_not(None), waiting.expires_at > now())
    for row in tx.execute(query.with_for_update() if lock else query):
        binding = msgspec.json.decode(row.binding, type=Binding)
        if binding.refresh_token is not None:
            yield row.token_hash, row.user_id, binding, binding.refresh_token
