"""How pages are declared. What happens to a request is the same as for the API (`http/pipeline.py`).

A page differs in its input, a form with its CSRF token in the field `_csrf`, and in how it shows an error. A handler is
`def handler(request: Request, form: Form, <segments of the path>) -> Response`; `form` only where something is posted.
A page that takes parameters names them in a struct, its optional argument `query`; any others are refused.

A form is declared once. The page that shows it takes it as an optional argument, a `FormView`; the handler that it is
posted to names that page in `shown_by`. When the handler refuses the form, the page is shown again with what was typed
and what is wrong with it.
"""

from collections.abc import Callable
from typing import Any, Unpack
from urllib.parse import urlencode

import msgspec
from starlette.responses import Response

from issue_tracker.actor import require_fresh_proof
from issue_tracker.api.auth import Confirmation, confirm_user
from issue_tracker.auth.factors.passkeys import site_of
from issue_tracker.auth.factors.stored import Method, methods_of
from issue_tracker.auth.single_sign_on.confirmation import ways_to_confirm
from issue_tracker.errors import (
    AppError,
    ConfirmationRequired,
    Invalid,
    NotFound,
    PasswordChangeRequired,
    SecondFactorEnrolmentRequired,
    TooLarge,
    TooManyAttempts,
    Unauthenticated,
)
from issue_tracker.http.errors import error_response
from issue_tracker.http.identity import Access, Proof, authorize
from issue_tracker.http.request import Identity, Request
from issue_tracker.http.routes import Handler, Route, RouteOptions, Routes, hints_of
from issue_tracker.http.validation import read_query
from issue_tracker.pages.flash import COOKIE_LIMIT, Flash, flash_cookie
from issue_tracker.pages.forms import CarriedForm, Form, FormView, ShownForm, carried_form, decoded
from issue_tracker.pages.navigation import here, redirect
from issue_tracker.pages.sign_in_page import sign_in_page
from issue_tracker.pages.templating import error_page, page


class PageOptions(RouteOptions, total=False):
    """What the declaration of a page may say; see PageRoute."""

    shown_by: Handler
    shown_as: str
    form: ShownForm


class PageRoute(Route, frozen=True, kw_only=True):
    """A declared page.

    `shown_by` is the page that shows the form which this route takes, as its argument `shown_as`; `form` says how.
    """

    documented: bool = False
    shown_by: Handler | None = None
    shown_as: str = "form"
    form: ShownForm = ShownForm()

    @property
    def idempotent(self) -> bool:
        return False

    def admit(self, identity: Identity) -> None:
        """As for the API, except that a form may carry the fresh proof itself: `arguments` sees to it."""
        if identity.session is None:
            raise Unauthenticated("Pages need a session; use the API with a token.")
        self.require_complete(identity)
        authorize(identity, self.access)

    def csrf_field(self, request: Request) -> str | None:
        return None if self.safe else Form.of(request).csrf

    def arguments(self, request: Request) -> dict[str, Any]:
        if request.content is None:
            raise TooLarge(f"The form is over {request.body_limit:,} bytes.")
        if self.safe:
            arguments = self.path_arguments(request)
            if self.query is not None:
                arguments["query"] = read_query(request.parameters, self.query, request.settings.query_values)
            return arguments
        form = Form.of(request)
        if form.confirms and request.identity is not None:
            _confirm(request, form)
        if self.proof is Proof.FRESH_SESSION:
            require_fresh_proof(request.actor)
        return {"form": form, **self.path_arguments(request)}

    def recover(self, request: Request, error: AppError) -> Response:
        """The page that shows the form, with what was typed and what is wrong with it.

        Where the user has to be confirmed, the page that asks for the password, and carries the form on. A form that
        is a single button leads back to its page, which says what was wrong.
        """
        if request.content is None or wants_json(request):
            raise error
        if isinstance(error, ConfirmationRequired):
            return _confirmation_page(request, error)
        if self.shown_by is None:
            return _back(request, error)
        view = self.form.refused(Form.of(request), error)
        with request.read():
            response = self.shown_by(request, **{self.shown_as: view}, **self.path_arguments(request))
        response.status_code = error.status
        response.headers.update(error.headers)
        return response

    def finished(self, request: Request, response: Response) -> Response:
        """Nobody stores a page of somebody who is signed in."""
        response.headers.setdefault("cache-control", "no-store")
        return response

    def error_response(self, request: Request, error: AppError) -> Response:
        """The way to sign in, an error page, or JSON for a module of ours."""
        if wants_json(request):
            return error_response(request, error)
        if isinstance(error, PasswordChangeRequired):
            return _lead(request, "/password")
        if isinstance(error, SecondFactorEnrolmentRequired):
            return _lead(request, "/account/security")
        if not isinstance(error, Unauthenticated):
            return error_page(request, error)
        if carried := carried_form(request):
            # Script shows the sign-in dialog before it sends a form (static/js/drafts.js). Without script, nothing is
            # lost either.
            view = FormView(notice="Your session has ended. Sign in to continue: your entries are still here.")
            return sign_in_page(request, view, here(request), carried=carried, status=401)
        return _lead(request, "/login")


