"""The page `/docs`: the OpenAPI document to read and to try (docs/decisions/0016-api-reference.md)."""

from starlette.responses import Response

from issue_tracker.http.identity import Access
from issue_tracker.http.request import Request
from issue_tracker.http.routes import Returns, Routes
from issue_tracker.pages.templating import bare_page, variant

routes = Routes("Operations", access=Access.PUBLIC)


@routes.get("/docs", transaction=False, returns=Returns(200, media_types={"text/html": "<!doctype html>…"}))
def docs(request: Request) -> Response:
    """Show the OpenAPI document as a page to read and to try."""
    documents, key = request.app_state.documents, variant(request)
    if key not in documents:
        response = _page(request)
        documents[key] = bytes(response.body), dict(response.headers)
    body, headers = documents[key]
    return Response(body, headers=headers)


def _page(request: Request) -> Response:
    # Imported on first use, because the Markdown parser would add a twentieth of a second to every start.
    from issue_tracker.pages.reference import reference  # noqa: PLC0415 - loads the Markdown parser

    return bare_page(request, "web/reference.html", api=reference(request.app_state.openapi()))
