"""Signing in and out, the first start, one's own account."""

from datetime import timedelta

from issue_tracker.actor import Role
from issue_tracker.auth import sessions, tokens, users
from issue_tracker.auth.api import (
    Credentials,
    NewToken,
    PasswordChange,
    Setup,
    change_own_password,
    first_user,
    session_cookie,
    session_of,
)
from issue_tracker.auth.browsers import browser_name
from issue_tracker.clock import now
from issue_tracker.errors import AppError, Forbidden
from issue_tracker.issues.api import NewIssue
from issue_tracker.web.answer import Answer
from issue_tracker.web.context import Access, Context
from issue_tracker.web.navigation import local, redirect
from issue_tracker.web.pages import Form, PageRoutes, carried_form, read
from issue_tracker.web.templating import Flash, FormView, bare_page, flash_cookie, page

routes = PageRoutes(access=Access.SIGNED_IN)

HOME = "/?open=true"
ROLES = {Role.TECHNICIAN.value: "Technician", Role.SUPER_ADMIN.value: "Super admin", Role.MEMBER.value: "Member"}


@routes.get("/login", access=Access.PUBLIC)
def show_login(request: Context) -> Answer:
    """The form to sign in; on a first start, what to do instead."""
    view = FormView()
    if users.no_users(request.tx):
        view.said = "There is no account yet. Open the link that the server printed when it started."
    return _login(request, view, local(dict(request.call.query).get("next", ""), HOME))


def _login_refused(request: Context, form: Form, error: AppError) -> Answer:
    view = FormView(form.values, error)
    return _login(request, view, local(form.get("next"), HOME), status=error.status, carried=form.get("carried"))


def _login(request: Context, form: FormView, target: str, status: int = 200, carried: str = "") -> Answer:
    return bare_page(request.call, "auth/login.html", status=status, form=form, next=target, carried=carried)


@routes.post("/login", access=Access.PUBLIC, transaction=False, refused=_login_refused)
def login(request: Context, form: Form) -> Answer:
    """Starts a session, as the API does. A form that came without one is shown, to be sent now."""
    body = read({"email": form.get("email"), "password": form.get("password")}, Credentials)
    signed_in = session_of(request, body)
    cookie = session_cookie(request, signed_in.token, signed_in.expires_at)
    target = local(form.get("next"), HOME)
    carried = carried_form(form.get("carried"))
    if carried is None:
        return redirect(target, cookie)
    csrf = sessions.csrf_token(signed_in.token)
    answer = bare_page(request.call, "auth/carried.html", carried=carried, csrf=csrf, next=target)
    answer.headers.append(("Set-Cookie", cookie))
    return answer


@routes.post("/logout")
def logout(request: Context, form: Form) -> Answer:
    """Ends the session, on the server too."""
    session = request.identity.session
    assert session is not None
    sessions.end_session(request.tx, request.user_id, session.id)
    return redirect("/login", session_cookie(request, "", now()))


@routes.get("/setup", access=Access.PUBLIC)
def show_setup(request: Context) -> Answer:
    """The form of the first start, behind the link that the server printed."""
    token = dict(request.call.query).get("token", "")
    if not users.setup_allowed(request.tx, token):
        raise Forbidden("This set-up link is not valid, or was used already.")
    return _setup(request, FormView(), token)


def _setup_refused(request: Context, form: Form, error: AppError) -> Answer:
    return _setup(request, FormView(form.values, error), form.get("token"), status=error.status)


def _setup(request: Context, form: FormView, token: str, status: int = 200) -> Answer:
    return bare_page(request.call, "auth/setup.html", status=status, form=form, token=token)


@routes.post("/setup", access=Access.PUBLIC, transaction=False, refused=_setup_refused)
def set_up(request: Context, form: Form) -> Answer:
    """Creates the first super admin and signs them in."""
    fields = {name: form.get(name) for name in ("token", "email", "name", "password")}
    body = read(fields, Setup)
    first_user(request, body)
    signed_in = session_of(request, Credentials(body.email, body.password))
    return redirect("/", session_cookie(request, signed_in.token, signed_in.expires_at))


@routes.get("/account")
def show_account(request: Context) -> Answer:
    """One's own name, password, sessions and tokens."""
    return _account(request)


def _account(
    request: Context,
    *,
    name_form: FormView | None = None,
    password_form: FormView | None = None,
    token_form: FormView | None = None,
    secret: str | None = None,
    status: int = 200,
) -> Answer:
    session = request.identity.session
    assert session is not None
    return page(
        request,
        "auth/account.html",
        place="account",
        status=status,
        role=ROLES[session.role.value],
        name_form=name_form or FormView({"name": session.name}),
        password_form=password_form or FormView(),
        token_form=token_form or FormView({"days": "90"}),
        browser_name=browser_name,
        sessions=sessions.list_sessions(request.tx, request.settings, request.user_id, session.id, now()),
        tokens=tokens.list_tokens(request.tx, request.user_id) if request.actor.helpdesk else None,
        secret=secret,
    )


def _name_refused(request: Context, form: Form, error: AppError) -> Answer:
    return _account(request, name_form=FormView(form.values, error), status=error.status)


@routes.post("/account/name", refused=_name_refused)
def rename(request: Context, form: Form) -> Answer:
    """Changes one's own name, as others see it."""
    users.rename_self(request.tx, request.actor, read({"name": form.get("name")}, NewIssue).name)
    return redirect("/account", flash_cookie(Flash("Saved.")))


def _password_refused(request: Context, form: Form, error: AppError) -> Answer:
    return _account(request, password_form=FormView(None, error), status=error.status)


@routes.post("/account/password", transaction=False, refused=_password_refused)
def change_password(request: Context, form: Form) -> Answer:
    """Sets a new password; one's other sessions end."""
    fields = {name: form.get(name) for name in ("current_password", "new_password")}
    body = read(fields, PasswordChange)
    change_own_password(request, body.current_password, body.new_password)
    return redirect("/account", flash_cookie(Flash("The password is changed, your other sessions have ended.")))


@routes.post("/account/sessions/{id}/end")
def end_session(request: Context, form: Form, id: int) -> Answer:
    """Ends one of one's own sessions."""
    sessions.end_session(request.tx, request.user_id, id)
    return redirect("/account", flash_cookie(Flash("The session has ended.")))


def _token_refused(request: Context, form: Form, error: AppError) -> Answer:
    return _account(request, token_form=FormView(form.values, error), status=error.status)


@routes.post("/account/tokens", access=Access.HELPDESK, transaction=False, refused=_token_refused)
def create_token(request: Context, form: Form) -> Answer:
    """Makes a token, and shows it this once."""
    scopes = ["read", "write"] if form.get("scope") == "write" else ["read"]
    body = read({"name": form.get("name"), "scopes": scopes}, NewToken)
    days = form.get("days")
    expires_at = now() + timedelta(days=int(days)) if days in ("30", "90", "365") else None
    with request.database.write() as tx:
        _, text = tokens.create_token(tx, request.actor, request.user_id, body.name, body.scopes, expires_at)
    with request.database.read() as tx:
        return _account(request.within(tx), secret=text)


@routes.post("/account/tokens/{id}/revoke", access=Access.HELPDESK)
def revoke_token(request: Context, form: Form, id: int) -> Answer:
    """Revokes one of one's own tokens, for good."""
    tokens.revoke_token(request.tx, request.actor, request.user_id, id)
    return redirect("/account", flash_cookie(Flash("The token is revoked.")))
