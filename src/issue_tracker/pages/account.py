"""The user's own account: name, password, tokens. `security` has second factors and the list of sessions."""

import msgspec
from starlette.responses import Response

from issue_tracker.api.auth import PasswordChange, checked_new_password
from issue_tracker.api.tokens import token_of
from issue_tracker.auth import own_account, sessions, tokens
from issue_tracker.auth.browsers import forget_browser
from issue_tracker.auth.single_sign_on.confirmation import ways_to_confirm
from issue_tracker.auth.single_sign_on.identities import list_identities
from issue_tracker.auth.tokens import Token
from issue_tracker.auth.user_names import DisplayName
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.request import Request
from issue_tracker.pages.confirmations import confirmation
from issue_tracker.pages.flash import Flash, flash_cookie
from issue_tracker.pages.forms import Form, FormView, ShownForm
from issue_tracker.pages.navigation import redirect
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import page
from issue_tracker.pages.token_forms import REFUSED_TOKEN, REVOKED, lifetimes, moments, read_token, token_view
from issue_tracker.pages.users import ROLES

routes = PageRoutes(access=Access.SIGNED_IN)


class OwnName(msgspec.Struct):
    """The form of the user's own display name."""

    name: DisplayName


@routes.get("/account")
def show_account(
    request: Request,
    name_form: FormView | None = None,
    password_form: FormView | None = None,
    token_form: FormView | None = None,
) -> Response:
    """Shows the user's own name, password and tokens."""
    session = request.current_session
    return page(
        request,
        "auth/account.html",
        place="account",
        role=ROLES[session.role.value],
        name_form=(name_form or FormView()).with_defaults({"name": session.name}),
        password_form=password_form or FormView(),
        token_form=token_view(token_form, request.settings),
        lifetimes=lifetimes(request.settings),
        moments=moments(),
        idle_days=f"{request.settings.token_idle_days:g}" if request.settings.token_idle_days else None,
        tokens=_own_tokens(request) if request.actor.helpdesk else None,
        identities=list_identities(request.tx, request.user_id),
        providers=request.settings.providers,
        passwords=ways_to_confirm(request.tx, request.settings, request.user_id).password,
    )


def _own_tokens(request: Request) -> list[Token]:
    return tokens.list_tokens(request.tx, request.settings, request.actor, request.user_id)


@routes.post("/account/name", shown_by=show_account, shown_as="name_form")
def rename(request: Request, form: Form) -> Response:
    """Changes the user's own name, as others see it."""
    own_account.rename_self(request.tx, request.actor, form.read(form.fields("name"), OwnName).name)
    return redirect("/account", flash_cookie(request, Flash("Saved.")))


@routes.post(
    "/account/password",
    transaction=False,
    hashes=True,
    shown_by=show_account,
    shown_as="password_form",
    form=ShownForm(keep=False),
)
def change_password(request: Request, form: Form) -> Response:
    """Sets a new password; the user's other sessions end, and their tokens are revoked if the box is checked."""
    fields = form.fields("current_password", "new_password")
    body = form.read(fields | {"revoke_tokens": bool(form.get("revoke_tokens"))}, PasswordChange)
    fresh = checked_new_password(request, body)
    with request.write() as tx:
        own_account.change_own_password(tx, request.actor, fresh, with_tokens=body.revoke_tokens)
    ended = "sessions have ended, and your tokens have been revoked" if body.revoke_tokens else "sessions have ended"
    return redirect("/account", flash_cookie(request, Flash(f"The password has been changed, your other {ended}.")))


@routes.post("/account/sessions/{id}/end")
def end_session(request: Request, form: Form, id: int) -> Response:
    """Ends one of the user's own sessions."""
    sessions.end_session(request.tx, request.actor, request.user_id, id)
    return redirect("/account/security", flash_cookie(request, Flash("The session has ended.")))


@routes.post("/account/devices/{id}/forget")
def forget_device(request: Request, form: Form, id: str) -> Response:
    """Forgets a browser in which the user has signed in."""
    forget_browser(request.tx, request.actor, request.user_id, id)
    return redirect("/account/security", flash_cookie(request, Flash("The browser has been forgotten.")))


@routes.post(
    "/account/tokens",
    access=Access.HELPDESK,
    proof=Proof.FRESH_SESSION,
    shown_by=show_account,
    shown_as="token_form",
    form=REFUSED_TOKEN,
)
def create_token(request: Request, form: Form) -> Response:
    """Creates a token, and shows it once."""
    _, text = token_of(request, request.user_id, read_token(form))
    shown = Flash("Copy the new token now. It is shown only once:", secret=text)
    return redirect("/account#tokens", flash_cookie(request, shown))


@routes.post("/account/tokens/{id}/revoke", access=Access.HELPDESK)
def revoke_token(request: Request, form: Form, id: int) -> Response:
    """Revokes one of the user's own tokens permanently, after a confirmation."""
    if unsure := confirmation(request, form, "Revoke this token?", REVOKED, "Revoke the token"):
        return unsure
    tokens.revoke_token(request.tx, request.actor, request.user_id, id)
    return redirect("/account", flash_cookie(request, Flash("The token has been revoked.")))
