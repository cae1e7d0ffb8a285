"""Signing in with an identity provider: the redirect to the provider, the callback, and the back-channel sign-out.

The content security policy allows forms to be sent only to this site, and browsers apply it to redirects of forms too.
Therefore the response to a form is a page that continues to the provider automatically, with a link for browsers that
do not.
"""

import structlog
from starlette.responses import Response

from issue_tracker.actor import Role, anonymous_actor, require_fresh_proof
from issue_tracker.api.auth import sign_in_cookies, visitor_of
from issue_tracker.auth.sessions import Session, csrf_token, find_session
from issue_tracker.auth.signin import SecondStep
from issue_tracker.auth.single_sign_on import exchange, flows, sign_in
from issue_tracker.auth.single_sign_on.client import ProviderClient
from issue_tracker.auth.single_sign_on.errors import ProviderFailed, SignInRefused
from issue_tracker.auth.single_sign_on.flows import Flow, Purpose
from issue_tracker.auth.single_sign_on.sign_in import ProviderSignIn
from issue_tracker.auth.single_sign_on.sign_out import sign_out
from issue_tracker.clock import now
from issue_tracker.errors import AppError
from issue_tracker.events.catalog import Change, EventType
from issue_tracker.events.record import record
from issue_tracker.http.cookies import cookie_name, set_cookie
from issue_tracker.http.identity import Access, note_known_session
from issue_tracker.http.request import Request
from issue_tracker.pages.flash import Flash, flash_cookie
from issue_tracker.pages.forms import Form, FormView, read_carried_form
from issue_tracker.pages.navigation import START, landing, local, redirect
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.second_step import second_step_page
from issue_tracker.pages.sign_in_page import sign_in_page
from issue_tracker.pages.templating import bare_page

log = structlog.get_logger("issue_tracker.sign_in")

routes = PageRoutes(access=Access.SIGNED_IN)

RETURN_PARAMETERS = ("state", "code", "iss", "error")

_COOKIE = "issue_tracker_sign_in"
"""The cookie that binds a sign-in to its browser; each sign-in has its own, so that several can be in progress."""


@routes.post("/login/with/{provider}", access=Access.PUBLIC, transaction=False, outgoing=True)
def start(request: Request, form: Form, provider: str) -> Response:
    """Sends a browser to a provider to sign in. A form that was submitted without a session is carried along."""
    client = request.app_state.providers.client(provider)
    carried = form.get("carried")
    if carried:
        with request.read() as tx:
            note_known_session(tx, request)
        carried = carried if request.known_session and read_carried_form(carried) else ""
    flow = Flow(provider, Purpose.SIGN_IN, now(), local(form.get("next"), START), carried)
    try:
        return _sent(request, client, flow)
    except ProviderFailed as failed:
        return _refused(request, failed, flow.target)


@routes.post("/confirm/{provider}", before_enrolment=True, transaction=False, outgoing=True)
def confirm(request: Request, form: Form, provider: str) -> Response:
    """Sends a browser to a provider to confirm the user of the session. The form that requires it is carried along."""
    client = request.app_state.providers.client(provider)
    carried = read_carried_form(form.get("carried"))
    text = form.get("carried") if carried else ""
    flow = Flow(provider, Purpose.CONFIRM, now(), local(form.get("next")), text, request.current_session.id)
    return _sent(request, client, flow)


@routes.post("/account/identities/{provider}", transaction=False, outgoing=True)
def link(request: Request, form: Form, provider: str) -> Response:
    """Sends a browser to a provider to link the account there with the one here."""
    client = request.app_state.providers.client(provider)
    require_fresh_proof(request.actor)
    return _sent(request, client, Flow(provider, Purpose.LINK, now(), "/account", "", request.current_session.id))


@routes.get("/login/with/{provider}/callback", access=Access.PUBLIC, transaction=False, outgoing=True)
def come_back(request: Request, provider: str) -> Response:
    """Handles the callback from a provider. It is accepted once, and only from the browser that was sent there."""
    client = request.app_state.providers.client(provider)
    flow = None
    try:
        returned = _returned(request)
        cookie = _cookie_of(returned.state)
        with request.database.write() as tx:
            browser = request.cookie(cookie_name(request.settings, cookie))
            flow = flows.take_flow(tx, provider, returned.state, browser, now())
        signed = exchange.redeem(client, request.app_state.server_key.keyring(), returned, now())
        finish = {Purpose.SIGN_IN: _sign_in, Purpose.CONFIRM: _confirm, Purpose.LINK: _link}[flow.purpose]
        response = finish(request, flow, signed)
    except (SignInRefused, ProviderFailed) as refused:
        _log(request, client, refused.reason)
        _record_failure(request, client, refused, begun=flow is not None)
        return _refused(request, refused, flow.target if flow else START)
    response.headers.append("set-cookie", set_cookie(request.settings, cookie, "", seconds=0))
    return response


@routes.post("/login/with/{provider}/sign-out", access=Access.PUBLIC, transaction=False, outgoing=True)
def provider_sign_out(request: Request, form: Form, provider: str) -> Response:
    """Handles the notification that a user has signed out at a provider (OpenID Connect Back-Channel Logout 1.0)."""
    client = request.app_state.providers.client(provider)
    try:
        sign_out(request.database, client, form.get("logout_token"), request.request_id, now())
    except AppError as refused:
        _log(request, client, getattr(refused, "reason", refused.detail))
        raise
    return Response(headers={"Cache-Control": "no-store"})


