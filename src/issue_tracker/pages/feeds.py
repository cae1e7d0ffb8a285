"""The pages of status feeds, for super admins: a feed can be tried before it is saved."""

from typing import Any

from starlette.responses import Response

from issue_tracker.alerts import receivers
from issue_tracker.alerts.feeds.trials import FeedTrial
from issue_tracker.alerts.receivers import Receiver
from issue_tracker.alerts.senders import Kind
from issue_tracker.api.alert_feeds import FeedToTry, tried_feed
from issue_tracker.api.alert_receivers import NewReceiver
from issue_tracker.companies.groups.queries import list_group_names
from issue_tracker.errors import Invalid
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.request import Request
from issue_tracker.names import whole_number
from issue_tracker.pages.flash import Flash, flash_cookie
from issue_tracker.pages.forms import Form, FormView, ShownForm
from issue_tracker.pages.navigation import redirect
from issue_tracker.pages.receivers import receiver_of_kind
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import page

routes = PageRoutes(access=Access.ADMINISTRATOR)

HERE = "/admin/alerts/feeds"
BACK = "/admin/alerts"
FEED_FORM = ShownForm(within="feed")


@routes.get(f"{HERE}/new")
def show_new_feed(request: Request, form: FormView | None = None, trial: FeedTrial | None = None) -> Response:
    """Shows the form for a new feed."""
    return _feed_page(request, f"{HERE}/new", form or FormView(), {"interval_minutes": "5"}, trial)


@routes.post(
    f"{HERE}/new",
    proof=Proof.FRESH_SESSION,
    transaction=False,
    outgoing=True,
    shown_by=show_new_feed,
    form=FEED_FORM,
)
def create_feed(request: Request, form: Form) -> Response:
    """Adds a feed, or tries it."""
    name = form.get("name")
    if form.get("try"):
        trial = _trial(request, form, name)
        with request.read():
            return show_new_feed(request, FormView(dict(form.pairs)), trial)
    body = form.read({"name": name, "kind": Kind.FEED.value, "feed": _typed(form)}, NewReceiver)
    with request.write() as tx:
        receivers.create_receiver(tx, request.actor, body.name, body.kind, feed=body.feed)
    return redirect(BACK, flash_cookie(request, Flash("The feed has been added. It will be polled within seconds.")))


@routes.get(f"{HERE}/{{id}}")
def show_feed(request: Request, id: int, form: FormView | None = None, trial: FeedTrial | None = None) -> Response:
    """Shows how polling a feed goes, and the form to change it."""
    receiver = receiver_of_kind(request, id, Kind.FEED)
    feed = receiver.feed
    stored: dict[str, Any] = {}
    if feed is not None:
        stored = {"url": feed.url, "company_group": feed.company_group, "interval_minutes": str(feed.interval_minutes)}
    return _feed_page(request, f"{HERE}/{id}", form or FormView(), stored, trial, receiver)


@routes.post(
    f"{HERE}/{{id}}",
    proof=Proof.FRESH_SESSION,
    transaction=False,
    outgoing=True,
    shown_by=show_feed,
    form=FEED_FORM,
)
def change_feed(request: Request, form: Form, id: int) -> Response:
    """Changes a feed, or tries it."""
    with request.read():
        receiver = receiver_of_kind(request, id, Kind.FEED)
    if form.get("try"):
        trial = _trial(request, form, receiver.name)
        with request.read():
            return show_feed(request, id, FormView(dict(form.pairs)), trial)
    body = form.read({"name": receiver.name, "kind": Kind.FEED.value, "feed": _typed(form)}, NewReceiver)
    with request.write() as tx:
        receivers.update_receiver(tx, request.actor, id, feed=body.feed)
    return redirect(BACK, flash_cookie(request, Flash("Saved. The feed is polled within seconds.")))


def _feed_page(
    request: Request,
    action: str,
    form: FormView,
    values: dict[str, Any],
    trial: FeedTrial | None,
    receiver: Receiver | None = None,
) -> Response:
    return page(
        request,
        "alerts/feed.html",
        place="admin",
        section="alerts",
        action=action,
        form=form.with_defaults(values),
        trial=trial,
        receiver=receiver,
        groups=[("", "Choose a group"), *((name, name) for name in list_group_names(request.tx, request.actor))],
    )


def _trial(request: Request, form: Form, name: str) -> FeedTrial:
    """Returns what the feed in the form would open. Raises Invalid."""
    return tried_feed(request, form.read({"receiver": name, "feed": _typed(form)}, FeedToTry))


def _typed(form: Form) -> dict[str, Any]:
    minutes = whole_number(form.get("interval_minutes").strip())
    if minutes is None:
        raise Invalid.field("interval_minutes", "must be a whole number")
    return {**form.fields("url", "company_group"), "interval_minutes": minutes}
