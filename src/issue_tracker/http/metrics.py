"""Metrics for Prometheus, when the setting asks for them: requests by route template, never by name or path."""

import os
import tempfile
import time
from collections.abc import Awaitable

from prometheus_client import CollectorRegistry, Counter, GCCollector, Histogram, PlatformCollector, ProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MULTIPROCESS = "PROMETHEUS_MULTIPROC_DIR"


def share_between_workers() -> None:
    """Lets any worker answer for all: to be called before the workers start."""
    os.environ.setdefault(MULTIPROCESS, tempfile.mkdtemp(prefix="issue-tracker-metrics-"))


def metrics_registry() -> CollectorRegistry:
    """The metrics of one application, with those of its process."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class RequestMetrics:
    """Counts and times the requests of the application inside."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self.app = app
        self.requests = Counter(
            "issue_tracker_requests", "Requests answered.", ["method", "route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "issue_tracker_request_seconds", "Time until the response was sent.", ["method", "route"], registry=registry
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        def send_and_note_status(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            return send(message)

        try:
            await self.app(scope, receive, send_and_note_status)
        finally:
            # Requests that match no route are counted together.
            route = str(scope.get("path_template", "(none)"))
            self.requests.labels(scope["method"], route, status).inc()
            self.seconds.labels(scope["method"], route).observe(time.perf_counter() - started)
