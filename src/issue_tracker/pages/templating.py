"""Renders templates to responses: the frame of every page, escaping, compression."""

import gzip
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

from issue_tracker.actor import Actor, Role
from issue_tracker.auth.passwords import MINIMUM
from issue_tracker.auth.sessions import csrf_token
from issue_tracker.clock import to_the_minute
from issue_tracker.errors import AppError
from issue_tracker.events.order import Watermark, limited
from issue_tracker.events.sentences import Moment, ProperName
from issue_tracker.http.cookies import cookie_name
from issue_tracker.http.request import Request
from issue_tracker.pages.assets import ASSETS, asset_path
from issue_tracker.pages.flash import Flash, flash_of, forget_flash
from issue_tracker.pages.forms import here
from issue_tracker.pages.markdown import plain
from issue_tracker.pages.navigation import PORTAL, START, home_of, local
from issue_tracker.status import LABELS, ROWS

WORTH_COMPRESSING = 1400
"""Minimum length in bytes for compression: smaller responses fit into one packet."""

PASSING = (429, 500, 503)
"""Statuses of errors after which a retry may succeed."""

TITLES = {
    403: "Not allowed",
    404: "Not found",
    405: "Not allowed here",
    413: "Too large",
    429: "Too many attempts",
    500: "Something went wrong on the server",
    503: "Not available right now",
}

PLACES = [
    ("issues", "/?open=true", "Issues"),
    ("matrix", "/matrix?open=true", "Matrix"),
    ("companies", "/companies", "Companies"),
    ("alerts", "/alerts", "Alerts"),
    ("activity", "/activity", "Activity"),
    ("handover", "/handover", "Handover"),
]

CUSTOMER_PLACES = [("portal", PORTAL, "Your issues")]


class User(msgspec.Struct, frozen=True):
    """The user who requested the page. An `administrator` is a super admin who sees all companies: only these
    administer what concerns all companies, such as users, groups and new companies.
    """

    user_id: int
    name: str
    email: str
    super_admin: bool
    helpdesk: bool
    administrator: bool


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """The frame around the content. Without an actor, the page has no bar, no session, and no scripts except for times.

    `live`: the page follows the event stream. `posted`: the page is the response to a form, so its URL is not `here`.
    """

    theme: str | None = None
    here: str = "/"
    home: str = START
    csrf: str | None = None
    actor: User | None = None
    seen: Watermark = Watermark(0)
    flash: Flash | None = None
    place: str | None = None
    section: str | None = None
    places: list[tuple[str, str, str]] = []
    providers: bool = False
    live: bool = False
    posted: bool = False


environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent.parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    # Checking the template files for each page would take as long as rendering a short page.
    auto_reload=False,
)
# For browsers without script; others show the local time.
environment.filters["utc"] = to_the_minute
environment.filters["plain"] = plain
environment.tests["name"] = lambda word: isinstance(word, ProperName)
environment.tests["moment"] = lambda word: isinstance(word, Moment)
environment.globals["asset"] = asset_path
NOT_PRELOADED = {
    f"js/{name}.js"
    for name in (
        "main",
        "reference",
        "copy",
        "passkeys",
        "company-names",
        "similar",
        "pointer",
        "select-group",
        "find",
        "matrix",
        "matrix-selection",
        "matrix-pointer",
        "matrix-counts",
        "matrix-tip",
        "matrix-width",
        "conflict",
        "sign-in",
        "handover",
        "days",
        "notifications",
        "notification-switch",
        "presence",
        "attention-counts",
    )
}
"""Modules that a page loads itself, or that few pages need."""
environment.globals["modules"] = sorted(
    name[3:] for name in ASSETS if name.startswith("js/") and name not in NOT_PRELOADED
)
environment.globals["password_minimum"] = MINIMUM
environment.globals["statuses"] = ROWS
environment.globals["labels"] = {status.value: label for status, label in LABELS.items()}


def page(
    request: Request, template: str, *, place: str | None = None, section: str | None = None, **content: Any
) -> Response:
    """Returns a page for a signed-in user. `place` is its entry in the bar, `section` the one within administration."""
    around = msgspec.structs.replace(
        _around(request), seen=seen_by(request), flash=flash_of(request), place=place, section=section, live=True
    )
    response = _html(request, _rendered(template, around, content))
    if around.flash:
        response.headers.append("set-cookie", forget_flash(request))
    return response


