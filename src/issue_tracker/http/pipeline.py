"""The steps that every request to a declared route passes, of the API and of pages alike.

The order is the contract's (section 2): authentication (401), CSRF token and role (403), input (413, 415, 422, 400),
then the handler in one transaction, which is committed before the response leaves. All of it runs in one worker thread
(docs/decisions/0001-synchronous-handlers.md).
"""

from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any

from starlette.responses import Response
from starlette.routing import Route as StarletteRoute
from starlette.routing import Router
from starlette.types import Lifespan, Receive, Scope, Send

from issue_tracker.errors import AppError, InvalidQuery, MethodNotAllowed, NotFound, Unauthenticated
from issue_tracker.http import idempotency
from issue_tracker.http.errors import as_app_error
from issue_tracker.http.identity import Access, cacheable_until, note_known_session, record_use, require_same_origin
from issue_tracker.http.refusals import note_refusal
from issue_tracker.http.request import ANONYMOUS_BODY_LIMIT, ANONYMOUS_FIELDS, Request, read_content
from issue_tracker.http.routes import Route
from issue_tracker.http.state import AppState

ANONYMOUS_QUERY_LIMIT = 4 * 1024
"""Maximum length of a query, in bytes, without a session."""

Refusal = Callable[[Request, AppError], Awaitable[Response]]


class Resource:
    """The ASGI application of one path: its routes by method. HEAD is handled as GET, without the body."""

    def __init__(self, path: str, routes: Mapping[str, Route], app_state: AppState, unrouted: Refusal) -> None:
        self.path = path
        self.routes = routes
        self.app_state = app_state
        self.unrouted = unrouted
        self.shares_path = any(route.shares_path for route in routes.values())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["path_template"] = self.path
        request = Request(scope, receive, self.app_state)
        route = self.routes.get(request.method)
        if route is None:
            methods = ", ".join(sorted({*self.routes, *scope.get("shared_methods", ())}))
            response = await self.unrouted(request, MethodNotAllowed(methods))
        else:
            response = await respond(route, request)
        await response(scope, receive, send)


class PathRouter(Router):
    """Starlette's router for paths with parameters, preceded by a dictionary of the fixed paths.

    The router tries one path after another, which takes longer than a short response. `unrouted` makes the response
    for a path or a method without a route.
    """

    def __init__(
        self, routes: Iterable[Route], app_state: AppState, unrouted: Refusal, lifespan: Lifespan[Any]
    ) -> None:
        by_path: dict[str, dict[str, Route]] = {}
        for route in routes:
            for method in ("GET", "HEAD") if route.safe else (route.method,):
                by_path.setdefault(route.path, {})[method] = route
        resources = {path: Resource(path, methods, app_state, unrouted) for path, methods in by_path.items()}
        self.fixed = {path: resource for path, resource in resources.items() if "{" not in path}
        templates = [StarletteRoute(path, resource) for path, resource in resources.items() if "{" in path]
        super().__init__(templates, redirect_slashes=False, default=self._unrouted, lifespan=lifespan)
        self.app_state = app_state
        self.unrouted = unrouted

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        resource = self.fixed.get(scope["path"]) if scope["type"] == "http" else None
        if resource is not None and resource.shares_path and scope["method"] not in resource.routes:
            scope["shared_methods"], resource = resource.routes, None
        await (resource or super().__call__)(scope, receive, send)

    async def _unrouted(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, self.app_state)
        response = await self.unrouted(request, NotFound("There is nothing at this path."))
        await response(scope, receive, send)


async def respond(route: Route, request: Request) -> Response:
    """Answers one request: on the event loop if the route never blocks, otherwise in a worker thread."""
    app_state = request.app_state
    try:
        if route.inline:
            return perform(route, request)
        if route.access is not Access.PUBLIC and not request.brings_credential:
            raise Unauthenticated  # uses no thread, and leaves the body unread
        workers = app_state.workers
        if route.probe or route.outgoing:
            workers = app_state.probes if route.probe else app_state.provider_requests
        if not route.safe:
            if not route.hashes:
                workers.require_room()
            request.content = await read_content(request, route.raw_body)
        if route.hashes:
            anonymous = route.access is Access.PUBLIC
            return await app_state.password_requests.run(partial(perform, route, request), anonymous=anonymous)
        version = app_state.responses.version() if route.cached else None
        response = await workers.run(request.receive, perform, route, request, changes=not route.safe)
        if version is not None and request.identity is not None:
            until = cacheable_until(request.settings, request.identity)
            if until is not None and request.valid_until is not None:
                until = min(until, request.valid_until)
            app_state.responses.store(version, request.scope, response, until)
        return response
    except (Exception, CancelledError) as exception:  # the client gets a safe response, and the log gets the details
        return route.error_response(request, as_app_error(exception, request.request_id))


def perform(route: Route, request: Request) -> Response:
    """Answers one request in a worker thread. Raises AppError for every error that the contract names."""
    try:
        return _perform(route, request)
    except AppError as error:
        note_refusal(request, error)
        raise


def _perform(route: Route, request: Request) -> Response:
    if route.access is Access.PUBLIC:
        limit_parameters(request)
        if not route.safe:
            require_same_origin(request)
            if route.raw_body is None:
                limit_anonymous(request)
        return route.finished(request, _handle(route, request))
    response = None
    # Outside the transaction, because refreshing writes to a database that was restored.
    request.app_state.history.refresh()
    with request.read() as tx:
        identity = route.identify(tx, request)
        route.admit(identity)
        if route.safe and route.transaction:
            response = route.handler(request, **route.arguments(request))
    record_use(request, identity)
    return route.finished(request, response or _handle(route, request))


def limit_parameters(request: Request) -> None:
    """Raises InvalidQuery if the query is longer, or has more parameters, than a request without a session may send."""
    query = request.scope["query_string"]
    if len(query) > ANONYMOUS_QUERY_LIMIT or query.count(b"&") >= ANONYMOUS_FIELDS:
        raise InvalidQuery(
            f"Without a session, a query has at most {ANONYMOUS_QUERY_LIMIT:,} bytes and {ANONYMOUS_FIELDS} parameters."
        )


def limit_anonymous(request: Request) -> None:
    """Discards a large body if the client never had a session; the request is then refused (413)."""
    if request.content and len(request.content) > ANONYMOUS_BODY_LIMIT:
        with request.read() as tx:
            note_known_session(tx, request)
        if not request.known_session:
            request.content, request.body_limit = None, ANONYMOUS_BODY_LIMIT


def _handle(route: Route, request: Request) -> Response:
    """Runs the handler. An error may still become a response: a redisplayed form, or a response stored for a retry."""
    try:
        if route.idempotent and idempotency.has_key(request):
            return _handle_once(route, request)
        arguments = route.arguments(request)
        if not route.transaction:
            return route.handler(request, **arguments)
        if route.shares_commit:
            return request.write_together(lambda _: route.handler(request, **arguments))
        with request.read() if route.safe else request.write():
            return route.handler(request, **arguments)
    except AppError as error:
        response = route.recover(request, error)
        note_refusal(request, error)
        return response


def _handle_once(route: Route, request: Request) -> Response:
    """Handles a request with an Idempotency-Key, like `_handle`; the response to invalid input is stored, too."""
    route.require_readable(request)  # 413 and 415 precede what a key can cause
    if route.transaction:
        with request.write():
            return idempotency.once(request, lambda: route.handler(request, **route.arguments(request)))
    stored = idempotency.stored_response(request)
    try:
        return stored or route.handler(request, **route.arguments(request))
    except AppError as error:
        return idempotency.store_refusal(request, error)
