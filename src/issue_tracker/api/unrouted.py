"""Requests under /api without a route: the path does not exist, or does not support the method."""

from typing import Any

from starlette.responses import Response

from issue_tracker.errors import AppError
from issue_tracker.http.identity import Access
from issue_tracker.http.pipeline import respond
from issue_tracker.http.request import Request
from issue_tracker.http.routes import Handler, Route

OTHERS = {"/api/auth/": Access.SIGNED_IN, "/api/portal/": Access.CUSTOMER}
"""By the beginning of a path: who may learn that a path or a method does not exist, if it is not the helpdesk alone."""


async def refuse(request: Request, error: AppError) -> Response:
    """Returns the response for a path, or a method, that does not exist. Anonymous callers, members and customers do
    not even learn that it does not exist (contract, sections 2, 3 and 12).
    """
    access = next((access for start, access in OTHERS.items() if request.path.startswith(start)), Access.HELPDESK)
    return await respond(RefusedRoute(method=request.method, path=request.path, access=access, error=error), request)


class RefusedRoute(Route, frozen=True, kw_only=True):
    """Replaces the route of a path or a method that does not exist: raises `error` for users who may learn of it."""

    error: AppError
    handler: Handler = Response
    tag: str = ""
    transaction: bool = False

    @property
    def idempotent(self) -> bool:
        return False

    def arguments(self, request: Request) -> dict[str, Any]:
        raise self.error
