"""How routes are declared, and what happens to every request, in the contract's order (section 2).

A handler is a plain function. Its parameters say what it needs: `request` is the Context; `body` and `query` are
structs, validated before it runs; any other parameter is a segment of the path. It runs in a worker thread, in one
transaction (read for GET, write otherwise) that is committed before its answer leaves.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Any, get_type_hints

import msgspec
from litestar.connection import Request
from litestar.enums import HttpMethod
from litestar.exceptions import MethodNotAllowedException
from litestar.handlers import HTTPRouteHandler
from litestar.response import Response
from litestar.types import HTTPScope, Receive, Scope, Send

from issue_tracker.errors import AppError, NotFound, TooLarge, Unavailable, UnsupportedMediaType
from issue_tracker.web import conditional, idempotency
from issue_tracker.web.answer import Answer
from issue_tracker.web.call import BODY_LIMIT, Call
from issue_tracker.web.context import Access, Context, Identity, Runtime, authenticate, authorize, same_origin, touch
from issue_tracker.web.errors import as_app_error, error_answer
from issue_tracker.web.templating import browsing, error_page
from issue_tracker.web.validation import read_body, read_query

Handler = Callable[..., Answer]

ANSWER_SECONDS = 35.0
"""When a request is given up with 503: every statement has ended by then, unless its server froze in the middle."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One declared route.

    `answers` maps each good status to the type of its body: a struct, a media type, or None for no body. An `inline`
    handler touches nothing that could wait, and so answers on the event loop, also when every worker is busy.
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
                )
            )
            return handler

        return declare


def litestar_handlers(runtime: Runtime, endpoints: Iterable[Endpoint]) -> list[HTTPRouteHandler]:
    """The endpoints as Litestar wants them; HEAD answers as GET does, without the body.

    OPTIONS is a method that no path has, but Litestar would answer it to anyone: the first of each path refuses it.
    """
    allowed: dict[str, set[str]] = {}
    handlers = []
    for endpoint in endpoints:
        first = endpoint.path not in allowed
        methods = [HttpMethod.GET, HttpMethod.HEAD] if endpoint.safe else [HttpMethod(endpoint.method)]
        allowed.setdefault(endpoint.path, set()).update(methods)
        refused = [HttpMethod.OPTIONS] if first else []
        handlers.append(_litestar_handler(runtime, endpoint, [*methods, *refused], allowed[endpoint.path]))
    return handlers


def _litestar_handler(
    runtime: Runtime, endpoint: Endpoint, methods: list[HttpMethod], allowed: Collection[str]
) -> HTTPRouteHandler:
    has_body = not endpoint.safe

    async def handle(request: Request[Any, Any, Any]) -> Answer:
        if request.method == HttpMethod.OPTIONS:
            raise MethodNotAllowedException(headers={"allow": ", ".join(allowed)})
        scope: HTTPScope = request.scope
        body = await receive_body(scope, request.receive) if has_body else b""
        call = Call(scope, request.path_params, body)
        try:
            if endpoint.inline:
                return endpoint.answer(runtime, call)
            loop = asyncio.get_running_loop()
            async with asyncio.timeout(ANSWER_SECONDS):
                return await loop.run_in_executor(runtime.workers, endpoint.answer, runtime, call)
        except TimeoutError:
            return endpoint.refuse(call, Unavailable())
        except Exception as exception:  # whatever it is, the caller gets a safe answer and the log the rest
            return endpoint.refuse(call, as_app_error(exception, call.request_id))

    name = f"{endpoint.method} {endpoint.path}"
    return HTTPRouteHandler(
        endpoint.path.replace("}", ":str}"), http_method=methods, name=name, status_code=200, include_in_schema=False
    )(handle)


async def receive_body(scope: HTTPScope, receive: Receive) -> bytes | None:
    """The body, or None as soon as it is over the limit."""
    announced = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    if announced.isdigit() and int(announced) > BODY_LIMIT:
        return None
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"".join(chunks)
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
            authorize(identity, endpoint.access)
            answer = _handle(Context(runtime, call, identity, tx), endpoint)
        touch(runtime, identity)
        return conditional.answer(call, answer)
    with runtime.database.read() as tx:
        identity = authenticate(tx, runtime, call)
        authorize(identity, endpoint.access)
    touch(runtime, identity)
    return _in_transaction(runtime, endpoint, call, identity)


def _in_transaction(runtime: Runtime, endpoint: Endpoint, call: Call, identity: Identity | None) -> Answer:
    arguments = _arguments(endpoint, call)
    if not endpoint.transaction:
        context = Context(runtime, call, identity, None)
        stored = None if identity is None else idempotency.replayed(context)
        return stored or endpoint.handler(context, **arguments)
    with runtime.database.read() if endpoint.safe else runtime.database.write() as tx:
        context = Context(runtime, call, identity, tx)
        return idempotency.once(context, lambda: endpoint.handler(context, **arguments))


def _handle(context: Context, endpoint: Endpoint) -> Answer:
    return endpoint.handler(context, **_arguments(endpoint, context.call))


def _arguments(endpoint: Endpoint, call: Call) -> dict[str, Any]:
    """What the handler takes besides the context. Raises in the order 413, 415, 422, 400, 404."""
    arguments: dict[str, Any] = {}
    if call.body is None:
        raise TooLarge(f"The body is over {BODY_LIMIT:,} bytes.")
    if endpoint.body is not None:
        kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
        if call.body and kind != "application/json":
            raise UnsupportedMediaType("The body must be JSON, with Content-Type: application/json.")
    query = endpoint.query or _NoQuery
    asked = read_query(call.query, query)
    if endpoint.query is not None:
        arguments["query"] = asked
    if endpoint.body is not None:
        arguments["body"] = read_body(call.body, endpoint.body)
    for name, kind_ in endpoint.segments:
        value = call.segment(name)
        if kind_ is int:
            if not (value.isascii() and value.isdigit() and len(value) < 20 and 0 < int(value) < 2**63):
                raise NotFound("There is nothing at this path.")
            arguments[name] = int(value)
        else:
            arguments[name] = value
    return arguments


class _NoQuery(msgspec.Struct):
    """Takes no query parameters."""


class Unrouted:
    """Litestar's exception handler: what it raises itself, for a path or a method that does not exist.

    Under /api an anonymous caller learns nothing, not even that (contract, section 2).
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime

    def __call__(self, request: Request[Any, Any, Any], exception: Exception) -> "_Later":
        call = Call(request.scope, {}, b"")
        error = as_app_error(exception, call.request_id)

        async def answer() -> Answer:
            if not f"{call.path}/".startswith("/api/"):
                return error_page(call, error) if browsing(call) else error_answer(error, call)
            loop = asyncio.get_running_loop()
            return error_answer(await loop.run_in_executor(self.runtime.workers, self._refine, call, error), call)

        return _Later(answer)

    def _refine(self, call: Call, error: AppError) -> AppError:
        try:
            with self.runtime.database.read() as tx:
                authenticate(tx, self.runtime, call)
        except AppError as refused:
            return refused
        return error


class _Later(Response[None]):
    """An answer that is made when it is sent."""

    def __init__(self, answer: Callable[[], Awaitable[Answer]]) -> None:
        super().__init__(None)
        self._answer = answer

    def to_asgi_response(self, *_: Any, **__: Any) -> Any:
        async def send_answer(scope: Scope, receive: Receive, send: Send) -> None:
            await (await self._answer())(scope, receive, send)

        return send_answer
