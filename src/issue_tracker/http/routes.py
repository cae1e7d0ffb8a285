"""How routes are declared: a table of contents of each feature's API or pages.

A handler is a plain function. Its parameters say what it needs: `request` is the Request; `body` and `query` are
structs, validated before it runs; any other parameter is a segment of the path. It runs in a worker thread, in one
transaction (read for GET, write otherwise) that is committed before its response leaves (`http/pipeline.py`).
"""

from collections.abc import Callable, Mapping
from inspect import signature
from types import UnionType
from typing import Any, TypedDict, Unpack, get_type_hints

import msgspec
from starlette.responses import Response

from issue_tracker.errors import (
    AppError,
    NotFound,
    PasswordChangeRequired,
    SecondFactorEnrolmentRequired,
    TooLarge,
    UnsupportedMediaType,
)
from issue_tracker.http import conditional
from issue_tracker.http.errors import error_response
from issue_tracker.http.identity import Access, Proof, authorize, require_proof
from issue_tracker.http.request import Identity, Request
from issue_tracker.http.responses import JSON
from issue_tracker.http.validation import read_body, read_query
from issue_tracker.names import whole_number

Handler = Callable[..., Response]


class Returns(msgspec.Struct, frozen=True):
    """The response of a route when all is well, for the OpenAPI document.

    `body` is the struct that JSON bodies have, a union of such structs, or None without a body; `example` shows one.
    `headers` are those that only this route sends. `media_types` maps other media types to their examples.
    """

    status: int
    body: type[msgspec.Struct] | UnionType | None = None
    example: Any = None
    headers: tuple[str, ...] = ()
    media_types: Mapping[str, Any] = {}


class RouteOptions(TypedDict, total=False):
    """What a declaration may say beyond method and path; see Route."""

    access: Access
    transaction: bool
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

    - `access` says who may use it, `proof` with which credential; `before_password_change` whether those may who have
      to choose a password first, `before_enrolment` those who have to set up a second factor. The former may be used
      by both: a new password comes first.
    - `transaction=False`: the handler opens its own transactions.
    - `body_optional`: no body means the same as an empty object.
    - `inline`: the handler waits for nothing, and so runs on the event loop, also when every worker is busy.
    - `probe`: operators need it most when every worker is busy, so it runs in a thread of its own.
    - `cached`: the response to a GET goes to the response cache.
    - `hashes`: the handler hashes a password, so it runs in a thread apart from the workers.
    - `outgoing`: the handler waits for another system, so it runs in threads apart from the workers.
    - `shares_path`: other methods of this path are those of a path with a parameter that fits it.
    - `if_match`: the handler checks If-Match.
    - `raw_body`: the handler reads the body itself, of at most so many bytes and any media type, also of strangers.
    - `returns`, `example` (of the body), `errors` (those that do not follow from the rest) and `documented` are for
      the OpenAPI document.
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
        """Whether its responses are about accounts, credentials or administration, which no browser stores."""
        return self.access in (Access.SIGNED_IN, Access.SUPER_ADMIN) or (self.access is Access.PUBLIC and not self.safe)

    @property
    def idempotent(self) -> bool:
        """Whether the route takes an Idempotency-Key: every POST of somebody who is signed in."""
        return self.method == "POST" and self.access is not Access.PUBLIC

    def admit(self, identity: Identity) -> None:
        """Raises Forbidden or Unauthenticated when this identity may not use the route."""
        self.require_complete(identity)
        authorize(identity, self.access)
        require_proof(identity, self.proof)

    def require_complete(self, identity: Identity) -> None:
        """Raises PasswordChangeRequired for a user whose password somebody else knows, and
        SecondFactorEnrolmentRequired for one who needs a second factor and has none, unless the route is for them.
        """
        session = identity.session
        if session is None or self.before_password_change:
            return
        if session.password_change_required:
            raise PasswordChangeRequired
        if session.enrolment_required and not self.before_enrolment:
            raise SecondFactorEnrolmentRequired

    def csrf_field(self, request: Request) -> str | None:
        """The CSRF token in the input, where a header cannot be sent."""
        return None

    def arguments(self, request: Request) -> dict[str, Any]:
        """What the handler takes besides the request. Raises in the order 413, 415, 422, 400, 404."""
        arguments: dict[str, Any] = {}
        if request.content is None:
            raise TooLarge(f"The body is over {request.body_limit:,} bytes.")
        if self.raw_body is None:
            require_media_type(request, JSON, "The body must be JSON, with Content-Type: application/json.")
        else:
            require_identity_encoding(request)
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
        """The segments of the path as the handler takes them. Raises NotFound where a number is missing."""
        arguments: dict[str, Any] = {}
        for name, kind in self.segments:
            value = request.path_segment(name)
            number = whole_number(value) if kind is int else None
            if kind is int and not number:
                raise NotFound("There is nothing at this path.")
            arguments[name] = number if kind is int else value
        return arguments

    def finished(self, request: Request, response: Response) -> Response:
        """The handler's response as it is sent: with its validator, or a 304 in its place."""
        if self.about_accounts:
            response.headers.setdefault("cache-control", conditional.NO_STORE)
        if self.safe and self.transaction and self.access is not Access.PUBLIC:
            return conditional.with_validator(request, response)
        return response

    def recover(self, request: Request, error: AppError) -> Response:
        """A response in place of an error of the handler. Raises the error where there is none."""
        raise error

    def error_response(self, request: Request, error: AppError) -> Response:
        """The error in the form of this route."""
        return error_response(request, error)


