"""Prometheus metrics, if the setting enables them: requests by route template, never by name or path."""

import asyncio
import collections
import time

import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from starlette.types import ASGIApp, Receive, Scope, Send

from issue_tracker.server.shared_metrics import use_shared_files

log = structlog.get_logger("issue_tracker.server")

NO_ROUTE = NO_RECEIVER = "(none)"

LOG_SECONDS = 10.0
"""Interval at which refusals are logged, if there were any."""


def metrics_registry() -> CollectorRegistry:
    """Returns the metrics registry of one application, with the metrics of its process."""
    use_shared_files()
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class RequestMetrics:
    """Counts and times the requests to the wrapped application, which sets `scope["state"]["status"]`."""

    def __init__(self, app: ASGIApp, registry: CollectorRegistry) -> None:
        self.app = app
        self.requests = Counter(
            "issue_tracker_requests", "Requests answered.", ["method", "route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "issue_tracker_request_seconds", "Time until the response was sent.", ["method", "route"], registry=registry
        )
        # The shared files are created now: a folder that is deleted later makes no request fail.
        self.requests.labels("GET", NO_ROUTE, 404)
        self.seconds.labels("GET", NO_ROUTE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        try:
            await self.app(scope, receive, send)
        finally:
            # All requests without a matching route are counted together.
            route = str(scope.get("path_template", NO_ROUTE))
            self.requests.labels(scope["method"], route, scope["state"].get("status", 0)).inc()
            self.seconds.labels(scope["method"], route).observe(time.perf_counter() - started)


class AlertMetrics:
    """Counts what receivers of alerts were sent, by the receiver's name; an address that is none has `NO_RECEIVER`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._total = Counter(
            "issue_tracker_alerts",
            "Alerts that were accepted, by outcome, and messages that were refused.",
            ["receiver", "outcome"],
            registry=registry,
        )

    def taken(self, receiver: str, outcome: str, count: int) -> None:
        """Counts alerts of one message that had the same outcome."""
        self._total.labels(receiver, outcome).inc(count)

    def refused(self, receiver: str) -> None:
        """Counts a message that was invalid, or whose URL belongs to no receiver."""
        self._total.labels(receiver, "refused").inc()


class LoadMetrics:
    """Counts waiting requests, and what the server refuses because of a limit, by reason; the log gets a summary of
    the refusals.

    Use it on the event loop only.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._total = Counter(
            "issue_tracker_refused",
            "Requests and connections refused because of a limit.",
            ["reason"],
            registry=registry,
        )
        self._waiting = Gauge(
            "issue_tracker_requests_waiting",
            "Requests that wait for a thread.",
            ["threads"],
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._waiting_of: dict[str, Gauge] = {}
        """The gauge of each pool of threads: to find it by its label takes longer than to set it."""
        self._recent: collections.Counter[str] = collections.Counter()

    def note_waiting(self, threads: str, count: int) -> None:
        """Records the number of requests that wait for a thread of the pool with this name."""
        gauge = self._waiting_of.get(threads)
        if gauge is None:
            gauge = self._waiting_of[threads] = self._waiting.labels(threads)
        gauge.set(count)

    def refused(self, reason: str) -> None:
        """Counts one refusal. `reason` is one of a few fixed words."""
        self._total.labels(reason).inc()
        if not self._recent:
            asyncio.get_running_loop().call_later(LOG_SECONDS, self._log)
        self._recent[reason] += 1

    def _log(self) -> None:
        recent, self._recent = self._recent, collections.Counter()
        log.warning("requests refused", seconds=LOG_SECONDS, **recent)
