"""The page of SCIM, for super admins: its URL, its tokens, and the provisioned groups."""

from starlette.responses import Response

from issue_tracker.api.scim_tokens import NewScimToken
from issue_tracker.auth.group_mappings.queries import SCIM, list_mappings
from issue_tracker.auth.scim import groups, tokens
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.request import Request
from issue_tracker.pages.confirmations import confirmation
from issue_tracker.pages.flash import Flash, flash_cookie
from issue_tracker.pages.forms import Form, FormView, ShownForm
from issue_tracker.pages.navigation import redirect
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import page
from issue_tracker.pages.token_forms import lifetimes, moments, read_expiry
from issue_tracker.pages.users import ROLES

routes = PageRoutes(access=Access.ADMINISTRATOR)

PATH = "/admin/scim"

REVOKED = "The identity provider can no longer change accounts. This cannot be undone."

MOST = 500
"""Maximum number of groups on the page."""


@routes.get(PATH)
def show_scim(request: Request, form: FormView | None = None) -> Response:
    """Shows the URL and the tokens of SCIM, a form to create one, and the groups with their mappings."""
    listed = groups.list_groups(request.tx, most=MOST)
    offered = [days for days, _ in lifetimes(request.settings)]
    return page(
        request,
        "auth/scim.html",
        place="admin",
        section="group-mappings",
        address=f"{request.settings.public_url.rstrip('/')}/scim/v2",
        tokens=tokens.list_scim_tokens(request.tx, request.settings, request.actor),
        groups=listed,
        members={
            id_: len(members) for id_, members in groups.members_of(request.tx, [one.id for one in listed]).items()
        },
        mapped={one.group: one for one in list_mappings(request.tx, request.actor) if one.source == SCIM},
        more=groups.count_groups(request.tx) > len(listed),
        roles=ROLES,
        lifetimes=lifetimes(request.settings),
        moments=moments(),
        form=(form or FormView()).with_defaults({"days": "365" if "365" in offered else ""}),
    )


@routes.post(f"{PATH}/tokens", proof=Proof.FRESH_SESSION, shown_by=show_scim, form=ShownForm({"expires_at": "days"}))
def create_token(request: Request, form: Form) -> Response:
    """Creates a SCIM token, which is shown only once."""
    fields = {
        "name": form.get("name"),
        "expires_at": read_expiry(form),
        "networks": form.lines("networks"),
    }
    body = form.read(fields, NewScimToken)
    _, text = tokens.create_scim_token(
        request.tx, request.settings, request.actor, body.name, body.expires_at, body.networks or ()
    )
    shown = Flash("Copy the new token now. It is shown only once:", secret=text)
    return redirect(PATH, flash_cookie(request, shown))


@routes.post(f"{PATH}/tokens/{{id}}/revoke")
def revoke_token(request: Request, form: Form, id: int) -> Response:
    """Revokes a SCIM token permanently, after a confirmation."""
    if unsure := confirmation(request, form, "Revoke this token?", REVOKED, "Revoke the token"):
        return unsure
    tokens.revoke_scim_token(request.tx, request.actor, id)
    return redirect(PATH, flash_cookie(request, Flash("The token has been revoked.")))
