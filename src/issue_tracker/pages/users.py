"""The pages of accounts, for super admins."""

import msgspec
from starlette.responses import Response

from issue_tracker.actor import Role
from issue_tracker.api.users import NewUser, UserChange, invitation_link
from issue_tracker.auth import invitations, sessions, tokens, users
from issue_tracker.clock import now
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.request import Request
from issue_tracker.pages.browsers import browser_name
from issue_tracker.pages.flash import Flash, flash_cookie
from issue_tracker.pages.forms import Form, FormView
from issue_tracker.pages.navigation import redirect
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import page

routes = PageRoutes(access=Access.SUPER_ADMIN)

ROLES = {Role.TECHNICIAN.value: "Technician", Role.SUPER_ADMIN.value: "Super admin", Role.MEMBER.value: "Member"}


class Link(msgspec.Struct, frozen=True):
    """The link of an invitation, which is shown this once, and whom to send it to."""

    name: str
    url: str | None


@routes.get("/admin/users")
def show_users(request: Request, form: FormView | None = None, link: Link | None = None) -> Response:
    """Every account, with the form to add one; `link` is that of a new invitation."""
    return page(
        request,
        "auth/users.html",
        place="admin",
        section="users",
        users=users.list_users(request.tx, request.actor),
        invited=invitations.open_invitations(request.tx, now()),
        roles=ROLES,
        form=(form or FormView()).with_defaults({"role": "technician"}),
        link=link,
    )


@routes.post("/admin/users", proof=Proof.FRESH_SESSION, transaction=False, hashes=True, shown_by=show_users)
def create(request: Request, form: Form) -> Response:
    """Adds an account, and shows the link for its user this once."""
    body = form.read(form.fields("email", "name", "role"), NewUser)
    with request.write() as tx:
        user = users.create_user(tx, request.actor, body.email, body.name, body.role, None)
        link = Link(user.name, invitation_link(request, user.user_id).invitation_url)
    with request.read():
        return show_users(request, link=link)


@routes.get("/admin/users/{user_id}")
def show_user(request: Request, user_id: int, form: FormView | None = None) -> Response:
    """The form to change an account, and its sessions and tokens."""
    user = users.get_user(request.tx, user_id)
    return page(
        request,
        "auth/user.html",
        place="admin",
        section="users",
        user=user,
        browser_name=browser_name,
        sessions=sessions.list_sessions(request.tx, request.settings, user_id, request.actor.session_id, now()),
        tokens=tokens.list_tokens(request.tx, user_id),
        invited_until=invitations.open_invitations(request.tx, now()).get(user_id),
        roles=ROLES,
        form=(form or FormView()).with_defaults({"name": user.name, "role": user.role.value, "active": user.active}),
    )


@routes.post("/admin/users/{user_id}", hashes=True, shown_by=show_user)
def change(request: Request, form: Form, user_id: int) -> Response:
    """Changes name, role, or whether the account may sign in."""
    body = form.read({**form.fields("name", "role"), "active": bool(form.get("active"))}, UserChange)
    users.update_user(request.tx, request.actor, user_id, name=body.name, role=body.role, active=body.active)
    return redirect("/admin/users", flash_cookie(request, Flash("Saved.")))


@routes.post("/admin/users/{user_id}/invitation", proof=Proof.FRESH_SESSION, transaction=False, shown_by=show_user)
def invite(request: Request, form: Form, user_id: int) -> Response:
    """Shows a link with which the user chooses a new password, this once."""
    with request.write() as tx:
        link = Link(users.get_user(tx, user_id).name, invitation_link(request, user_id).invitation_url)
    with request.read():
        return show_users(request, link=link)


@routes.post("/admin/users/{user_id}/sessions/{id}/end")
def end_session(request: Request, form: Form, user_id: int, id: int) -> Response:
    """Ends a session of the user."""
    sessions.end_session(request.tx, request.actor, user_id, id)
    return redirect(f"/admin/users/{user_id}", flash_cookie(request, Flash("The session has ended.")))


@routes.post("/admin/users/{user_id}/tokens/{id}/revoke")
def revoke_token(request: Request, form: Form, user_id: int, id: int) -> Response:
    """Revokes a token of the user, for good."""
    tokens.revoke_token(request.tx, request.actor, user_id, id)
    return redirect(f"/admin/users/{user_id}", flash_cookie(request, Flash("The token is revoked.")))
