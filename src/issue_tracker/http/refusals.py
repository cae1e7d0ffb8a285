"""Audit events of refused requests."""

from issue_tracker.actor import anonymous_actor
from issue_tracker.auth.first_start import SetupRefused
from issue_tracker.errors import AppError, Forbidden, TooManyAttempts
from issue_tracker.events.catalog import EventType
from issue_tracker.http.request import Request


def note_refusal(request: Request, error: AppError) -> None:
    """Records that a request was refused because of its sender: too many attempts, an insufficient role, a wrong CSRF
    token or set-up link. Other errors are not recorded, nor are those that only require a confirmation or a new
    password first.
    """
    if not isinstance(error, (Forbidden, TooManyAttempts)) or error.reason_code is not None:
        return
    actor = request.identity.actor if request.identity else anonymous_actor(request_id=request.request_id)
    if isinstance(error, TooManyAttempts):
        if request.identity is None:
            actor = anonymous_actor(error.account, request.request_id)
        type_, what = EventType.SESSION_THROTTLED, "too many attempts"
    elif isinstance(error, SetupRefused):
        type_, what = EventType.SETUP_FAILED, error.detail.rstrip(".")
    else:
        template = request.scope.get("path_template", "a path that does not exist")
        type_, what = EventType.REQUEST_REFUSED, f"{request.method} {template}: {error.detail.rstrip('.')}"
    request.app_state.deferred_events.note(type_, actor, what, request.address)
