"""From a request to who acts: session or token, CSRF, role; in the contract's order (section 2)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from enum import Enum
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import Connection

from issue_tracker.actor import Actor, require_helpdesk, require_super_admin
from issue_tracker.auth.sessions import Session, csrf_matches, find_session, touch_after, touch_session
from issue_tracker.auth.tokens import TOUCH_AFTER as TOKEN_TOUCH_AFTER
from issue_tracker.auth.tokens import Scope, TokenHolder, find_token, touch_token
from issue_tracker.clock import now
from issue_tracker.database.engine import Database
from issue_tracker.errors import Forbidden, Unauthenticated, Unavailable
from issue_tracker.events.order import Watermark
from issue_tracker.events.stream import Stream
from issue_tracker.issues.render import RenderedIssues
from issue_tracker.settings import Settings
from issue_tracker.web.call import Call
from issue_tracker.web.kept import KeptAnswers

T = TypeVar("T")

CSRF_REFUSED = "The CSRF token is missing or wrong; send the session's token in X-CSRF-Token."


class Access(Enum):
    """Who may use a route. A route that says nothing is for the helpdesk."""

    PUBLIC = "public"
    SIGNED_IN = "signed in"
    HELPDESK = "helpdesk"
    SUPER_ADMIN = "super admin"


def session_cookie_name(settings: Settings) -> str:
    """With https the `__Host-` prefix binds the cookie to exactly this host (RFC 6265bis, 4.1.3)."""
    return "__Host-issue_tracker_session" if settings.https else "issue_tracker_session"


class Runtime(msgspec.Struct, frozen=True):
    """What lives as long as the process: made once by `create_app`."""

    settings: Settings
    database: Database
    workers: ThreadPoolExecutor
    rendered: RenderedIssues
    stream: Stream
    watermark: Watermark
    kept: KeptAnswers

    @property
    def cookie_name(self) -> str:
        return session_cookie_name(self.settings)


class Identity(msgspec.Struct, frozen=True):
    """Who sent a request, and by which credential."""

    actor: Actor
    session: Session | None = None
    session_token: str | None = None
    token: TokenHolder | None = None


class Context:
    """One request being answered: the actor and the transaction that its handler works in.

    A public route has no actor; a route without a transaction opens its own on `database`.
    """

    __slots__ = ("_identity", "_tx", "call", "runtime")

    def __init__(self, runtime: Runtime, call: Call, identity: Identity | None, tx: Connection | None) -> None:
        self.runtime = runtime
        self.call = call
        self._identity = identity
        self._tx = tx

    @property
    def identity(self) -> Identity:
        assert self._identity is not None, "a public route has no identity"
        return self._identity

    @property
    def actor(self) -> Actor:
        return self.identity.actor

    @property
    def user_id(self) -> int:
        """The user behind the request."""
        assert self.actor.user_id is not None
        return self.actor.user_id

    @property
    def tx(self) -> Connection:
        assert self._tx is not None, "this route opens its own transactions"
        return self._tx

    @property
    def settings(self) -> Settings:
        return self.runtime.settings

    @property
    def database(self) -> Database:
        return self.runtime.database

    def write(self, act: "Callable[[Context], T]") -> T:
        """Runs `act` in a write transaction of its own, for routes that declared none."""
        with self.database.write() as tx:
            return act(self.within(tx))

    def within(self, tx: Connection) -> "Context":
        """The same request in a transaction that the handler opened itself."""
        return Context(self.runtime, self.call, self._identity, tx)

    def header(self, name: str) -> str | None:
        return self.call.headers.get(name)


def authenticate(tx: Connection, runtime: Runtime, call: Call, form_token: str | None = None) -> Identity:
    """Who sent the request. Raises Unauthenticated (401) or Forbidden (403, CSRF or a read-only token).

    `form_token` is the CSRF token of a form post, where a header cannot be sent.
    """
    at = now()
    cookie = call.cookie(runtime.cookie_name)
    session = find_session(tx, runtime.settings, cookie, at) if cookie else None
    if cookie and session:
        if not call.safe and not csrf_matches(cookie, call.headers.get("x-csrf-token", form_token)):
            raise Forbidden(CSRF_REFUSED)
        actor = Actor(session.user_id, session.name, session.role, "session", call.request_id, session.id)
        return Identity(actor, session, cookie)
    scheme, _, credentials = call.headers.get("authorization", "").partition(" ")
    holder = find_token(tx, credentials.strip(), at) if scheme.lower() == "bearer" else None
    if holder is None:
        raise Unauthenticated
    if not call.safe:
        if cookie is not None:
            raise Forbidden(CSRF_REFUSED)
        if Scope.WRITE not in holder.scopes:
            raise Forbidden("This token may only read.")
    actor = Actor(holder.user_id, holder.name, holder.role, f"token:{holder.token_name}", call.request_id)
    return Identity(actor, token=holder)


def authorize(identity: Identity, access: Access) -> None:
    """Raises Forbidden when the role is not enough for the route."""
    if access is Access.HELPDESK:
        require_helpdesk(identity.actor)
    elif access is Access.SUPER_ADMIN:
        require_super_admin(identity.actor)


def touch(runtime: Runtime, identity: Identity) -> None:
    """Slides the session's idle limit, or notes the token's use: at most one write a minute."""
    if not use_to_note(runtime.settings, identity):
        return
    try:
        # A reader never waits for a writer: with an import going on, the next request may note the use.
        with runtime.database.write(wait=False) as tx:
            if identity.session is not None:
                touch_session(tx, identity.session.id, now())
            elif identity.token is not None:
                touch_token(tx, identity.token.id, now())
    except Unavailable:
        return  # the request itself may still succeed; the next one notes the use


def use_to_note(settings: Settings, identity: Identity) -> bool:
    """Whether the last use that was noted of the session or token is so old that this one must be."""
    until = good_until(settings, identity)
    return until is None or until <= now()


def good_until(settings: Settings, identity: Identity) -> datetime | None:
    """Until when a credential needs no look and no note: its use was noted lately, and it does not end before."""
    session, token = identity.session, identity.token
    if session is not None:
        return min(session.used_at + touch_after(settings), session.expires_at)
    if token is None or token.last_used_at is None:
        return None
    until = token.last_used_at + TOKEN_TOUCH_AFTER
    return until if token.expires_at is None else min(until, token.expires_at)


def host_of(url: str) -> str | None:
    """Host and port of a URL that somebody sent; None if it is none."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return None


def same_origin(runtime: Runtime, call: Call) -> None:
    """Raises Forbidden for a browser's request from another site, where no session guards it (sign-in, set-up)."""
    site = call.headers.get("sec-fetch-site")
    origin = call.headers.get("origin")
    if site is not None:
        foreign = site not in ("same-origin", "none")
    else:
        known = {urlsplit(runtime.settings.public_url).netloc.lower(), call.headers.get("host", "").lower()}
        foreign = origin is not None and host_of(origin) not in known
    if foreign:
        raise Forbidden("Requests from another site are refused.")