def sign_out_there(request: Request, provider_id: str | None) -> Response | None:
    """Returns the page that sends a browser to a provider to sign out there too (OpenID Connect RP-Initiated Logout
    1.0). Returns None if that is not configured or not supported, and while the provider is unavailable.
    """
    client = request.app_state.providers.clients.get(provider_id or "")
    if client is None or not client.provider.sign_out_there:
        return None
    try:
        address = client.sign_out_address(f"{request.settings.public_url.rstrip('/')}/login")
    except ProviderFailed as failed:
        _log(request, client, failed.reason)
        return None
    name = client.provider.name
    return bare_page(request, "auth/to_provider.html", address=address, name=name, leaving=True) if address else None


def _sent(request: Request, client: ProviderClient, flow: Flow) -> Response:
    """Returns the page that leads to the provider, with the cookie for the callback. Raises ProviderFailed."""
    try:
        client.metadata()  # fails before anything is stored
    except ProviderFailed as failed:
        _log(request, client, failed.reason)
        raise
    with request.database.write() as tx:
        started = flows.start_flow(tx, flow, request.address)
    again = flow.purpose is Purpose.CONFIRM
    address = exchange.authorization_address(client, request.app_state.server_key.keyring(), started.state, again=again)
    response = bare_page(request, "auth/to_provider.html", address=address, name=client.provider.name, leaving=False)
    seconds = int(flows.LIFETIME.total_seconds())
    cookie = set_cookie(request.settings, _cookie_of(started.state), started.browser, seconds=seconds)
    response.headers.append("set-cookie", cookie)
    return response


def _returned(request: Request) -> exchange.Return:
    """Returns the parameters of a callback, each at most once (RFC 6749, section 3.1)."""
    given = [(name, value) for name, value in request.parameters if name in RETURN_PARAMETERS]
    if len(dict(given)) != len(given) or any(len(value) > exchange.LONGEST for _, value in given):
        raise SignInRefused(flows.STALE, "a parameter is repeated or too long")
    return exchange.Return(**dict(given))


def _cookie_of(state: str) -> str:
    return f"{_COOKIE}_{''.join(character for character in state[:8] if character.isalnum())}"


def _sign_in(request: Request, flow: Flow, signed: ProviderSignIn) -> Response:
    keyring = request.app_state.server_key.keyring()
    with request.database.write() as tx:
        signed_in = sign_in.sign_in(tx, request.settings, keyring, signed, visitor_of(request, remember=True))
    if isinstance(signed_in, SecondStep):
        target = local(flow.target, START)
        return second_step_page(request, signed_in.challenge, signed_in.methods, next=target, carried=flow.carried)
    request.log_user(signed_in.user.user_id)
    cookies = sign_in_cookies(request, signed_in)
    return _continued(request, flow, signed_in.user.role, csrf_token(signed_in.token), cookies)


def _confirm(request: Request, flow: Flow, signed: ProviderSignIn) -> Response:
    session, token = _session(request)
    with request.database.write() as tx:
        sign_in.confirm(tx, session, flow, signed)
    return _continued(request, flow, session.role, csrf_token(token), [])


def _link(request: Request, flow: Flow, signed: ProviderSignIn) -> Response:
    session, token = _session(request)
    with request.database.write() as tx:
        sign_in.link(tx, session.actor(request.request_id), flow, signed)
    return redirect(flow.target, flash_cookie(request, Flash(f"Linked with {signed.provider.name}."), token))


def _session(request: Request) -> tuple[Session, str]:
    """Returns the session of this browser and its token, because the callback itself is a public route."""
    token = request.session_cookie or ""
    with request.database.read() as tx:
        session = find_session(tx, request.settings, token, now())
    if session is None:
        raise SignInRefused("Your session has ended. Sign in again.", "the session has ended")
    request.log_user(session.user_id)
    return session, token


def _continued(request: Request, flow: Flow, role: Role, csrf: str, cookies: list[str]) -> Response:
    """Redirects to the requested page, or shows the form that has not been sent yet."""
    target, confirmed = landing(role, local(flow.target, START)), flow.purpose is Purpose.CONFIRM
    carried = read_carried_form(flow.carried)
    if carried is None:
        return redirect(target, *cookies)
    response = bare_page(request, "auth/carried.html", carried=carried, csrf=csrf, next=target, confirmed=confirmed)
    for cookie in cookies:
        response.headers.append("set-cookie", cookie)
    return response


def _refused(request: Request, error: AppError, target: str) -> Response:
    """Returns the sign-in page with the error and, for a failure of a server, with the request id."""
    view = FormView()
    view.problem = error.detail if error.status < 500 else f"{error.detail} (Request id: {request.request_id})"
    response = sign_in_page(request, view, local(target, START), status=error.status)
    response.headers.update(error.headers)
    return response


def _log(request: Request, client: ProviderClient, reason: str) -> None:
    log.warning("sign-in failed", provider=client.provider.id, reason=reason, request_id=request.request_id)


def _record_failure(
    request: Request, client: ProviderClient, refused: SignInRefused | ProviderFailed, *, begun: bool
) -> None:
    """Records a failed sign-in. Callbacks without a started sign-in are counted together: anyone can send them."""
    note = f"with {client.provider.name}: {refused.reason}"
    if not begun:
        actor = anonymous_actor(request_id=request.request_id)
        request.app_state.deferred_events.note(EventType.SESSION_FAILED, actor, note, request.address)
        return
    note = f"from {request.address} {note}"
    with request.database.write() as tx:
        failed = Change(type=EventType.SESSION_FAILED, note=note[:2000])
        record(tx, anonymous_actor(request_id=request.request_id), [failed], now())
