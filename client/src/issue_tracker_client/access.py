"""One's own session, API tokens, and a way to the rest of the API: contract sections 3 and 9."""

import dataclasses
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from issue_tracker_client.errors import Misuse, TokenLost
from issue_tracker_client.models import Listing, SignedIn, Token, decoder, understood
from issue_tracker_client.session import Session
from issue_tracker_client.spelling import Plain, json_request, posted, query_pairs, several
from issue_tracker_client.steps import Plan, Request

TOKENS = "/api/auth/tokens"

read_token = decoder(Token)
read_tokens = decoder(Listing[Token])
read_session = decoder(SignedIn)


def who_am_i(session: Session) -> Plan[SignedIn]:
    """Who is signed in, and until when. Refused with a token, which has no session."""
    return read_session((yield from session.perform(Request("GET", "/api/auth/session"))))


def create_token(
    session: Session, name: str, *, scopes: Iterable[str] = ("read",), expires_at: datetime | None = None
) -> Plan[Token]:
    """Make an API token of one's own; its secret is in `token`, this once. Scopes are `read` and `write`.

    Raises TokenLost when the answer with the secret was lost: the one to the next attempt has none.
    """
    given = {"name": name, "scopes": several("scopes", scopes), "expires_at": expires_at and expires_at.isoformat()}
    body = {field: value for field, value in given.items() if value is not None}
    made = read_token((yield from session.perform(posted(TOKENS, body))))
    if made.token is None:
        raise TokenLost(made.id, made.name)
    return made


def tokens(session: Session) -> Plan[Listing[Token]]:
    """One's own tokens, without their secrets."""
    return read_tokens((yield from session.perform(Request("GET", TOKENS))))


def revoke_token(session: Session, token_id: int) -> Plan[None]:
    """End a token: requests that carry it are refused from now on."""
    yield from session.execute(Request("DELETE", f"{TOKENS}/{token_id}"))


def call(
    session: Session,
    method: str,
    path: str,
    *,
    query: Mapping[str, Plain | Iterable[Plain]] | None = None,
    body: object = None,
    idempotency_key: str | None = None,
) -> Plan[Any]:
    """Any other operation of the API, such as `call("GET", "/api/webhooks")`: its JSON answer, None for a 204.

    Signed in, retried and refused like all others; the caller percent-encodes the `path`. Raises Misuse for a
    path without a slash in front, and for an `idempotency_key` with anything but POST.
    """
    method = method.upper()
    if not path.startswith("/"):
        raise Misuse(f"{path!r} is not a path: one begins with a slash")
    if idempotency_key is not None and method != "POST":
        raise Misuse("only a POST takes an Idempotency-Key")
    if method == "POST":
        request = posted(path, body, idempotency_key)
    elif body is not None:
        request = json_request(method, path, body)
    else:
        request = Request(method, path)
    reply = yield from session.perform(dataclasses.replace(request, query=query_pairs(query or {})))
    if reply.status == 204:
        return None
    return understood(msgspec.json.decode, reply.content)
