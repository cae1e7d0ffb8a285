"""The declaration of routes: each feature's API or pages read like a table of contents.

A handler is a plain function whose parameters declare its input: `request` is the Request; `body` and `query` are
structs, validated before the handler runs; any other parameter is a segment of the path. A handler runs in a worker
thread, in one transaction (read for GET, otherwise write), committed before the response leaves (`http/pipeline.py`).
"""

from collections.abc import Callable, Mapping
from inspect import signature
from types import UnionType
from typing import Any, ClassVar, TypedDict, Unpack, get_type_hints

import msgspec
from sqlalchemy import Connection
from starlette.responses import Response

from issue_tracker.errors import (
    AppError,
    NotFound,
    PasswordChangeRequired,
    SecondFactorEnrolmentRequired,
    UnsupportedMediaType,
)
from issue_tracker.http import conditional
from issue_tracker.http.errors import error_response
from issue_tracker.http.identity import Access, Proof, authenticate, authorize, require_proof
from issue_tracker.http.request import Identity, Request, require_content, require_identity_encoding
from issue_tracker.http.responses import JSON
from issue_tracker.http.validation import read_body, read_query
from issue_tracker.names import whole_number

Handler = Callable[..., Response]


class Returns(msgspec.Struct, frozen=True):
    """The successful response of a route, for the OpenAPI document.

    `body` is the struct of JSON bodies, a union of such structs, or None for no body; `example` is an example of it.
    `headers` are those that only this route sends. `media_types` maps other media types to their examples.
    """

    status: int
    body: type[msgspec.Struct] | UnionType | None = None
    example: Any = None
    headers: tuple[str, ...] = ()
    media_types: Mapping[str, Any] = {}


class RouteOptions(TypedDict, total=False):
    """The options of a declaration besides method and path; see Route."""

    access: Access
    transaction: bool
    shares_commit: bool
    returns: Returns
    example: Any
    errors: tuple[int, ...]
    if_match: bool
    documented: bool
    inline: bool
    probe: bool
    cached: bool
    hashes: bool
    outgoing: bool
    proof: Proof
    before_password_change: bool
    before_enrolment: bool
    body_optional: bool
    raw_body: int
    shares_path: bool


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One declared route of the API. Routes of pages differ in their input and in how they show an error.

    - `access` says which users may use it, `proof` with which credential. `before_password_change` admits users who
      must choose a password first, `before_enrolment` those who must set up a second factor; the former admits both,
      because a new password comes first.
    - `transaction=False`: the handler opens its own transactions. It stores the response of a POST for retries itself,
      with `idempotency.once` in the transaction of the change, unless a retry has to be performed again.
    - `shares_commit`: the change is small, so it may share a transaction with those of other requests (SharedCommits).
    - `body_optional`: no body means the same as an empty object.
    - `inline`: the handler never blocks, so it runs on the event loop, even when every worker is busy.
    - `probe`: operators need it most when every worker is busy, so it runs in a thread of its own.
    - `cached`: the response to a GET is stored in the response cache.
    - `hashes`: the handler hashes a password, so it runs in threads separate from the workers.
    - `outgoing`: the handler waits for another system, so it runs in threads separate from the workers.
    - `shares_path`: a path with a parameter also matches this path and handles its other methods.
    - `if_match`: the handler checks If-Match.
    - `raw_body`: the handler reads the content: up to this number of bytes, of any media type, from any client.
    - `returns`, `example` (of the body), `errors` (those that do not follow from the rest), `documented`: for OpenAPI.
    """

    method: str
    path: str
    handler: Handler
    tag: str
    access: Access
    body: type[msgspec.Struct] | None = None
    query: type[msgspec.Struct] | None = None
    segments: tuple[tuple[str, type], ...] = ()
    transaction: bool = True
    shares_commit: bool = False
    inline: bool = False
    probe: bool = False
    cached: bool = False
    hashes: bool = False
    outgoing: bool = False
    proof: Proof = Proof.CREDENTIAL
    before_password_change: bool = False
    before_enrolment: bool = False
    body_optional: bool = False
    raw_body: int | None = None
    shares_path: bool = False
    if_match: bool = False
    returns: Returns = Returns(200)
    example: Any = None
    errors: tuple[int, ...] = ()
    documented: bool = True

    @property
    def safe(self) -> bool:
        """Whether the route only reads."""
        return self.method in ("GET", "HEAD")

    @property
    def about_accounts(self) -> bool:
        """Whether responses contain account data, credentials or administration, which browsers must not store."""
        return not self.safe if self.access is Access.PUBLIC else self.access not in (Access.CUSTOMER, Access.HELPDESK)

    @property
    def idempotent(self) -> bool:
        """Whether the route accepts an Idempotency-Key: every POST that requires a credential."""
        return self.method == "POST" and self.access is not Access.PUBLIC

    def admit(self, identity: Identity) -> None:
        """Raises Forbidden or Unauthenticated if this identity may not use the route."""
        self.require_complete(identity)
        authorize(identity, self.access)
        require_proof(identity, self.proof)

    def require_complete(self, identity: Identity) -> None:
        """Raises PasswordChangeRequired for a user whose password was chosen by another person, and
        SecondFactorEnrolmentRequired for a user who still needs a second factor, unless the route admits such users.
        """
        session = identity.session
        if session is None or self.before_password_change:
            return
        if session.password_change_required:
            raise PasswordChangeRequired
        if session.enrolment_required and not self.before_enrolment:
            raise SecondFactorEnrolmentRequired

    def identify(self, tx: Connection, request: Request) -> Identity:
        """Returns the sender of the request. Raises Unauthenticated or Forbidden."""
        return authenticate(tx, request, lambda: self.csrf_field(request))

    def csrf_field(self, request: Request) -> str | None:
        """Returns the CSRF token in the input, for forms, which cannot send a header."""
        return None

    def require_readable(self, request: Request) -> None:
        """Raises TooLarge or UnsupportedMediaType for a body that the route does not read."""
        if self.raw_body is None:
            require_content(request)
            require_media_type(request, JSON, "The body must be JSON, with Content-Type: application/json.")

    def arguments(self, request: Request) -> dict[str, Any]:
        """Returns the handler's arguments besides the request. Raises errors in the order 413, 415, 422, 400, 404."""
        arguments: dict[str, Any] = {}
        self.require_readable(request)
        query = read_query(request.parameters, self.query or _NoQuery, request.settings.query_values)
        if self.query is not None:
            arguments["query"] = query
        if self.body is not None:
            content = request.content or (b"{}" if self.body_optional else b"")
            arguments["body"] = read_body(content, self.body, request.settings.list_items)
        elif request.content and self.raw_body is None:
            read_body(request.content, _NoBody)
        return arguments | self.path_arguments(request)

    def path_arguments(self, request: Request) -> dict[str, Any]:
        """Returns the path segments as handler arguments. Raises NotFound if a numeric one is not a positive number."""
        arguments: dict[str, Any] = {}
        for name, kind in self.segments:
            value = request.path_segment(name)
            number = whole_number(value) if kind is int else None
            if kind is int and not number:
                raise NotFound("There is nothing at this path.")
            arguments[name] = number if kind is int else value
        return arguments

    def finished(self, request: Request, response: Response) -> Response:
        """Returns the handler's response as it is sent: with its validator, or a 304 instead."""
        if self.about_accounts:
            response.headers.setdefault("cache-control", conditional.NO_STORE)
        if self.safe and self.transaction and self.access is not Access.PUBLIC:
            return conditional.with_validator(request, response)
        return response

    def recover(self, request: Request, error: AppError) -> Response:
        """Returns a response that replaces an error of the handler, or raises the error itself."""
        raise error

    def error_response(self, request: Request, error: AppError) -> Response:
        """Returns the error in the form of this route."""
        return error_response(request, error)


