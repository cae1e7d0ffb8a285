"""The sign-in page, which several routes show."""

from starlette.responses import Response

from issue_tracker.auth.factors.passkeys import site_of
from issue_tracker.http.request import Request
from issue_tracker.pages.forms import FormView
from issue_tracker.pages.templating import bare_page


def sign_in_page(request: Request, form: FormView, target: str, *, carried: str = "", status: int = 200) -> Response:
    """Returns the sign-in page, with buttons for providers and passkeys. `carried` is a form to be sent afterwards."""
    settings = request.settings
    return bare_page(
        request,
        "auth/login.html",
        status=status,
        form=form,
        next=target,
        carried=carried,
        providers=settings.providers,
        passwords=settings.password_sign_in,
        passkeys=site_of(settings) is not None,
    )
