"""Determines who sent a request: session or token, CSRF token, role; in the contract's order (section 2)."""

from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import TypeVar
from urllib.parse import urlsplit

from sqlalchemy import Connection

from issue_tracker import actor
from issue_tracker.auth.scim.tokens import ScimHolder, touch_scim_token
from issue_tracker.auth.sessions import csrf_matches, find_session, touch_after, touch_session, was_session
from issue_tracker.auth.token_networks import accepts
from issue_tracker.auth.token_use import TOUCH_AFTER as TOKEN_TOUCH_AFTER
from issue_tracker.auth.token_use import TokenHolder, find_token, touch_token
from issue_tracker.auth.tokens import Scope
from issue_tracker.auth.visits import touch_visit
from issue_tracker.clock import now
from issue_tracker.errors import Forbidden, Unauthenticated, Unavailable
from issue_tracker.events.catalog import EventType
from issue_tracker.http.request import Identity, Request
from issue_tracker.settings import Settings

CSRF_REFUSED = "The CSRF token is missing or wrong; send the session's token in X-CSRF-Token."

Holder = TypeVar("Holder", TokenHolder, ScimHolder)


class Access(Enum):
    """Who may use a route. The default is the helpdesk."""

    PUBLIC = "public"
    SIGNED_IN = "signed in"
    CUSTOMER = "customer"
    HELPDESK = "helpdesk"
    SUPER_ADMIN = "super admin"
    ADMINISTRATOR = "unlimited super admin"
    PROVIDER = "SCIM token"


class Proof(Enum):
    """What the sender of a request must have proved, regardless of the role (contract, section 11).

    By default, a route accepts a token as well as a session. Routes that show, create or revoke credentials, or that
    change permissions, accept only sessions, so that a stolen token can never be turned into more than a token.
    `SESSION_ITSELF` differs only in the status: a request about the present session that has no session is not signed
    in (contract, section 3). `FRESH_SESSION` protects actions that a session left open must not be able to perform.
    """

    CREDENTIAL = "session or token"
    SESSION = "session"
    SESSION_ITSELF = "the session itself"
    FRESH_SESSION = "session with fresh proof"


def authenticate(tx: Connection, request: Request, csrf_field: Callable[[], str | None]) -> Identity:
    """Returns the identity of the sender and sets it as the request's `identity`.

    Raises Unauthenticated (401) or Forbidden (403: CSRF token, or a read-only API token). `csrf_field` finds the CSRF
    token in a posted form. It is called only after a session was found, because parsing a form takes time.
    """
    at = now()
    cookie = request.session_cookie
    session = find_session(tx, request.settings, cookie, at) if cookie else None
    if cookie and session:
        # Set before the CSRF token is checked, so that a refusal, too, is logged and recorded as this user's.
        identity = request.set_identity(Identity(session.actor(request.request_id), at, session, cookie))
        request.known_session = True
        header = request.header("x-csrf-token")
        if not request.safe and not csrf_matches(cookie, csrf_field() if header is None else header):
            raise Forbidden(CSRF_REFUSED)
        return identity
    note_known_session(tx, request)
    holder = find_bearer(request, lambda token: find_token(tx, request.settings, token, at))
    identity = request.set_identity(Identity(holder.actor(request.request_id), at, token=holder))
    if not request.safe:
        if cookie is not None:
            raise Forbidden(CSRF_REFUSED)
        if Scope.WRITE not in holder.scopes:
            raise Forbidden("This token may only read.")
    return identity


def find_bearer(request: Request, find: Callable[[str], Holder | None]) -> Holder:
    """Returns what `find` returns for the request's bearer token.

    Raises Unauthenticated if that is nothing, or if the request comes from an address outside the token's networks. To
    the sender, the token then does not exist; its owner learns of the attempt from the audit.
    """
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    holder = find(token.strip()) if scheme.lower() == "bearer" else None
    if holder is None:
        raise Unauthenticated
    if not accepts(holder.networks, request.address):
        sender, what = holder.actor(request.request_id), "used outside its networks"
        request.app_state.deferred_events.note(EventType.TOKEN_REFUSED, sender, what, request.address)
        raise Unauthenticated
    return holder


def note_known_session(tx: Connection, request: Request) -> None:
    """Records in `known_session` whether the cookie of an unsafe request names a session, even one that has ended."""
    cookie = None if request.safe else request.session_cookie
    if cookie is not None:
        request.known_session = was_session(tx, cookie)


def authorize(identity: Identity, access: Access) -> None:
    """Raises Forbidden if the user's role, or a limit of the company access, is not sufficient for the route."""
    if access is Access.HELPDESK:
        actor.require_helpdesk(identity.actor)
    elif access is Access.CUSTOMER:
        actor.require_customer(identity.actor)
    elif access is Access.SUPER_ADMIN:
        actor.require_super_admin(identity.actor)
    elif access is Access.ADMINISTRATOR:
        actor.require_administrator(identity.actor)


def require_proof(identity: Identity, proof: Proof) -> None:
    """Raises Forbidden (for SESSION_ITSELF: Unauthenticated) if the credential is not sufficient for the route."""
    if proof is Proof.CREDENTIAL:
        return
    if identity.session is None and proof is Proof.SESSION_ITSELF:
        raise Unauthenticated("A token has no session; sign in to get one.")
    if identity.session is None:
        raise Forbidden("This requires a session; a token is not enough.")
    if proof is Proof.FRESH_SESSION:
        actor.require_fresh_proof(identity.actor)


def record_use(request: Request, identity: Identity) -> None:
    """Updates the session's idle limit, or the token's time of last use, with at most one write a minute."""
    until = valid_until(request.settings, identity)
    if until is not None and until > identity.at:
        return
    try:
        # A read request never waits for a writer: during an import, a later request records the use.
        with request.database.write(wait_seconds=0) as tx:
            if identity.session is not None:
                touch_session(tx, identity.session.id, identity.at)
                touch_visit(tx, identity.session.user_id, identity.at)
            elif identity.token is not None:
                touch_token(tx, identity.token.id, identity.at)
            elif identity.scim is not None:
                touch_scim_token(tx, identity.scim.id, identity.at)
    except Unavailable:
        return  # the request itself may still succeed; a later one records the use


def valid_until(settings: Settings, identity: Identity) -> datetime | None:
    """Returns until when (UTC) a credential needs no check and no record of its use; None if it needs one now."""
    session, token = identity.session, identity.token or identity.scim
    if session is not None:
        return min(session.used_at + touch_after(settings), session.expires_at)
    if token is None or token.last_used_at is None:
        return None
    until = token.last_used_at + TOKEN_TOUCH_AFTER
    return until if token.expires_at is None else min(until, token.expires_at)


def cacheable_until(settings: Settings, identity: Identity) -> datetime | None:
    """Returns until when (UTC) a response may be sent again to an identical request; None if it must not be.

    The cache key does not include the client's address, so responses to a token limited to networks are not cached.
    """
    return None if identity.token is not None and identity.token.networks else valid_until(settings, identity)


def require_same_origin(request: Request) -> None:
    """Raises Forbidden for a cross-site browser request to a route without a session (sign-in, set-up)."""
    site, origin = request.header("sec-fetch-site"), request.header("origin")
    if site is not None:
        foreign = site not in ("same-origin", "none")
    else:
        own = {_host_of(request.settings.public_url), (request.header("host") or "").lower()}
        foreign = origin is not None and _host_of(origin) not in own
    if foreign:
        raise Forbidden("Requests from another site are refused.")


def _host_of(url: str) -> str | None:
    """Returns the host and port of a URL; None if it is malformed."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return None
