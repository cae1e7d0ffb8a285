"""Webhooks over HTTP (contract, section 8): super admins only."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta
from starlette.responses import Response

from issue_tracker.events import webhooks
from issue_tracker.events.queries import webhooks as webhook_queries
from issue_tracker.events.queries.webhooks import Delivery, Webhook
from issue_tracker.events.webhooks import WebhookFields
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.request import Request
from issue_tracker.http.responses import SecretResponse, json_response, list_response, no_content
from issue_tracker.http.routes import Returns, Routes
from issue_tracker.http.validation import LINE
from issue_tracker.integers import RowId

routes = Routes("Webhooks", access=Access.ADMINISTRATOR, proof=Proof.SESSION)

Url = Annotated[str, Meta(max_length=2000, examples=["https://hooks.example.com/issues"])]
Types = Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(max_length=100)]
CompanyIds = Annotated[list[RowId], Meta(max_length=500)]
Text = Annotated[str, Meta(max_length=500, pattern=LINE)]


class WebhookList(msgspec.Struct):
    """All webhooks."""

    items: list[Webhook]
    total: int


class WebhookSecret(Webhook, frozen=True):
    """A webhook with its secret, which is shown only once; a replayed response has null instead."""

    secret: str | None


class NewWebhook(msgspec.Struct, forbid_unknown_fields=True):
    """A webhook to create. Without companies it covers all; without types, all except audit events."""

    url: Url
    event_types: Types | None = None
    company_ids: CompanyIds | None = None
    active: bool | None = None
    description: Text | None = None


class WebhookChange(msgspec.Struct, forbid_unknown_fields=True):
    """The changes to make; absent or null leaves a value unchanged."""

    url: Url | None = None
    event_types: Types | None = None
    company_ids: CompanyIds | None = None
    active: bool | None = None
    description: Text | None = None


class DeliveryList(msgspec.Struct):
    """Messages to a webhook with every attempt, the newest first."""

    items: list[Delivery]
    total: int


class DeliveryQuery(msgspec.Struct, kw_only=True):
    """The part of the deliveries to list."""

    before: Annotated[RowId | None, Meta(description="Only deliveries with a lower id.")] = None
    limit: Annotated[int, Meta(ge=1, le=500, description="Maximum number of deliveries.")] = 50


WEBHOOK_EXAMPLE: dict[str, Any] = {
    "id": 5,
    "url": "https://hooks.example.com/issues",
    "event_types": ["assignment.status_changed", "assignment.bulk_status_changed"],
    "company_ids": [],
    "active": True,
    "description": "Status page",
    "disabled_reason": None,
    "created_at": "2025-01-04T10:15:00+00:00",
    "updated_at": "2025-01-04T10:15:00+00:00",
}
SECRET_EXAMPLE = WEBHOOK_EXAMPLE | {"secret": "whsec_…"}
DELIVERY_EXAMPLE: dict[str, Any] = {
    "id": 41,
    "webhook_id": 5,
    "message_id": "msg_2b7c1e0f4a6d4a0c8b5e9f3d7a1c6e20",
    "type": "assignment.status_changed",
    "state": "delivered",
    "created_at": "2025-01-09T08:45:00+00:00",
    "next_attempt_at": None,
    "attempts": [{"at": "2025-01-09T08:45:00+00:00", "code": 204, "duration_ms": 48, "error": None, "answer": ""}],
}
PENDING_EXAMPLE = DELIVERY_EXAMPLE | {
    "state": "pending",
    "next_attempt_at": "2025-01-09T08:45:00+00:00",
    "attempts": [],
}


@routes.get("/api/webhooks", returns=Returns(200, WebhookList, {"items": [WEBHOOK_EXAMPLE], "total": 1}))
def list_webhooks(request: Request) -> Response:
    """List all webhooks, the newest first."""
    return list_response(webhook_queries.list_webhooks(request.tx, request.actor))


@routes.post(
    "/api/webhooks",
    proof=Proof.FRESH_SESSION,
    returns=Returns(201, WebhookSecret, SECRET_EXAMPLE),
    example={"url": "https://hooks.example.com/issues", "event_types": ["assignment.status_changed"]},
    errors=(404,),
)
def create_webhook(request: Request, body: NewWebhook) -> Response:
    """Create a webhook. The response shows its secret only once."""
    keyring, fields = request.app_state.server_key.keyring(), WebhookFields(**msgspec.structs.asdict(body))
    most = request.settings.webhooks
    return _with_secret(*webhooks.create_webhook(request.tx, request.actor, keyring, fields, most=most), 201)


@routes.get("/api/webhooks/{id}", returns=Returns(200, Webhook, WEBHOOK_EXAMPLE))
def get_webhook(request: Request, id: int) -> Response:
    """Get one webhook."""
    return json_response(webhook_queries.get_webhook(request.tx, request.actor, id))


@routes.put(
    "/api/webhooks/{id}",
    returns=Returns(200, Webhook, WEBHOOK_EXAMPLE | {"active": False}),
    example={"active": False},
)
def update_webhook(request: Request, id: int, body: WebhookChange) -> Response:
    """Change or reactivate a webhook. Reactivation delivers what is still pending.

    Another address, other event types or companies, and activation need fresh proof; deactivation does not.
    """
    return json_response(
        webhooks.update_webhook(request.tx, request.actor, id, WebhookFields(**msgspec.structs.asdict(body)))
    )


@routes.delete("/api/webhooks/{id}", returns=Returns(204))
def delete_webhook(request: Request, id: int) -> Response:
    """Delete a webhook with its deliveries."""
    webhooks.delete_webhook(request.tx, request.actor, id)
    return no_content()


@routes.post(
    "/api/webhooks/{id}/rotate-secret",
    proof=Proof.FRESH_SESSION,
    returns=Returns(200, WebhookSecret, SECRET_EXAMPLE),
)
def rotate_secret(request: Request, id: int) -> Response:
    """Give a webhook a new secret, shown only once. For 24 hours, messages are signed with both."""
    keyring = request.app_state.server_key.keyring()
    return _with_secret(*webhooks.rotate_secret(request.tx, request.actor, keyring, id), 200)


@routes.post("/api/webhooks/{id}/test", returns=Returns(202, Delivery, PENDING_EXAMPLE | {"type": "webhook.test"}))
def send_test_message(request: Request, id: int) -> Response:
    """Send a message of the type `webhook.test`; its delivery is listed."""
    return json_response(webhooks.send_test(request.tx, request.actor, id), 202)


@routes.get(
    "/api/webhooks/{id}/deliveries", returns=Returns(200, DeliveryList, {"items": [DELIVERY_EXAMPLE], "total": 1})
)
def list_deliveries(request: Request, id: int, query: DeliveryQuery) -> Response:
    """List the messages to a webhook with every attempt, the newest first."""
    found, total = webhook_queries.list_deliveries(
        request.tx, request.actor, id, before=query.before, limit=query.limit
    )
    return json_response(DeliveryList(found, total))


@routes.post("/api/webhooks/deliveries/{id}/redeliver", returns=Returns(202, Delivery, PENDING_EXAMPLE))
def redeliver(request: Request, id: int) -> Response:
    """Send a message again, with the same id."""
    return json_response(webhooks.redeliver(request.tx, request.actor, id), 202)


def _with_secret(webhook: Webhook, secret: str, status: int) -> Response:
    content = WebhookSecret(**msgspec.structs.asdict(webhook), secret=secret)
    return SecretResponse(msgspec.to_builtins(content), "secret", status)
