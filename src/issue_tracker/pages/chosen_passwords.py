"""Where users choose a password that only they know: after an invitation, and instead of an initial password."""

from typing import Annotated

import msgspec
from msgspec import Meta
from sqlalchemy import Connection
from starlette.responses import Response

from issue_tracker.api.auth import PasswordChange, checked_new_password, sign_in_cookies, visitor_of
from issue_tracker.auth import invitations, own_account
from issue_tracker.auth.invitations import InvitationRefused
from issue_tracker.auth.passwords import Password, hash_new_password
from issue_tracker.auth.sessions import csrf_token
from issue_tracker.auth.signin import SecondStep, after_first_step
from issue_tracker.auth.single_sign_on.break_glass import may_use_password
from issue_tracker.auth.users import User
from issue_tracker.clock import now
from issue_tracker.http.identity import Access
from issue_tracker.http.request import Request
from issue_tracker.pages.flash import Flash, flash_cookie
from issue_tracker.pages.forms import Form, FormView
from issue_tracker.pages.navigation import (
    NO_TARGET,
    NO_TOKEN,
    START,
    NextQuery,
    TokenQuery,
    home_of,
    landing,
    local,
    redirect,
)
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.second_step import second_step_page
from issue_tracker.pages.templating import bare_page

routes = PageRoutes(access=Access.SIGNED_IN)


class Acceptance(msgspec.Struct):
    """The form of an invitation: the token of its link, and the chosen password."""

    token: Annotated[str, Meta(max_length=200)]
    password: Password


@routes.get("/invitation", access=Access.PUBLIC)
def show_invitation(request: Request, form: FormView | None = None, query: TokenQuery = NO_TOKEN) -> Response:
    """Shows the form for the link of an invitation. The page is the same for all invalid links."""
    form = form or FormView({"token": query.token})
    token = form.values["token"]
    user = _invited(request, request.tx, token)
    return bare_page(request, "auth/invitation.html", form=form, token=token, user=user)


@routes.post("/invitation", access=Access.PUBLIC, transaction=False, hashes=True, shown_by=show_invitation)
def accept(request: Request, form: Form) -> Response:
    """Sets the password and signs in. Nothing is hashed for an invalid link."""
    body = form.read(form.fields("token", "password"), Acceptance)
    with request.read() as tx:
        user = _invited(request, tx, body.token)
    fresh = hash_new_password(body.password, email=user.email, name=user.name)
    with request.write() as tx:
        at = now()
        user = invitations.accept(tx, body.token, fresh, request.request_id, at)
        outcome = after_first_step(tx, request.settings, user, visitor_of(request, remember=True), at)
    if isinstance(outcome, SecondStep):
        return second_step_page(request, outcome.challenge, outcome.methods)
    return redirect(home_of(user.role), *sign_in_cookies(request, outcome))


def _invited(request: Request, tx: Connection, token: str) -> User:
    """Returns the user whom a link invites. Raises InvitationRefused, also if passwords were disabled since."""
    user = invitations.find_invited(tx, token, now())
    if not may_use_password(request.settings, user.email):
        raise InvitationRefused
    return user


@routes.get("/password", before_password_change=True)
def show_password(request: Request, form: FormView | None = None, query: NextQuery = NO_TARGET) -> Response:
    """Shows the form to replace a password that a super admin set. Others use the page of their account."""
    if form is None and not request.current_session.password_change_required:
        return redirect("/account")
    form = form or FormView({"next": query.next})
    csrf, target = csrf_token(request.session_token), local(form.values["next"], START)
    return bare_page(
        request, "auth/password.html", form=form, csrf=csrf, next=target, email=request.current_session.email
    )


@routes.post(
    "/password",
    before_password_change=True,
    transaction=False,
    hashes=True,
    shown_by=show_password,
)
def choose_password(request: Request, form: Form) -> Response:
    """Sets a new password, and redirects to the page that the user requested before."""
    fresh = checked_new_password(request, form.read(form.fields("current_password", "new_password"), PasswordChange))
    with request.write() as tx:
        own_account.change_own_password(tx, request.actor, fresh)
    target = landing(request.actor.role, local(form.get("next"), START))
    return redirect(target, flash_cookie(request, Flash("The password has been changed.")))
