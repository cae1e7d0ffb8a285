"""The page of the mailbox of a receiver of email, for super admins. The mailbox is tried before it is saved."""

from typing import Any

from starlette.responses import Response

from issue_tracker.alerts.mailboxes.operations import remove_mailbox
from issue_tracker.alerts.mailboxes.stored import MailboxSettings
from issue_tracker.alerts.senders import Kind
from issue_tracker.api.alert_mailboxes import NewMailbox, read_mailbox, store_mailbox
from issue_tracker.errors import Invalid
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.request import Request
from issue_tracker.names import whole_number
from issue_tracker.pages.flash import Flash, flash_cookie
from issue_tracker.pages.forms import Form, FormView
from issue_tracker.pages.navigation import redirect
from issue_tracker.pages.receivers import receiver_of_kind
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import page

routes = PageRoutes(access=Access.ADMINISTRATOR)

HERE = "/admin/alerts/receivers/{id}/mailbox"
BACK = "/admin/alerts"

DEFAULTS = {
    "port": "993",
    "security": "tls",
    "token_url": "",
    "client_id": "",
    "scope": "",
    "folder": "INBOX",
    "processed_folder": "",
    "interval_minutes": "1",
}
SECURITY = [("tls", "TLS from the beginning (port 993)"), ("starttls", "STARTTLS (port 143)")]


@routes.get(HERE)
def show_mailbox(request: Request, id: int, form: FormView | None = None) -> Response:
    """Shows how polling the mailbox goes, and the form to set or change it."""
    receiver = receiver_of_kind(request, id, Kind.EMAIL)
    mailbox = receiver.mailbox
    stored: dict[str, Any] = {}
    if mailbox is not None:
        stored = {name: str(getattr(mailbox, name) or "") for name in MailboxSettings.__struct_fields__}
    return page(
        request,
        "alerts/mailbox.html",
        place="admin",
        section="alerts",
        receiver=receiver,
        form=(form or FormView()).with_defaults(DEFAULTS | stored),
        security=SECURITY,
    )


@routes.post(HERE, proof=Proof.FRESH_SESSION, transaction=False, outgoing=True, shown_by=show_mailbox)
def change_mailbox(request: Request, form: Form, id: int) -> Response:
    """Sets or changes the mailbox, if the server can sign in to it."""
    with request.read():
        receiver_of_kind(request, id, Kind.EMAIL)
    body = form.read(_typed(form), NewMailbox)
    waiting = read_mailbox(request, id, body).waiting
    store_mailbox(request, id, body)
    found = "It has one message to process." if waiting == 1 else f"It has {waiting or 'no'} messages to process."
    return redirect(BACK, flash_cookie(request, Flash(f"Saved. The mailbox is polled within seconds. {found}")))


@routes.post(f"{HERE}/remove", proof=Proof.FRESH_SESSION)
def remove(request: Request, form: Form, id: int) -> Response:
    """Removes the mailbox; the receiver remains."""
    remove_mailbox(request.tx, request.actor, id)
    return redirect(BACK, flash_cookie(request, Flash("The mailbox is no longer polled.")))


def _typed(form: Form) -> dict[str, Any]:
    typed: dict[str, Any] = form.fields("host", "security", "username", "folder")
    for name in ("port", "interval_minutes"):
        typed[name] = whole_number(form.get(name).strip())
        if typed[name] is None:
            raise Invalid.field(name, "must be a whole number")
    if all(name != "password" for name, _ in form.pairs):
        # The form was submitted without fresh proof, and was sent again without the password after the confirmation.
        raise Invalid.field("password", "must be entered again, or left empty if it is unchanged")
    # An app password is often shown, and pasted, with spaces around it.
    optional = ("processed_folder", "password", "token_url", "client_id", "scope")
    return typed | {name: form.get(name).strip() or None for name in optional}
