"""Metrics for Prometheus, when the setting asks for them: requests by route template, never by name or path."""

import os
import tempfile
import time

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from issue_tracker.errors import NotFound
from issue_tracker.web.answer import Answer
from issue_tracker.web.context import Access, Context
from issue_tracker.web.routing import Routes

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"

routes = Routes("Operations", access=Access.PUBLIC)

requests_total = Counter("issue_tracker_requests", "Requests answered.", ["method", "route", "status"])
request_seconds = Histogram("issue_tracker_request_seconds", "Time until the answer was sent.", ["method", "route"])


def share_between_workers() -> None:
    """Lets any worker answer for all: to be called before the workers start."""
    os.environ.setdefault(MULTIPROCESS, tempfile.mkdtemp(prefix="issue-tracker-metrics-"))


class MeasuredRequests:
    """Counts and times the requests of the application inside."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, note_status)
        finally:
            # Litestar notes the template of the route that it found; what found none is one line together.
            route = str(scope.get("path_template", "(none)"))
            requests_total.labels(scope["method"], route, status).inc()
            request_seconds.labels(scope["method"], route).observe(time.perf_counter() - started)


@routes.get("/metrics", transaction=False, answers={200: "text/plain"}, errors=(404,))
def metrics(request: Context) -> Answer:
    """Prometheus text, of all workers together. Answers 404 unless the setting is on."""
    if not request.settings.metrics:
        raise NotFound("There is nothing at this path.")
    registry = REGISTRY
    if MULTIPROCESS in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Answer(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
