"""A client for one identity provider: its metadata, its keys and its tokens.

Nothing is fetched before it is needed. Do not call these functions inside a transaction, because each may wait for the
provider. All of them raise ProviderFailed if the provider does not respond, or violates the protocol.
"""

import math
import threading
import time
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

import msgspec

from issue_tracker.auth.single_sign_on.errors import GrantRefused, ProviderFailed, TokenRefused
from issue_tracker.auth.single_sign_on.token_endpoint import TokenSession
from issue_tracker.outbound.outcomes import Unreachable
from issue_tracker.outbound.tls import tls_with
from issue_tracker.settings.providers import Provider, is_safe_address, read_secret

# Authlib, joserfc and httpcore are imported where they are used: they take 11 MiB of every worker and 60 ms of every
# start, and most installations have no identity provider.
if TYPE_CHECKING:
    from joserfc.jwk import KeySet

T = TypeVar("T")

SECONDS = 5.0
"""Timeout of one request to a provider."""

MOST_BYTES = 1_000_000
"""Maximum size of a response from a provider that is read, in bytes."""

METADATA_SECONDS = 3600.0
"""The age at which metadata and keys are fetched again."""

STALE_SECONDS = 86400.0
"""The age up to which they are used while the provider does not respond."""

KEYS_PAUSE_SECONDS = 60.0
"""Minimum time after which the keys are fetched again because they lack a key once more. A key that was replaced a
moment after they were fetched must not stop sign-ins, but anyone can send tokens that name unknown keys.
"""

FAILURE_PAUSE_SECONDS = 60.0
"""How long old metadata and keys are used without another attempt after the provider did not respond. Otherwise all
sign-ins and checks of sessions would wait for its timeout, one after another."""

AUTHENTICATION = ("client_secret_basic", "client_secret_post")
"""The supported methods of authentication at the token endpoint, the preferred one first."""

NOT_ABOUT_THE_USER = frozenset(
    ("invalid_client", "unauthorized_client", "unsupported_grant_type", "server_error", "temporarily_unavailable")
)
"""The errors with which a token endpoint refuses this server, whoever the user is, such as when its secret has expired;
and those with which it reports its own failure (RFC 6749, sections 4.1.2.1 and 5.2).
"""


