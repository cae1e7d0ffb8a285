"""Declares pages. Their requests are processed in the same way as those of the API (`http/pipeline.py`).

A page differs in its input, a form with its CSRF token in the field `_csrf`, and in the presentation of errors. A
handler is `def handler(request: Request, form: Form, <segments of the path>) -> Response`; only POST handlers have
`form`. A page with parameters declares them in a struct, as its optional argument `query`. Other parameters are
rejected, because a filter that is ignored would show too much; but pages that declare none or a LinkQuery ignore them,
because email and other systems add parameters to links in order to track them.

A form is declared once. The page that shows the form has an optional argument of type `FormView`; the handler that
receives the form names that page in `shown_by`. If the handler rejects the form, the page is shown again with the
submitted values and the errors.
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
from issue_tracker.http.routes import Handler, Route, RouteOptions, Routes
from issue_tracker.http.validation import read_query
from issue_tracker.pages.flash import COOKIE_LIMIT, Flash, flash_cookie
from issue_tracker.pages.forms import CarriedForm, Form, FormView, ShownForm, carried_form, decoded, here
from issue_tracker.pages.navigation import LinkQuery, redirect
from issue_tracker.pages.sign_in_page import sign_in_page
from issue_tracker.pages.templating import error_page, page


class PageOptions(RouteOptions, total=False):
    """The options in the declaration of a page; see PageRoute."""

    shown_by: Handler
    shown_as: str
    form: ShownForm


class PageRoute(Route, frozen=True, kw_only=True):
    """A declared page.

    `shown_by` is the page with the form that this route accepts, passed as the argument `shown_as`; `form` says how.
    """

    documented: bool = False
    shown_by: Handler | None = None
    shown_as: str = "form"
    form: ShownForm = ShownForm()

    @property
    def idempotent(self) -> bool:
        return False

    def admit(self, identity: Identity) -> None:
        """Checks access as for the API, but leaves the fresh proof to `arguments`, because a form may contain it."""
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
                parameters = request.parameters
                if issubclass(self.query, LinkQuery):
                    own = {field.encode_name for field in msgspec.structs.fields(self.query)}
                    parameters = [(name, value) for name, value in parameters if name in own]
                arguments["query"] = read_query(parameters, self.query, request.settings.query_values)
            return arguments
        form = Form.of(request)
        # Only where a confirmation may be required, because worker threads must not hash a password.
        if form.confirms and request.identity is not None and (self.hashes or self.outgoing):
            _confirm(request, form)
        if self.proof is Proof.FRESH_SESSION:
            require_fresh_proof(request.actor)
        return {"form": form, **self.path_arguments(request)}

    def recover(self, request: Request, error: AppError) -> Response:
        """Returns the page with the form, the submitted values and the errors.

        If a confirmation is required, it is the page that asks for the password and contains the form. A form that is a
        single button is redirected to its page, which shows the error.
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
        """Prevents pages of signed-in users from being stored by a cache."""
        response.headers.setdefault("cache-control", "no-store")
        return response

    def error_response(self, request: Request, error: AppError) -> Response:
        """Returns a redirect to the sign-in, an error page, or JSON for a script of this site."""
        if wants_json(request):
            return error_response(request, error)
        if isinstance(error, PasswordChangeRequired):
            return _lead(request, "/password")
        if isinstance(error, SecondFactorEnrolmentRequired):
            return _lead(request, "/account/security")
        if not isinstance(error, Unauthenticated):
            return error_page(request, error)
        if carried := carried_form(request):
            # With scripts, the sign-in dialog opens before a form is sent (static/js/drafts.js). Without them, nothing
            # is lost either.
            view = FormView(notice="Your session has ended. Sign in to continue: your entries are still here.")
            return sign_in_page(request, view, here(request), carried=carried, status=401)
        return _lead(request, "/login")


def _lead(request: Request, path: str) -> Response:
    """Redirects the browser to a page that leads back to the current one afterwards."""
    target = f"{path}?{urlencode({'next': here(request)})}"
    return Response(headers={"HX-Redirect": target}) if request.header("hx-request") else redirect(target)


def _back(request: Request, error: AppError) -> Response:
    """Redirects to the page of the form, with the error as its message. Raises the error if that is not possible: for a
    form that names no page, without a session, and for an error that is not about the input of the form.
    """
    if request.identity is None or not isinstance(error, Invalid | NotFound) or Form.of(request).page is None:
        raise error
    cookie = flash_cookie(request, Flash(error.detail, wrong=True))
    if len(cookie) > COOKIE_LIMIT:
        raise error
    return redirect(here(request), cookie)


def _confirm(request: Request, form: Form) -> None:
    """Gives the session a fresh proof, for this request too. Raises ConfirmationRequired with the reason."""
    assert request.identity is not None
    code, passkey = form.confirmation_code, form.confirmation_passkey
    if passkey:
        given = {"challenge": form.confirmation_challenge or "", "credential": decoded(passkey)}
        wrong = "The passkey was not accepted, or it took too long."
    elif code:
        given, wrong = {"code": code}, "The code is wrong, has expired or has already been used."
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
    """Returns the page that asks for the password and contains the submitted form, which it sends to the same URL."""
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

    route_type = PageRoute

    def __init__(self, *, access: Access = Access.HELPDESK) -> None:
        super().__init__("Pages", access=access, proof=Proof.SESSION)

    def get(self, path: str, **options: Unpack[PageOptions]) -> Callable[[Handler], Handler]:
        return self._declare("GET", path, options)

    def post(self, path: str, **options: Unpack[PageOptions]) -> Callable[[Handler], Handler]:
        return self._declare("POST", path, options)

    def with_defaults(self, options: RouteOptions) -> RouteOptions:
        chosen = super().with_defaults(options)
        if chosen["proof"] is Proof.FRESH_SESSION:
            chosen["hashes"] = True  # the password that confirms comes with the form
        return chosen


def wants_json(request: Request) -> bool:
    """Returns whether a script of this site, which shows errors itself, sent the request."""
    return request.header("x-fragment") is not None or (request.header("accept") or "").startswith("application/json")
