"""The pages of webhooks, for super admins."""

import msgspec
from starlette.responses import Response

from issue_tracker.api.webhooks import NewWebhook
from issue_tracker.companies.queries import get_companies, get_companies_by_id
from issue_tracker.events import webhooks
from issue_tracker.events.messages import KNOWN_TYPES
from issue_tracker.events.queries.webhooks import Delivery, get_health, get_webhook, list_deliveries, list_webhooks
from issue_tracker.events.type_names import name_of
from issue_tracker.events.webhooks import WebhookFields
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.request import Request
from issue_tracker.names import key
from issue_tracker.pages.confirmations import confirmation
from issue_tracker.pages.flash import Flash, flash_cookie
from issue_tracker.pages.forms import Form, FormView, ShownForm
from issue_tracker.pages.navigation import redirect
from issue_tracker.pages.pasted_companies import pasted_names
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import page

routes = PageRoutes(access=Access.ADMINISTRATOR)

SHOWN = 50
"""Number of the latest deliveries that a webhook's page lists."""

FORM = ShownForm(unknown="companies", lists=("event_types",))


class Shown(msgspec.Struct, frozen=True):
    """A delivery in one line: `answer` is the result of its last attempt, `body` the beginning of the response."""

    id: int
    type: str
    state: str
    answer: str
    at: str
    body: str | None = None
    next_attempt_at: str | None = None


@routes.get("/admin/webhooks")
def show_webhooks(request: Request, form: FormView | None = None) -> Response:
    """Shows every webhook, and the form to add one."""
    return page(
        request,
        "events/webhooks.html",
        place="admin",
        section="webhooks",
        webhooks=[
            (hook, get_health(request.tx, request.actor, hook.id)) for hook in list_webhooks(request.tx, request.actor)
        ],
        name_of=name_of,
        event_types=sorted(KNOWN_TYPES),
        form=(form or FormView()).with_defaults({"active": "true"}),
    )


@routes.post("/admin/webhooks", proof=Proof.FRESH_SESSION, shown_by=show_webhooks, form=FORM)
def create(request: Request, form: Form) -> Response:
    """Adds a webhook, and shows its secret once."""
    keyring = request.app_state.server_key.keyring()
    fields, most = _fields(request, form), request.settings.webhooks
    _, secret = webhooks.create_webhook(request.tx, request.actor, keyring, fields, most=most)
    shown = Flash("Copy the signing secret now. It is shown only once:", secret=secret)
    return redirect("/admin/webhooks", flash_cookie(request, shown))


@routes.get("/admin/webhooks/{webhook_id}")
def show_webhook(request: Request, webhook_id: int, form: FormView | None = None) -> Response:
    """Shows a webhook and its latest deliveries."""
    hook = get_webhook(request.tx, request.actor, webhook_id)
    found, _ = list_deliveries(request.tx, request.actor, webhook_id, before=None, limit=SHOWN)
    companies = get_companies_by_id(request.tx, request.actor, hook.company_ids).values()
    stored = msgspec.structs.asdict(hook) | {"companies": "\n".join(company.name for company in companies)}
    return page(
        request,
        "events/webhook.html",
        place="admin",
        section="webhooks",
        hook=hook,
        health=get_health(request.tx, request.actor, webhook_id),
        name_of=name_of,
        event_types=sorted(KNOWN_TYPES),
        form=(form or FormView()).with_defaults(stored),
        deliveries=[_shown(delivery) for delivery in found],
    )


@routes.post("/admin/webhooks/{webhook_id}", hashes=True, shown_by=show_webhook, form=FORM)
def change(request: Request, form: Form, webhook_id: int) -> Response:
    """Changes or reactivates a webhook."""
    webhooks.update_webhook(request.tx, request.actor, webhook_id, _fields(request, form))
    return redirect(f"/admin/webhooks/{webhook_id}", flash_cookie(request, Flash("Saved.")))


@routes.post("/admin/webhooks/{webhook_id}/rotate-secret", proof=Proof.FRESH_SESSION)
def rotate(request: Request, form: Form, webhook_id: int) -> Response:
    """Creates a new secret, and shows it once."""
    keyring = request.app_state.server_key.keyring()
    _, secret = webhooks.rotate_secret(request.tx, request.actor, keyring, webhook_id)
    text = "The new signing secret. It is shown only once. For 24 hours, messages are signed with the old secret too:"
    return redirect(f"/admin/webhooks/{webhook_id}", flash_cookie(request, Flash(text, secret=secret)))


@routes.post("/admin/webhooks/{webhook_id}/test", shown_by=show_webhook, form=FORM)
def send_test(request: Request, form: Form, webhook_id: int) -> Response:
    """Sends a test message."""
    webhooks.send_test(request.tx, request.actor, webhook_id)
    return redirect(f"/admin/webhooks/{webhook_id}", flash_cookie(request, Flash("A test message has been queued.")))


@routes.post("/admin/webhooks/{webhook_id}/redeliver/{delivery_id}")
def redeliver(request: Request, form: Form, webhook_id: int, delivery_id: int) -> Response:
    """Sends a message again."""
    webhooks.redeliver(request.tx, request.actor, delivery_id)
    return redirect(f"/admin/webhooks/{webhook_id}", flash_cookie(request, Flash("The message has been queued again.")))


@routes.post("/admin/webhooks/{webhook_id}/delete")
def delete(request: Request, form: Form, webhook_id: int) -> Response:
    """Deletes a webhook with its deliveries, after a confirmation."""
    hook = get_webhook(request.tx, request.actor, webhook_id)
    consequence = f"{hook.url} gets no more messages. Its deliveries and its signing secret are deleted, too."
    if unsure := confirmation(request, form, "Delete this webhook?", consequence, "Delete the webhook"):
        return unsure
    webhooks.delete_webhook(request.tx, request.actor, webhook_id)
    return redirect("/admin/webhooks", flash_cookie(request, Flash("The webhook has been deleted.")))


def _fields(request: Request, form: Form) -> WebhookFields:
    names = pasted_names(request, form, "companies")
    known = get_companies(request.tx, request.actor, names)
    fields = {
        "url": form.get("url").strip(),
        "description": form.get("description").strip(),
        "event_types": form.all("event_types"),
        "company_ids": [known[key(name)].company_id for name in names],
        "active": bool(form.get("active")),
    }
    return WebhookFields(**msgspec.structs.asdict(form.read(fields, NewWebhook)))


def _shown(delivery: Delivery) -> Shown:
    last = delivery.attempts[-1] if delivery.attempts else None
    if last is None:
        answer = "not sent yet"
    elif last.code is not None:
        answer = f"{last.code} in {last.duration_ms} ms"
    else:
        answer = last.error or "in progress"
    attempts = f" · {len(delivery.attempts)} attempts" if len(delivery.attempts) > 1 else ""
    return Shown(
        delivery.id,
        delivery.type,
        str(delivery.state),
        answer + attempts,
        delivery.created_at,
        body=None if last is None else last.answer,
        next_attempt_at=delivery.next_attempt_at,
    )