class Routes:
    """The routes of one feature's API. Declarations inherit its `access` and `proof` unless they set their own."""

    route_type: ClassVar[type[Route]] = Route

    def __init__(self, tag: str, *, access: Access = Access.HELPDESK, proof: Proof = Proof.CREDENTIAL) -> None:
        self.tag = tag
        self.access = access
        self.proof = proof
        self.declared: list[Route] = []

    def get(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[Handler], Handler]:
        return self._declare("GET", path, options)

    def post(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[Handler], Handler]:
        return self._declare("POST", path, options)

    def put(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[Handler], Handler]:
        return self._declare("PUT", path, options)

    def delete(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[Handler], Handler]:
        return self._declare("DELETE", path, options)

    def _declare(self, method: str, path: str, options: RouteOptions) -> Callable[[Handler], Handler]:
        def declare(handler: Handler) -> Handler:
            inputs, chosen = _inputs(handler), self.with_defaults(options)
            route = self.route_type(method=method, path=path, handler=handler, tag=self.tag, **inputs, **chosen)
            self.declared.append(route)
            return handler

        return declare

    def with_defaults(self, options: RouteOptions) -> RouteOptions:
        """Returns the options of a declaration, completed by those of all routes of the feature."""
        return {"access": self.access, "proof": self.proof, **options}


def _inputs(handler: Handler) -> dict[str, Any]:
    """Returns what the parameters of a handler declare, as fields of a route. A path segment is never optional."""
    hints = get_type_hints(handler)
    required = [name for name, one in signature(handler).parameters.items() if one.default is one.empty]
    segments = [(name, hints[name]) for name in required if name not in ("request", "body", "query", "form")]
    return {"body": hints.get("body"), "query": hints.get("query"), "segments": tuple(segments)}


def require_media_type(request: Request, expected: str, otherwise: str) -> None:
    """Raises UnsupportedMediaType, with the sentence `otherwise`, for a body of another media type than `expected`, and
    for a compressed body.
    """
    if not request.content:
        return
    if (request.header("content-type") or "").partition(";")[0].strip().lower() != expected:
        raise UnsupportedMediaType(otherwise)
    require_identity_encoding(request)


class _NoBody(msgspec.Struct, forbid_unknown_fields=True):
    """Accepts an empty object, which some clients send instead of no body."""


class _NoQuery(msgspec.Struct):
    """Accepts no query parameters."""
