"""Requests without a route: the path does not exist, or does not support the method."""

from collections.abc import Iterable
from typing import Any

from starlette.responses import Response

from issue_tracker.api.scim.routes import RefusedScimRoute
from issue_tracker.api.unrouted import refuse
from issue_tracker.errors import AppError, MethodNotAllowed, Unauthenticated
from issue_tracker.http.errors import error_response
from issue_tracker.http.identity import Access
from issue_tracker.http.pipeline import respond
from issue_tracker.http.request import Identity, Request
from issue_tracker.http.routes import Handler, Route
from issue_tracker.pages.navigation import local, redirect
from issue_tracker.pages.routes import PageRoute
from issue_tracker.pages.templating import error_page


class RefusedRequests:
    """Creates the response for a path or a method without a route.

    Under /api it is an error as JSON, and under /scim a SCIM error. For a browser it is a page, with the navigation for
    signed-in users. A URL that accepts only forms redirects to the page of these forms, so that a reload or a bookmark
    leads to a page.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self._pages = {route.path for route in routes if isinstance(route, PageRoute) and route.safe}

    async def __call__(self, request: Request, error: AppError) -> Response:
        if f"{request.path}/".replace("/%00", "").startswith("/api/"):  # also with empty segments
            return await refuse(request, error)
        if request.path.startswith("/scim/"):
            return await respond(RefusedScimRoute(method=request.method, path=request.path, error=error), request)
        if "text/html" not in (request.header("accept") or ""):
            return error_response(request, error)
        if request.method not in ("GET", "HEAD"):
            return error_page(request, error)
        if isinstance(error, MethodNotAllowed):
            return redirect(self._page_above(request))
        return await respond(RefusedPage(method=request.method, path=request.path, error=error), request)

    def _page_above(self, request: Request) -> str:
        """Returns the nearest page above the URL of a form, such as /issues/7 for /issues/7/edit."""
        template: str = request.scope["path_template"]
        while template not in self._pages:
            template = template.rpartition("/")[0] or "/"
        return local(template.format_map(request.path_params))


class RefusedPage(PageRoute, frozen=True, kw_only=True):
    """The route for a page that does not exist: shows `error` to all clients."""

    error: AppError
    handler: Handler = Response
    tag: str = ""
    access: Access = Access.SIGNED_IN
    transaction: bool = False

    def admit(self, identity: Identity) -> None:
        """Admits all clients; the error is the same for all, only the frame of the page differs."""

    def arguments(self, request: Request) -> dict[str, Any]:
        raise self.error

    def error_response(self, request: Request, error: AppError) -> Response:
        return error_page(request, self.error if isinstance(error, Unauthenticated) else error)
