"""Probes and documents about the service itself (contract, section 10)."""

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import Response

from issue_tracker.database import migrate
from issue_tracker.errors import NotFound, Unavailable
from issue_tracker.http.identity import Access
from issue_tracker.http.request import Request
from issue_tracker.http.responses import JSON, json_response
from issue_tracker.http.routes import Returns, Routes
from issue_tracker.server.shared_metrics import exposition

routes = Routes("Operations", access=Access.PUBLIC)


class Health(msgspec.Struct):
    """The state of the service: `ok`."""

    status: str


@routes.get("/healthz", transaction=False, inline=True, returns=Returns(200, Health, {"status": "ok"}))
def healthz(request: Request) -> Response:
    """Check whether the process is alive. Nothing else is checked."""
    return json_response(Health("ok"), headers={"Cache-Control": "no-store"})


@routes.get("/readyz", transaction=False, probe=True, returns=Returns(200, Health, {"status": "ok"}))
def readyz(request: Request) -> Response:
    """Check whether the database can be read and changed, and this version of the program can use its schema."""
    try:
        request.database.check()
        with request.database.read() as tx:
            migrate.check(tx)
    except migrate.SchemaMismatch:
        raise
    except Unavailable as error:
        raise Unavailable(error.diagnosis, cause=error.cause, reason=error.reason) from error
    return json_response(Health("ok"), headers={"Cache-Control": "no-store"})


@routes.get(
    "/openapi.json",
    transaction=False,
    inline=True,
    returns=Returns(
        200, media_types={JSON: {"openapi": "3.1.0", "info": {"title": "Issue Tracker", "version": "0.1.0"}}}
    ),
)
def openapi_json(request: Request) -> Response:
    """Get this API as an OpenAPI 3.1 document."""
    documents = request.app_state.documents
    if "openapi" not in documents:
        documents["openapi"] = msgspec.json.encode(request.app_state.openapi()), {}
    return Response(documents["openapi"][0], media_type=JSON)


@routes.get(
    "/metrics",
    transaction=False,
    probe=True,
    returns=Returns(
        200,
        media_types={
            "text/plain": 'issue_tracker_requests_total{method="GET",route="/api/issues",status="200"} 12.0\n'
        },
    ),
    errors=(404,),
)
def metrics(request: Request) -> Response:
    """Get the metrics of all workers as Prometheus text. The response is 404 unless the setting is on."""
    if not request.settings.metrics:
        raise NotFound("There is nothing at this path.")
    return Response(exposition(request.app_state.metrics), headers={"Content-Type": CONTENT_TYPE_LATEST})
