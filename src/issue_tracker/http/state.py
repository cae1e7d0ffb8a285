"""Application state: created once by `create_app` and available to every request."""

from collections.abc import Callable
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from issue_tracker.auth.single_sign_on.exchange import IdentityProviders
from issue_tracker.database.engine import Database
from issue_tracker.database.history_identity import HistoryIdentity
from issue_tracker.database.server_key import ServerKey
from issue_tracker.database.shared_commits import SharedCommits
from issue_tracker.events.deferred import DeferredEvents
from issue_tracker.events.order import WatermarkTracker
from issue_tracker.events.stream import Stream
from issue_tracker.http.response_cache import ResponseCache
from issue_tracker.issues.attention_counts import AttentionCache
from issue_tracker.issues.fragments import FragmentCache
from issue_tracker.issues.totals import TotalsCache
from issue_tracker.server.metrics import AlertMetrics
from issue_tracker.server.open_streams import OpenStreams
from issue_tracker.server.password_requests import PasswordRequests
from issue_tracker.server.stored_responses import StoredResponses
from issue_tracker.server.workers import Workers
from issue_tracker.settings import Settings


class AppState(msgspec.Struct, frozen=True, kw_only=True):
    """The parts of one application. Two applications in one process share only the threads that hash passwords
    and the form of the log, which belong to the process.

    `workers` run the handlers, with as many threads as they have database connections; `probes` run the probes,
    `provider_requests` the handlers that wait for an identity provider, and `password_requests` those that hash a
    password. `openapi` returns the content of `/openapi.json`. `metrics` counts requests, and `alert_metrics`
    messages to receivers of alerts. `deferred_events` are events of refusals and exports. `documents` holds body
    and headers of documents that are expensive to make and the same for all. `stored_responses` limits the space of
    the responses stored for idempotency keys. `shared_commits` combine small changes into one transaction.
    """

    settings: Settings
    database: Database
    workers: Workers
    probes: Workers
    provider_requests: Workers
    password_requests: PasswordRequests
    providers: IdentityProviders
    fragments: FragmentCache
    totals: TotalsCache
    attention: AttentionCache
    responses: ResponseCache
    stream: Stream
    open_streams: OpenStreams
    watermarks: WatermarkTracker
    history: HistoryIdentity
    server_key: ServerKey
    openapi: Callable[[], dict[str, Any]]
    metrics: CollectorRegistry
    alert_metrics: AlertMetrics
    deferred_events: DeferredEvents
    documents: dict[str, tuple[bytes, dict[str, str]]]
    stored_responses: StoredResponses
    shared_commits: SharedCommits
