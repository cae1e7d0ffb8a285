"""Passkeys: signing in with them, and registering one's own (contract, section 11)."""

from typing import Any

import msgspec
from starlette.responses import Response

from issue_tracker.api.auth import SESSION_EXAMPLE, SessionState, signed_in_response, visitor_of
from issue_tracker.api.factors import ChallengeText, CredentialJson, RecoveryCodes
from issue_tracker.auth import challenges, passkey_sign_in, users
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
    """What a passkey is used for: the second step of the sign-in with this challenge; without one, all of it."""

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
    """What a browser needs to use a passkey: the `options` are for `navigator.credentials.get`.

    The `challenge` is sent back with the credential: to `POST /api/auth/login/passkey`, where the passkey is the only
    step, and where one was sent here to `POST /api/auth/login/second-factor`.
    """
    with request.read() as tx:
        if body.challenge is None:
            begun = passkey_sign_in.begin(tx, request.settings, request.app_state.server_key.keyring())
        else:
            user = challenges.find_user(tx, body.challenge, now())
            begun = passkeys.begin_use(tx, request.settings, body.challenge, user.user_id)
    return json_response(begun)


class PasskeySignIn(msgspec.Struct, forbid_unknown_fields=True):
    """The passkey that a person signs in with."""

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
    """Signs in whoever sent the request, with a passkey. With `remember` the browser is recognized the next time.

    Raises as `sign_in_with_passkey` does.
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
    """What a browser needs to make a passkey: the `options` are for `navigator.credentials.create`."""
    keyring = request.app_state.server_key.keyring()
    with request.read() as tx:
        user = users.get_user(tx, request.user_id)
        return json_response(passkeys.begin_registration(tx, request.settings, keyring, user))


class NewPasskey(msgspec.Struct, forbid_unknown_fields=True):
    """A passkey that a browser has made, and what its user calls it."""

    challenge: ChallengeText
    credential: CredentialJson
    name: Name | None = None


class RegisteredPasskey(RecoveryCodes, frozen=True):
    """The new factor, with the recovery codes that came with it."""

    id: int


@routes.post(
    "/api/auth/factors/passkeys",
    proof=Proof.FRESH_SESSION,
    before_enrolment=True,
    returns=Returns(201, RegisteredPasskey, {"recovery_codes": ["mzxw-6ytb-oi7d-k3lq-…"], "id": 5}),
    example={"challenge": "1764123000.…", "name": "Laptop", "credential": CREDENTIAL_EXAMPLE},
)
def register_passkey(request: Request, body: NewPasskey) -> Response:
    """Make a passkey a factor of one's own. Other sessions end."""
    factor_id, codes = register(request, body)
    return SecretResponse({"id": factor_id, "recovery_codes": codes}, "recovery_codes", 201)


def register(request: Request, body: NewPasskey) -> tuple[int, list[str]]:
    """Makes a passkey a factor of whoever sent the request. Raises as `passkeys.register` does."""
    keyring, name = request.app_state.server_key.keyring(), body.name or passkeys.DEFAULT_NAME
    return passkeys.register(
        request.tx, request.settings, keyring, request.actor, body.challenge, body.credential, name
    )
