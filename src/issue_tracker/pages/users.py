"""The pages of accounts, for super admins."""

from starlette.responses import Response

from issue_tracker.actor import Role
from issue_tracker.api.devices import devices_of
from issue_tracker.api.tokens import token_of
from issue_tracker.api.user_credentials import FactorReset
from issue_tracker.api.users import NewUser, UserChange, change_account, create_account, invitation_link, with_access
from issue_tracker.auth import invitations, sessions, tokens, users
from issue_tracker.auth.browsers import forget_browser
from issue_tracker.auth.factors import stored
from issue_tracker.auth.group_mappings.queries import list_mappings
from issue_tracker.auth.single_sign_on.break_glass import may_use_password
from issue_tracker.auth.single_sign_on.identities import list_identities, unlink_identity
from issue_tracker.clock import now
from issue_tracker.company_access.queries import GrantedAccess
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.request import Request
from issue_tracker.pages.browsers import browser_name
from issue_tracker.pages.company_access import ACCESSES, access_fields, access_of, access_sources
from issue_tracker.pages.confirmations import confirmation
from issue_tracker.pages.flash import Flash, flash_cookie
from issue_tracker.pages.forms import Form, FormView, ShownForm
from issue_tracker.pages.navigation import redirect
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.security import KINDS
from issue_tracker.pages.templating import page
from issue_tracker.pages.token_forms import REFUSED_TOKEN, REVOKED, lifetimes, moments, read_token, token_view

routes = PageRoutes(access=Access.ADMINISTRATOR)

ROLES = {
    Role.TECHNICIAN.value: "Technician",
    Role.SUPER_ADMIN.value: "Super admin",
    Role.CUSTOMER.value: "Customer",
    Role.MEMBER.value: "Member",
}


@routes.get("/admin/users")
def show_users(request: Request, form: FormView | None = None) -> Response:
    """Shows every account, and the form to add one."""
    return page(
        request,
        "auth/users.html",
        place="admin",
        section="users",
        users=with_access(request, users.list_users(request.tx, request.actor)),
        invited=invitations.open_invitations(request.tx, now()),
        roles=ROLES,
        accesses={"": "All companies; none for a customer"} | ACCESSES,
        form=(form or FormView()).with_defaults({"role": "technician"}),
    )


@routes.post(
    "/admin/users",
    proof=Proof.FRESH_SESSION,
    hashes=True,
    shown_by=show_users,
    form=ShownForm({"company_access": "companies"}, unknown="companies"),
)
def create(request: Request, form: Form) -> Response:
    """Adds an account, and shows the link for its user once."""
    fields = {
        **form.fields("email", "name", "role"),
        "service_account": bool(form.get("service_account")),
        "company_access": access_of(request, form),
    }
    body = form.read(fields, NewUser)
    user = create_account(request, body, None)
    if user.service_account:
        flash = Flash("The service account has been added. Create a token for it.")
        return redirect(f"/admin/users/{user.user_id}", flash_cookie(request, flash))
    if user.invitation_url is None:
        return redirect("/admin/users", flash_cookie(request, Flash(f"Added {user.name}.")))
    return _with_link(request, user.name, user.invitation_url)


@routes.get("/admin/users/{user_id}")
def show_user(
    request: Request,
    user_id: int,
    form: FormView | None = None,
    reset_form: FormView | None = None,
    token_form: FormView | None = None,
) -> Response:
    """Shows the form to change an account, and its sessions, tokens and second factors."""
    [user] = with_access(request, [users.get_user(request.tx, user_id)])
    granted = user.company_access if isinstance(user.company_access, GrantedAccess) else None
    present = {
        "name": user.name,
        "role": user.role.value,
        "active": user.active,
        **access_fields(granted),
    }
    form = (form or FormView()).with_defaults(present)
    return page(
        request,
        "auth/user.html",
        place="admin",
        section="users",
        user=user,
        browser_name=browser_name,
        sessions=sessions.list_sessions(request.tx, request.settings, user_id, request.actor.session_id, now()),
        devices=devices_of(request, user_id),
        tokens=tokens.list_tokens(request.tx, request.settings, request.actor, user_id),
        identities=list_identities(request.tx, user_id),
        providers=request.settings.providers,
        decided_by=_decided_by(request, user.access_source),
        mapped=bool(list_mappings(request.tx, request.actor)),
        passwords=may_use_password(request.settings, user.email),
        invited_until=invitations.open_invitations(request.tx, now()).get(user_id),
        factors=stored.list_factors(request.tx, user_id),
        kinds=KINDS,
        reset_form=reset_form or FormView(),
        roles=ROLES,
        accesses=ACCESSES,
        form=form,
        token_form=token_view(token_form, request.settings),
        lifetimes=lifetimes(request.settings),
        moments=moments(),
    )


