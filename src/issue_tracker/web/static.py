"""The routes of styles, scripts and drawings (web/assets.py)."""

from issue_tracker.errors import NotFound
from issue_tracker.web.answer import Answer
from issue_tracker.web.assets import ASSETS, VERSION, compressed
from issue_tracker.web.context import Access, Context
from issue_tracker.web.pages import PageRoutes

routes = PageRoutes(access=Access.PUBLIC)


@routes.get("/static/{version}/{name}", transaction=False)
def top(request: Context, version: str, name: str) -> Answer:
    """A file at the top of the tree."""
    return _serve(request, version, name)


@routes.get("/static/{version}/{folder}/{name}", transaction=False)
def inside(request: Context, version: str, folder: str, name: str) -> Answer:
    """A file in a folder of the tree."""
    return _serve(request, version, f"{folder}/{name}")


def _serve(request: Context, version: str, name: str) -> Answer:
    asset = ASSETS.get(name)
    if asset is None:
        raise NotFound("There is nothing at this path.")
    kept = "public, max-age=31536000, immutable" if version == VERSION else "no-cache"
    headers = {"Cache-Control": kept, "Vary": "Accept-Encoding"}
    body = asset.content
    small = compressed(name) if "gzip" in (request.header("accept-encoding") or "") else None
    if small is not None:
        headers["Content-Encoding"], body = "gzip", small
    return Answer(body, media_type=asset.media_type, headers=headers)
