"""Requests that no route takes: the path does not exist, or not with this method."""

from collections.abc import Iterable
from typing import Any

from starlette.responses import Response

from issue_tracker.api.scim.routes import RefusedScimRoute
from issue_tracker.errors import AppError, MethodNotAllowed, Unauthenticated
from issue_tracker.http.errors import error_response
from issue_tracker.http.identity import Access
from issue_tracker.http.pipeline import refuse, respond
from issue_tracker.http.request import Identity, Request
from issue_tracker.http.routes import Handler, Route
from issue_tracker.pages.navigation import local, redirect
from issue_tracker.pages.routes import PageRoute
from issue_tracker.pages.templating import error_page


class Unrouted:
    """Makes the response for a path or a method that no route has.

    Under /api it is an error as JSON, and under /scim one of SCIM. For a browser it is a page: with the navigation for
    those who are signed in. An address that takes only forms leads to the page of these forms, so that a reload or a
    bookmark finds a page.
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
        """The nearest page above the address of a form, such as /issues/7 for /issues/7/edit."""
        template: str = request.scope["path_template"]
        while template not in self._pages:
            template = template.rpartition("/")[0] or "/"
        return local(template.format_map(request.path_params))


class RefusedPage(PageRoute, frozen=True, kw_only=True):
    """In place of the route of a page that does not exist: shows `error`, whoever asks for it."""

    error: AppError
    handler: Handler = Response
    tag: str = ""
    access: Access = Access.SIGNED_IN
    transaction: bool = False

    def admit(self, identity: Identity) -> None:
        """Everybody gets the same answer; it differs in what surrounds it."""

    def arguments(self, request: Request) -> dict[str, Any]:
        raise self.error

    def error_response(self, request: Request, error: AppError) -> Response:
        return error_page(request, self.error if isinstance(error, Unauthenticated) else error)
