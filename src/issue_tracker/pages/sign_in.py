"""Signing in and out, and the first start."""

from starlette.responses import Response

from issue_tracker.api.auth import (
    CLEARED,
    Credentials,
    session_cookie,
    sign_in_cookies,
    start_session,
)
from issue_tracker.api.first_start import Setup, create_first_user
from issue_tracker.api.passkeys import PasskeySignIn
from issue_tracker.api.passkeys import sign_in as sign_in_by_passkey
from issue_tracker.auth import first_start, sessions
from issue_tracker.auth.challenges import SecondFactorRequired
from issue_tracker.auth.first_start import SetupRefused
from issue_tracker.auth.single_sign_on.binding import provider_of_session
from issue_tracker.clock import now
from issue_tracker.http.identity import Access
from issue_tracker.http.request import Request
from issue_tracker.pages.forms import Form, FormView
from issue_tracker.pages.navigation import NO_TARGET, NO_TOKEN, START, NextQuery, TokenQuery, local, redirect
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.second_step import second_step_page, signed_in_page
from issue_tracker.pages.sign_in_page import sign_in_page
from issue_tracker.pages.single_sign_on import sign_out_there
from issue_tracker.pages.templating import bare_page

routes = PageRoutes(access=Access.SIGNED_IN)


@routes.get("/login", access=Access.PUBLIC)
def show_login(request: Request, form: FormView | None = None, query: NextQuery = NO_TARGET) -> Response:
    """Shows the form to sign in; before the first account exists, with the hint to open the set-up link."""
    if form is None:
        form = FormView({"next": query.next})
        if first_start.no_users(request.tx):
            form.notice = "There is no account yet. Open the link that the server printed when it started."
    return sign_in_page(request, form, local(form.values["next"], START), carried=form.values["carried"])


@routes.post("/login", access=Access.PUBLIC, transaction=False, hashes=True, shown_by=show_login)
def login(request: Request, form: Form) -> Response:
    """Accepts the first step of a sign-in, like the API; often it is the only one."""
    body = form.read(form.fields("email", "password"), Credentials)
    try:
        signed_in = start_session(request, body, remember=True)
    except SecondFactorRequired as required:
        target, carried = local(form.get("next"), START), form.get("carried")
        return second_step_page(request, required.challenge, required.methods, next=target, carried=carried)
    return signed_in_page(request, signed_in, form)


@routes.post("/login/passkey", access=Access.PUBLIC, transaction=False, shown_by=show_login)
def login_with_passkey(request: Request, form: Form) -> Response:
    """Signs in with a passkey as the only step."""
    fields = {"challenge": form.get("challenge"), "credential": form.json("credential")}
    return signed_in_page(request, sign_in_by_passkey(request, form.read(fields, PasskeySignIn), remember=True), form)


@routes.post("/logout", before_password_change=True, transaction=False)
def logout(request: Request, form: Form) -> Response:
    """Ends the session, on the server too, and continues to the provider that started it if that is configured."""
    session_id = request.current_session.id
    with request.write() as tx:
        provider = provider_of_session(tx, session_id)
        sessions.end_session(tx, request.actor, request.user_id, session_id)
    response = sign_out_there(request, provider) or redirect("/login")
    response.headers.append("set-cookie", session_cookie(request, "", now()))
    response.headers.update(CLEARED)
    return response


@routes.get("/setup", access=Access.PUBLIC)
def show_setup(request: Request, form: FormView | None = None, query: TokenQuery = NO_TOKEN) -> Response:
    """Shows the form to create the first account, for the link that the server printed."""
    form = form or FormView({"token": query.token})
    if not form.touched and not first_start.setup_allowed(request.tx, form.values["token"]):
        raise SetupRefused
    return bare_page(request, "auth/setup.html", form=form, token=form.values["token"])


@routes.post("/setup", access=Access.PUBLIC, transaction=False, hashes=True, shown_by=show_setup)
def set_up(request: Request, form: Form) -> Response:
    """Creates the first super admin and signs in."""
    body = form.read(form.fields("token", "email", "name", "password"), Setup)
    create_first_user(request, body)
    signed_in = start_session(request, Credentials(body.email, body.password), remember=True)
    return redirect("/", *sign_in_cookies(request, signed_in))