class RefusedRoute(Route, frozen=True, kw_only=True):
    """In place of a route where a path or a method does not exist: raises `error` to those who may know."""

    error: AppError
    handler: Handler = Response
    tag: str = ""
    transaction: bool = False

    @property
    def idempotent(self) -> bool:
        return False

    def arguments(self, request: Request) -> dict[str, Any]:
        raise self.error


class Routes:
    """The routes of one feature's API. A declaration that does not say otherwise has their `access` and `proof`."""

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
            hints, segments = hints_of(handler, ("body", "query"))
            chosen: RouteOptions = {"access": self.access, "proof": self.proof, **options}
            self.declared.append(
                Route(
                    method=method,
                    path=path,
                    handler=handler,
                    tag=self.tag,
                    body=hints.get("body"),
                    query=hints.get("query"),
                    segments=segments,
                    **chosen,
                )
            )
            return handler

        return declare


def hints_of(handler: Handler, inputs: tuple[str, ...]) -> tuple[dict[str, Any], tuple[tuple[str, type], ...]]:
    """The types of a handler's parameters, and those that are segments of the path: neither request, nor input, nor
    optional.
    """
    hints = get_type_hints(handler)
    required = [name for name, one in signature(handler).parameters.items() if one.default is one.empty]
    return hints, tuple((name, hints[name]) for name in required if name not in ("request", *inputs))


def require_media_type(request: Request, expected: str, otherwise: str) -> None:
    """Raises UnsupportedMediaType for a body of another media type than `expected`, with the sentence `otherwise`, and
    for one that is compressed.
    """
    if not request.content:
        return
    if (request.header("content-type") or "").partition(";")[0].strip().lower() != expected:
        raise UnsupportedMediaType(otherwise)
    require_identity_encoding(request)


def require_identity_encoding(request: Request) -> None:
    """Raises UnsupportedMediaType for a body that is compressed: it would be read as if it were text."""
    if (request.header("content-encoding") or "identity").strip().lower() != "identity":
        raise UnsupportedMediaType("The body must not be compressed: send it without Content-Encoding.")


class _NoBody(msgspec.Struct, forbid_unknown_fields=True):
    """Takes an empty object, which some clients send where there is nothing to say."""


class _NoQuery(msgspec.Struct):
    """Takes no query parameters."""