class Metadata(msgspec.Struct, frozen=True):
    """The parts of a provider's metadata that are used (OpenID Connect Discovery 1.0, section 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    end_session_endpoint: str | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] = AUTHENTICATION[:1]
    authorization_response_iss_parameter_supported: bool = False


class Grant(msgspec.Struct, frozen=True):
    """The response of the token endpoint."""

    access_token: str | None = None
    id_token: str | None = None
    refresh_token: str | None = None


class _Fetched(msgspec.Struct, frozen=True):
    """What was fetched, when, and when an attempt to fetch it again failed since, in monotonic time."""

    value: Any
    at: float
    failed_at: float = -math.inf


class ProviderClient:
    """The client. Safe to use from several threads. `redirect_uri` is where the provider sends browsers back."""

    def __init__(self, provider: Provider, redirect_uri: str) -> None:
        self.provider = provider
        self.redirect_uri = redirect_uri
        self._lock = threading.Lock()
        self._metadata: _Fetched | None = None
        self._keys: _Fetched | None = None
        self._lacked_at = -math.inf

    def metadata(self) -> Metadata:
        """Returns the metadata of the provider."""
        with self._lock:
            self._metadata = self._renewed(self._metadata, self._fetch_metadata)
            found: Metadata = self._metadata.value
            return found

    def authorization_address(self, *, state: str, nonce: str, code_verifier: str, again: bool) -> str:
        """Returns the URL to which to send a browser. With `again`, the user must sign in there once more."""
        url, _ = self._client().create_authorization_url(
            self.metadata().authorization_endpoint,
            state=state,
            nonce=nonce,
            code_verifier=code_verifier,
            **({"prompt": "login", "max_age": "0"} if again else {}),
            **self.provider.authorization_parameters,
        )
        return str(url)

    def sign_out_address(self, back_to: str) -> str | None:
        """Returns the URL at which a browser signs out there; None if the provider does not offer one."""
        endpoint = self.metadata().end_session_endpoint
        if endpoint is None:
            return None
        query = urlencode({"client_id": self.provider.client_id, "post_logout_redirect_uri": back_to})
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{query}"

    def redeem(self, code: str, code_verifier: str) -> Grant:
        """Returns the tokens for an authorization code. Raises GrantRefused."""
        url, client = self.metadata().token_endpoint, self._client()
        parameters = {"grant_type": "authorization_code", "code": code, "code_verifier": code_verifier}
        return self._granted(lambda: client.fetch_token(url, **parameters))

    def refresh(self, refresh_token: str) -> Grant:
        """Returns the tokens for a refresh token. Raises GrantRefused, for example if the user was removed."""
        url, client = self.metadata().token_endpoint, self._client()
        return self._granted(lambda: client.refresh_token(url, refresh_token=refresh_token))

    def claims(self, grant: Grant, at: datetime, *, nonce: str | None) -> dict[str, Any]:
        """Returns the verified claims of the ID token of a grant. Raises TokenRefused."""
        from issue_tracker.auth.single_sign_on import tokens  # noqa: PLC0415 - not loaded at every start

        if grant.id_token is None:
            raise TokenRefused("the provider sent no ID token")
        return tokens.read_id_token(
            self.provider, grant.id_token, self.keys, at, nonce=nonce, access_token=grant.access_token
        )

    def user_info(self, grant: Grant, subject: str) -> dict[str, Any]:
        """Returns the user info, which supplements the ID token; empty if the provider offers none.

        Raises TokenRefused if it is about another user (OpenID Connect Core, section 5.3.2).
        """
        url = self.metadata().userinfo_endpoint
        if url is None or grant.access_token is None:
            return {}
        found = self._get(url, dict[str, Any], {"Authorization": f"Bearer {grant.access_token}"})
        if found.get("sub") != subject:
            raise TokenRefused("the user info is about another user")
        return found

    def keys(self, again: bool = False) -> "KeySet":
        """Returns the provider's public keys. With `again`, because they lack a key, fetches them unless that was done
        very recently for the same reason.
        """
        url = self.metadata().jwks_uri
        with self._lock:
            again = again and time.monotonic() - self._lacked_at >= KEYS_PAUSE_SECONDS
            present = None if again else self._keys
            self._keys = self._renewed(present, lambda: self._fetch_keys(url))
            found: KeySet = self._keys.value
            if again:
                self._lacked_at = self._keys.at
            return found

    def _renewed(self, present: _Fetched | None, fetch: Any) -> _Fetched:
        at = time.monotonic()
        if present and (at < present.at + METADATA_SECONDS or at < present.failed_at + FAILURE_PAUSE_SECONDS):
            return present
        try:
            return _Fetched(fetch(), time.monotonic())
        except ProviderFailed:
            if present is None or at > present.at + STALE_SECONDS:
                raise
            return msgspec.structs.replace(present, failed_at=time.monotonic())

    def _fetch_metadata(self) -> Metadata:
        issuer = self.provider.issuer
        found = self._get(f"{issuer.rstrip('/')}/.well-known/openid-configuration", Metadata)
        if found.issuer != issuer:
            raise self._failed(f"its metadata names another issuer: {found.issuer!r}")
        for name in (
            "authorization_endpoint",
            "token_endpoint",
            "jwks_uri",
            "userinfo_endpoint",
            "end_session_endpoint",
        ):
            address = getattr(found, name)
            if address is not None and not is_safe_address(address, issuer):
                raise self._failed(f"its {name} is not an https address: {address!r}")
        return found

    def _fetch_keys(self, url: str) -> "KeySet":
        from issue_tracker.auth.single_sign_on import tokens  # noqa: PLC0415 - not loaded at every start

        found = self._get(url, dict[str, Any]).get("keys")
        if not isinstance(found, list):
            raise self._failed("its keys are not a key set")
        try:
            return tokens.read_keys(found)
        except ValueError as error:
            raise self._failed(f"its keys cannot be read: {error}") from None

    def _get(self, url: str, type_: type[T], headers: Mapping[str, str] | None = None) -> T:
        code, body = self._fetch("GET", url, {"Accept": "application/json", **(headers or {})})
        if code != 200:
            raise self._failed(f"{url}: status {code}")
        try:
            return msgspec.json.decode(body, type=type_)
        except (msgspec.DecodeError, ValueError) as error:
            raise self._failed(f"{url}: {error}") from None

    def _fetch(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None) -> tuple[int, bytes]:
        from issue_tracker.outbound import requests  # noqa: PLC0415 - not loaded at every start

        try:
            found = requests.fetch(
                method,
                url,
                headers={"User-Agent": "issue-tracker", **headers},
                body=body,
                seconds=SECONDS,
                most_bytes=MOST_BYTES,
                tls=self._tls,
            )
        except Unreachable as error:
            raise self._failed(f"{url}: {error}") from None
        return found.code, found.body

    def _granted(self, request: Any) -> Grant:
        from authlib.oauth2.base import OAuth2Error  # noqa: PLC0415 - not loaded at every start

        try:
            grant = msgspec.convert(dict(request()), Grant)
        except OAuth2Error as error:
            reason = str(error.error)[:100]
            if reason in NOT_ABOUT_THE_USER:
                raise self._failed(f"its token endpoint refuses this server: {reason}") from None
            raise GrantRefused(reason) from None
        except (ValueError, TypeError, msgspec.ValidationError) as error:
            raise self._failed(f"its token endpoint: {error}") from None
        if grant.access_token is None:
            raise self._failed("its token endpoint sent no access token")
        return grant

    def _client(self) -> Any:
        from authlib.oauth2.client import OAuth2Client  # noqa: PLC0415 - not loaded at every start

        provider = self.provider
        supported = self.metadata().token_endpoint_auth_methods_supported
        return OAuth2Client(
            TokenSession(self._fetch),
            client_id=provider.client_id,
            client_secret=self._secret(),
            token_endpoint_auth_method=next((one for one in AUTHENTICATION if one in supported), AUTHENTICATION[0]),
            scope=" ".join(provider.scopes),
            redirect_uri=self.redirect_uri,
            code_challenge_method="S256",
        )

    def _secret(self) -> str:
        """Returns the present secret, read again each time, so that it can be replaced without a restart."""
        try:
            return read_secret(self.provider)
        except (OSError, ValueError) as error:
            raise self._failed(f"its client secret cannot be read: {error}") from None

    @property
    def _tls(self) -> Any:
        if self.provider.ca_file is None:
            return None
        try:
            return tls_with(self.provider.ca_file)
        except OSError as error:
            raise self._failed(f"ca_file cannot be read: {error}") from None

    def _failed(self, reason: str) -> ProviderFailed:
        return ProviderFailed(self.provider.name, reason)
