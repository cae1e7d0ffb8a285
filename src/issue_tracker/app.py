"""START HERE. The application: its lifespan, its middleware, and every route.

Servers run `create_app`. A request passes the middleware in the order listed there, is routed by Starlette, and then
takes the same steps for every route (`http/pipeline.py`): session or token, CSRF token, role, input, handler.
"""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache, partial
from typing import Any

from starlette.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from issue_tracker import settings as settings_module
from issue_tracker.alerts.background import alert_threads
from issue_tracker.api import alert_feeds as alert_feeds_api
from issue_tracker.api import alert_mailboxes as alert_mailboxes_api
from issue_tracker.api import alert_receivers as alert_receivers_api
from issue_tracker.api import alert_rules as alert_rules_api
from issue_tracker.api import alerts as alerts_api
from issue_tracker.api import auth as auth_api
from issue_tracker.api import companies as companies_api
from issue_tracker.api import company_groups as company_groups_api
from issue_tracker.api import credentials as credentials_api
from issue_tracker.api import devices as devices_api
from issue_tracker.api import events as events_api
from issue_tracker.api import factors as factors_api
from issue_tracker.api import first_start as first_start_api
from issue_tracker.api import group_mappings as group_mappings_api
from issue_tracker.api import issue_list as issue_list_api
from issue_tracker.api import issues as issues_api
from issue_tracker.api import openapi, service
from issue_tracker.api import passkeys as passkeys_api
from issue_tracker.api import portal as portal_api
from issue_tracker.api import scim_tokens as scim_tokens_api
from issue_tracker.api import similar_issues as similar_issues_api
from issue_tracker.api import templates as templates_api
from issue_tracker.api import tokens as tokens_api
from issue_tracker.api import updates as updates_api
from issue_tracker.api import user_credentials as user_credentials_api
from issue_tracker.api import users as users_api
from issue_tracker.api import views as views_api
from issue_tracker.api import webhooks as webhooks_api
from issue_tracker.api.event_stream import before_shutdown
from issue_tracker.api.scim import routes as scim_api
from issue_tracker.auth.credentials import permissions_of
from issue_tracker.auth.single_sign_on.checks import SessionChecks
from issue_tracker.auth.single_sign_on.exchange import IdentityProviders
from issue_tracker.database.commit_topics import CommitTopic
from issue_tracker.database.engine import Database
from issue_tracker.database.history_identity import HistoryIdentity
from issue_tracker.database.server_key import ServerKey
from issue_tracker.database.shared_commits import SharedCommits
from issue_tracker.events.deferred import DeferredEvents
from issue_tracker.events.delivery import Deliverer
from issue_tracker.events.order import WatermarkTracker
from issue_tracker.events.signing_secrets import encrypt_stored
from issue_tracker.events.stream import Stream
from issue_tracker.http.middleware import AccessLogging, CachedResponses, CanonicalPaths, RequestIds, ResponseHeaders
from issue_tracker.http.pipeline import PathRouter
from issue_tracker.http.response_cache import ResponseCache
from issue_tracker.http.routes import Route
from issue_tracker.http.state import AppState
from issue_tracker.issues.attention_counts import AttentionCache
from issue_tracker.issues.fragments import FragmentCache
from issue_tracker.issues.totals import TotalsCache
from issue_tracker.logs import AccessLog, configure_logs
from issue_tracker.pages import (
    account,
    activity,
    alert_administration,
    alerts,
    attention_counts,
    changes,
    chosen_passwords,
    companies,
    company_groups,
    credentials,
    docs,
    feeds,
    find,
    group_mappings,
    handover,
    issue_list,
    issues,
    mail_receivers,
    mailboxes,
    matrix,
    merging,
    new_issue,
    notes,
    owning,
    portal,
    presence,
    scim,
    second_step,
    security,
    sign_in,
    single_sign_on,
    static,
    templates,
    updates,
    users,
    views,
)
from issue_tracker.pages import webhooks as webhooks_pages
from issue_tracker.pages.unrouted import RefusedRequests
from issue_tracker.retention import Retention
from issue_tracker.server.connections import Connections
from issue_tracker.server.garbage_collection import collect_garbage
from issue_tracker.server.metrics import AlertMetrics, LoadMetrics, RequestMetrics, metrics_registry
from issue_tracker.server.open_streams import OpenStreams
from issue_tracker.server.password_requests import PasswordRequests
from issue_tracker.server.proxies import UntrustedProxyWarning
from issue_tracker.server.stored_responses import StoredResponses
from issue_tracker.server.workers import PROBES, PROVIDER_THREADS, Workers
from issue_tracker.settings import Settings

