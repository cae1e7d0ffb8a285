"""Checks many credentials at once, because an open stream outlasts the check at the start of its request."""

from collections.abc import Collection
from typing import Literal

import msgspec

from issue_tracker.actor import Permissions
from issue_tracker.auth.sessions import live_sessions
from issue_tracker.auth.token_use import live_tokens
from issue_tracker.clock import now
from issue_tracker.database.engine import Database
from issue_tracker.settings import Settings

BATCH = 500
"""Number of credentials that one statement checks."""


class Credential(msgspec.Struct, frozen=True):
    """A session or a token, by the id of its row."""

    kind: Literal["session", "token"]
    id: int


def permissions_of(
    database: Database, settings: Settings, credentials: Collection[Credential]
) -> dict[Credential, Permissions]:
    """Returns the present permissions of those credentials that are still valid; others are absent."""
    at = now()
    found: dict[Credential, Permissions] = {}
    ordered = list(credentials)
    with database.read() as tx:
        for start in range(0, len(ordered), BATCH):
            batch = ordered[start : start + BATCH]
            session_ids = [credential.id for credential in batch if credential.kind == "session"]
            token_ids = [credential.id for credential in batch if credential.kind == "token"]
            sessions = live_sessions(tx, settings, session_ids, at)
            tokens = live_tokens(tx, settings, token_ids, at)
            found |= {Credential("session", id_): permissions for id_, permissions in sessions.items()}
            found |= {Credential("token", id_): permissions for id_, permissions in tokens.items()}
    return found
