"""Tokens signed by a provider: ID tokens, which say who signed in, and logout tokens, which say who signed out.

joserfc verifies signatures, Authlib the claims of OpenID Connect Core, section 3.1.3.7. Keys come only from the
provider's own address: keys in the header of a token (`jku`, `x5u`, `jwk`) are ignored.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import JWKRegistry, KeySet, RSAKey

from issue_tracker.auth.single_sign_on.errors import TokenRefused
from issue_tracker.names import storable
from issue_tracker.settings.providers import Provider

LEEWAY_SECONDS = 60
"""Maximum difference between the clock of a provider and this one."""

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"

LOGOUT_SECONDS = 300
"""The age up to which a logout token is accepted (OpenID Connect Back-Channel Logout 1.0, section 2.6)."""

MOST_KEYS = 100
"""Maximum number of a provider's keys that are read."""

KEY_TYPES = ("RSA", "EC", "OKP")
"""The types of public keys. A symmetric key must never verify signatures, even if the provider publishes it."""

Keys = Callable[[bool], KeySet]
"""Returns a provider's keys; with True, fetches them again if that is permitted now. Raises ProviderFailed."""


def read_keys(published: Sequence[Any]) -> KeySet:
    """Returns the keys for signatures in the `keys` of a key set. Raises ValueError if there are none.

    Keys that cannot be used are ignored, such as those of an unknown curve (RFC 7517, section 5): a provider may
    publish them for other clients.
    """
    keys, reason = [], "there is none for signatures"
    for key in published[:MOST_KEYS]:
        if not isinstance(key, dict) or key.get("kty") not in KEY_TYPES or key.get("use", "sig") != "sig":
            continue
        try:
            keys.append(JWKRegistry.import_key(key))
        except (JoseError, ValueError, KeyError, TypeError) as error:
            reason = _reason(error)
    if not keys:
        raise ValueError(reason)
    return KeySet(keys)


def read_id_token(
    provider: Provider,
    token: str,
    keys: Keys,
    at: datetime,
    *,
    nonce: str | None = None,
    access_token: str | None = None,
) -> dict[str, Any]:
    """Returns the claims of an ID token that is valid at `at`.

    `nonce` is that of the request, None for a token from a refresh. Raises TokenRefused, ProviderFailed.
    """
    verified = _verified(provider, token, keys)
    if str(verified.header.get("typ", "JWT")).lower() != "jwt":
        raise TokenRefused(f"the ID token is of the type {verified.header['typ']!r}")
    options = {
        "iss": {"essential": True, "value": provider.issuer},
        "aud": {"essential": True, "value": provider.client_id},
    }
    params = {"nonce": nonce, "client_id": provider.client_id, "access_token": access_token}
    _require(
        lambda: CodeIDToken(verified.claims, verified.header, options, params).validate(_seconds(at), LEEWAY_SECONDS)
    )
    _require_subject(verified.claims)
    return verified.claims


def read_logout_token(provider: Provider, token: str, keys: Keys, at: datetime) -> dict[str, Any]:
    """Returns the claims of a logout token that is valid at `at`: `iat`, and `sub`, `sid` or both.

    Raises TokenRefused, ProviderFailed.
    """
    verified = _verified(provider, token, keys)
    claims = verified.claims
    if str(verified.header.get("typ")).lower() != "logout+jwt":
        raise TokenRefused("the token is not of the type logout+jwt")
    registry = jwt.JWTClaimsRegistry(
        now=_seconds(at),
        leeway=LEEWAY_SECONDS,
        iss={"essential": True, "value": provider.issuer},
        aud={"essential": True, "value": provider.client_id},
        iat={"essential": True},
        exp={"essential": True},
        jti={"essential": True},
    )
    _require(lambda: registry.validate(claims))
    events = claims.get("events")
    if not isinstance(events, Mapping) or not isinstance(events.get(LOGOUT_EVENT), Mapping):
        raise TokenRefused("the token has no logout event")
    if "nonce" in claims:
        raise TokenRefused("the token has a nonce, so it is not a logout token")
    if claims["iat"] < _seconds(at) - LOGOUT_SECONDS:
        raise TokenRefused("the token is too old")
    if "sub" not in claims and "sid" not in claims:
        raise TokenRefused("the token names neither a user nor a session")
    for name in ("sub", "sid"):
        if name in claims:
            _require_subject(claims, name)
    return claims


def _verified(provider: Provider, token: str, keys: Keys) -> jwt.Token:
    """Returns the token if one of the provider's keys signed it with an accepted algorithm. If none did, fetches the
    keys again.
    """
    algorithms = list(provider.algorithms)
    for again in (False, True):
        try:
            return jwt.decode(token, _long_enough(provider, keys(again)), algorithms=algorithms)
        except (InvalidKeyIdError, BadSignatureError) as error:
            refused: Exception = error
        except (JoseError, ValueError) as error:
            raise TokenRefused(_reason(error)) from None
    raise TokenRefused(_reason(refused))


def _long_enough(provider: Provider, keys: KeySet) -> KeySet:
    """Returns the keys without RSA keys that are too short."""
    shortest = provider.shortest_rsa_key
    return KeySet([key for key in keys.keys if not isinstance(key, RSAKey) or key.public_key.key_size >= shortest])


def _require(validate: Callable[[], None]) -> None:
    try:
        validate()
    except (JoseError, ValueError, TypeError) as error:
        raise TokenRefused(_reason(error)) from None


def _require_subject(claims: Mapping[str, Any], name: str = "sub") -> None:
    """Raises TokenRefused for a text longer than OpenID Connect permits (255) or not storable; allows non-ASCII."""
    value = claims.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= 255 or not storable(value):
        raise TokenRefused(f"the claim {name!r} is not a text of 1 to 255 characters")


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _seconds(at: datetime) -> int:
    return int(at.timestamp())
