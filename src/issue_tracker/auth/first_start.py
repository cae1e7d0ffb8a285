"""The first start: a one-time link that creates the first super admin."""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, delete, insert, select

from issue_tracker.actor import Actor, Role
from issue_tracker.auth.sessions import token_hash
from issue_tracker.auth.user_names import DisplayName, Email
from issue_tracker.auth.users import User, create_user
from issue_tracker.clock import now
from issue_tracker.database.prepared import Prepared
from issue_tracker.database.tables import setup_tokens, users
from issue_tracker.errors import Forbidden

LIFETIME = timedelta(hours=24)
"""How long a link may be used. Every start of a server offers a new one."""


class SetupRefused(Forbidden):
    """The token of a set-up link is not the one that was offered, or is no longer valid (403)."""

    def __init__(self) -> None:
        super().__init__("This set-up link is not valid, has expired, or has already been used.")


_any_user = Prepared(lambda _: select(users.c.user_id).limit(1))


def no_users(tx: Connection) -> bool:
    """Returns whether there is no account yet, not even a disabled one."""
    return _any_user.row(tx) is None


def offer_setup(tx: Connection, token: str, at: datetime) -> None:
    """Makes `token` the only one that may create the first super admin. Only its hash is stored."""
    tx.execute(delete(setup_tokens))
    tx.execute(insert(setup_tokens).values(token_hash=token_hash(token), created_at=at))


def setup_allowed(tx: Connection, token: str) -> bool:
    """Returns whether `token` may create the first super admin: it is the offered one, and there is no user."""
    offered = tx.execute(select(setup_tokens).where(*_offered(token))).first()
    return offered is not None and no_users(tx)


def set_up(tx: Connection, token: str, email: Email, name: DisplayName, password_hash: str, request_id: str) -> User:
    """Creates the first super admin, once. Raises SetupRefused."""
    taken = tx.execute(delete(setup_tokens).where(*_offered(token))).rowcount
    if not taken or not no_users(tx):
        raise SetupRefused
    actor = Actor(None, name, Role.SUPER_ADMIN, "session", request_id, fresh_proof=True)
    return create_user(tx, actor, email, name, Role.SUPER_ADMIN, password_hash)


def _offered(token: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Returns the conditions that a token is the offered one and has not expired."""
    return setup_tokens.c.token_hash == token_hash(token), setup_tokens.c.created_at > now() - LIFETIME
