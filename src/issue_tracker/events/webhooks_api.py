"""Webhooks over HTTP (contract, section 8): super admins only."""

from typing import Annotated

import msgspec
from msgspec import Meta

from issue_tracker.events import webhooks
from issue_tracker.events.webhooks import Delivery, Wanted, Webhook
from issue_tracker.web.answer import Answer, encode
from issue_tracker.web.context import Access, Context
from issue_tracker.web.routing import Routes
from issue_tracker.web.validation import LINE

routes = Routes("Webhooks", access=Access.SUPER_ADMIN)

Url = Annotated[str, Meta(max_length=2000, examples=["https://hooks.example.com/issues"])]
Types = Annotated[list[Annotated[str, Meta(max_length=100)]], Meta(max_length=100)]
CompanyIds = Annotated[list[Annotated[int, Meta(ge=1, le=2**63 - 1)]], Meta(max_length=500)]
Text = Annotated[str, Meta(max_length=500, pattern=LINE)]


class WebhookList(msgspec.Struct):
    """All webhooks."""

    items: list[Webhook]
    total: int


class WebhookSecret(Webhook, frozen=True):
    """A webhook with its secret, which is shown this once; a replayed answer has null instead."""

    secret: str | None


class NewWebhook(msgspec.Struct, forbid_unknown_fields=True):
    """A webhook to create. Empty or absent lists mean all."""

    url: Url
    event_types: Types | None = None
    company_ids: CompanyIds | None = None
    active: bool | None = None
    description: Text | None = None


class WebhookChange(msgspec.Struct, forbid_unknown_fields=True):
    """What to change; absent or null keeps what is there."""

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
    """Which part of the log."""

    before: Annotated[
        Annotated[int, Meta(ge=1, le=2**63 - 1)] | None, Meta(description="Only deliveries with a lower id.")
    ] = None
    limit: Annotated[int, Meta(ge=1, le=500, description="At most so many.")] = 50


@routes.get("/api/webhooks", answers={200: WebhookList})
def list_webhooks(request: Context) -> Answer:
    """All webhooks, the newest first."""
    return Answer.items(webhooks.list_webhooks(request.tx, request.actor))


@routes.post("/api/webhooks", answers={201: WebhookSecret}, errors=(400, 404, 409, 413, 415, 422))
def create_webhook(request: Context, body: NewWebhook) -> Answer:
    """Create a webhook. The answer shows its secret, this once."""
    webhook, secret = webhooks.create_webhook(request.tx, request.actor, Wanted(**msgspec.structs.asdict(body)))
    return _with_secret(webhook, secret, 201)


@routes.get("/api/webhooks/{id}", answers={200: Webhook}, errors=(404,))
def get_webhook(request: Context, id: int) -> Answer:
    """One webhook."""
    return Answer.json(webhooks.get_webhook(request.tx, request.actor, id))


@routes.put("/api/webhooks/{id}", answers={200: Webhook}, errors=(400, 404, 413, 415))
def update_webhook(request: Context, id: int, body: WebhookChange) -> Answer:
    """Change a webhook, or activate it again. What is still pending is then delivered."""
    return Answer.json(webhooks.update_webhook(request.tx, request.actor, id, Wanted(**msgspec.structs.asdict(body))))


@routes.delete("/api/webhooks/{id}", answers={204: None}, errors=(404,))
def delete_webhook(request: Context, id: int) -> Answer:
    """Delete a webhook with its log."""
    webhooks.delete_webhook(request.tx, request.actor, id)
    return Answer.none()


@routes.post("/api/webhooks/{id}/rotate-secret", answers={200: WebhookSecret}, errors=(404, 409, 422))
def rotate_secret(request: Context, id: int) -> Answer:
    """Give a webhook a new secret, shown this once. For 24 hours both sign."""
    return _with_secret(*webhooks.rotate_secret(request.tx, request.actor, id), 200)


@routes.post("/api/webhooks/{id}/test", answers={202: Delivery}, errors=(400, 404, 409, 422))
def send_test_message(request: Context, id: int) -> Answer:
    """Send a message of the type `webhook.test`; its delivery is in the log."""
    return Answer.json(webhooks.send_test(request.tx, request.actor, id), status=202)


@routes.get("/api/webhooks/{id}/deliveries", answers={200: DeliveryList}, errors=(404,))
def list_deliveries(request: Context, id: int, query: DeliveryQuery) -> Answer:
    """The messages to a webhook with every attempt, the newest first."""
    found, total = webhooks.list_deliveries(request.tx, request.actor, id, before=query.before, limit=query.limit)
    return Answer.json(DeliveryList(found, total))


@routes.post("/api/webhooks/deliveries/{id}/redeliver", answers={202: Delivery}, errors=(400, 404, 409, 422))
def redeliver(request: Context, id: int) -> Answer:
    """Send a message again, under its own id."""
    return Answer.json(webhooks.redeliver(request.tx, request.actor, id), status=202)


def _with_secret(webhook: Webhook, secret: str, status: int) -> Answer:
    fields = msgspec.structs.asdict(webhook)
    answer = Answer.json(WebhookSecret(**fields, secret=secret), status=status, headers={"Cache-Control": "no-store"})
    answer.stored_body = encode(WebhookSecret(**fields, secret=None))
    return answer