@routes.post(
    "/admin/users/{user_id}",
    hashes=True,
    shown_by=show_user,
    form=ShownForm({"company_access": "companies"}, unknown="companies"),
)
def change(request: Request, form: Form, user_id: int) -> Response:
    """Changes name, role, company access, or whether the account may sign in."""
    fields = {
        **form.fields("name", "role"),
        "active": bool(form.get("active")),
        "company_access": access_of(request, form),
    }
    body = form.read(fields, UserChange)
    user = users.get_user(request.tx, user_id)
    if user.active and not body.active and not users.is_last_super_admin(request.tx, user):
        consequence = "All sessions end. All tokens are revoked permanently, even if you activate the user again."
        if unsure := confirmation(request, form, f"Disable {user.name}?", consequence, "Disable the user"):
            return unsure
    change_account(request, user_id, body)
    return redirect("/admin/users", flash_cookie(request, Flash("Saved.")))


@routes.post("/admin/users/{user_id}/invitation", proof=Proof.FRESH_SESSION, shown_by=show_user)
def invite(request: Request, form: Form, user_id: int) -> Response:
    """Shows a link with which the user chooses a new password, once."""
    user = users.get_user(request.tx, user_id)
    return _with_link(request, user.name, invitation_link(request, user_id).invitation_url)


@routes.post(
    "/admin/users/{user_id}/factors/reset",
    proof=Proof.FRESH_SESSION,
    shown_by=show_user,
    shown_as="reset_form",
)
def reset_factors(request: Request, form: Form, user_id: int) -> Response:
    """Removes all second factors of the user, for the given reason."""
    stored.reset_factors(request.tx, request.actor, user_id, form.read(form.fields("reason"), FactorReset).reason)
    flash = Flash("The second factors have been removed, and the sessions have ended.")
    return redirect(f"/admin/users/{user_id}", flash_cookie(request, flash))


@routes.post("/admin/users/{user_id}/sessions/{id}/end")
def end_session(request: Request, form: Form, user_id: int, id: int) -> Response:
    """Ends a session of the user."""
    sessions.end_session(request.tx, request.actor, user_id, id)
    return redirect(f"/admin/users/{user_id}", flash_cookie(request, Flash("The session has ended.")))


@routes.post("/admin/users/{user_id}/identities/{id}/unlink", proof=Proof.FRESH_SESSION)
def unlink(request: Request, form: Form, user_id: int, id: int) -> Response:
    """Unlinks an account of the user at an identity provider."""
    unlink_identity(request.tx, request.actor, user_id, id)
    return redirect(f"/admin/users/{user_id}", flash_cookie(request, Flash("The account has been unlinked.")))


@routes.post(
    "/admin/users/{user_id}/tokens",
    proof=Proof.FRESH_SESSION,
    shown_by=show_user,
    shown_as="token_form",
    form=REFUSED_TOKEN,
)
def create_token(request: Request, form: Form, user_id: int) -> Response:
    """Creates a token of a service account, and shows it once."""
    _, text = token_of(request, user_id, read_token(form))
    shown = Flash("Copy the new token now. It is shown only once:", secret=text)
    return redirect(f"/admin/users/{user_id}", flash_cookie(request, shown))


@routes.post("/admin/users/{user_id}/tokens/{id}/revoke")
def revoke_token(request: Request, form: Form, user_id: int, id: int) -> Response:
    """Revokes a token of the user permanently, after a confirmation."""
    if unsure := confirmation(request, form, "Revoke this token?", REVOKED, "Revoke the token"):
        return unsure
    tokens.revoke_token(request.tx, request.actor, user_id, id)
    return redirect(f"/admin/users/{user_id}", flash_cookie(request, Flash("The token has been revoked.")))


@routes.post("/admin/users/{user_id}/devices/{id}/forget")
def forget_device(request: Request, form: Form, user_id: int, id: str) -> Response:
    """Forgets a browser in which the user has signed in."""
    forget_browser(request.tx, request.actor, user_id, id)
    return redirect(f"/admin/users/{user_id}", flash_cookie(request, Flash("The browser has been forgotten.")))


def _with_link(request: Request, name: str, url: str | None) -> Response:
    """Redirects to the list of users, which shows the new link of the user with this name once."""
    text = f"Send this link to {name}. It works once, within 72 hours, and is shown only once:"
    return redirect("/admin/users", flash_cookie(request, Flash(text, secret=url)))


def _decided_by(request: Request, source: str | None) -> str | None:
    """Returns the name of the source whose groups determine role and company access; None: they are set here."""
    return access_sources(request).get(source, source) if source else None