ROUTES = (
    issue_list_api.routes,
    issues_api.routes,
    similar_issues_api.routes,
    updates_api.routes,
    views_api.routes,
    companies_api.routes,
    company_groups_api.routes,
    templates_api.routes,
    alerts_api.routes,
    alert_receivers_api.routes,
    alert_feeds_api.routes,
    alert_mailboxes_api.routes,
    alert_rules_api.routes,
    auth_api.routes,
    first_start_api.routes,
    factors_api.routes,
    passkeys_api.routes,
    tokens_api.routes,
    users_api.routes,
    user_credentials_api.routes,
    devices_api.routes,
    group_mappings_api.routes,
    scim_tokens_api.routes,
    scim_api.routes,
    credentials_api.routes,
    events_api.routes,
    webhooks_api.routes,
    portal_api.routes,
    service.routes,
    docs.routes,
    find.routes,
    issue_list.routes,
    new_issue.routes,
    matrix.routes,
    attention_counts.routes,
    views.routes,
    issues.routes,
    owning.routes,
    presence.routes,
    merging.routes,
    updates.routes,
    changes.routes,
    notes.routes,
    companies.routes,
    companies.admin_routes,
    company_groups.routes,
    templates.routes,
    activity.routes,
    handover.routes,
    alerts.routes,
    alert_administration.routes,
    mail_receivers.routes,
    mailboxes.routes,
    feeds.routes,
    portal.routes,
    webhooks_pages.routes,
    sign_in.routes,
    second_step.routes,
    single_sign_on.routes,
    chosen_passwords.routes,
    account.routes,
    security.routes,
    users.routes,
    group_mappings.routes,
    scim.routes,
    credentials.routes,
    static.routes,
)


def declared_routes() -> list[Route]:
    """Returns every declared route; some tests walk through all of them."""
    return [route for routes in ROUTES for route in routes.declared]


def create_app(settings: Settings | None = None) -> ASGIApp:
    """Returns the ASGI application for these settings (default: those of the environment)."""
    settings = settings or settings_module.load()
    configure_logs(settings)
    access_log = AccessLog(settings)
    database = Database(settings)
    routes = declared_routes()
    registry = metrics_registry()
    load_metrics = LoadMetrics(registry)
    app_state = AppState(
        settings=settings,
        database=database,
        workers=Workers(
            "request",
            settings.threads,
            load_metrics,
            queue_length=settings.queue_length,
            queue_seconds=settings.queue_seconds,
        ),
        probes=Workers("probe", 1, load_metrics, queue_length=PROBES, queue_seconds=settings.queue_seconds),
        provider_requests=Workers(
            "provider",
            PROVIDER_THREADS,
            load_metrics,
            queue_length=settings.password_queue,
            queue_seconds=settings.queue_seconds,
        ),
        password_requests=PasswordRequests(settings),
        providers=IdentityProviders(settings),
        fragments=FragmentCache(),
        totals=TotalsCache(),
        attention=AttentionCache(),
        responses=ResponseCache(database, settings),
        stream=Stream(database, lambda held: permissions_of(database, settings, held)),
        open_streams=OpenStreams(settings, load_metrics),
        watermarks=WatermarkTracker(database),
        history=HistoryIdentity(database),
        server_key=ServerKey(database, settings),
        openapi=cache(partial(openapi.document, routes, settings)),  # most processes never need it
        metrics=registry,
        alert_metrics=AlertMetrics(registry),
        deferred_events=DeferredEvents(database),
        documents={},
        stored_responses=StoredResponses(settings),
        shared_commits=SharedCommits(database),
    )

    connections = Connections(settings, load_metrics)

    @asynccontextmanager
    async def lifespan(_: None) -> AsyncIterator[dict[str, Any]]:
        await app_state.stream.start()
        for start in (
            app_state.history.start,
            app_state.watermarks.start,
            app_state.server_key.start,
            partial(encrypt_stored, database, app_state.server_key),
            collect_garbage,
        ):
            await app_state.workers.resume(start)
        before_shutdown(app_state.stream.close)
        deliverer = Deliverer(database, settings)
        if settings.deliver_webhooks:
            database.on_commit(CommitTopic.DELIVERIES, deliverer.wake)
            threading.Thread(target=deliverer.run, name="deliverer", daemon=True).start()
        count = app_state.alert_metrics.taken
        background = (
            Retention(database, settings),
            *alert_threads(database, settings, app_state.server_key, registry, count),
            SessionChecks(database, settings, app_state.providers, app_state.server_key),
        )
        for work in (*background, app_state.deferred_events):
            threading.Thread(target=work.run, name=type(work).__name__, daemon=True).start()
        try:
            yield {"connections": connections}
        finally:
            for work in background:
                work.close()
            await app_state.stream.stop()
            deliverer.close()
            app_state.workers.shutdown()
            app_state.probes.shutdown()
            app_state.provider_requests.shutdown()
            app_state.password_requests.close()
            app_state.deferred_events.close()
            app_state.history.stop()
            database.close()
            access_log.flush()

    # The middleware, from the inside out.
    app: ASGIApp = CanonicalPaths(PathRouter(routes, app_state, RefusedRequests(routes), lifespan))
    if not settings.trusted_proxies:
        app = UntrustedProxyWarning(app)
    app = ResponseHeaders(app, settings)
    app = CachedResponses(app, app_state.responses)
    app = AccessLogging(app, access_log)
    app = RequestIds(app)
    if settings.metrics:
        app = RequestMetrics(app, app_state.metrics)
    if settings.trusted_proxies:
        app = ProxyHeadersMiddleware(app, trusted_hosts=settings.trusted_proxies)  # type: ignore[arg-type,assignment]  # another ASGI type
    return app
