"""The page of all credentials, for super admins: who can act with which credential, and how to revoke it."""

from typing import get_args

import msgspec
from starlette.responses import Response

from issue_tracker.api.credentials import Revocation
from issue_tracker.auth import users
from issue_tracker.auth.all_credentials import Kind, list_credentials, revoke_credentials
from issue_tracker.clock import now
from issue_tracker.http.identity import Access
from issue_tracker.http.request import Request
from issue_tracker.integers import RowId
from issue_tracker.names import whole_number
from issue_tracker.pages.browsers import browser_name
from issue_tracker.pages.flash import Flash, flash_cookie
from issue_tracker.pages.forms import Form, FormView
from issue_tracker.pages.navigation import redirect
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import page
from issue_tracker.pages.token_forms import moments
from issue_tracker.pages.users import ROLES

routes = PageRoutes(access=Access.ADMINISTRATOR)

PATH = "/admin/credentials"

KINDS: tuple[Kind, ...] = get_args(Kind)

MOST = 500
"""Maximum number of credentials of each kind on the page."""


class OwnerQuery(msgspec.Struct, frozen=True):
    """The filter of the page: only credentials of this user."""

    user_id: RowId | None = msgspec.field(default=None, name="userId")


EVERYBODY = OwnerQuery()


@routes.get(PATH)
def show_credentials(request: Request, query: OwnerQuery = EVERYBODY) -> Response:
    """Shows the tokens, the active sessions and the known browsers of all users, or of one; and the SCIM tokens."""
    found = list_credentials(request.tx, request.settings, request.actor, now(), user_id=query.user_id)
    everybody = users.list_users(request.tx, request.actor)
    people = [(str(user.user_id), f"{user.name} ({user.email})") for user in everybody]
    return page(
        request,
        "auth/all_credentials.html",
        place="admin",
        section="credentials",
        people=[("", "Everybody"), *people],
        form=FormView({"userId": str(query.user_id or "")}),
        lists={kind: [one for one in found if one.kind == kind][:MOST] for kind in KINDS},
        more=any(sum(one.kind == kind for one in found) > MOST for kind in KINDS),
        most=MOST,
        moments=moments(),
        browser_name=browser_name,
        roles=ROLES,
    )


@routes.post(f"{PATH}/revoke")
def revoke(request: Request, form: Form) -> Response:
    """Revokes the selected credentials. The name of a field is the kind of credential, its values are ids."""
    selected = [{"kind": kind, "id": whole_number(id_) or id_} for kind in KINDS for id_ in form.all(kind)]
    body = form.read({"credentials": selected}, Revocation)
    revoked = revoke_credentials(request.tx, request.actor, [(one.kind, one.id) for one in body.credentials])
    text = f"{revoked} revoked." if selected else "Nothing was selected."
    return redirect(PATH, flash_cookie(request, Flash(text)))
