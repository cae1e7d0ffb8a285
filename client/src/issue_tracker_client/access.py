"""The session, API tokens, and any other operation of the API: contract sections 3 and 9."""

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
    """Returns who is signed in, and until when. Refused for a token, which has no session."""
    return read_session((yield from session.perform(Request("GET", "/api/auth/session"))))


def create_token(
    session: Session,
    name: str,
    *,
    scopes: Iterable[str] = ("read",),
    expires_at: datetime | None = None,
    networks: Iterable[str] = (),
    companies: Iterable[str] = (),
    company_groups: Iterable[str] = (),
) -> Plan[Token]:
    """Creates an API token for the signed-in user. Its secret is in `token`, and is never shown again.
    Refused for a token: only a session can create, list and revoke tokens.

    Scopes are `read` and `write`. The token is accepted from `networks` (such as `192.0.2.0/24`) only, and sees only
    `companies` and those of `company_groups`, unless these are empty. Raises TokenLost when the response with the
    secret was lost: the response to the retry does not contain it.
    """
    access = {
        "companies": several("companies", companies),
        "company_groups": several("company_groups", company_groups),
    }
    given = {
        "name": name,
        "scopes": several("scopes", scopes),
        "expires_at": expires_at and expires_at.isoformat(),
        "networks": several("networks", networks) or None,
        "company_access": access if any(access.values()) else None,
    }
    body = {field: value for field, value in given.items() if value is not None}
    created = read_token((yield from session.perform(posted(TOKENS, body))))
    if created.token is None:
        raise TokenLost(created.id, created.name)
    return created


def tokens(session: Session) -> Plan[Listing[Token]]:
    """Returns the signed-in user's tokens, without their secrets."""
    return read_tokens((yield from session.perform(Request("GET", TOKENS))))


def revoke_token(session: Session, token_id: int) -> Plan[None]:
    """Revokes a token: the server refuses it from now on."""
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
    """Performs any operation of the API, such as `call("GET", "/api/webhooks")`. Returns its JSON, None for a 204.

    It authenticates, retries and raises like all other functions; the caller percent-encodes the `path`. Raises
    Misuse for a path without a leading slash, and for an `idempotency_key` with any method but POST.
    """
    method = method.upper()
    if not path.startswith("/"):
        raise Misuse(f"{path!r} is not a path: a path begins with a slash")
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
