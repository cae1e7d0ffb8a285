"""Mailboxes of receivers of email over HTTP: they are tried, set and removed."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.responses import Response

from issue_tracker.alerts.mailboxes.imap import opened
from issue_tracker.alerts.mailboxes.oauth import NoToken
from issue_tracker.alerts.mailboxes.operations import remove_mailbox, set_mailbox
from issue_tracker.alerts.mailboxes.stored import MailboxSettings, require_usable, stored_password
from issue_tracker.alerts.polling.poller import PollFailed
from issue_tracker.alerts.receivers import Receiver, get_receiver
from issue_tracker.api.alert_receivers import RECEIVER_EXAMPLE
from issue_tracker.errors import Invalid
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.request import Request
from issue_tracker.http.responses import json_response, no_content
from issue_tracker.http.routes import Returns, Routes
from issue_tracker.names import END

routes = Routes("Alerts", access=Access.ADMINISTRATOR, proof=Proof.SESSION)

Password = Annotated[str, Meta(min_length=1, max_length=1000, pattern=r"^[^\x00-\x1f\x7f]+" + END)]


class NewMailbox(MailboxSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A mailbox with its password, or with the client secret for OAuth, which is stored encrypted and never shown.

    Without a password, the stored one remains, unless the server, its port or encryption, the user name, the token
    endpoint or the client changes.
    """

    password: Password | None = None

    def settings(self) -> MailboxSettings:
        """Returns the mailbox without the password."""
        return MailboxSettings(**{name: getattr(self, name) for name in MailboxSettings.__struct_fields__})


class MailboxTrial(msgspec.Struct, frozen=True):
    """The number of messages in a mailbox that a poll would process."""

    waiting: int


NEW_MAILBOX_EXAMPLE: dict[str, Any] = {
    "host": "imap.example.com",
    "username": "alerts@example.com",
    "password": "correct horse battery staple",
    "processed_folder": "Processed",
}
MAILBOX_EXAMPLE: dict[str, Any] = {
    "host": "imap.example.com",
    "port": 993,
    "security": "tls",
    "username": "alerts@example.com",
    "token_url": None,
    "client_id": None,
    "scope": None,
    "folder": "INBOX",
    "processed_folder": "Processed",
    "interval_minutes": 1,
    "next_poll_at": "2025-01-04T10:15:00+00:00",
    "last_success_at": None,
    "last_failure_at": None,
    "failure": None,
    "failures": 0,
}
MAIL_RECEIVER_EXAMPLE: dict[str, Any] = RECEIVER_EXAMPLE | {"name": "RMM", "kind": "email", "mailbox": MAILBOX_EXAMPLE}


@routes.put(
    "/api/alert-receivers/{id}/mailbox",
    proof=Proof.FRESH_SESSION,
    returns=Returns(200, Receiver, MAIL_RECEIVER_EXAMPLE),
    example=NEW_MAILBOX_EXAMPLE,
    transaction=False,
)
def put_mailbox(request: Request, id: int, body: NewMailbox) -> Response:
    """Give a receiver of email a mailbox, or change it. The server polls it immediately."""
    return json_response(store_mailbox(request, id, body))


@routes.delete("/api/alert-receivers/{id}/mailbox", proof=Proof.FRESH_SESSION, returns=Returns(204))
def delete_mailbox(request: Request, id: int) -> Response:
    """Remove the mailbox of a receiver, with its password. The receiver still has its address."""
    remove_mailbox(request.tx, request.actor, id)
    return no_content()


@routes.post(
    "/api/alert-receivers/{id}/try-mailbox",
    proof=Proof.FRESH_SESSION,
    transaction=False,
    outgoing=True,
    returns=Returns(200, MailboxTrial, {"waiting": 3}),
    example=NEW_MAILBOX_EXAMPLE,
)
def try_mailbox(request: Request, id: int, body: NewMailbox) -> Response:
    """Sign in to a mailbox, and count the messages that a poll would process. Nothing is changed."""
    return json_response(read_mailbox(request, id, body))


def store_mailbox(request: Request, receiver_id: int, body: NewMailbox) -> Receiver:
    """Stores the mailbox of a receiver. Raises NotFound, and Invalid for the fields of the body."""
    keyring = request.app_state.server_key.keyring()
    with request.write() as tx:
        return set_mailbox(tx, request.actor, keyring, receiver_id, body.settings(), body.password)


def read_mailbox(request: Request, receiver_id: int, body: NewMailbox) -> MailboxTrial:
    """Signs in to a mailbox, and returns what is in it.

    Raises NotFound, and Invalid: on `host` if the mailbox cannot be read, on `token_url` if there is no access token.
    """
    mailbox, password = body.settings(), body.password
    keyring = request.app_state.server_key.keyring()
    with request.read() as tx:
        get_receiver(tx, request.actor, receiver_id)
        require_usable(mailbox)
        if password is None:
            password = stored_password(tx, request.actor, keyring, receiver_id, mailbox)
    try:
        with opened(mailbox, password, request.settings) as session:
            return MailboxTrial(len(session.waiting()))
    except NoToken as failed:
        raise Invalid.field("token_url", f"cannot be used: {failed}") from None
    except PollFailed as failed:
        raise Invalid.field("host", f"cannot be used: {failed}") from None
