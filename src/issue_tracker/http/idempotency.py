"""Safe retries: a POST with an Idempotency-Key is performed once, and every retry gets the first response.

The response is stored in the transaction of the change, so that neither exists without the other (contract,
section 5; docs/decisions/0040). Keys are valid for 24 hours, per actor, method and path.
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

import msgspec
from sqlalchemy import Row
from starlette.responses import Response

from issue_tracker.database.before_commit import savepoint
from issue_tracker.errors import AppError, ConfirmationRequired, InvalidQuery
from issue_tracker.http.errors import error_response
from issue_tracker.http.request import Request
from issue_tracker.http.responses import SecretResponse
from issue_tracker.server.stored_responses import Claim

KEY_LIMIT = 255


def has_key(request: Request) -> bool:
    """Returns whether a request to an idempotent route carries an Idempotency-Key."""
    return request.header("idempotency-key") is not None


def once(request: Request, act: Callable[[], Response]) -> Response:
    """Returns the response of `act`, or the stored response if this key was used before.

    Needs an open write transaction. Raises Conflict while the first request with the key is still running, InvalidQuery
    (422) for a different body, and NoRoomForResponse when the stored responses reach a limit.
    """
    if not has_key(request):
        return act()
    claim, stored_responses = _claim_of(request), request.app_state.stored_responses
    stored = _replayed(stored_responses.find_locked(request.tx, claim), claim)
    if stored is not None:
        return stored
    stored_responses.require_room(request.tx, claim)
    try:
        with savepoint(request.tx):
            response = act()
    except AppError as error:
        if error.status >= 500 or error.status in (401, 409, 429) or isinstance(error, ConfirmationRequired):
            raise
        response = error_response(request, error)
    headers = msgspec.json.encode({name: value for name, value in response.headers.items() if name != "content-length"})
    body = response.body_without_secret if isinstance(response, SecretResponse) else bytes(response.body)
    stored_responses.store(request.tx, claim, response.status_code, headers.decode(), body)
    return response


def stored_response(request: Request) -> Response | None:
    """Returns the response that is stored for the request's key, for a handler that opens its own transactions."""
    claim = _claim_of(request)
    with request.database.read() as tx:
        return _replayed(request.app_state.stored_responses.find(tx, claim), claim)


def store_refusal(request: Request, error: AppError) -> Response:
    """Returns the error of a handler that opens its own transactions as a response, and stores it for retries."""

    def refuse() -> Response:
        raise error

    with request.write():
        return once(request, refuse)


def _claim_of(request: Request) -> Claim:
    secret = _key(request).encode("utf-8", "surrogateescape")
    covered = request.actor.company_access.key.encode() + (request.content or b"")
    return Claim(
        actor_key=str(request.user_id),
        method=request.method,
        path=request.path,
        key=hashlib.sha256(secret).hexdigest(),
        body_hash=hmac.digest(secret, covered, hashlib.sha256),
    )


def _key(request: Request) -> str:
    key = (request.header("idempotency-key") or "").strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not key or len(key) > KEY_LIMIT:
        raise InvalidQuery(f"Idempotency-Key must be 1 to {KEY_LIMIT} characters.")
    return key


def _replayed(stored: Row[Any] | None, claim: Claim) -> Response | None:
    """Returns the stored response as it is sent again. Raises InvalidQuery if the key was used with another body."""
    if stored is None:
        return None
    if stored.body_hash != claim.body_hash:
        raise InvalidQuery("This Idempotency-Key was used with another body.")
    headers = msgspec.json.decode(stored.headers, type=dict[str, str])
    return Response(stored.body, stored.status, headers | {"Idempotent-Replayed": "true"})
