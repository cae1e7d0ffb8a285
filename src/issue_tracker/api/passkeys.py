"""Passkeys: sign-in with them, and registration of the user's own ones (contract, section 11)."""

from typing import Any

import msgspec
from starlette.responses import Response

from issue_tracker.api.auth import (
    SESSION_EXAMPLE,
    ChallengeText,
    CredentialJson,
    SessionState,
    signed_in_response,
    visitor_of,
)
from issue_tracker.api.factors import RecoveryCodes
from issue_tracker.auth import challenges, passkey_sign_in, proof, users
from issue_tracker.auth.factors import passkeys
from issue_tracker.auth.factors.passkeys import Ceremony
from issue_tracker.auth.signin import SignedIn
from issue_tracker.clock import now
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.request import Request
from issue_tracker.http.responses import SecretResponse, json_response
from issue_tracker.http.routes import Returns, Routes
from issue_tracker.names import Name

routes = Routes("Sign-in", access=Access.SIGNED_IN, proof=Proof.SESSION)

CREDENTIAL_EXAMPLE: dict[str, Any] = {"id": "9vXw…", "rawId": "9vXw…", "type": "public-key", "response": {}}

USE_EXAMPLE = {"challenge": "1764123000.…", "options": {"rpId": "issues.example.com", "challenge": "k3Jd…"}}


class PasskeyUse(msgspec.Struct, forbid_unknown_fields=True):
    """The sign-in whose second step the passkey is; without a challenge, the passkey is the only step."""

    challenge: ChallengeText | None = None


@routes.post(
    "/api/auth/login/passkey/options",
    access=Access.PUBLIC,
    transaction=False,
    body_optional=True,
    returns=Returns(200, Ceremony, USE_EXAMPLE),
    example={},
    errors=(401,),
)
def passkey_sign_in_options(request: Request, body: PasskeyUse) -> Response:
    """Get what a browser needs to use a passkey: the `options` are for `navigator.credentials.get`.

    Send the `challenge` back with the credential: to `POST /api/auth/login/passkey`, where the passkey is the only
    step; or, if you sent a challenge here, to `POST /api/auth/login/second-factor`.
    """
    with request.read() as tx:
        if body.challenge is None:
            begun = passkey_sign_in.begin(tx, request.settings, request.app_state.server_key.keyring())
        else:
            user = challenges.find_user(tx, body.challenge, now())
            begun = passkeys.begin_use(tx, request.settings, body.challenge, user.user_id)
    return json_response(begun)


class PasskeySignIn(msgspec.Struct, forbid_unknown_fields=True):
    """The passkey with which a user signs in."""

    challenge: ChallengeText
    credential: CredentialJson


@routes.post(
    "/api/auth/login/passkey",
    access=Access.PUBLIC,
    transaction=False,
    returns=Returns(200, SessionState, SESSION_EXAMPLE),
    example={"challenge": "1764123000.…", "credential": CREDENTIAL_EXAMPLE},
    errors=(401, 429),
)
def sign_in_with_passkey(request: Request, body: PasskeySignIn) -> Response:
    """Start a session with a passkey as the only step. The authenticator must have verified the user."""
    return signed_in_response(request, sign_in(request, body))


def sign_in(request: Request, body: PasskeySignIn, *, remember: bool = False) -> SignedIn:
    """Signs in the sender of the request with a passkey. With `remember`, the browser is recognized from now on.

    Raises what `sign_in_with_passkey` raises.
    """
    signed_in = passkey_sign_in.sign_in_with_passkey(
        request.database,
        request.settings,
        request.app_state.server_key.keyring(),
        body.challenge,
        body.credential,
        visitor_of(request, remember=remember),
    )
    request.log_user(signed_in.user.user_id)
    return signed_in


@routes.post(
    "/api/auth/confirm/passkey/options",
    before_enrolment=True,
    transaction=False,
    returns=Returns(200, Ceremony, USE_EXAMPLE),
)
def passkey_confirmation_options(request: Request) -> Response:
    """Get what a browser needs to confirm with a passkey: the `options` are for `navigator.credentials.get`.

    The `challenge` is sent to `POST /api/auth/confirm` with the credential.
    """
    keyring = request.app_state.server_key.keyring()
    with request.read() as tx:
        return json_response(proof.begin_with_passkey(tx, request.settings, keyring, request.actor))


@routes.post(
    "/api/auth/factors/passkeys/options",
    before_enrolment=True,
    transaction=False,
    returns=Returns(
        200,
        Ceremony,
        {"challenge": "1764123000.…", "options": {"rp": {"id": "issues.example.com", "name": "Issue Tracker"}}},
    ),
)
def passkey_options(request: Request) -> Response:
    """Get what a browser needs to create a passkey: the `options` are for `navigator.credentials.create`."""
    keyring = request.app_state.server_key.keyring()
    with request.read() as tx:
        user = users.get_user(tx, request.user_id)
        return json_response(passkeys.begin_registration(tx, request.settings, keyring, user))


class NewPasskey(msgspec.Struct, forbid_unknown_fields=True):
    """A passkey that a browser has created, and the user's name for it."""

    challenge: ChallengeText
    credential: CredentialJson
    name: Name | None = None


class RegisteredPasskey(RecoveryCodes, frozen=True):
    """The new factor, with the recovery codes, if it is the first one."""

    id: int


@routes.post(
    "/api/auth/factors/passkeys",
    proof=Proof.FRESH_SESSION,
    before_enrolment=True,
    returns=Returns(201, RegisteredPasskey, {"recovery_codes": ["mzxw-6ytb-oi7d-k3lq-…"], "id": 5}),
    example={"challenge": "1764123000.…", "name": "Laptop", "credential": CREDENTIAL_EXAMPLE},
)
def register_passkey(request: Request, body: NewPasskey) -> Response:
    """Add a passkey to your own second factors. Other sessions end."""
    factor_id, codes = register(request, body)
    return SecretResponse({"id": factor_id, "recovery_codes": codes}, "recovery_codes", 201)


def register(request: Request, body: NewPasskey) -> tuple[int, list[str]]:
    """Adds a passkey to the factors of the sender of the request. Raises what `passkeys.register` raises."""
    keyring, name = request.app_state.server_key.keyring(), body.name or passkeys.DEFAULT_NAME
    return passkeys.register(
        request.tx, request.settings, keyring, request.actor, body.challenge, body.credential, name
    )
