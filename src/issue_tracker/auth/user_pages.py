"""The pages of accounts, for super admins."""

from issue_tracker.auth import users
from issue_tracker.auth.api import NewUser, UserChange
from issue_tracker.auth.pages import ROLES
from issue_tracker.auth.passwords import hash_password
from issue_tracker.errors import AppError, Invalid
from issue_tracker.web.answer import Answer
from issue_tracker.web.context import Access, Context
from issue_tracker.web.navigation import redirect
from issue_tracker.web.pages import Form, PageRoutes, read
from issue_tracker.web.templating import Flash, FormView, flash_cookie, page

routes = PageRoutes(access=Access.SUPER_ADMIN)


@routes.get("/admin/users")
def show_users(request: Context) -> Answer:
    """Every account, with the form to add one."""
    return _users(request, FormView({"role": "technician"}))


def _users_refused(request: Context, form: Form, error: AppError) -> Answer:
    return _users(request, FormView(form.values, error), status=error.status)


def _users(request: Context, form: FormView, status: int = 200) -> Answer:
    found = users.list_users(request.tx, request.actor)
    return page(
        request,
        "auth/users.html",
        place="admin",
        section="users",
        status=status,
        users=found,
        roles=ROLES,
        form=form,
    )


@routes.post("/admin/users", transaction=False, refused=_users_refused)
def create(request: Context, form: Form) -> Answer:
    """Adds an account. The password is hashed before the transaction."""
    fields = {name: form.get(name) for name in ("email", "name", "role", "password")}
    body = read(fields, NewUser)
    if body.password is None:
        raise Invalid.field("password", "is required")
    fresh = hash_password(body.password)
    with request.database.write() as tx:
        user = users.create_user(tx, request.actor, body.email, body.name, body.role, fresh)
    return redirect("/admin/users", flash_cookie(Flash(f"Added {user.name}.")))


@routes.get("/admin/users/{user_id}")
def show_user(request: Context, user_id: int) -> Answer:
    """The form to change an account."""
    user = users.get_user(request.tx, user_id)
    return _user(request, user_id, FormView({"name": user.name, "role": user.role.value, "active": user.active}))


def _user_refused(request: Context, form: Form, user_id: int, error: AppError) -> Answer:
    return _user(request, user_id, FormView(form.values, error), status=error.status)


def _user(request: Context, user_id: int, form: FormView, status: int = 200) -> Answer:
    user = users.get_user(request.tx, user_id)
    return page(
        request, "auth/user.html", place="admin", section="users", status=status, user=user, roles=ROLES, form=form
    )


@routes.post("/admin/users/{user_id}", transaction=False, refused=_user_refused)
def change(request: Context, form: Form, user_id: int) -> Answer:
    """Changes name, role, password, or whether the account may sign in."""
    fields = {
        "name": form.get("name"),
        "role": form.get("role"),
        "active": bool(form.get("active")),
        "password": form.get("password") or None,
    }
    body = read(fields, UserChange)
    fresh = hash_password(body.password) if body.password else None
    with request.database.write() as tx:
        users.update_user(
            tx, request.actor, user_id, name=body.name, role=body.role, active=body.active, password_hash=fresh
        )
    return redirect("/admin/users", flash_cookie(Flash("Saved.")))
