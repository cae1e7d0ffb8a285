"""The page of a receiver of email, for super admins: its patterns, which can be tried before they are saved."""

from typing import Any

from starlette.responses import Response

from issue_tracker.alerts import receivers
from issue_tracker.alerts.mail.operations import MailTrial, last_message, try_patterns
from issue_tracker.alerts.mail.patterns import MailPatterns
from issue_tracker.alerts.senders import Kind
from issue_tracker.api.alert_receivers import PatternTrial
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.request import Request
from issue_tracker.pages.flash import Flash, flash_cookie
from issue_tracker.pages.forms import Form, FormView, ShownForm
from issue_tracker.pages.navigation import redirect
from issue_tracker.pages.receivers import receiver_of_kind
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import page

routes = PageRoutes(access=Access.ADMINISTRATOR)

HERE = "/admin/alerts/receivers"
EXAMPLE = "From: rmm@example.com\nSubject: DOWN: Line down\n\nCompany: Contoso\n"
"""The message to try patterns on until the receiver has processed one."""


@routes.get(f"{HERE}/{{id}}")
def show_receiver(request: Request, id: int, form: FormView | None = None, trial: MailTrial | None = None) -> Response:
    """Shows the patterns of a receiver of email, with the last message that it processed."""
    receiver = receiver_of_kind(request, id, Kind.EMAIL)
    patterns = receiver.patterns or MailPatterns()
    typed: dict[str, Any] = {
        "subject": "\n".join(patterns.subject),
        "body": "\n".join(patterns.body),
        "resolved": ", ".join(patterns.resolved),
        "automatic": "true" if patterns.automatic else "",
        "message": last_message(request.tx, request.actor, id) or EXAMPLE,
    }
    return page(
        request,
        "alerts/mail.html",
        place="admin",
        section="alerts",
        receiver=receiver,
        form=(form or FormView()).with_defaults(typed),
        trial=trial,
    )


@routes.post(f"{HERE}/{{id}}", proof=Proof.FRESH_SESSION, shown_by=show_receiver, form=ShownForm(within="patterns"))
def change_patterns(request: Request, form: Form, id: int) -> Response:
    """Saves the patterns, or tries them on a message."""
    receiver = receiver_of_kind(request, id, Kind.EMAIL)
    patterns = {
        "subject": form.lines("subject"),
        "body": form.lines("body"),
        "resolved": [word.strip() for word in form.get("resolved").split(",") if word.strip()],
        "automatic": bool(form.get("automatic")),
    }
    message = form.get("message") or EXAMPLE
    body = form.read({"message": message, "patterns": patterns, "receiver": receiver.name}, PatternTrial)
    if form.get("try"):
        trial = try_patterns(request.tx, request.actor, receiver.name, body.patterns, body.message)
        return show_receiver(request, receiver.id, FormView(dict(form.pairs)), trial)
    receivers.update_receiver(request.tx, request.actor, receiver.id, patterns=body.patterns)
    return redirect("/admin/alerts", flash_cookie(request, Flash("The patterns have been saved.")))
