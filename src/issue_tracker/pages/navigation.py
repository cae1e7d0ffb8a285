"""Where a reader is, and where to send them next: always a path on this site."""

from urllib.parse import parse_qsl, quote

from starlette.responses import Response

from issue_tracker.actor import Role
from issue_tracker.http.request import Request

HOME = "/?open=true"
"""The issues that are open."""

START = "/start"
"""Where a sign-in leads when nothing else is wanted: the view that the user begins with, by default HOME."""

PORTAL = "/portal"
"""Where it leads a customer, for whom the other pages are not."""

CUSTOMER_PAGES = (PORTAL, "/account", "/password")
"""How the addresses of a customer's pages begin."""

LONGEST = 1024
"""The longest address to return to, in characters: as a part of another address it must not be too long for that."""

HERE = "_here"
"""The field in which every form says which page it is on."""


def here(request: Request) -> str:
    """The page that the reader is looking at: this one, or the one that the form of this request was first shown on.

    The address that a form was sent from does not say so: after a refusal that is the form's own, which may take
    nothing but posts. The form of somebody who was never signed in is not read.
    """
    if request.safe:
        query = request.query_text
        return f"{request.path}?{query}" if query and len(query) < LONGEST else request.path
    if request.identity is None and not request.known_session:
        return "/"
    text = (request.content or b"").decode("utf-8", "replace")
    try:
        fields = parse_qsl(text, errors="replace", max_num_fields=request.most_fields)
    except ValueError:
        return "/"
    return local(dict(fields).get(HERE, ""))


def local(target: str, default: str = "/") -> str:
    """The target if it is a path on this site: a form must not send anyone elsewhere. Ready for a header."""
    sane = len(target) <= LONGEST and target.isprintable()
    sane = sane and target.startswith("/") and not target.startswith(("//", "/\\"))
    return quote(target, safe="/?&=#%+!$'()*,;:@~") if sane else default


def home_of(role: Role) -> str:
    """The page that everything begins with, for a role."""
    return PORTAL if role is Role.CUSTOMER else START


def landing(role: Role, target: str) -> str:
    """Where whoever has just signed in is sent: to `target`, which is local, unless it is no page for the role."""
    return PORTAL if role is Role.CUSTOMER and not target.startswith(CUSTOMER_PAGES) else target


def redirect(target: str, *cookies: str) -> Response:
    """303: the browser goes to `target` with GET, so that a reload repeats nothing."""
    response = Response(status_code=303, headers={"Location": target})
    for cookie in cookies:
        response.headers.append("set-cookie", cookie)
    return response
