"""The pages of accounts, for super admins."""

from starlette.responses import Response

from issue_tracker.actor import Role
from issue_tracker.api.users import NewUser, UserChange
from issue_tracker.auth import users
from issue_tracker.auth.passwords import hash_password
from issue_tracker.errors import Invalid
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.request import Request
from issue_tracker.pages.flash import Flash, flash_cookie
from issue_tracker.pages.forms import Form, FormView
from issue_tracker.pages.navigation import redirect
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import page

routes = PageRoutes(access=Access.SUPER_ADMIN)

ROLES = {Role.TECHNICIAN.value: "Technician", Role.SUPER_ADMIN.value: "Super admin", Role.MEMBER.value: "Member"}


@routes.get("/admin/users")
def show_users(request: Request, form: FormView | None = None) -> Response:
    """Every account, with the form to add one."""
    form = (form or FormView()).with_defaults({"role": "technician"})
    found = users.list_users(request.tx, request.actor)
    return page(request, "auth/users.html", place="admin", section="users", users=found, roles=ROLES, form=form)


@routes.post("/admin/users", proof=Proof.FRESH_SESSION, transaction=False, hashes=True, shown_by=show_users)
def create(request: Request, form: Form) -> Response:
    """Adds an account. The password is hashed before the transaction."""
    body = form.read(form.fields("email", "name", "role", "password"), NewUser)
    if body.password is None:
        raise Invalid.field("password", "is required")
    fresh = hash_password(body.password)
    with request.write() as tx:
        user = users.create_user(tx, request.actor, body.email, body.name, body.role, fresh)
    return redirect("/admin/users", flash_cookie(Flash(f"Added {user.name}.")))


@routes.get("/admin/users/{user_id}")
def show_user(request: Request, user_id: int, form: FormView | None = None) -> Response:
    """The form to change an account."""
    user = users.get_user(request.tx, user_id)
    form = (form or FormView()).with_defaults({"name": user.name, "role": user.role.value, "active": user.active})
    return page(request, "auth/user.html", place="admin", section="users", user=user, roles=ROLES, form=form)


@routes.post("/admin/users/{user_id}", transaction=False, hashes=True, shown_by=show_user)
def change(request: Request, form: Form, user_id: int) -> Response:
    """Changes name, role, password, or whether the account may sign in."""
    fields = {
        **form.fields("name", "role"),
        "active": bool(form.get("active")),
        "password": form.get("password") or None,
    }
    body = form.read(fields, UserChange)
    fresh = hash_password(body.password) if body.password else None
    with request.write() as tx:
        users.update_user(
            tx, request.actor, user_id, name=body.name, role=body.role, active=body.active, password_hash=fresh
        )
    return redirect("/admin/users", flash_cookie(Flash("Saved.")))
