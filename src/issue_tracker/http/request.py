"""The request that handlers receive: Starlette's, plus the identity of the sender and the open transaction."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import unquote

import msgspec
from sqlalchemy import Connection
from starlette.requests import Request as StarletteRequest
from starlette.types import Receive, Scope

from issue_tracker.actor import Actor
from issue_tracker.auth.scim.tokens import ScimHolder
from issue_tracker.auth.sessions import Session
from issue_tracker.auth.token_use import TokenHolder
from issue_tracker.database.engine import Database
from issue_tracker.errors import Invalid, TooLarge, UnsupportedMediaType
from issue_tracker.http.cookies import SESSION, cookie_name
from issue_tracker.http.state import AppState
from issue_tracker.settings import Settings

T = TypeVar("T")

BODY_LIMIT = 1024 * 1024
"""Maximum size of a request body, in bytes: one mebibyte (contract, section 2: 413)."""

ANONYMOUS_BODY_LIMIT = 16 * 1024
"""Maximum size of a body, in bytes, if the request brings no credential, or a cookie that never named a session."""

ANONYMOUS_FIELDS = 100
"""Maximum number of fields of a form, or of parameters of a query, without a session."""

FIELDS = 10_000
"""Maximum number of fields of a form from a signed-in user, who may select thousands of companies."""

LARGEST_SHARED = 16 * 1024
"""Maximum size of a body, in bytes, whose change may share a transaction with those of other requests."""

MEDIA_TYPES = 50
"""Number of media types of the Accept header that are considered. Browsers send fewer than ten."""

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")


class Identity(msgspec.Struct, frozen=True):
    """The sender of a request and the credential: a session with its cookie's token, an API token, or a SCIM token.

    `at` is when the credential was found valid (UTC): it was used then, whatever time the request takes.
    """

    actor: Actor
    at: datetime
    session: Session | None = None
    session_token: str | None = None
    token: TokenHolder | None = None
    scim: ScimHolder | None = None


class Request(StarletteRequest):
    """One request, answered in a worker thread.

    `content` is the body, read before the handler runs; None if it exceeded `body_limit`. `identity` is the sender;
    None on a public route, and before authentication. `known_session` says that the session cookie names a session,
    possibly one that has ended. `tx` is the open transaction; a route that declares `transaction=False` opens its own.
    """

    def __init__(self, scope: Scope, receive: Receive, app_state: AppState) -> None:
        super().__init__(scope, receive)
        self.app_state = app_state
        self.content: bytes | None = b""
        self.body_limit = BODY_LIMIT
        self.identity: Identity | None = None
        self.known_session = False
        self.posted: Any = None
        """The form that a page has parsed from the body, so that the body is parsed only once."""
        self.valid_until: datetime | None = None
        """When (UTC) the response may change without a commit; None if only a commit can change it."""
        self._tx: Connection | None = None

    def set_identity(self, identity: Identity) -> Identity:
        """Sets the sender, whom the access log then names, and returns it."""
        self.identity = identity
        self.log_user(identity.actor.user_id)
        return identity

    def log_user(self, user_id: int | None) -> None:
        """Makes the access log name the user."""
        self.scope.setdefault("state", {})["user_id"] = user_id

    @property
    def settings(self) -> Settings:
        return self.app_state.settings

    @property
    def database(self) -> Database:
        return self.app_state.database

    @property
    def path(self) -> str:
        """The canonical path: percent-encoded in one way (docs/decisions/0003-names-in-paths.md)."""
        return str(self.scope["path"])

    @property
    def query_text(self) -> str:
        """The query string as it was sent."""
        return str(self.scope["query_string"], "latin-1")

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """The query parameters in order, decoded; invalid UTF-8 is replaced."""
        return self.query_params.multi_items() if self.scope["query_string"] else []

    @cached_property
    def brings_credential(self) -> bool:
        """Whether the request has a session cookie or an Authorization header, valid or not."""
        return self.session_cookie is not None or self.header("authorization") is not None

    @cached_property
    def session_cookie(self) -> str | None:
        """The value of the session cookie, valid or not."""
        return self.cookie(cookie_name(self.settings, SESSION))

    @property
    def most_fields(self) -> int:
        """Maximum number of form fields that are read."""
        return FIELDS if self.identity is not None or self.known_session else ANONYMOUS_FIELDS

    @property
    def request_id(self) -> str:
        request_id: str = self.scope.get("state", {}).get("request_id", "")
        return request_id

    @property
    def address(self) -> str:
        """The client's IP address; empty if the server does not know it."""
        client = self.scope.get("client")
        return client[0] if client else ""

    @property
    def safe(self) -> bool:
        """Whether the method only reads (RFC 9110, section 9.2.1)."""
        return self.method in SAFE_METHODS

    def header(self, name: str) -> str | None:
        """Returns a header by its lower-case name; repeated values are joined with a comma (RFC 9110, section 5.3)."""
        wanted = name.encode("latin-1")
        values = [value.decode("latin-1") for found, value in self.scope["headers"] if found == wanted]
        return ", ".join(values) if values else None

    def cookie(self, name: str) -> str | None:
        """Returns the value of a cookie, the first of several, which has the longest path (RFC 6265, section 5.4)."""
        wanted = name.encode("latin-1") + b"="
        for header, value in self.scope["headers"]:
            start = value.find(wanted) if header == b"cookie" else -1
            while start >= 0:
                before = start - 1
                while before >= 0 and value[before] in b" \t":
                    before -= 1
                if before < 0 or value[before] == ord(";"):
                    content: bytes = value[start + len(wanted) :].partition(b";")[0]
                    return content.strip().decode("latin-1")
                start = value.find(wanted, start + 1)
        return None

    def path_segment(self, name: str) -> str:
        """Returns a decoded path segment. Invalid UTF-8 becomes lone surrogates, which no stored name contains."""
        return unquote(self.path_params[name], errors="surrogateescape")

    @property
    def actor(self) -> Actor:
        """The actor of the request. Not available on public routes."""
        assert self.identity is not None, "a public route has no identity"
        return self.identity.actor

    @property
    def user_id(self) -> int:
        """The id of the user who acts."""
        assert self.actor.user_id is not None
        return self.actor.user_id

    @property
    def current_session(self) -> Session:
        """The session that authenticated the request. Only for routes that require a session."""
        assert self.identity is not None and self.identity.session is not None
        return self.identity.session

    @property
    def session_token(self) -> str:
        """The token of the current session."""
        assert self.identity is not None and self.identity.session_token is not None
        return self.identity.session_token

    @property
    def tx(self) -> Connection:
        """The open transaction."""
        assert self._tx is not None, "this route opens its own transactions"
        return self._tx

    def read(self) -> AbstractContextManager[Connection]:
        """Opens a read transaction as `tx`. Raises Unavailable."""
        return self._open(self.database.read())

    def write(self) -> AbstractContextManager[Connection]:
        """Opens a write transaction as `tx` and commits it at the end of the block. Raises Unavailable."""
        return self._open(self.database.write())

    def write_together(self, act: Callable[[Connection], T]) -> T:
        """Returns the result of `act(tx)` in a write transaction, which small requests share: see SharedCommits."""

        def in_transaction(tx: Connection) -> T:
            self._tx = tx
            try:
                return act(tx)
            finally:
                self._tx = None

        if self.content and len(self.content) > LARGEST_SHARED:
            with self.database.write() as tx:
                return in_transaction(tx)
        return self.app_state.shared_commits.run(in_transaction)

    @contextmanager
    def _open(self, transaction: AbstractContextManager[Connection]) -> Iterator[Connection]:
        with transaction as tx:
            self._tx = tx
            try:
                yield tx
            finally:
                self._tx = None

    def accepted_types(self) -> dict[str, float]:
        """Returns the accepted media types with their weights (RFC 9110, section 12.5.1), without those of weight 0."""
        found = {}
        for part in (self.header("accept") or "").lower().split(",", MEDIA_TYPES)[:MEDIA_TYPES]:
            media_type, *parameters = map(str.strip, part.split(";"))
            weight = next((text[2:] for text in parameters if text.startswith("q=")), "1") if parameters else "1"
            try:
                found[media_type] = float(weight)
            except ValueError:
                continue
        return {media_type: weight for media_type, weight in found.items() if weight > 0}

    def prefers(self, media_type: str, default: str) -> bool:
        """Returns whether the client names `media_type` and gives `default` no higher weight."""
        return media_type in (accepted := self.accepted_types()) and accepted[media_type] >= accepted.get(
            default, accepted.get(f"{default.partition('/')[0]}/*", accepted.get("*/*", 0))
        )


