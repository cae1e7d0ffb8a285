"""The security of the user's own account: second factors, recovery codes, sessions; set-up of a required factor."""

from markupsafe import Markup
from starlette.responses import Response

from issue_tracker.api.devices import devices_of
from issue_tracker.api.factors import FirstCode, NewAppName
from issue_tracker.api.passkeys import NewPasskey, register
from issue_tracker.auth import sessions, users
from issue_tracker.auth.factors import recovery, stored, totp
from issue_tracker.auth.factors.passkeys import site_of
from issue_tracker.auth.factors.stored import Method
from issue_tracker.auth.factors.totp import NewApp
from issue_tracker.clock import now
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.request import Request
from issue_tracker.names import whole_number
from issue_tracker.pages.browsers import browser_name
from issue_tracker.pages.flash import Flash, flash_cookie
from issue_tracker.pages.forms import Form, FormView
from issue_tracker.pages.navigation import NO_TARGET, NextQuery, local, redirect
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import page, reduced_page

routes = PageRoutes(access=Access.SIGNED_IN)

PATH = "/account/security"

KINDS = {Method.TOTP: "Authenticator app", Method.PASSKEY: "Passkey"}
"""The names of the methods for people."""


@routes.get(PATH, before_enrolment=True)
def show_security(request: Request, form: FormView | None = None, query: NextQuery = NO_TARGET) -> Response:
    """Shows the user's own factors, recovery codes and sessions; or how to set up a factor that is still required."""
    form = form or FormView({"next": query.next})
    target = local(form.values["next"], PATH)
    if request.current_session.enrolment_required:
        passkeys = site_of(request.settings) is not None
        return reduced_page(request, "auth/enrolment.html", form=form, next=target, passkeys=passkeys)
    form.values.setdefault("name", totp.DEFAULT_NAME)
    factors = stored.list_factors(request.tx, request.user_id)
    return page(
        request,
        "auth/security.html",
        place="account",
        form=form,
        next=PATH,
        kinds=KINDS,
        factors=factors,
        passkeys=site_of(request.settings) is not None,
        needed=request.settings.needs_second_factor(super_admin=request.actor.super_admin),
        codes_left=recovery.count_codes(request.tx, request.user_id),
        browser_name=browser_name,
        devices=devices_of(request, request.user_id),
        sessions=sessions.list_sessions(request.tx, request.settings, request.user_id, request.actor.session_id, now()),
    )


@routes.post(
    f"{PATH}/totp",
    proof=Proof.FRESH_SESSION,
    before_enrolment=True,
    transaction=False,
    shown_by=show_security,
)
def begin_totp(request: Request, form: Form) -> Response:
    """Shows the secret of a new authenticator app, as a QR code and as text."""
    name = form.read(form.fields("name") if form.get("name") else {}, NewAppName).name or totp.DEFAULT_NAME
    keyring = request.app_state.server_key.keyring()
    with request.write() as tx:
        app = totp.begin_totp(tx, keyring, request.actor, name)
    with request.read():
        return _app_page(request, app, FormView({"next": form.get("next")}))


def show_totp(request: Request, form: FormView) -> Response:
    """Shows the new app again, after a wrong code."""
    user = users.get_user(request.tx, request.user_id)
    factor_id = whole_number(str(form.values["id"])) or 0
    app = totp.find_new_totp(request.tx, request.app_state.server_key.keyring(), user, factor_id)
    return _app_page(request, app, form)


@routes.post(
    f"{PATH}/totp/verify",
    proof=Proof.FRESH_SESSION,
    before_enrolment=True,
    transaction=False,
    shown_by=show_totp,
)
def verify_totp(request: Request, form: Form) -> Response:
    """Verifies the first code of the new app, and shows the recovery codes once."""
    body = form.read({"id": whole_number(form.get("id")) or 0, "code": form.get("code")}, FirstCode)
    keyring = request.app_state.server_key.keyring()
    with request.write() as tx:
        codes = totp.confirm_totp(tx, keyring, request.actor, body.id, body.code)
    return factor_added(request, codes, local(form.get("next"), PATH))


def factor_added(request: Request, codes: list[str], target: str) -> Response:
    """Returns the response after a new factor: its recovery codes, if it has any, which are shown only once."""
    if not codes:
        return redirect(
            target, flash_cookie(request, Flash("The second factor is set up. Your other sessions have ended."))
        )
    with request.read():
        return page(request, "auth/recovery_codes.html", place="account", codes=codes, next=target)


@routes.post(
    f"{PATH}/passkeys", proof=Proof.FRESH_SESSION, before_enrolment=True, transaction=False, shown_by=show_security
)
def register_passkey(request: Request, form: Form) -> Response:
    """Adds a passkey to the factors, and shows the recovery codes that come with the first factor."""
    fields = {**form.fields("challenge", "name"), "credential": form.json("credential")}
    body = form.read(fields, NewPasskey)
    with request.write():
        _, codes = register(request, body)
    return factor_added(request, codes, local(form.get("next"), PATH))


@routes.post(f"{PATH}/recovery-codes", proof=Proof.FRESH_SESSION, transaction=False, shown_by=show_security)
def renew_recovery_codes(request: Request, form: Form) -> Response:
    """Replaces the recovery codes, and shows the new ones once."""
    with request.write() as tx:
        codes = stored.renew_recovery_codes(tx, request.actor)
    with request.read():
        return page(request, "auth/recovery_codes.html", place="account", codes=codes, next=PATH)


@routes.post(
    f"{PATH}/factors/{{id}}/remove",
    proof=Proof.FRESH_SESSION,
)
def remove_factor(request: Request, form: Form, id: int) -> Response:
    """Removes one of the user's own factors."""
    stored.remove_factor(request.tx, request.settings, request.actor, id)
    return redirect(PATH, flash_cookie(request, Flash("The factor has been removed. Your other sessions have ended.")))


def _app_page(request: Request, app: NewApp, form: FormView) -> Response:
    show = reduced_page if request.current_session.enrolment_required else page
    drawing = Markup(app.qr_code)  # noqa: S704 - the drawing consists of squares, and contains no user input
    secret = " ".join(app.secret[start : start + 4] for start in range(0, len(app.secret), 4))
    target = local(form.values["next"], PATH)
    return show(request, "auth/totp.html", form=form, app=app, drawing=drawing, secret=secret, next=target)
