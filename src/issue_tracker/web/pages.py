"""How pages are declared, and what happens to a page's request.

As `web.routing` does for the API: session, CSRF, role, one transaction, handler. What differs: a form instead of
JSON, the CSRF token in its field `_csrf`, errors as pages, and a way to sign in for those who have to. A handler is
`def handler(request: Context, form: Form, <segments of the path>) -> Answer`; `form` only where something is posted.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, get_type_hints
from urllib.parse import parse_qsl, urlencode

import msgspec

from issue_tracker.errors import AppError, NotFound, TooLarge, Unauthenticated, UnsupportedMediaType
from issue_tracker.names import whole_number
from issue_tracker.web.answer import Answer
from issue_tracker.web.call import BODY_LIMIT, Call
from issue_tracker.web.context import (
    Access,
    Context,
    Identity,
    Runtime,
    authenticate,
    authorize,
    good_until,
    same_origin,
    touch,
)
from issue_tracker.web.errors import error_answer
from issue_tracker.web.navigation import HERE, here, local, redirect
from issue_tracker.web.routing import Endpoint, Handler, Routes
from issue_tracker.web.templating import FormView, bare_page, error_page
from issue_tracker.web.validation import read_body

T = TypeVar("T")


class Form:
    """What a form post carried, without its CSRF token and the page that it was on."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self.csrf = next((value for name, value in pairs if name == "_csrf"), None)
        self.pairs = [(name, value.replace("\r\n", "\n")) for name, value in pairs if name not in ("_csrf", HERE)]

    def get(self, name: str, default: str = "") -> str:
        """The first value of a field."""
        return next((value for field, value in self.pairs if field == name), default)

    def all(self, name: str) -> list[str]:
        """Every value of a field that may be repeated."""
        return [value for field, value in self.pairs if field == name]

    def lines(self, name: str) -> list[str]:
        """The lines of a text field that are not blank."""
        return [line.strip() for line in self.get(name).split("\n") if line.strip()]

    @property
    def values(self) -> dict[str, str]:
        """The fields by name, to show them again."""
        return dict(reversed(self.pairs))


def read(fields: Mapping[str, Any], type_: type[T]) -> T:
    """A form's fields as the body that the API takes: one validation for both. Raises Invalid naming every field."""
    return read_body(msgspec.json.encode(fields), type_)


Refusal = Callable[..., Answer]


class PageEndpoint(Endpoint, frozen=True, kw_only=True):
    """A declared page. `refused` shows a form again with what was wrong: called as the handler, plus the error."""

    refused: Refusal | None = None

    def answer(self, runtime: Runtime, call: Call) -> Answer:
        """Answers one request, in a worker thread. Nothing of a signed-in page is kept by anyone."""
        answer = _perform(self, runtime, call)
        if not any(name == "Cache-Control" for name, _ in answer.headers):
            answer.headers.append(("Cache-Control", "no-store"))
        return answer

    def refuse(self, call: Call, error: AppError) -> Answer:
        """The way to sign in, an error as a page, or as JSON for a module of ours."""
        if wants_json(call):
            return error_answer(error, call)
        if isinstance(error, Unauthenticated) and (carried := carry(call)):
            # Script would have asked before it sent the form (static/js/drafts.js); without it, nothing is lost either.
            said = FormView(said="Your session has ended. Sign in to go on: what you filled in is kept.")
            return bare_page(call, "auth/login.html", status=401, form=said, next=here(call), carried=carried)
        if isinstance(error, Unauthenticated):
            login = f"/login?{urlencode({'next': here(call)})}"
            return Answer(headers={"HX-Redirect": login}) if "hx-request" in call.headers else redirect(login)
        return error_page(call, error)


