"""Checks at the providers, with refresh tokens, whether the users of running sessions may still sign in.

A user who was removed, disabled or signed out there gets no new token, and the session here ends. Every successful
check extends the session; while the provider is unreachable, nothing extends it, so that it expires. A session without
a refresh token is not checked, and ends after `session_minutes`.
"""

import threading
import time
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Connection, Row, delete, func, or_, select, update

from issue_tracker.actor import Actor, Role, command_line
from issue_tracker.auth.group_mappings.applying import apply_groups
from issue_tracker.auth.passwords import NO_PASSWORD
from issue_tracker.auth.single_sign_on.break_glass import may_use_password
from issue_tracker.auth.single_sign_on.client import Grant, ProviderClient
from issue_tracker.auth.single_sign_on.errors import GrantRefused, ProviderFailed, TokenRefused
from issue_tracker.auth.single_sign_on.exchange import IdentityProviders
from issue_tracker.auth.single_sign_on.identities import confirm_identity
from issue_tracker.auth.single_sign_on.person import groups_of
from issue_tracker.auth.single_sign_on.sign_in import provider_actor
from issue_tracker.auth.tokens import revoke_tokens
from issue_tracker.auth.users import lock_user
from issue_tracker.clock import SKEW, now
from issue_tracker.database.engine import Database
from issue_tracker.database.server_key import ServerKey
from issue_tracker.database.tables import identities, provider_sessions, sessions, tokens, users
from issue_tracker.encryption import Undecryptable
from issue_tracker.errors import Unavailable
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.settings import Settings

log = structlog.get_logger("issue_tracker.sign_in")

INTERVAL_SECONDS = 20.0

CLAIMED = timedelta(minutes=2)
"""How long no other process checks a session that one process is checking."""

AT_ONCE = 50
"""Number of sessions that are read together to be checked."""


