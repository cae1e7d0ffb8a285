"""The second step of a sign-in, and the user's own second factors (contract, section 11), except passkeys."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from starlette.responses import Response

from issue_tracker.api.auth import (
    SESSION_EXAMPLE,
    ChallengeText,
    CodeText,
    CredentialJson,
    SessionState,
    signed_in_response,
    visitor_of,
)
from issue_tracker.auth.factors import recovery, stored, totp
from issue_tracker.auth.factors.stored import Factor, Method
from issue_tracker.auth.second_step import code_check, passkey_check, take_second_step
from issue_tracker.auth.signin import SignedIn
from issue_tracker.errors import Invalid
from issue_tracker.http.identity import Access, Proof
from issue_tracker.http.request import Request
from issue_tracker.http.responses import SecretResponse, json_response, no_content
from issue_tracker.http.routes import Returns, Routes
from issue_tracker.integers import RowId
from issue_tracker.names import Name
from issue_tracker.settings import PREFIX

routes = Routes("Sign-in", access=Access.SIGNED_IN, proof=Proof.SESSION)

REMEMBER = Meta(
    description="Whether later sign-ins in this browser need no second factor for some time "
    f"(`{PREFIX}REMEMBERED_BROWSER_DAYS`)."
)


class SecondStepAnswer(msgspec.Struct, forbid_unknown_fields=True):
    """The second step of a sign-in: a `code`, or the `credential` of a passkey."""

    challenge: ChallengeText
    method: Literal["totp", "passkey", "recovery"]
    code: CodeText | None = None
    credential: CredentialJson | None = None
    remember_browser: Annotated[bool, REMEMBER] = False


@routes.post(
    "/api/auth/login/second-factor",
    access=Access.PUBLIC,
    transaction=False,
    returns=Returns(200, SessionState, SESSION_EXAMPLE),
    example={"challenge": "the challenge of the response to the sign-in", "method": "totp", "code": "492039"},
    errors=(401, 429),
)
def second_factor(request: Request, body: SecondStepAnswer) -> Response:
    """Take the second step of a sign-in. The response is that of a sign-in, and sets the session cookie.

    After too many wrong answers, or after five minutes, the response is 401 with the reason `sign_in_expired`: start
    again.
    """
    return signed_in_response(request, finish_sign_in(request, body))


def finish_sign_in(request: Request, answer: SecondStepAnswer, *, remember: bool = False) -> SignedIn:
    """Takes the second step for the sender of the request. With `remember`, the browser is recognized from now on.

    Raises what `take_second_step` raises, and Invalid for a missing code or credential.
    """
    method = Method(answer.method)
    if method is Method.PASSKEY:
        if answer.credential is None:
            raise Invalid.field("credential", "is missing")
        check = passkey_check(request.settings, answer.challenge, answer.credential)
    elif answer.code is None:
        raise Invalid.field("code", "is missing")
    else:
        check = code_check(request.app_state.server_key.keyring(), method, answer.code)
    visitor = visitor_of(request, remember=remember)
    signed_in = take_second_step(
        request.database, request.settings, answer.challenge, check, visitor, trust=answer.remember_browser
    )
    request.log_user(signed_in.user.user_id)
    return signed_in


class FactorList(msgspec.Struct):
    """The second factors of a user; recovery codes are counted separately."""

    items: list[Factor]
    total: int
    recovery_codes_left: int


FACTORS_EXAMPLE = {
    "items": [
        {
            "id": 4,
            "method": "totp",
            "name": "Authenticator app",
            "created_at": "2025-01-04T10:15:00+00:00",
            "last_used_at": None,
        }
    ],
    "total": 1,
    "recovery_codes_left": 10,
}


@routes.get("/api/auth/factors", before_enrolment=True, returns=Returns(200, FactorList, FACTORS_EXAMPLE))
def list_factors(request: Request) -> Response:
    """List your own second factors, the oldest first."""
    return json_response(factor_list(request, request.user_id))


def factor_list(request: Request, user_id: int) -> FactorList:
    """Returns the second factors of a user."""
    found = stored.list_factors(request.tx, user_id)
    return FactorList(found, len(found), recovery.count_codes(request.tx, user_id))


@routes.delete("/api/auth/factors/{id}", proof=Proof.FRESH_SESSION, returns=Returns(204))
def remove_factor(request: Request, id: int) -> Response:
    """Remove one of your own second factors, and with the last one the recovery codes. Other sessions end."""
    stored.remove_factor(request.tx, request.settings, request.actor, id)
    return no_content()


class NewAppName(msgspec.Struct, forbid_unknown_fields=True):
    """The user's name for a new authenticator app; the default is “Authenticator app”."""

    name: Name | None = None


class NewTotp(msgspec.Struct, frozen=True):
    """A new authenticator app: the secret to enter in the app, and the same as an address for its camera."""

    id: int
    secret: str | None
    otpauth_uri: str | None


@routes.post(
    "/api/auth/factors/totp",
    proof=Proof.FRESH_SESSION,
    before_enrolment=True,
    body_optional=True,
    returns=Returns(
        201, NewTotp, {"id": 4, "secret": "JBSWY3DPEHPK3PXP…", "otpauth_uri": "otpauth://totp/Issue%20Tracker:…"}
    ),
    example={"name": "Authenticator app"},
)
def begin_totp(request: Request, body: NewAppName) -> Response:
    """Begin to set up an authenticator app. It becomes a factor when its first code is verified, within an hour."""
    keyring, name = request.app_state.server_key.keyring(), body.name or totp.DEFAULT_NAME
    app = totp.begin_totp(request.tx, keyring, request.actor, name)
    content = {"id": app.id, "secret": app.secret, "otpauth_uri": app.otpauth_uri}
    return SecretResponse(content, "secret", 201, also=("otpauth_uri",))


class FirstCode(msgspec.Struct, forbid_unknown_fields=True):
    """The first code that a new authenticator app shows."""

    id: RowId
    code: CodeText


class RecoveryCodes(msgspec.Struct, frozen=True):
    """Recovery codes, which only this response contains; a replayed response has null instead.

    A further factor adds no new codes: those of the first factor remain valid.
    """

    recovery_codes: list[str] | None


CODES_EXAMPLE = {"recovery_codes": ["mzxw-6ytb-oi7d-k3lq-…", "ovzw-k4tp-…"]}


@routes.post(
    "/api/auth/factors/totp/verify",
    proof=Proof.FRESH_SESSION,
    before_enrolment=True,
    returns=Returns(200, RecoveryCodes, CODES_EXAMPLE),
    example={"id": 4, "code": "492039"},
    errors=(404,),
)
def verify_totp(request: Request, body: FirstCode) -> Response:
    """Verify the first code of a new authenticator app, which thereby becomes a factor. Other sessions end."""
    keyring = request.app_state.server_key.keyring()
    codes = totp.confirm_totp(request.tx, keyring, request.actor, body.id, body.code)
    return SecretResponse({"recovery_codes": codes}, "recovery_codes")


@routes.post(
    "/api/auth/factors/recovery-codes", proof=Proof.FRESH_SESSION, returns=Returns(200, RecoveryCodes, CODES_EXAMPLE)
)
def renew_recovery_codes(request: Request) -> Response:
    """Replace the recovery codes. The former ones become invalid."""
    codes = stored.renew_recovery_codes(request.tx, request.actor)
    return SecretResponse({"recovery_codes": codes}, "recovery_codes")
