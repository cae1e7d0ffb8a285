"""Where a reader is, and where to send them next: always a path on this site."""

from urllib.parse import parse_qsl, quote

from starlette.responses import Response

from issue_tracker.http.request import Request

HOME = "/?open=true"
"""Where a sign-in leads when nothing else is wanted: the issues that are open."""

HERE = "_here"
"""The field in which every form says which page it is on."""


def here(request: Request) -> str:
    """The page that the reader is looking at: this one, or the one that the form of this request was first shown on.

    The address that a form was sent from does not say so: after a refusal that is the form's own, which may take
    nothing but posts.
    """
    if request.safe:
        return f"{request.path}?{request.query_text}" if request.query_text else request.path
    fields = parse_qsl((request.content or b"").decode("utf-8", "replace"), errors="replace")
    return local(dict(fields).get(HERE, ""))


def local(target: str, default: str = "/") -> str:
    """The target if it is a path on this site: a form must not send anyone elsewhere. Ready for a header."""
    sane = target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable()
    return quote(target, safe="/?&=#%+!$'()*,;:@~") if sane else default


def redirect(target: str, *cookies: str) -> Response:
    """303: the browser goes to `target` with GET, so that a reload repeats nothing."""
    response = Response(status_code=303, headers={"Location": target})
    for cookie in cookies:
        response.headers.append("set-cookie", cookie)
    return response
