"""Safe retries: a POST with an Idempotency-Key is performed once, and every retry gets the first response.

The response is stored in the transaction of the change, so that neither exists without the other (contract,
section 5). Keys live for 24 hours, per actor, method and path.
"""

import hashlib
import hmac
from collections.abc import Callable
from datetime import timedelta

import msgspec
from sqlalchemy import Connection, delete, insert, select, text
from starlette.responses import Response

from issue_tracker.clock import now
from issue_tracker.database.tables import idempotency_keys
from issue_tracker.errors import AppError, Conflict, InvalidQuery
from issue_tracker.http.errors import error_response
from issue_tracker.http.request import Request
from issue_tracker.http.responses import SecretResponse

LIFETIME = timedelta(hours=24)
KEY_LIMIT = 255


def has_key(request: Request) -> bool:
    """Returns whether the request carries an Idempotency-Key that takes effect."""
    return request.method == "POST" and request.identity is not None and request.header("idempotency-key") is not None


def once(request: Request, act: Callable[[], Response]) -> Response:
    """Returns the response of `act`, or the stored response if this key was used before.

    Needs an open write transaction. Raises Conflict while the first request with the key is still running, InvalidQuery
    (422) for a different body, and NoRoomForResponse when the stored responses reach a limit.
    """
    if not has_key(request):
        return act()
    claim = _claim_of(request)
    at = now()
    if not request.database.sqlite:
        _lock(request.tx, claim)
    request.tx.execute(delete(idempotency_keys).where(idempotency_keys.c.created_at <= at - LIFETIME))
    stored = _find(request.tx, claim)
    if stored is not None:
        return stored
    request.app_state.stored_responses.require_room(request.tx, claim.where["actor_key"])
    try:
        with request.tx.begin_nested():
            response = act()
    except AppError as error:
        if error.status >= 500 or error.status == 429:
            raise
        response = error_response(request, error)
    stored_headers = {name: value for name, value in response.headers.items() if name != "content-length"}
    headers = msgspec.json.encode(stored_headers).decode()
    body = response.body_without_secret if isinstance(response, SecretResponse) else bytes(response.body)
    request.tx.execute(
        insert(idempotency_keys).values(
            **claim.where,
            body_hash=claim.body_hash,
            status=response.status_code,
            headers=headers,
            body=body,
            created_at=at,
        )
    )
    request.app_state.stored_responses.add(claim.where["actor_key"], len(body) + len(headers))
    return response


def stored_response(request: Request) -> Response | None:
    """Returns the stored response, for a handler that opens its own transactions and calls this first."""
    if not has_key(request):
        return None
    claim = _claim_of(request)
    with request.database.read() as tx:
        return _find(tx, claim)


def store_refusal(request: Request, error: AppError) -> Response:
    """Returns the error of a handler that opens its own transactions as a response, and stores it for retries.

    Raises the error itself when the request has no key.
    """

    def refuse() -> Response:
        raise error

    if not has_key(request):
        raise error
    with request.write():
        return once(request, refuse)


class _Claim(msgspec.Struct, frozen=True):
    """A key of an actor, and a MAC of what it was used with.

    The key itself is not stored, and the body only as a MAC under the key: a body may contain a password, which a plain
    hash would not protect. The MAC also covers the actor's company access, so that a response is never repeated to a
    user who may no longer see all of it.
    """

    where: dict[str, str]
    body_hash: bytes


def _claim_of(request: Request) -> _Claim:
    secret = _key(request).encode("utf-8", "surrogateescape")
    where = {
        "actor_key": str(request.user_id),
        "method": request.method,
        "path": request.path,
        "key": hashlib.sha256(secret).hexdigest(),
    }
    covered = request.actor.company_access.key.encode() + (request.content or b"")
    return _Claim(where, hmac.digest(secret, covered, hashlib.sha256))


def _key(request: Request) -> str:
    key = (request.header("idempotency-key") or "").strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not key or len(key) > KEY_LIMIT:
        raise InvalidQuery(f"Idempotency-Key must be 1 to {KEY_LIMIT} characters.")
    return key


def _find(tx: Connection, claim: _Claim) -> Response | None:
    same = [idempotency_keys.c[name] == value for name, value in claim.where.items()]
    alive = idempotency_keys.c.created_at > now() - LIFETIME
    stored = tx.execute(select(idempotency_keys).where(*same, alive)).first()
    if stored is None:
        return None
    if stored.body_hash != claim.body_hash:
        raise InvalidQuery("This Idempotency-Key was used with another body.")
    headers = msgspec.json.decode(stored.headers, type=dict[str, str])
    return Response(stored.body, stored.status, headers | {"Idempotent-Replayed": "true"})


def _lock(tx: Connection, claim: _Claim) -> None:
    """On PostgreSQL, locks the key until the first request commits; on SQLite, writers take turns anyway."""
    name = "\n".join(claim.where.values()).encode()
    number = int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big", signed=True)
    locked = tx.execute(text("SELECT pg_try_advisory_xact_lock(:number)"), {"number": number})
    if not locked.scalar_one():
        raise Conflict("A request with the same Idempotency-Key is still running.")
