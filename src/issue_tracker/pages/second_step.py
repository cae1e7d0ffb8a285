"""The second step of a sign-in, after any kind of first step."""

from collections.abc import Sequence

from starlette.responses import Response

from issue_tracker.api.auth import sign_in_cookies
from issue_tracker.api.factors import SecondStepAnswer, finish_sign_in
from issue_tracker.auth import sessions
from issue_tracker.auth.challenges import SignInExpired, find_user
from issue_tracker.auth.factors.passkeys import site_of
from issue_tracker.auth.factors.stored import Method, methods_of
from issue_tracker.auth.signin import SignedIn
from issue_tracker.clock import now
from issue_tracker.http.identity import Access
from issue_tracker.http.request import Request
from issue_tracker.pages.forms import Form, FormView, read_carried_form
from issue_tracker.pages.navigation import START, landing, local, redirect
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.sign_in_page import sign_in_page
from issue_tracker.pages.templating import bare_page

routes = PageRoutes(access=Access.SIGNED_IN)


def second_step_page(
    request: Request,
    challenge: str,
    methods: Sequence[Method],
    *,
    next: str = START,
    carried: str = "",
    form: FormView | None = None,
) -> Response:
    """Asks for the second step of the sign-in with this challenge, and continues to `next`.

    `carried` is a form that was submitted after its session had ended, as text (`pages/forms.py`).
    """
    return bare_page(
        request,
        "auth/second_step.html",
        form=form or FormView(),
        challenge=challenge,
        methods=[method.value for method in methods],
        passkeys=site_of(request.settings) is not None,
        days=request.settings.remembered_browser_days,
        next=next,
        carried=carried,
    )


@routes.get("/login/second-factor", access=Access.PUBLIC)
def show_second_step(request: Request, form: FormView | None = None) -> Response:
    """Shows the second step again after a wrong answer or, if the sign-in has expired, the sign-in page."""
    values = (form or FormView()).values
    target, challenge = local(values["next"], START), values["challenge"]
    try:
        user = find_user(request.tx, challenge, now())
    except SignInExpired as expired:
        # If the page was opened directly by its URL, there is no sign-in to continue either.
        notice = expired.detail if form else None
        view = FormView(notice=notice)
        return sign_in_page(request, view, target, carried=values["carried"])
    methods = methods_of(request.tx, user.user_id)
    return second_step_page(request, challenge, methods, next=target, carried=values["carried"], form=form)


@routes.post("/login/second-factor", access=Access.PUBLIC, transaction=False, shown_by=show_second_step)
def second_step(request: Request, form: Form) -> Response:
    """Accepts a code or a passkey as the second step, and signs in."""
    answer = {"credential": form.json("credential")} if form.get("method") == "passkey" else form.fields("code")
    fields = {**form.fields("challenge", "method"), "remember_browser": bool(form.get("remember_browser")), **answer}
    signed_in = finish_sign_in(request, form.read(fields, SecondStepAnswer), remember=True)
    return signed_in_page(request, signed_in, form)


def signed_in_page(request: Request, signed_in: SignedIn, form: Form) -> Response:
    """Redirects after a sign-in in a browser. A form that was submitted without a session is shown, to be sent now."""
    cookies = sign_in_cookies(request, signed_in)
    target = landing(signed_in.user.role, local(form.get("next"), START))
    carried = read_carried_form(form.get("carried"))
    if carried is None:
        return redirect(target, *cookies)
    csrf = sessions.csrf_token(signed_in.token)
    response = bare_page(request, "auth/carried.html", carried=carried, csrf=csrf, next=target)
    for cookie in cookies:
        response.headers.append("set-cookie", cookie)
    return response
