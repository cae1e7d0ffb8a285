"""Templates to answers: what every page shows around its content, escaping, compression."""

import base64
import gzip
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from issue_tracker.actor import Role
from issue_tracker.auth.passwords import MINIMUM
from issue_tracker.auth.sessions import csrf_token
from issue_tracker.errors import AppError, FieldError
from issue_tracker.events.history import Name
from issue_tracker.events.order import Seen
from issue_tracker.status import LABELS
from issue_tracker.web.answer import Answer
from issue_tracker.web.assets import ASSETS, asset_path
from issue_tracker.web.call import Call
from issue_tracker.web.context import Context
from issue_tracker.web.navigation import here, local

HTML = "text/html; charset=utf-8"
WORTH_COMPRESSING = 1400
"""What fits one packet anyway is sent as it is."""


class User(msgspec.Struct, frozen=True):
    """Who looks at the page."""

    user_id: int
    name: str
    email: str
    super_admin: bool


class Flash(msgspec.Struct, frozen=True):
    """What the step before this page did, or why it did nothing. `undo` is the request id that takes it back, `note`
    what was typed and was not used.
    """

    text: str
    undo: str | None = None
    note: str = ""
    wrong: bool = False


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """What surrounds the content. Without an actor the page has no bar, no session and no scripts but its times."""

    theme: str | None = None
    here: str = "/"
    csrf: str | None = None
    actor: User | None = None
    seen: Seen = Seen(0)
    flash: Flash | None = None
    place: str | None = None
    section: str | None = None
    places: list[tuple[str, str, str]] = []


class FormView:
    """A form as it is shown: what was typed, and what is wrong with it, beside the field where there is one."""

    def __init__(
        self,
        values: dict[str, Any] | None = None,
        error: AppError | None = None,
        *,
        home: str | None = None,
        names: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        """`home` is the field that an error without fields belongs to; `names` maps the API's fields to the form's."""
        self.values = _Blank(values or {})
        self.touched = error is not None
        self.problem: str | None = None
        self.said: str | None = None
        self.conflict: Any = None
        self.errors: _Nothing = _Nothing()
        for name, value in more.items():
            setattr(self, name, value)
        if error is None:
            return
        fields = error.fields or ([FieldError(home, error.detail)] if home else [])
        for field in fields:
            base = field.field.partition("[")[0].partition(".")[0]
            name = (names or {}).get(base, base)
            self.errors.setdefault(name, _sentence(field.message))
        if not fields:
            self.problem = error.detail


class _Blank(dict[str, Any]):
    def __missing__(self, _key: str) -> str:
        return ""


class _Nothing(dict[str, str]):
    def __missing__(self, _key: str) -> None:
        return None


def _sentence(message: str) -> str:
    return message[:1].upper() + message[1:].rstrip(".") + "."


def _utc(moment: str) -> str:
    """An instant for readers without script: labelled, to the minute."""
    return f"{moment[:16].replace('T', ' ')} UTC"


environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent.parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
environment.filters["utc"] = _utc
environment.tests["name"] = lambda word: isinstance(word, Name)
environment.globals["asset"] = asset_path
ENTRIES = ("js/main.js", "js/reference.js")
environment.globals["modules"] = sorted(name[3:] for name in ASSETS if name.startswith("js/") and name not in ENTRIES)
environment.globals["password_minimum"] = MINIMUM
environment.globals["labels"] = {status.value: label for status, label in LABELS.items()}

PLACES = [
    ("issues", "/?open=true", "Issues"),
    ("matrix", "/matrix", "Matrix"),
    ("companies", "/companies", "Companies"),
    ("activity", "/activity", "Activity"),
]
ADMIN = ("admin", "/admin/users", "Admin")


def page(
    request: Context,
    template: str,
    *,
    place: str | None = None,
    section: str | None = None,
    status: int = 200,
    **content: Any,
) -> Answer:
    """A page for whoever is signed in; `place` is its entry in the bar."""
    session, token = request.identity.session, request.identity.session_token
    assert session is not None and token is not None
    admin = session.role is Role.SUPER_ADMIN
    around = Page(
        theme=_theme(request.call),
        here=here(request.call),
        csrf=csrf_token(token),
        actor=User(session.user_id, session.name, session.email, admin),
        seen=request.runtime.watermark.of(request.tx),
        flash=_flash(request.call),
        place=place,
        section=section,
        places=[*PLACES, ADMIN] if admin else PLACES if request.actor.helpdesk else [],
    )
    answer = _html(request.call, template, around, status, content)
    if around.flash:
        answer.headers.append(("Set-Cookie", "flash=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"))
    return answer


def bare_page(call: Call, template: str, *, status: int = 200, **content: Any) -> Answer:
    """A page for whoever is not signed in."""
    return _html(call, template, Page(theme=_theme(call)), status, content)


def fragment(request: Context, template: str, **content: Any) -> Answer:
    """A part of a page, for a module of ours that puts it in its place."""
    token = request.identity.session_token
    assert token is not None
    return _html(request.call, template, Page(csrf=csrf_token(token), here=here(request.call)), 200, content)


def error_page(call: Call, error: AppError) -> Answer:
    """The error as a page, with its request id for those that are ours."""
    shown = {
        "status": error.status,
        "title": TITLES.get(error.status, "That did not work"),
        "detail": error.detail,
        "request_id": call.request_id if error.status >= 500 else None,
        "retry": local(call.path) if call.safe and error.status in PASSING else None,
    }
    answer = bare_page(call, "web/error.html", status=error.status, error=shown)
    answer.headers += [(name, value) for name, value in error.headers.items() if name != "Content-Type"]
    answer.headers.append(("Cache-Control", "no-store"))
    return answer


PASSING = (429, 500, 503)
"""What another try may get over."""


def browsing(call: Call) -> bool:
    """Whether a person's browser asks, which wants a page also when something is wrong."""
    return "text/html" in call.headers.get("accept", "")


TITLES = {
    403: "Not allowed",
    404: "Not found",
    405: "Not like this",
    413: "Too much at once",
    429: "Too many attempts",
    500: "Something broke on our side",
    503: "Not available right now",
}


COOKIE_LIMIT = 4096
"""Bytes of a cookie with its attributes that browsers are bound to keep (RFC 6265, 6.1)."""


def flash_cookie(flash: Flash) -> str:
    """The Set-Cookie value that carries a flash over a redirect."""
    text = base64.urlsafe_b64encode(msgspec.json.encode(flash)).decode()
    return f"flash={text}; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"


def _flash(call: Call) -> Flash | None:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(call.cookie("flash") or ""), type=Flash)
    except (ValueError, msgspec.DecodeError):
        return None


def _theme(call: Call) -> str | None:
    theme = call.cookie("theme")
    return theme if theme in ("light", "dark") else None


def _html(call: Call, template: str, around: Page, status: int, content: dict[str, Any]) -> Answer:
    body = environment.get_template(template).render(page=around, **content).encode()
    answer = Answer(body, status=status, media_type=HTML, headers={"Vary": "Accept-Encoding, Sec-Fetch-Site"})
    if len(body) > WORTH_COMPRESSING and _may_compress(call):
        answer.body = gzip.compress(body, 4, mtime=0)
        answer.headers.append(("Content-Encoding", "gzip"))
    return answer


def _may_compress(call: Call) -> bool:
    """Whether compressing is safe: never for a request that another site caused, which could measure a guess at the
    page's secrets by the length of the answer (BREACH). Browsers say so; who does not say gets plain text.
    """
    own = call.headers.get("sec-fetch-site") in ("same-origin", "none")
    return own and "gzip" in call.headers.get("accept-encoding", "")
