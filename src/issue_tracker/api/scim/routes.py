"""The routes of SCIM. They differ from those of the API in the credential, the media type and the errors."""

from collections.abc import Callable
from typing import Any, Unpack
from urllib.parse import unquote

import msgspec
from sqlalchemy import Connection
from starlette.responses import Response

from issue_tracker.auth.scim.errors import Taken
from issue_tracker.auth.scim.tokens import find_scim_token
from issue_tracker.clock import now
from issue_tracker.errors import AppError, Invalid, Unauthenticated
from issue_tracker.http import conditional
from issue_tracker.http.identity import Access, find_bearer
from issue_tracker.http.request import Identity, Request, require_content, require_identity_encoding
from issue_tracker.http.routes import Handler, Route, RouteOptions, Routes

BASE = "/scim/v2"

SCIM = "application/scim+json"

ERROR_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:Error"

NOT_SIGNED_IN = "Send a SCIM token of this tracker, with Authorization: Bearer."

HEADERS = ("content-type", "if-match", "if-none-match")
"""The request headers that the protocol reads."""


class ScimFailure(AppError):
    """An error of the protocol, with its status and, if there is one, its SCIM error type."""

    def __init__(self, status: int, detail: str, scim_type: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.scim_type = scim_type


class ScimRoute(Route, frozen=True, kw_only=True):
    """A declared route of SCIM."""

    access: Access = Access.PROVIDER
    documented: bool = False

    @property
    def idempotent(self) -> bool:
        return False

    def identify(self, tx: Connection, request: Request) -> Identity:
        """Authenticates the identity provider by its SCIM token. Raises Unauthenticated."""
        at = now()
        holder = find_bearer(request, lambda token: find_scim_token(tx, request.settings, token, at))
        return request.set_identity(Identity(holder.actor(request.request_id), at, scim=holder))

    def admit(self, identity: Identity) -> None:
        """Admits every SCIM token."""

    def arguments(self, request: Request) -> dict[str, Any]:
        require_content(request)
        require_identity_encoding(request)
        return self.path_arguments(request)

    def finished(self, request: Request, response: Response) -> Response:
        response.headers.setdefault("cache-control", conditional.NO_STORE)
        return response

    def error_response(self, request: Request, error: AppError) -> Response:
        """Returns the error in the format of SCIM (RFC 7644, section 3.12)."""
        detail = NOT_SIGNED_IN if isinstance(error, Unauthenticated) else error.detail
        content: dict[str, Any] = {"schemas": [ERROR_SCHEMA], "status": str(error.status), "detail": detail}
        if scim_type := _scim_type(error):
            content["scimType"] = scim_type
        headers = {"Cache-Control": conditional.NO_STORE, **error.headers}
        return Response(msgspec.json.encode(content), error.status, headers, SCIM)


class RefusedScimRoute(ScimRoute, frozen=True, kw_only=True):
    """The route for an unknown path or method: raises `error` for a client with a token."""

    error: AppError
    handler: Handler = Response
    tag: str = ""
    transaction: bool = False

    def arguments(self, request: Request) -> dict[str, Any]:
        raise self.error


class ScimRoutes(Routes):
    """Routes of SCIM. Their paths are relative to `/scim/v2`."""

    route_type = ScimRoute

    def patch(self, path: str, **options: Unpack[RouteOptions]) -> Callable[[Handler], Handler]:
        return self._declare("PATCH", path, options)

    def _declare(self, method: str, path: str, options: RouteOptions) -> Callable[[Handler], Handler]:
        return super()._declare(method, f"{BASE}{path}", options)


routes = ScimRoutes("SCIM", access=Access.PROVIDER)


@routes.get("/ServiceProviderConfig")
@routes.get("/ResourceTypes")
@routes.get("/Schemas")
@routes.get("/Users")
@routes.post("/Users")
@routes.post("/Users/.search")
@routes.get("/Groups")
@routes.post("/Groups")
@routes.post("/Groups/.search")
@routes.post("/.search")
def serve(request: Request) -> Response:
    """Handles a request that is not about a single resource."""
    from issue_tracker.api.scim.protocol import answer  # noqa: PLC0415 - its libraries take 32 MB, and most servers never need them

    path = unquote(request.path.removeprefix(BASE), errors="replace")
    headers = {name: value for name in HEADERS if (value := request.header(name)) is not None}
    found = answer(request, path, headers)
    content = b"" if found.body is None else msgspec.json.encode(found.body)
    headers = {name: value for name, value in found.headers.items() if name.lower() != "content-type"}
    return Response(content, found.status, headers, SCIM)


@routes.get("/ResourceTypes/{id}")
@routes.get("/Schemas/{id}")
@routes.get("/Users/{id}")
@routes.put("/Users/{id}")
@routes.patch("/Users/{id}")
@routes.delete("/Users/{id}")
@routes.get("/Groups/{id}")
@routes.put("/Groups/{id}")
@routes.patch("/Groups/{id}")
@routes.delete("/Groups/{id}")
def serve_one(request: Request, id: str) -> Response:
    """Handles a request about a single resource."""
    return serve(request)


def _scim_type(error: AppError) -> str | None:
    if isinstance(error, ScimFailure):
        return error.scim_type
    if isinstance(error, Taken):
        return "uniqueness"
    return "invalidValue" if isinstance(error, Invalid) else None
