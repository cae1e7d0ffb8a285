"""Receivers of alerts over HTTP: messages from monitoring systems (contract, section 14), and administration."""

from collections import Counter
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta
from starlette.responses import Response

from issue_tracker.alerts import receivers
from issue_tracker.alerts.feeds.stored import FeedSettings
from issue_tracker.alerts.mail.operations import MailTrial, receive_mail, try_patterns
from issue_tracker.alerts.mail.patterns import MailPatterns
from issue_tracker.alerts.mapping import Mapping
from issue_tracker.alerts.messages import receive_alerts
from issue_tracker.alerts.models import AlertOutcome
from issue_tracker.alerts.receivers import Receiver
from issue_tracker.alerts.senders import Kind, read_message
from issue_tracker.errors import AppError, NotFound, Unavailable, UnsupportedMediaType
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.request import BODY_LIMIT, Request, require_content, require_identity_encoding
from issue_tracker.http.responses import SecretResponse, json_response, list_response, no_content
from issue_tracker.http.routes import Returns, Routes
from issue_tracker.names import Name
from issue_tracker.server.metrics import NO_RECEIVER

routes = Routes("Alerts", access=Access.ADMINISTRATOR, proof=Proof.SESSION)


class Counts(msgspec.Struct):
    """The number of alerts for which a message had an outcome, and the number for each `action`. An alert that means
    several companies counts once for each of them; one that a rule ignores is not counted.
    """

    received: int
    opened: int = 0
    assigned: int = 0
    reopened: int = 0
    kept: int = 0
    held: int = 0
    cleared: int = 0
    ignored: int = 0
    unsorted: int = 0


class ReceiverList(msgspec.Struct):
    """All receivers, by name."""

    items: list[Receiver]
    total: int


class ReceiverAddress(Receiver, frozen=True, kw_only=True):
    """A receiver with its address, which contains its secret and is shown only once.

    `mail_address` is for the kind `email`; complete messages may also be posted to its `url`. A receiver of the kind
    `feed` has neither.
    """

    url: str | None
    mail_address: str | None = None


class NewReceiver(msgspec.Struct, forbid_unknown_fields=True):
    """A receiver to create. `mapping` is for the kind `generic`, `patterns` for `email`, `feed` for `feed`."""

    name: Name
    kind: Kind
    mapping: Mapping | None = None
    patterns: MailPatterns | None = None
    feed: FeedSettings | None = None


class ReceiverChange(msgspec.Struct, forbid_unknown_fields=True):
    """The changes to make; absent or null leaves a value unchanged."""

    active: bool | None = None
    mapping: Mapping | None = None
    patterns: MailPatterns | None = None
    feed: FeedSettings | None = None


class PatternTrial(msgspec.Struct, forbid_unknown_fields=True):
    """A message to try patterns on, with its headers, as saved by a mail program.

    `receiver` is the name of the receiver for the rules.
    """

    message: Annotated[str, Meta(min_length=1, max_length=200_000)]
    patterns: MailPatterns = MailPatterns()
    receiver: Annotated[str, Meta(max_length=255)] = ""


RECEIVER_EXAMPLE = {
    "id": 4,
    "name": "Prometheus",
    "kind": "alertmanager",
    "mapping": None,
    "patterns": None,
    "feed": None,
    "mailbox": None,
    "active": True,
    "created_at": "2025-01-04T10:15:00+00:00",
    "last_received_at": None,
}
ADDRESS_EXAMPLE = RECEIVER_EXAMPLE | {
    "url": "https://issues.example.com/api/alerts/in/alertmanager/…",
    "mail_address": None,
}
MAIL_EXAMPLE = "From: rmm@example.com\nSubject: DOWN: Line down\n\nCompany: Acme Manufacturing\n"
MAIL_TRIAL_EXAMPLE: dict[str, Any] = {
    "automatic": None,
    "key": "line down/acme manufacturing",
    "state": "firing",
    "labels": {"issue": "Line down", "company": "Acme Manufacturing", "subject": "DOWN: Line down"},
    "summary": "Company: Acme Manufacturing",
    "outcome": {
        "rule_name": None,
        "ignored": False,
        "issue_name": "Line down",
        "company_text": "Acme Manufacturing",
        "company_names": ["Acme Manufacturing"],
        "severity": None,
        "hold_minutes": 0,
        "steady_minutes": 0,
    },
}
MESSAGE_EXAMPLE = {
    "version": "4",
    "status": "firing",
    "alerts": [{"status": "firing", "labels": {"alertname": "Line down", "company": "Acme Manufacturing"}}],
}
COUNTS_EXAMPLE = {
    "received": 3,
    "opened": 1,
    "assigned": 2,
    "reopened": 0,
    "kept": 0,
    "held": 0,
    "cleared": 0,
    "ignored": 0,
    "unsorted": 0,
}