class SessionChecks:
    """The checks of one process. `run` is the body of a thread, which `close` ends."""

    def __init__(
        self, database: Database, settings: Settings, providers: IdentityProviders, server_key: ServerKey
    ) -> None:
        self._database = database
        self._settings = settings
        self._providers = providers
        self._server_key = server_key
        self._closed = threading.Event()

    def run(self) -> None:
        while self._providers.clients and not self._closed.wait(INTERVAL_SECONDS):
            try:
                while self.check_due(now()) == AT_ONCE and not self._closed.is_set():
                    pass
                self.revoke_tokens_of_absent(now())
            except Unavailable:
                continue  # without the database, no session is valid anyway
            except Exception:
                log.exception("checks of sessions failed")

    def close(self) -> None:
        """Starts no further checks."""
        self._closed.set()

    def check_due(self, at: datetime) -> int:
        """Checks sessions that are due at an instant (UTC). Returns their number. Raises Unavailable.

        A session is also due if its check was planned for much later than possible: the clock was wrong then.
        """
        idle = at - timedelta(hours=self._settings.session_idle_hours)
        longest = max((client.provider.check_minutes for client in self._providers.clients.values()), default=0.0)
        check_at = provider_sessions.c.check_at
        planned = or_(check_at <= at, check_at > at + timedelta(minutes=longest) + SKEW)
        query = (
            select(provider_sessions, identities.c.user_id, identities.c.subject, sessions.c.created_at)
            .join(sessions, sessions.c.id == provider_sessions.c.session_id)
            .join(identities, identities.c.id == provider_sessions.c.identity_id)
            .where(planned, sessions.c.expires_at > at, sessions.c.used_at > idle)
            .order_by(check_at)
            .limit(AT_ONCE)
        )
        with self._database.read() as tx:
            due = tx.execute(query).all()
        began = time.monotonic()
        for row in due:
            # The present time: if the provider is slow, a claim from the beginning would have expired by now.
            present = at + timedelta(seconds=time.monotonic() - began)
            if not self._closed.is_set() and self._claim(row, present):
                self._check(row, present)
        return len(due)

    def revoke_tokens_of_absent(self, at: datetime) -> None:
        """Revokes API tokens of users who can sign in only with providers, and whom none has confirmed for too long."""
        if not self._settings.absent_user_token_days:
            return
        since = at - timedelta(days=self._settings.absent_user_token_days)
        absent = (
            select(users.c.user_id, users.c.email, users.c.password_hash)
            .join(identities, identities.c.user_id == users.c.user_id)
            .where(users.c.user_id.in_(select(tokens.c.user_id)))
            .group_by(users.c.user_id, users.c.email, users.c.password_hash)
            .having(func.max(identities.c.confirmed_at) <= since)
        )
        with self._database.read() as tx:
            rows = tx.execute(absent).all()
        for row in rows:
            if row.password_hash != NO_PASSWORD and may_use_password(self._settings, row.email):
                continue  # the user has another way to sign in, which the providers cannot revoke
            with self._database.write() as tx:
                revoke_tokens(tx, command_line("absence"), row.user_id)

    def _claim(self, row: Row[Any], at: datetime) -> bool:
        """Returns whether this process may check the session; marks it so that no other does."""
        same = provider_sessions.c.session_id == row.session_id, provider_sessions.c.check_at == row.check_at
        with self._database.write() as tx:
            claimed = update(provider_sessions).where(*same).values(check_at=at + CLAIMED)
            return tx.execute(claimed).rowcount == 1

    def _check(self, row: Row[Any], at: datetime) -> None:
        client = self._providers.clients.get(row.provider)
        if client is None:
            return  # the provider is no longer configured, so the session expires
        try:
            refresh_token = self._server_key.keyring().decrypt(row.refresh_token)
            grant = client.refresh(refresh_token)
            groups = self._groups(client, grant, row.subject, at)
        except ProviderFailed as failed:
            log.warning("identity provider failed", provider=row.provider, reason=failed.reason)
            return
        except Undecryptable:
            log.error("a refresh token was encrypted with another server key", session_id=row.session_id)
            return
        except (GrantRefused, TokenRefused) as refused:
            log.info("session is not confirmed", provider=row.provider, user_id=row.user_id, reason=str(refused))
            with self._database.write() as tx:
                _end(tx, client, row, at)
            return
        renewed = self._server_key.keyring().encrypt(grant.refresh_token) if grant.refresh_token else row.refresh_token
        with self._database.write() as tx:
            # Before the session, as in other changes of an account, so that they do not wait for each other.
            lock_user(tx, row.user_id)
            self._extend(tx, client, row, renewed, at)
            if groups is not None:
                actor = provider_actor(client.provider)
                own = row.user_id, row.provider, groups
                apply_groups(tx, actor, self._settings, *own, of_running_session=True)

    def _groups(self, client: ProviderClient, grant: Grant, subject: str, at: datetime) -> frozenset[str] | None:
        """Returns the user's present groups, if the provider sent them again."""
        if grant.id_token is None:
            return None
        claims = client.claims(grant, at, nonce=None)
        if claims["sub"] != subject:
            raise TokenRefused("the refreshed ID token is about another user")
        return groups_of(client.provider, claims)

    def _extend(self, tx: Connection, client: ProviderClient, row: Row[Any], refresh_token: str, at: datetime) -> None:
        provider = client.provider
        same = provider_sessions.c.session_id == row.session_id
        check_at = at + timedelta(minutes=provider.check_minutes)
        tx.execute(update(provider_sessions).where(same).values(refresh_token=refresh_token, check_at=check_at))
        last = row.created_at + timedelta(days=self._settings.session_lifetime_days)
        ends = min(last, at + timedelta(minutes=provider.session_minutes))
        tx.execute(update(sessions).where(sessions.c.id == row.session_id).values(expires_at=ends))
        confirm_identity(tx, row.identity_id, at)


def _end(tx: Connection, client: ProviderClient, row: Row[Any], at: datetime) -> None:
    if tx.execute(delete(sessions).where(sessions.c.id == row.session_id)).rowcount == 0:
        return
    user = tx.execute(select(users.c.name, users.c.role).where(users.c.user_id == row.user_id)).one()
    actor = Actor(row.user_id, user.name, Role(user.role), "session")
    note = f"{client.provider.name} does not confirm it any longer"
    record(tx, actor, [Change(type=EventType.SESSION_ENDED, note=note)], at)
