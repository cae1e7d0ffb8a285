"""Safe retries: a POST with an Idempotency-Key happens once, and every retry gets the first answer.

The answer is stored in the transaction of the change, so that neither is ever there without the other
(contract, section 5). Keys live 24 hours, per actor, method and path.
"""

import hashlib
import hmac
from collections.abc import Callable
from datetime import timedelta

import msgspec
from sqlalchemy import Connection, delete, insert, select, text

from issue_tracker.clock import now
from issue_tracker.database.tables import idempotency_keys
from issue_tracker.errors import AppError, Conflict, InvalidQuery
from issue_tracker.web.answer import Answer
from issue_tracker.web.call import Call
from issue_tracker.web.context import Context
from issue_tracker.web.errors import error_answer

LIFETIME = timedelta(hours=24)
KEY_LIMIT = 255


def once(context: Context, act: Callable[[], Answer]) -> Answer:
    """The answer of `act`, or the stored one when this key was answered before.

    Raises Conflict while the first request with the key still runs, InvalidQuery (422) for another body.
    """
    claim = _claim_of(context)
    if claim is None:
        return act()
    at = now()
    if not context.database.sqlite:
        _hold(context, claim)
    context.tx.execute(delete(idempotency_keys).where(idempotency_keys.c.created_at <= at - LIFETIME))
    stored = _stored(context.tx, claim)
    if stored is not None:
        return stored
    try:
        with context.tx.begin_nested():
            answer = act()
    except AppError as error:
        if error.status >= 500 or error.status == 429:
            raise
        answer = error_answer(error, context.call)
    context.tx.execute(
        insert(idempotency_keys).values(
            **claim.where,
            body_hash=claim.body_hash,
            status=answer.status,
            headers=msgspec.json.encode(dict(answer.headers)).decode(),
            body=answer.body if answer.stored_body is None else answer.stored_body,
            created_at=at,
        )
    )
    return answer


def keyed(call: Call) -> bool:
    """Whether the request carries a key that counts."""
    return call.method == "POST" and "idempotency-key" in call.headers


def refused(context: Context, error: AppError) -> Answer:
    """The refusal of a route that opens its own transactions, kept for retries. Raises it where there is no key."""
    if not keyed(context.call):
        raise error

    def refuse() -> Answer:
        raise error

    with context.database.write() as tx:
        return once(context.within(tx), refuse)


def replayed(context: Context) -> Answer | None:
    """The stored answer, for a route that opens its own transactions: to be asked before it does anything."""
    claim = _claim_of(context)
    if claim is None:
        return None
    with context.database.read() as tx:
        return _stored(tx, claim)


class _Claim(msgspec.Struct, frozen=True):
    """A key of an actor's, and what it was used with. The key itself is not stored, and the body only as a MAC
    under it: a body may hold a password, which a plain hash would not protect.
    """

    where: dict[str, str]
    body_hash: bytes


def _claim_of(context: Context) -> _Claim | None:
    key = _key(context)
    if key is None:
        return None
    secret = key.encode("utf-8", "surrogateescape")
    where = {
        "actor_key": str(context.actor.user_id),
        "method": context.call.method,
        "path": context.call.path,
        "key": hashlib.sha256(secret).hexdigest(),
    }
    return _Claim(where, hmac.digest(secret, context.call.body or b"", hashlib.sha256))


def _stored(tx: Connection, claim: _Claim) -> Answer | None:
    same = [idempotency_keys.c[name] == value for name, value in claim.where.items()]
    fresh = idempotency_keys.c.created_at > now() - LIFETIME
    stored = tx.execute(select(idempotency_keys).where(*same, fresh)).first()
    if stored is None:
        return None
    if stored.body_hash != claim.body_hash:
        raise InvalidQuery("This Idempotency-Key was used with another body.")
    headers = msgspec.json.decode(stored.headers, type=dict[str, str])
    return Answer(stored.body, status=stored.status, headers=headers | {"Idempotent-Replayed": "true"})


def _key(context: Context) -> str | None:
    header = context.header("idempotency-key")
    if header is None or context.call.method != "POST":
        return None
    key = header.strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not key or len(key) > KEY_LIMIT:
        raise InvalidQuery(f"Idempotency-Key must be 1 to {KEY_LIMIT} characters.")
    return key


def _hold(context: Context, claim: _Claim) -> None:
    """On PostgreSQL the first holds a lock until it commits; on SQLite writers take turns anyway."""
    name = "\n".join(claim.where.values()).encode()
    number = int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "big", signed=True)
    held = context.tx.execute(text("SELECT pg_try_advisory_xact_lock(:number)"), {"number": number})
    if not held.scalar_one():
        raise Conflict("A request with the same Idempotency-Key is still running.")
