"""Links to pages, and the pages to redirect to: always paths on this site."""

from urllib.parse import quote

import msgspec
from starlette.responses import Response

from issue_tracker.actor import Role

HOME = "/?open=true"
"""The list of open issues."""

START = "/start"
"""The default page after a sign-in: the start view of the user, by default HOME."""

PORTAL = "/portal"
"""The default page for customers, who cannot use the other pages."""

CUSTOMER_PAGES = (PORTAL, "/account", "/password")
"""Prefixes of the paths of pages for customers."""

LONGEST = 1024
"""Maximum length of a URL to return to, in characters, because it becomes part of another URL."""


class LinkQuery(msgspec.Struct, frozen=True):
    """The parameters of a page to which links lead from outside this site. Other parameters are ignored."""


class NextQuery(LinkQuery, frozen=True):
    """`next` is the page to show afterwards; `local` checks it."""

    next: str = ""


class TokenQuery(LinkQuery, frozen=True):
    """`token` is the secret of a link that works once."""

    token: str = ""


NO_TARGET, NO_TOKEN = NextQuery(), TokenQuery()


def local(target: str, default: str = "/") -> str:
    """Returns the target if it is a path on this site, to prevent open redirects. It is quoted for use in a header."""
    sane = len(target) <= LONGEST and target.isprintable()
    sane = sane and target.startswith("/") and not target.startswith(("//", "/\\"))
    return quote(target, safe="/?&=#%+!$'()*,;:@~") if sane else default


def home_of(role: Role) -> str:
    """Returns the start page of a role."""
    return PORTAL if role is Role.CUSTOMER else START


def landing(role: Role, target: str) -> str:
    """Returns the page to show after a sign-in: `target`, a local path, unless the role cannot use that page."""
    return PORTAL if role is Role.CUSTOMER and not target.startswith(CUSTOMER_PAGES) else target


def redirect(target: str, *cookies: str) -> Response:
    """Returns a 303 redirect: the browser loads `target` with GET, so that a reload does not submit a form again."""
    response = Response(status_code=303, headers={"Location": target})
    for cookie in cookies:
        response.headers.append("set-cookie", cookie)
    return response
