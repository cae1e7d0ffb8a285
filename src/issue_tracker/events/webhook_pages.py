"""The pages of webhooks, for super admins."""

from typing import Any

import msgspec

from issue_tracker.companies.queries import get_companies, get_companies_by_id
from issue_tracker.errors import AppError, NotFound
from issue_tracker.events import webhooks
from issue_tracker.events.messages import KNOWN_TYPES
from issue_tracker.events.webhooks import Delivery, Wanted, Webhook
from issue_tracker.events.webhooks_api import NewWebhook
from issue_tracker.names import key
from issue_tracker.web.answer import Answer
from issue_tracker.web.context import Access, Context
from issue_tracker.web.navigation import redirect
from issue_tracker.web.pages import Form, PageRoutes, read
from issue_tracker.web.templating import Flash, FormView, flash_cookie, page

routes = PageRoutes(access=Access.SUPER_ADMIN)

SHOWN = 50
"""How many of the latest deliveries a webhook's page lists."""


class Shown(msgspec.Struct, frozen=True):
    """A delivery in one line: `answer` is what its last attempt met."""

    id: int
    type: str
    state: str
    answer: str
    at: str


@routes.get("/admin/webhooks")
def show_webhooks(request: Context) -> Answer:
    """Every webhook, with the form to add one."""
    return _webhooks(request, FormView({"active": "true"}))


def _webhooks_refused(request: Context, form: Form, error: AppError) -> Answer:
    return _webhooks(request, _typed(form, error), status=error.status)


def _webhooks(request: Context, form: FormView, status: int = 200, secret: str | None = None) -> Answer:
    return page(
        request,
        "events/webhooks.html",
        place="admin",
        section="webhooks",
        status=status,
        webhooks=webhooks.list_webhooks(request.tx, request.actor),
        event_types=sorted(KNOWN_TYPES),
        form=form,
        secret=secret,
    )


@routes.post("/admin/webhooks", transaction=False, refused=_webhooks_refused)
def create(request: Context, form: Form) -> Answer:
    """Adds a webhook, and shows its secret this once."""
    with request.database.write() as tx:
        _, secret = webhooks.create_webhook(tx, request.actor, _wanted(request.within(tx), form))
    with request.database.read() as tx:
        return _webhooks(request.within(tx), FormView({"active": "true"}), secret=secret)


@routes.get("/admin/webhooks/{webhook_id}")
def show_webhook(request: Context, webhook_id: int) -> Answer:
    """A webhook and what became of its latest messages."""
    return _webhook(request, webhook_id)


def _webhook_refused(request: Context, form: Form, webhook_id: int, error: AppError) -> Answer:
    return _webhook(request, webhook_id, form=_typed(form, error), status=error.status)


def _webhook(
    request: Context, webhook_id: int, *, form: FormView | None = None, secret: str | None = None, status: int = 200
) -> Answer:
    hook = webhooks.get_webhook(request.tx, request.actor, webhook_id)
    found, _ = webhooks.list_deliveries(request.tx, request.actor, webhook_id, before=None, limit=SHOWN)
    return page(
        request,
        "events/webhook.html",
        place="admin",
        section="webhooks",
        status=status,
        hook=hook,
        event_types=sorted(KNOWN_TYPES),
        form=form or FormView(_stored(request, hook)),
        deliveries=[_shown(delivery) for delivery in found],
        secret=secret,
    )


@routes.post("/admin/webhooks/{webhook_id}", refused=_webhook_refused)
def change(request: Context, form: Form, webhook_id: int) -> Answer:
    """Changes a webhook, or activates it again."""
    webhooks.update_webhook(request.tx, request.actor, webhook_id, _wanted(request, form))
    return redirect(f"/admin/webhooks/{webhook_id}", flash_cookie(Flash("Saved.")))


@routes.post("/admin/webhooks/{webhook_id}/rotate-secret", transaction=False)
def rotate(request: Context, form: Form, webhook_id: int) -> Answer:
    """Gives a new secret, shown this once."""
    with request.database.write() as tx:
        _, secret = webhooks.rotate_secret(tx, request.actor, webhook_id)
    with request.database.read() as tx:
        return _webhook(request.within(tx), webhook_id, secret=secret)


@routes.post("/admin/webhooks/{webhook_id}/test", refused=_webhook_refused)
def send_test(request: Context, form: Form, webhook_id: int) -> Answer:
    """Sends a message to try it."""
    webhooks.send_test(request.tx, request.actor, webhook_id)
    return redirect(f"/admin/webhooks/{webhook_id}", flash_cookie(Flash("A test message is on its way.")))


@routes.post("/admin/webhooks/{webhook_id}/redeliver/{delivery_id}")
def redeliver(request: Context, form: Form, webhook_id: int, delivery_id: int) -> Answer:
    """Sends a message again."""
    webhooks.redeliver(request.tx, request.actor, delivery_id)
    return redirect(f"/admin/webhooks/{webhook_id}", flash_cookie(Flash("The message is on its way again.")))


@routes.post("/admin/webhooks/{webhook_id}/delete")
def delete(request: Context, form: Form, webhook_id: int) -> Answer:
    """Deletes a webhook with its log."""
    webhooks.delete_webhook(request.tx, request.actor, webhook_id)
    return redirect("/admin/webhooks", flash_cookie(Flash("The webhook is deleted.")))


def _wanted(request: Context, form: Form) -> Wanted:
    names = form.lines("companies")
    known = get_companies(request.tx, names)
    fields = {
        "url": form.get("url").strip(),
        "description": form.get("description").strip(),
        "event_types": form.all("event_types"),
        "company_ids": [known[key(name)].company_id for name in names],
        "active": bool(form.get("active")),
    }
    return Wanted(**msgspec.structs.asdict(read(fields, NewWebhook)))


def _typed(form: Form, error: AppError) -> FormView:
    values: dict[str, Any] = {**form.values, "event_types": form.all("event_types")}
    return FormView(values, error, home="companies" if isinstance(error, NotFound) else None)


def _stored(request: Context, hook: Webhook) -> dict[str, Any]:
    companies = get_companies_by_id(request.tx, hook.company_ids).values()
    return msgspec.structs.asdict(hook) | {"companies": "\n".join(company.name for company in companies)}


def _shown(delivery: Delivery) -> Shown:
    last = delivery.attempts[-1] if delivery.attempts else None
    if last is None:
        answer = "not sent yet"
    elif last.code is not None:
        answer = f"{last.code} in {last.duration_ms} ms"
    else:
        answer = last.error or "under way"
    tries = f" · {len(delivery.attempts)} attempts" if len(delivery.attempts) > 1 else ""
    return Shown(delivery.id, delivery.type, str(delivery.state), answer + tries, delivery.created_at)
