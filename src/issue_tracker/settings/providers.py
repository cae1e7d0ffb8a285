"""The file of identity providers: its format, and the errors in it (docs/sign-in.md)."""

import re
import tomllib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""Hosts for which a provider need not use https, because there is no network in between."""

OWN_PARAMETERS = {
    *("client_id", "client_secret", "code_challenge", "code_challenge_method", "id_token_hint", "max_age", "nonce"),
    *("prompt", "redirect_uri", "request", "request_uri", "response_mode", "response_type", "scope", "state"),
}
"""Parameters of an authorization request that the sign-in itself sets."""

Text = Annotated[str, Meta(min_length=1, max_length=1000)]

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519", "EdDSA"]
"""Signatures with a public key, to the exclusion of `none` and of signatures with a shared secret."""


class Provider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One identity provider, as configured by the operator. docs/sign-in.md explains each field to operators."""

    id: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]{0,39}$")]
    name: Annotated[str, Meta(min_length=1, max_length=60)]
    issuer: Text
    client_id: Text
    client_secret_file: Text
    ca_file: Text | None = None
    algorithms: Annotated[tuple[Algorithm, ...], Meta(min_length=1)] = get_args(Algorithm)
    shortest_rsa_key: Annotated[int, Meta(ge=2048, le=16384)] = 2048
    scopes: tuple[Text, ...] = ("openid", "email", "profile")
    authorization_parameters: dict[str, str] = {}
    link_by_email: bool = False
    create_accounts: bool = False
    trust_email: bool = False
    email_domains: tuple[Text, ...] = ()
    required_claims: dict[str, str] = {}
    groups_claim: Text = "groups"
    second_factor: Literal["token", "trusted", "none"] = "token"
    second_factor_acr: tuple[Text, ...] = ()
    session_minutes: Annotated[float, Meta(ge=1, le=43200)] = 60.0
    check_minutes: Annotated[float, Meta(ge=1, le=1440)] = 15.0
    sign_out_there: bool = False


@lru_cache(maxsize=8)
def parse_providers(text: str) -> tuple[Provider, ...]:
    """Returns the providers of a file. Raises ValueError that names every invalid field."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"it is not TOML ({error})") from None
    tables = content.get("provider", [])
    if set(content) - {"provider"} or not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        raise ValueError("it must consist of tables [[provider]]")
    wrong = [f"provider {number}, {problem}" for number, one in enumerate(tables, 1) for problem in _problems(one)]
    ids = [one.get("id") for one in tables]
    wrong += [f"the id “{one}” is used twice" for one in sorted({str(one) for one in ids if ids.count(one) > 1})]
    if wrong:
        raise ValueError("; ".join(wrong))
    return tuple(msgspec.convert(one, Provider) for one in tables)


def read_secret(provider: Provider) -> str:
    """Returns the client secret of a provider. Raises OSError, and ValueError for an empty file."""
    secret = Path(provider.client_secret_file).read_text(encoding="utf-8-sig").strip()
    if not secret:
        raise ValueError("the file is empty")
    return secret


def is_safe_address(address: str, issuer: str) -> bool:
    """Returns whether requests may be sent to an address of a provider: https, or http if both the address and the
    provider are on this machine.
    """
    try:
        url = urlsplit(address)
        port = url.port
    except ValueError:
        return False
    if not url.hostname or url.username is not None or url.fragment or port == 0 or not address.isprintable():
        return False
    return url.scheme == "https" or (url.scheme == "http" and url.hostname in LOOPBACK and _is_local(issuer))


def _is_local(issuer: str) -> bool:
    url = urlsplit(issuer)
    return url.scheme == "http" and url.hostname in LOOPBACK


def _problems(table: dict[str, Any]) -> Iterator[str]:
    hints = get_type_hints(Provider, include_extras=True)
    fields = {field.name: field for field in msgspec.structs.fields(Provider)}
    for name in sorted(set(table) - set(hints)):
        yield f"{name}: there is no such field"
    for name, field in fields.items():
        if name in table:
            try:
                msgspec.convert(table[name], hints[name])
            except msgspec.ValidationError as error:
                yield f"{name}: {str(error)[:1].lower()}{str(error)[1:]}"
                continue
            if problem := _problem(name, table[name]):
                yield f"{name}: {problem}"
        elif field.required:
            yield f"{name}: is missing"


def _problem(name: str, value: Any) -> str | None:
    """Returns what is wrong with a value of the right type; None if nothing is."""
    if name == "issuer" and (not is_safe_address(value, value) or urlsplit(value).query):
        return "must be an https address without a query, exactly as the provider writes it"
    if name == "scopes" and ("openid" not in value or any(re.search(r"\s", scope) for scope in value)):
        return "must contain openid, and no spaces"
    if name == "authorization_parameters" and (own := sorted(OWN_PARAMETERS & set(value))):
        return f"must not contain {', '.join(own)}"
    if name == "name" and not value.isprintable():
        return "must be on one line"
    return None