def _lead(request: Request, path: str) -> Response:
    """Sends the browser to a page that leads back to the present one."""
    target = f"{path}?{urlencode({'next': here(request)})}"
    return Response(headers={"HX-Redirect": target}) if request.header("hx-request") else redirect(target)


def _back(request: Request, error: AppError) -> Response:
    """Leads back to the page that the form was on, with the error as its message. Raises the error where that cannot
    be: for a form that names no page, and for an error that is not about what the form is for.
    """
    if not isinstance(error, Invalid | NotFound) or not Form.of(request).on_page:
        raise error
    cookie = flash_cookie(request, Flash(error.detail, wrong=True))
    if len(cookie) > COOKIE_LIMIT:
        raise error
    return redirect(here(request), cookie)


def _confirm(request: Request, form: Form) -> None:
    """Gives the session fresh proof, for this request too. Raises ConfirmationRequired, which says what is wrong."""
    assert request.identity is not None
    code, passkey = form.confirmation_code, form.confirmation_passkey
    if passkey:
        given = {"challenge": form.confirmation_challenge or "", "credential": decoded(passkey)}
        wrong = "The passkey was not accepted, or it took too long."
    elif code:
        given, wrong = {"code": code}, "The code is wrong, or was used already."
    else:
        given, wrong = {"password": form.confirmation}, "The password is wrong."
    try:
        confirm_user(request, form.read(given, Confirmation))
    except (Invalid, TooManyAttempts) as refused:
        detail = wrong if isinstance(refused, Invalid) else refused.detail
        raise ConfirmationRequired(detail) from refused
    actor = msgspec.structs.replace(request.actor, fresh_proof=True)
    request.identity = msgspec.structs.replace(request.identity, actor=actor)


def _confirmation_page(request: Request, error: AppError) -> Response:
    """Asks for the password, and carries the posted form on: it is sent to where it was sent before."""
    form = Form.of(request)
    view = FormView()
    view.problem = error.detail if form.confirms else None
    carried = CarriedForm(request.path, [(name, value) for name, value in form.pairs if "password" not in name])
    with request.read() as tx:
        methods = methods_of(tx, request.user_id)
        response = page(
            request,
            "auth/confirm.html",
            form=view,
            fields=form.pairs,
            by_code=Method.TOTP in methods,
            by_passkey=Method.PASSKEY in methods and site_of(request.settings) is not None,
            action=request.path,
            ways=ways_to_confirm(tx, request.settings, request.user_id),
            carried=msgspec.json.encode(carried).decode(),
        )
    response.status_code = error.status
    return response


class PageRoutes(Routes):
    """The pages of one feature."""

    def __init__(self, *, access: Access = Access.HELPDESK) -> None:
        super().__init__("Pages", access=access, proof=Proof.SESSION)

    def get(self, path: str, **options: Unpack[PageOptions]) -> Callable[[Handler], Handler]:
        return self._declare_page("GET", path, options)

    def post(self, path: str, **options: Unpack[PageOptions]) -> Callable[[Handler], Handler]:
        return self._declare_page("POST", path, options)

    def _declare_page(self, method: str, path: str, options: PageOptions) -> Callable[[Handler], Handler]:
        def declare(handler: Handler) -> Handler:
            hints, segments = hints_of(handler, ("form",))
            chosen: PageOptions = {"access": self.access, "proof": self.proof, **options}
            if chosen["proof"] is Proof.FRESH_SESSION:
                chosen["hashes"] = True  # the password that confirms comes with the form
            self.declared.append(
                PageRoute(
                    method=method,
                    path=path,
                    handler=handler,
                    tag=self.tag,
                    segments=segments,
                    query=hints.get("query"),
                    **chosen,
                )
            )
            return handler

        return declare


def wants_json(request: Request) -> bool:
    """Whether the request comes from a module of ours, which shows errors itself, and not from a navigation."""
    return request.header("x-fragment") is not None or (request.header("accept") or "").startswith("application/json")
