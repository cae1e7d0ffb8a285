"""How routes are declared, and what happens to every request, in the contract's order (section 2).

A handler is a plain function. Its parameters say what it needs: `request` is the Context; `body` and `query` are
structs, validated before it runs; any other parameter is a segment of the path. It runs in a worker thread, in one
transaction (read for GET, write otherwise) that is committed before its answer leaves.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast, get_type_hints

import msgspec
from litestar.connection import Request
from litestar.enums import HttpMethod
from litestar.exceptions import MethodNotAllowedException
from litestar.handlers import ASGIRouteHandler, BaseRouteHandler, HTTPRouteHandler
from litestar.types import HTTPScope, Receive, Scope, Send

from issue_tracker.errors import (
    AppError,
    Forbidden,
    Invalid,
    NotFound,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UnsupportedMediaType,
)
from issue_tracker.names import whole_number
from issue_tracker.web import conditional, idempotency
from issue_tracker.web.answer import Answer
from issue_tracker.web.call import BODY_LIMIT, Call
from issue_tracker.web.context import (
    Access,
    Context,
    Identity,
    Runtime,
    authenticate,
    authorize,
    good_until,
    same_origin,
    touch,
)
from issue_tracker.web.errors import as_app_error, error_answer
from issue_tracker.web.validation import read_body, read_query

Handler = Callable[..., Answer]

ANSWER_SECONDS = 35.0
"""When a request is given up with 503: every statement has ended by then, unless its server froze in the middle."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One declared route.

    `answers` maps each good status to the type of its body: a struct, a media type, or None for no body. An `inline`
    handler touches nothing that could wait, and so answers on the event loop, also when every worker is busy. A `kept`
    GET answers a repeated request on the event loop too, while nothing was committed (web/kept.py). What is
    `session_only` is not for API tokens.
    """

    method: str
    path: str
    handler: Handler
    access: Access
    transaction: bool
    answers: Mapping[int, Any]
    errors: tuple[int, ...]
    tag: str
    body: type[msgspec.Struct] | None
    query: type[msgspec.Struct] | None
    segments: tuple[tuple[str, type], ...]
    documented: bool = True
    inline: bool = False
    kept: bool = False
    session_only: bool = False

    @property
    def safe(self) -> bool:
        return self.method == "GET"

    def answer(self, runtime: Runtime, call: Call) -> Answer:
        """Answers one request. Pages do it in their own way (web/pages.py)."""
        return perform(runtime, self, call)

    def refuse(self, call: Call, error: AppError) -> Answer:
        """What is sent when `answer` raised."""
        return error_answer(error, call)


class Routes:
    """The routes of one feature: a table of contents of its API."""

    def __init__(self, tag: str, *, access: Access = Access.HELPDESK) -> None:
        self.tag = tag
        self.access = access
        self.endpoints: list[Endpoint] = []

    def get(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        return self._route("GET", path, **options)

    def post(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        return self._route("POST", path, **options)

    def put(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        return self._route("PUT", path, **options)

    def delete(self, path: str, **options: Any) -> Callable[[Handler], Handler]:
        return self._route("DELETE", path, **options)

    def _route(
        self,
        method: str,
        path: str,
        *,
        answers: Mapping[int, Any],
        errors: tuple[int, ...] = (),
        access: Access | None = None,
        transaction: bool = True,
        documented: bool = True,
        inline: bool = False,
        kept: bool = False,
        session_only: bool = False,
    ) -> Callable[[Handler], Handler]:
        def declare(handler: Handler) -> Handler:
            hints = get_type_hints(handler)
            known = ("request", "body", "query", "return")
            self.endpoints.append(
                Endpoint(
                    method=method,
                    path=path,
                    handler=handler,
                    access=access or self.access,
                    transaction=transaction,
                    answers=answers,
                    errors=errors,
                    tag=self.tag,
                    body=hints.get("body"),
                    query=hints.get("query"),
                    segments=tuple((name, kind) for name, kind in hints.items() if name not in known),
                    documented=documented,
                    inline=inline,
                    kept=kept,
                    session_only=session_only,
                )
            )
            return handler

        return declare


def litestar_handlers(runtime: Runtime, endpoints: Iterable[Endpoint]) -> list[BaseRouteHandler]:
    """The endpoints as Litestar wants them, one handler for each path; HEAD answers as GET does, without the body."""
    by_path: dict[str, dict[str, Endpoint]] = {}
    for endpoint in endpoints:
        for method in ("GET", "HEAD") if endpoint.safe else (endpoint.method,):
            by_path.setdefault(endpoint.path, {})[method] = endpoint
    return [_litestar_handler(runtime, path, methods) for path, methods in by_path.items()]


def _litestar_handler(runtime: Runtime, path: str, methods: Mapping[str, Endpoint]) -> BaseRouteHandler:
    def endpoint_for(method: str) -> Endpoint:
        endpoint = methods.get(method)
        if endpoint is None:
            raise MethodNotAllowedException(headers={"allow": ", ".join(methods)})
        return endpoint

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        request = cast(HTTPScope, scope)
        answer = await respond(runtime, endpoint_for(request["method"]), request, receive)
        await answer(scope, receive, send)

    async def handle_request(request: Request[Any, Any, Any]) -> Answer:
        return await respond(runtime, endpoint_for(request.method), request.scope, request.receive)

    if "{" not in path:
        # Plain ASGI: Litestar's own way to a handler takes longer than a kept page (docs/decisions/0014).
        return ASGIRouteHandler(path, copy_scope=False)(handle)
    # Litestar routes plain ASGI by fixed paths only.
    template = path.replace("}", ":str}")
    return HTTPRouteHandler(template, http_method=list(HttpMethod), status_code=200, include_in_schema=False)(
        handle_request
    )


async def respond(runtime: Runtime, endpoint: Endpoint, scope: HTTPScope, receive: Receive) -> Answer:
    """Answers one request: at once where that waits for nothing, else in a worker thread."""
    call = Call(scope, scope["path_params"], b"")
    try:
        if not endpoint.safe:
            call.body = await receive_body(scope, receive)
        if endpoint.inline:
            return endpoint.answer(runtime, call)
        version = runtime.kept.version() if endpoint.kept else None
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(ANSWER_SECONDS):
            answer = await loop.run_in_executor(runtime.workers, endpoint.answer, runtime, call)
        if version is not None:
            runtime.kept.keep(version, call, answer)
        return answer
    except TimeoutError:
        return endpoint.refuse(call, Unavailable())
    except Exception as exception:  # whatever it is, the caller gets a safe answer and the log the rest
        return endpoint.refuse(call, as_app_error(exception, call.request_id))


async def receive_body(scope: HTTPScope, receive: Receive) -> bytes | None:
    """The body, or None as soon as it is over the limit.

    Raises Invalid when the connection breaks before its end: a part of a form is a form, too, and means something else.
    """
    announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    if announced.isdigit() and int(announced) > BODY_LIMIT:
        return None
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Invalid("The request ended before its body did.")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > BODY_LIMIT:
            return None
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def perform(runtime: Runtime, endpoint: Endpoint, call: Call) -> Answer:
    """Answers one request, in a worker thread. Raises AppError for everything that the contract names."""
    if endpoint.access is Access.PUBLIC:
        if not endpoint.safe:
            same_origin(runtime, call)
        return _in_transaction(runtime, endpoint, call, None)
    if endpoint.safe and endpoint.transaction:
        with runtime.database.read() as tx:
            identity = authenticate(tx, runtime, call)
            _permit(identity, endpoint)
            answer = _handle(Context(runtime, call, identity, tx), endpoint)
        touch(runtime, identity)
        answer = conditional.answer(call, answer)
        answer.kept_until = good_until(runtime.settings, identity)
        return answer
    with runtime.database.read() as tx:
        identity = authenticate(tx, runtime, call)
        _permit(identity, endpoint)
    touch(runtime, identity)
    return _in_transaction(runtime, endpoint, call, identity)


def _permit(identity: Identity, endpoint: Endpoint) -> None:
    authorize(identity, endpoint.access)
    if endpoint.session_only and identity.session is None:
        if endpoint.safe:
            raise Unauthenticated("A token has no session; sign in to have one.")
        raise Forbidden("This needs a session; a token is not enough.")


def _in_transaction(runtime: Runtime, endpoint: Endpoint, call: Call, identity: Identity | None) -> Answer:
    """Runs the handler. With an Idempotency-Key a refusal is an answer, too, kept like any other."""
    if not endpoint.transaction:
        context = Context(runtime, call, identity, None)
        stored = None if identity is None else idempotency.replayed(context)
        try:
            return stored or _handle(context, endpoint)
        except AppError as error:
            if identity is None:
                raise
            return idempotency.refused(context, error)
    keyed = identity is not None and idempotency.keyed(call)
    arguments = None if keyed else _arguments(endpoint, call)
    with runtime.database.read() if endpoint.safe else runtime.database.write() as tx:
        context = Context(runtime, call, identity, tx)
        if arguments is not None:
            return endpoint.handler(context, **arguments)
        return idempotency.once(context, lambda: _handle(context, endpoint))


def _handle(context: Context, endpoint: Endpoint) -> Answer:
    return endpoint.handler(context, **_arguments(endpoint, context.call))


def _arguments(endpoint: Endpoint, call: Call) -> dict[str, Any]:
    """What the handler takes besides the context. Raises in the order 413, 415, 422, 400, 404."""
    arguments: dict[str, Any] = {}
    if call.body is None:
        raise TooLarge(f"The body is over {BODY_LIMIT:,} bytes.")
    if call.body:
        kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise UnsupportedMediaType("The body must be JSON, with Content-Type: application/json.")
    query = endpoint.query or _NoQuery
    asked = read_query(call.query, query)
    if endpoint.query is not None:
        arguments["query"] = asked
    if endpoint.body is not None:
        arguments["body"] = read_body(call.body, endpoint.body)
    elif call.body:
        read_body(call.body, _NoBody)
    for name, kind_ in endpoint.segments:
        value = call.segment(name)
        number = whole_number(value) if kind_ is int else None
        if kind_ is int and not number:
            raise NotFound("There is nothing at this path.")
        arguments[name] = number if kind_ is int else value
    return arguments


class _NoBody(msgspec.Struct, forbid_unknown_fields=True):
    """Takes an empty object, which some clients send where there is nothing to say."""


class _NoQuery(msgspec.Struct):
    """Takes no query parameters."""
