"""The messages of a sign-in with a provider: where the browser is sent, and what its return proves.

The authorization code flow with PKCE (RFC 7636), following OAuth 2.0 Security (RFC 9700) and OpenID Connect Core.
"""

import hmac
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from issue_tracker.auth.single_sign_on.client import ProviderClient
from issue_tracker.auth.single_sign_on.errors import GrantRefused, SignInRefused, TokenRefused
from issue_tracker.auth.single_sign_on.flows import derived_secret
from issue_tracker.auth.single_sign_on.person import groups_of, person_of
from issue_tracker.auth.single_sign_on.sign_in import ProviderSignIn
from issue_tracker.encryption import Keyring
from issue_tracker.errors import NotFound
from issue_tracker.settings import Settings

NONCE, CODE_VERIFIER = "nonce", "code verifier"

LONGEST = 2000
"""Maximum length of a return parameter that is used, in characters."""


class Return(msgspec.Struct, frozen=True):
    """The parameters with which the provider sent the browser back (RFC 6749, 4.1.2, and RFC 9207)."""

    state: str = ""
    code: str = ""
    iss: str | None = None
    error: str = ""


class IdentityProviders:
    """The clients of the configured providers in this process."""

    def __init__(self, settings: Settings) -> None:
        base = settings.public_url.rstrip("/")
        self.clients = {
            provider.id: ProviderClient(provider, f"{base}/login/with/{provider.id}/callback")
            for provider in settings.providers
        }

    def client(self, provider_id: str) -> ProviderClient:
        """Returns the provider with this id. Raises NotFound."""
        found = self.clients.get(provider_id)
        if found is None:
            raise NotFound("There is no such identity provider.")
        return found


def authorization_address(client: ProviderClient, keyring: Keyring, state: str, *, again: bool) -> str:
    """Returns the URL to which to send a browser; with `again`, for a new sign-in there despite an existing session.

    Waits for the provider. Raises ProviderFailed.
    """
    nonce, verifier = derived_secret(keyring, NONCE, state), derived_secret(keyring, CODE_VERIFIER, state)
    return client.authorization_address(state=state, nonce=nonce, code_verifier=verifier, again=again)


def redeem(client: ProviderClient, keyring: Keyring, returned: Return, at: datetime) -> ProviderSignIn:
    """Returns who signed in, from the return of a sign-in that this browser began with this provider.

    Waits for the provider. Raises ProviderFailed, and SignInRefused for everything that does not prove the sign-in.
    """
    provider = client.provider
    failed = f"Signing in with {provider.name} did not work. Start again."
    try:
        _require_issuer(client, returned)
        if returned.error or not returned.code or len(returned.code) > LONGEST:
            raise TokenRefused(
                f"it returned the error {returned.error[:100]!r}" if returned.error else "it returned no code"
            )
        grant = client.redeem(returned.code, derived_secret(keyring, CODE_VERIFIER, returned.state))
        claims = client.claims(grant, at, nonce=derived_secret(keyring, NONCE, returned.state))
        if "email" not in claims or groups_of(provider, claims) is None:
            claims = _with(client.user_info(grant, claims["sub"]), claims)
        person = person_of(provider, claims)
    except GrantRefused as refused:
        raise SignInRefused(failed, f"the code was refused: {refused}") from None
    except TokenRefused as refused:
        raise SignInRefused(failed, str(refused)) from None
    return ProviderSignIn(provider, person, grant.refresh_token, at)


def _require_issuer(client: ProviderClient, returned: Return) -> None:
    """Raises TokenRefused for a response from another provider than the one that the browser was sent to (RFC 9207)."""
    needed = client.metadata().authorization_response_iss_parameter_supported
    if returned.iss is None and not needed:
        return
    if not hmac.compare_digest((returned.iss or "").encode(), client.provider.issuer.encode()):
        raise TokenRefused(f"the return names the issuer {(returned.iss or '')[:LONGEST]!r}")


def _with(info: Mapping[str, Any], claims: Mapping[str, Any]) -> dict[str, Any]:
    """Adds to the claims what only the user info has; `email_verified` is taken from where the address is."""
    if "email" in claims:
        info = {name: value for name, value in info.items() if name != "email_verified"}
    return {**info, **claims}
