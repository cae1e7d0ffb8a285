"""Which credentials still hold, asked for many at once: for answers that outlast the check of their request."""

from collections.abc import Collection
from typing import Literal

import msgspec

from issue_tracker.actor import Role
from issue_tracker.auth.sessions import live_sessions
from issue_tracker.auth.tokens import live_tokens
from issue_tracker.clock import now
from issue_tracker.database.engine import Database
from issue_tracker.settings import Settings

BATCH = 500


class Credential(msgspec.Struct, frozen=True):
    """A session or a token, by the id of its row."""

    kind: Literal["session", "token"]
    id: int


def roles_of(database: Database, settings: Settings, credentials: Collection[Credential]) -> dict[Credential, Role]:
    """The roles behind those credentials that are alive now; ended ones are absent."""
    at = now()
    roles: dict[Credential, Role] = {}
    ordered = list(credentials)
    with database.read() as tx:
        for start in range(0, len(ordered), BATCH):
            part = ordered[start : start + BATCH]
            sessions = live_sessions(tx, settings, [held.id for held in part if held.kind == "session"], at)
            tokens = live_tokens(tx, [held.id for held in part if held.kind == "token"], at)
            roles |= {Credential("session", id_): role for id_, role in sessions.items()}
            roles |= {Credential("token", id_): role for id_, role in tokens.items()}
    return roles