class PageRoutes(Routes):
    """The pages of one feature."""

    def __init__(self, *, access: Access = Access.HELPDESK) -> None:
        super().__init__("Pages", access=access)

    def _route(
        self,
        method: str,
        path: str,
        *,
        access: Access | None = None,
        transaction: bool = True,
        refused: Refusal | None = None,
        kept: bool = False,
        **_: Any,
    ) -> Callable[[Handler], Handler]:
        def declare(handler: Handler) -> Handler:
            hints = get_type_hints(handler)
            known = ("request", "form", "return")
            self.endpoints.append(
                PageEndpoint(
                    method=method,
                    path=path,
                    handler=handler,
                    access=access or self.access,
                    transaction=transaction,
                    answers={},
                    errors=(),
                    tag=self.tag,
                    body=None,
                    query=None,
                    segments=tuple((name, kind) for name, kind in hints.items() if name not in known),
                    documented=False,
                    refused=refused,
                    kept=kept,
                )
            )
            return handler

        return declare


def _perform(endpoint: PageEndpoint, runtime: Runtime, call: Call) -> Answer:
    form = None if endpoint.safe else _form(call)
    if endpoint.access is Access.PUBLIC:
        if not endpoint.safe:
            same_origin(runtime, call)
        return _act(endpoint, runtime, call, None, form)
    with runtime.database.read() as tx:
        identity = authenticate(tx, runtime, call, form.csrf if form else None)
        if identity.session is None:
            raise Unauthenticated("Pages need a session; use the API with a token.")
        authorize(identity, endpoint.access)
        answer = None
        if endpoint.safe and endpoint.transaction:
            answer = endpoint.handler(Context(runtime, call, identity, tx), **_segments(endpoint, call))
            answer.kept_until = good_until(runtime.settings, identity)
    touch(runtime, identity)
    return answer or _act(endpoint, runtime, call, identity, form)


def _act(endpoint: PageEndpoint, runtime: Runtime, call: Call, identity: Identity | None, form: Form | None) -> Answer:
    arguments = _segments(endpoint, call) | ({} if form is None else {"form": form})
    if call.body is None:
        raise TooLarge(f"The form is over {BODY_LIMIT:,} bytes.")
    try:
        if not endpoint.transaction:
            return endpoint.handler(Context(runtime, call, identity, None), **arguments)
        with runtime.database.read() if endpoint.safe else runtime.database.write() as tx:
            return endpoint.handler(Context(runtime, call, identity, tx), **arguments)
    except AppError as error:
        if endpoint.refused is None or wants_json(call):
            raise
        with runtime.database.read() as tx:
            answer = endpoint.refused(Context(runtime, call, identity, tx), **arguments, error=error)
        answer.headers += list(error.headers.items())
        return answer


class Carried(msgspec.Struct, frozen=True):
    """A form that came without a session: where it was to go, and what it held."""

    path: str
    fields: list[tuple[str, str]]


def carry(call: Call) -> str:
    """The form of this request as text, for the page that signs in; empty where there is none to keep.

    Only of this site's own pages, so that nobody finds another site's text in front of them; and no passwords.
    """
    if call.safe or not call.body or call.headers.get("sec-fetch-site") != "same-origin":
        return ""
    fields = [(name, value) for name, value in _form(call).pairs if "password" not in name]
    return msgspec.json.encode(Carried(call.path, fields)).decode()


def carried_form(text: str) -> Carried | None:
    """What `carry` made, as a page sent it back; None for anything else."""
    try:
        found = msgspec.json.decode(text, type=Carried)
    except msgspec.DecodeError:
        return None
    return found if local(found.path, "") == found.path else None


def _form(call: Call) -> Form:
    kind = call.headers.get("content-type", "").partition(";")[0].strip().lower()
    if call.body and kind != "application/x-www-form-urlencoded":
        raise UnsupportedMediaType("The body must be a form.")
    text = (call.body or b"").decode("utf-8", "replace")
    return Form(parse_qsl(text, keep_blank_values=True, errors="replace"))


def _segments(endpoint: Endpoint, call: Call) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    for name, kind in endpoint.segments:
        value = call.segment(name)
        number = whole_number(value) if kind is int else None
        if kind is int and not number:
            raise NotFound("There is nothing at this path.")
        arguments[name] = number if kind is int else value
    return arguments


def wants_json(call: Call) -> bool:
    """Whether a module of ours asks, which shows errors itself, and not a browser going somewhere."""
    return "x-fragment" in call.headers or call.headers.get("accept", "").startswith("application/json")