@routes.post(
    "/api/alerts/in/{receiver}/{secret}",
    access=Access.PUBLIC,
    proof=Proof.CREDENTIAL,
    raw_body=BODY_LIMIT,
    transaction=False,
    returns=Returns(202, Counts, COUNTS_EXAMPLE),
    example=MESSAGE_EXAMPLE,
    errors=(404,),
)
def take_message(request: Request, receiver: str, secret: str) -> Response:
    """Receive a message from a monitoring system, in its own format.

    `receiver` is the kind of the receiver. The response to a wrong secret is 404.
    """
    with request.read() as tx:
        found = receivers.find_receiver(tx, receiver, secret)
    metrics = request.app_state.alert_metrics
    if found is None:
        metrics.refused(NO_RECEIVER)
        raise NotFound("There is no receiver with this address.")
    try:
        outcomes = _take(request, found)
    except AppError as refused:
        if refused.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            metrics.refused(found.name)
        raise
    counts = Counts(len(outcomes))
    for action, count in Counter(outcome.action.value for outcome in outcomes).items():
        setattr(counts, action, count)
        metrics.taken(found.name, action, count)
    return json_response(counts, 202)


@routes.get("/api/alert-receivers", returns=Returns(200, ReceiverList, {"items": [RECEIVER_EXAMPLE], "total": 1}))
def list_receivers(request: Request) -> Response:
    """List all receivers, by name."""
    return list_response(receivers.list_receivers(request.tx, request.actor))


@routes.post(
    "/api/alert-receivers",
    proof=Proof.FRESH_SESSION,
    returns=Returns(201, ReceiverAddress, ADDRESS_EXAMPLE),
    example={"name": "Prometheus", "kind": "alertmanager"},
)
def create_receiver(request: Request, body: NewReceiver) -> Response:
    """Create a receiver. The response shows its address only once."""
    made = receivers.create_receiver(
        request.tx, request.actor, body.name, body.kind, body.mapping, body.patterns, body.feed
    )
    return _with_address(request, *made, 201)


@routes.post(
    "/api/alert-receivers/try",
    returns=Returns(200, MailTrial, MAIL_TRIAL_EXAMPLE),
    example={"message": MAIL_EXAMPLE},
)
def try_message(request: Request, body: PatternTrial) -> Response:
    """Try patterns on an email message, and the rules on its alert. Nothing is changed."""
    return json_response(try_patterns(request.tx, request.actor, body.receiver, body.patterns, body.message))


@routes.put(
    "/api/alert-receivers/{id}",
    proof=Proof.FRESH_SESSION,
    returns=Returns(200, Receiver, RECEIVER_EXAMPLE | {"active": False}),
    example={"active": False},
)
def update_receiver(request: Request, id: int, body: ReceiverChange) -> Response:
    """Enable or disable a receiver, or replace its mapping, its patterns or its feed."""
    changed = receivers.update_receiver(
        request.tx, request.actor, id, active=body.active, mapping=body.mapping, patterns=body.patterns, feed=body.feed
    )
    return json_response(changed)


@routes.post(
    "/api/alert-receivers/{id}/rotate-secret",
    proof=Proof.FRESH_SESSION,
    returns=Returns(200, ReceiverAddress, ADDRESS_EXAMPLE),
)
def rotate_receiver_secret(request: Request, id: int) -> Response:
    """Give a receiver a new address, shown only once. The old one becomes invalid immediately."""
    return _with_address(request, *receivers.rotate_secret(request.tx, request.actor, id), 200)


@routes.delete("/api/alert-receivers/{id}", returns=Returns(204))
def delete_receiver(request: Request, id: int) -> Response:
    """Delete a receiver with its alerts, but not the issues that they opened."""
    receivers.delete_receiver(request.tx, request.actor, id)
    return no_content()


def _take(request: Request, receiver: Receiver) -> list[AlertOutcome]:
    """Returns the outcomes of the alerts in a message. Raises AppError for an invalid one; nothing was changed then."""
    content = require_content(request)
    require_identity_encoding(request)
    if not content:
        raise UnsupportedMediaType("The message is empty.")
    if receiver.kind is None:
        # During a rolling upgrade, a later version on another node created the receiver. The sender tries again.
        raise Unavailable("This server does not know the kind of the receiver yet. Try again later.")
    if receiver.kind is Kind.EMAIL:
        return request.write_together(lambda tx: receive_mail(tx, receiver, content, request.request_id)[1])
    received = read_message(receiver.kind, content, receiver.mapping)
    return request.write_together(lambda tx: receive_alerts(tx, receiver, received, request.request_id))


def address(request: Request, receiver: Receiver, secret: str) -> str:
    """Returns the address to which a receiver's sender must send its messages."""
    return f"{request.settings.public_url}/api/alerts/in/{receiver.kind}/{secret}"


def mail_address(request: Request, receiver: Receiver, secret: str) -> str | None:
    """Returns the email address of a receiver of email; None for another kind of receiver."""
    domain = request.settings.mail_domain or urlsplit(request.settings.public_url).hostname
    return f"{secret}@{domain}" if receiver.kind is Kind.EMAIL else None


def _with_address(request: Request, receiver: Receiver, secret: str, status: int) -> Response:
    if receiver.kind is Kind.FEED:
        return json_response(ReceiverAddress(**msgspec.structs.asdict(receiver), url=None), status)
    content = ReceiverAddress(
        **msgspec.structs.asdict(receiver),
        url=address(request, receiver, secret),
        mail_address=mail_address(request, receiver, secret),
    )
    return SecretResponse(msgspec.to_builtins(content), "url", status, also=("mail_address",))
