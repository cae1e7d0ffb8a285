"""From templates to responses: what every page shows around its content, escaping, compression."""

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
from issue_tracker.errors import AppError
from issue_tracker.events.order import Watermark, limited
from issue_tracker.events.sentences import ProperName
from issue_tracker.http.cookies import cookie_name
from issue_tracker.http.request import Request
from issue_tracker.pages.assets import ASSETS, asset_path
from issue_tracker.pages.flash import Flash, flash_of, forget_flash
from issue_tracker.pages.navigation import PORTAL, START, here, home_of, local
from issue_tracker.status import LABELS, ROWS

WORTH_COMPRESSING = 1400
"""Bytes: what fits one packet anyway is sent as it is."""

PASSING = (429, 500, 503)
"""Errors that another try may get past."""

TITLES = {
    403: "Not allowed",
    404: "Not found",
    405: "Not possible this way",
    413: "Too much at once",
    429: "Too many attempts",
    500: "Something broke on our side",
    503: "Not available right now",
}

PLACES = [
    ("issues", "/?open=true", "Issues"),
    ("matrix", "/matrix?open=true", "Matrix"),
    ("companies", "/companies", "Companies"),
    ("alerts", "/alerts", "Alerts"),
    ("activity", "/activity", "Activity"),
    ("handover", "/handover", "Hand-over"),
]

CUSTOMER_PLACES = [("portal", PORTAL, "Your issues")]


class User(msgspec.Struct, frozen=True):
    """Who looks at the page."""

    user_id: int
    name: str
    email: str
    super_admin: bool
    helpdesk: bool
    all_companies: bool


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What surrounds the content. Without an actor the page has no bar, no session, and no scripts but its times.

    `live` says that the page follows the stream of events, `posted` that it answers a form: its address is not `here`.
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


def _utc(moment: str) -> str:
    """An instant for readers without script: labelled, to the minute."""
    return f"{moment[:16].replace('T', ' ')} UTC"


environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent.parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    # Looking at the files for every page would cost as much as a short page itself.
    auto_reload=False,
)
environment.filters["utc"] = _utc
environment.tests["name"] = lambda word: isinstance(word, ProperName)
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
        "tick-group",
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
        "notifications",
        "notification-switch",
        "presence",
        "waiting",
    )
}
"""Modules that a page names itself, or that few pages need."""
environment.globals["modules"] = sorted(
    name[3:] for name in ASSETS if name.startswith("js/") and name not in NOT_PRELOADED
)
environment.globals["password_minimum"] = MINIMUM
environment.globals["statuses"] = ROWS
environment.globals["labels"] = {status.value: label for status, label in LABELS.items()}


def page(
    request: Request, template: str, *, place: str | None = None, section: str | None = None, **content: Any
) -> Response:
    """A page for whoever is signed in. `place` is its entry in the bar, `section` the one within administration."""
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
    """What surrounds every page of whoever sent the request, who is signed in. Reads nothing."""
    session = request.current_session
    admin, all_companies = session.role is Role.SUPER_ADMIN, request.actor.company_access.all
    administration = ("admin", "/admin/users" if all_companies else "/admin/companies", "Admin")
    return Page(
        theme=_theme(request),
        here=here(request),
        csrf=csrf_token(request.session_token),
        home=home_of(session.role),
        actor=User(session.user_id, session.name, session.email, admin, request.actor.helpdesk, all_companies),
        places=[*PLACES, administration] if admin else _places(request.actor),
        posted=not request.safe,
        providers=bool(request.settings.identity_providers),
    )


def bare_page(request: Request, template: str, *, status: int = 200, **content: Any) -> Response:
    """A page for whoever is not signed in."""
    return _html(request, _rendered(template, Page(theme=_theme(request)), content), status)


def reduced_page(request: Request, template: str, **content: Any) -> Response:
    """A page for whoever is signed in and has to do something first: it leads nowhere else."""
    around = Page(theme=_theme(request), csrf=csrf_token(request.session_token), here=here(request))
    return _html(request, _rendered(template, around, content))


def fragment(request: Request, template: str, **content: Any) -> Response:
    """A part of a page, for a module of ours that inserts it."""
    around = Page(csrf=csrf_token(request.session_token), here=here(request))
    return _html(request, _rendered(template, around, content))


def error_page(request: Request, error: AppError) -> Response:
    """The error as a page, with its request id for those that are ours. Whoever is signed in has the navigation."""
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
    """An error page. Anybody may ask for any number of them, and most of them are alike."""
    return _rendered("web/error.html", Page(theme=theme, home=home), {"error": dict(shown)})


def variant(request: Request) -> str:
    """What distinguishes two copies of a page that says the same to everybody."""
    return f"{_theme(request)} {_may_compress(request)}"


def seen_by(request: Request) -> Watermark:
    """What the page shows of the log, as far as its reader may see it: only the helpdesk sees any of it."""
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
    """Whether compressing is safe: never for a request that another site caused, which could measure a guess at the
    page's secrets by the length of the response (BREACH). Browsers say which site; a client that does not is sent plain
    text.
    """
    own = request.header("sec-fetch-site") in ("same-origin", "none")
    return own and "gzip" in (request.header("accept-encoding") or "")