def _places(actor: Actor) -> list[tuple[str, str, str]]:
    return PLACES if actor.helpdesk else CUSTOMER_PLACES if actor.customer else []


def _around(request: Request) -> Page:
    """Returns the frame of every page of the signed-in user. Reads nothing from the database."""
    session = request.current_session
    admin = session.role is Role.SUPER_ADMIN
    administrator = admin and request.actor.company_access.all
    administration = ("admin", "/admin/users" if administrator else "/admin/companies", "Admin")
    return Page(
        theme=_theme(request),
        here=here(request),
        csrf=csrf_token(request.session_token),
        home=home_of(session.role),
        actor=User(session.user_id, session.name, session.email, admin, request.actor.helpdesk, administrator),
        places=[*PLACES, administration] if admin else _places(request.actor),
        posted=not request.safe,
        providers=bool(request.settings.identity_providers),
    )


def bare_page(request: Request, template: str, *, status: int = 200, **content: Any) -> Response:
    """Returns a page for a client that is not signed in."""
    return _html(request, _rendered(template, Page(theme=_theme(request)), content), status)


def reduced_page(request: Request, template: str, **content: Any) -> Response:
    """Returns a page for a signed-in user who has to complete a step first: it contains no other links."""
    around = Page(theme=_theme(request), csrf=csrf_token(request.session_token), here=here(request))
    return _html(request, _rendered(template, around, content))


def fragment(request: Request, template: str, **content: Any) -> Response:
    """Returns a part of a page, which a script of this site inserts."""
    around = Page(csrf=csrf_token(request.session_token), here=here(request))
    return _html(request, _rendered(template, around, content))


def error_page(request: Request, error: AppError) -> Response:
    """Returns the error as a page, with the request id for server errors. Signed-in users see the navigation."""
    shown = {
        "status": error.status,
        "title": TITLES.get(error.status, "That did not work"),
        "detail": error.detail,
        "request_id": request.request_id if error.status >= 500 else None,
        "retry": local(request.path) if request.safe and error.status in PASSING else None,
    }
    session = None if request.identity is None else request.identity.session
    inside = session is not None and not session.password_change_required
    home = home_of(request.identity.actor.role) if request.identity else START
    if inside:
        around = msgspec.structs.replace(_around(request), posted=False)
        text = _rendered("web/error.html", around, {"error": shown})
    else:
        text = _error_text(_theme(request), home, tuple(shown.items()))
    response = _html(request, text, error.status)
    response.headers.update({name: value for name, value in error.headers.items() if name != "Content-Type"})
    response.headers["cache-control"] = "no-store"
    return response


@lru_cache(maxsize=100)
def _error_text(theme: str | None, home: str, shown: tuple[tuple[str, Any], ...]) -> str:
    """Renders an error page. It is cached, because anyone can request many, and most of them are alike."""
    return _rendered("web/error.html", Page(theme=theme, home=home), {"error": dict(shown)})


def variant(request: Request) -> str:
    """Returns what distinguishes two copies of a page with the same content."""
    return f"{_theme(request)} {_may_compress(request)}"


def seen_by(request: Request) -> Watermark:
    """Returns the last event visible to the user of the page; 0 outside the helpdesk."""
    if not request.actor.helpdesk:
        return Watermark(0)
    watermark = request.app_state.watermarks.watermark(request.tx)
    access = request.actor.company_access
    return watermark if access.all else limited(request.tx, access, watermark)[1]


def _theme(request: Request) -> str | None:
    theme = request.cookie(cookie_name(request.settings, "theme"))
    return theme if theme in ("light", "dark") else None


def _rendered(template: str, around: Page, content: dict[str, Any]) -> str:
    return environment.get_template(template).render(page=around, **content)


def _html(request: Request, text: str, status: int = 200) -> Response:
    body = text.encode()
    headers = {"Vary": "Accept-Encoding, Sec-Fetch-Site"}
    if len(body) > WORTH_COMPRESSING and _may_compress(request):
        body = gzip.compress(body, 4, mtime=0)
        headers["Content-Encoding"] = "gzip"
    return Response(body, status, headers, "text/html")


def _may_compress(request: Request) -> bool:
    """Returns whether compression is safe: not for a request that another site caused, which could test a guess of the
    page's secrets by the length of the response (BREACH). Browsers send the site; other clients receive plain text.
    """
    own = request.header("sec-fetch-site") in ("same-origin", "none")
    return own and "gzip" in (request.header("accept-encoding") or "")
