"""Presence: the page of an issue reports that it is open, and receives the names of the other viewers."""

from starlette.responses import Response

from issue_tracker.clock import now
from issue_tracker.http.request import Request
from issue_tracker.issues.presence import end_presence, list_present, must_note, note_presence
from issue_tracker.issues.queries.issue import get_issue_head_by_id
from issue_tracker.pages.forms import Form
from issue_tracker.pages.routes import PageRoutes
from issue_tracker.pages.templating import fragment

routes = PageRoutes()


@routes.post("/issues/{issue_id}/presence", transaction=False)
def be_present(request: Request, form: Form, issue_id: int) -> Response:
    """Records that the reader has the page open, or with `leave` that they have closed it, and returns the others.

    The record is renewed at intervals only, so most of these requests only read.
    """
    at, leave = now(), bool(form.get("leave"))
    with request.read() as tx:
        get_issue_head_by_id(tx, request.actor, issue_id)
        write = leave or must_note(tx, request.actor, issue_id, at)
        if not write:
            return _others(request, issue_id)
    with request.write() as tx:
        get_issue_head_by_id(tx, request.actor, issue_id)
        if leave:
            end_presence(tx, request.actor, issue_id)
        else:
            note_presence(tx, request.actor, issue_id, at)
    with request.read():
        return _others(request, issue_id)


def _others(request: Request, issue_id: int) -> Response:
    names = list_present(request.tx, request.actor, issue_id, now())
    return fragment(request, "issues/presence.html", names=names)
