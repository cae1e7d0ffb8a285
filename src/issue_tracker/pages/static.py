"""The routes of style sheets, scripts and drawings (`pages/assets.py`)."""

from starlette.responses import Response

from issue_tracker.errors import NotFound
from issue_tracker.http.identity import Access
from issue_tracker.http.request import Request
from issue_tracker.pages.assets import ASSETS, VERSION, compressed
from issue_tracker.pages.routes import PageRoutes

routes = PageRoutes(access=Access.PUBLIC)


@routes.get("/static/{version}/{name}", transaction=False)
def top(request: Request, version: str, name: str) -> Response:
    """Serves a file at the top of the tree."""
    return _serve(request, version, name)


@routes.get("/static/{version}/{folder}/{name}", transaction=False)
def inside(request: Request, version: str, folder: str, name: str) -> Response:
    """Serves a file in a folder of the tree."""
    return _serve(request, version, f"{folder}/{name}")


def _serve(request: Request, version: str, name: str) -> Response:
    asset = ASSETS.get(name)
    if asset is None:
        raise NotFound("There is nothing at this path.")
    cache_control = "public, max-age=31536000, immutable" if version == VERSION else "no-cache"
    headers = {"Cache-Control": cache_control, "Vary": "Accept-Encoding"}
    body = asset.content
    small = compressed(name) if "gzip" in (request.header("accept-encoding") or "") else None
    if small is not None:
        headers["Content-Encoding"], body = "gzip", small
    return Response(body, headers=headers, media_type=asset.media_type)
