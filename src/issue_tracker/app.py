"""START HERE. The application: its life, its layers, and every route.

`create_app` is what servers run. A request passes `Edge` (request id, canonical path, security headers; the same
request as before is answered there while nothing was committed), Litestar's routing, and then `web.routing.perform`,
which every route shares: session or token, CSRF, role, validation, handler.
"""

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from litestar import Litestar
from litestar.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from issue_tracker import settings as settings_module
from issue_tracker.auth import api as auth_api
from issue_tracker.auth import pages as auth_pages
from issue_tracker.auth import user_pages
from issue_tracker.auth.credentials import roles_of
from issue_tracker.companies import api as companies_api
from issue_tracker.companies import pages as companies_pages
from issue_tracker.database.engine import Database, News
from issue_tracker.events import api as events_api
from issue_tracker.events import pages as events_pages
from issue_tracker.events import webhook_pages, webhooks_api
from issue_tracker.events.delivery import Deliverer
from issue_tracker.events.live import before_shutdown
from issue_tracker.events.order import Watermark
from issue_tracker.events.stream import Stream
from issue_tracker.issues import api as issues_api
from issue_tracker.issues import change_pages
from issue_tracker.issues import pages as issues_pages
from issue_tracker.issues.render import RenderedIssues
from issue_tracker.logs import AccessLog, configure_logs
from issue_tracker.settings import Settings
from issue_tracker.web import documents, metrics, static
from issue_tracker.web.context import Runtime
from issue_tracker.web.kept import KeptAnswers
from issue_tracker.web.middleware import Edge
from issue_tracker.web.routing import Endpoint, litestar_handlers
from issue_tracker.web.unrouted import Unrouted

ROUTES = (
    issues_api.routes,
    companies_api.routes,
    auth_api.routes,
    auth_api.user_routes,
    events_api.routes,
    webhooks_api.routes,
    documents.routes,
    metrics.routes,
    issues_pages.routes,
    change_pages.routes,
    companies_pages.routes,
    companies_pages.admin_routes,
    events_pages.routes,
    webhook_pages.routes,
    auth_pages.routes,
    user_pages.routes,
    static.routes,
)


def endpoints() -> list[Endpoint]:
    """Every declared route: tests walk them all."""
    return [endpoint for routes in ROUTES for endpoint in routes.endpoints]


def create_app(settings: Settings | None = None) -> ASGIApp:
    """The ASGI application for these settings (default: the environment's)."""
    settings = settings or settings_module.load()
    configure_logs(settings)
    access_log = AccessLog(settings)
    database = Database(settings)
    runtime = Runtime(
        settings=settings,
        database=database,
        workers=ThreadPoolExecutor(settings.threads, thread_name_prefix="request"),
        rendered=RenderedIssues(),
        stream=Stream(database, lambda held: roles_of(database, settings, held)),
        watermark=Watermark(database),
        kept=KeptAnswers(database),
    )

    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        await runtime.stream.start()
        await asyncio.get_running_loop().run_in_executor(runtime.workers, runtime.watermark.start)
        before_shutdown(runtime.stream.close)
        deliverer = Deliverer(database, settings)
        if settings.deliver_webhooks:
            database.after[News.DELIVERIES].append(deliverer.wake)
            threading.Thread(target=deliverer.run, name="deliverer", daemon=True).start()
        try:
            yield
        finally:
            await runtime.stream.stop()
            deliverer.close()
            runtime.workers.shutdown(wait=True)
            runtime.database.close()
            access_log.flush()

    declared = endpoints()
    documents.describe(declared, settings)
    litestar = Litestar(
        route_handlers=litestar_handlers(runtime, declared),
        exception_handlers={Exception: Unrouted(runtime)},
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,
    )
    app: ASGIApp = Edge(litestar, settings, access_log, runtime.kept)
    if settings.metrics:
        app = metrics.MeasuredRequests(app)
    if settings.trusted_proxies:
        app = ProxyHeadersMiddleware(app, trusted_hosts=settings.trusted_proxies)  # type: ignore[arg-type,assignment]
    return app