async def read_content(request: Request, most: int | None = None) -> bytes | None:
    """Returns the request body, or None as soon as it exceeds the limit: `most` bytes, if given; otherwise a lower
    limit applies to a request without a credential.

    Raises Invalid if the connection breaks before the end of the body: part of a form is a form with another meaning.
    """
    if most is not None:
        request.body_limit = most
    elif not request.brings_credential:
        request.body_limit = ANONYMOUS_BODY_LIMIT
    announced = request.header("content-length") or "0"
    if announced.isdigit() and int(announced) > request.body_limit:
        return None
    chunks: list[bytes] = []
    size = 0
    while True:
        message: Any = await request.receive()
        if message["type"] != "http.request":
            raise Invalid("The request ended before its body did.")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > request.body_limit:
            return None
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def require_content(request: Request) -> bytes:
    """Returns the body. Raises TooLarge if it exceeds the limit."""
    if request.content is None:
        raise TooLarge(f"The body is over {request.body_limit:,} bytes.")
    return request.content


def require_identity_encoding(request: Request) -> None:
    """Raises UnsupportedMediaType for a body that is compressed: it would be read as if it were text."""
    if (request.header("content-encoding") or "identity").strip().lower() != "identity":
        raise UnsupportedMediaType("The body must not be compressed: send it without Content-Encoding.")
