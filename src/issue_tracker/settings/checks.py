"""Checks that the types of settings cannot express, of URLs, networks and keys."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from urllib.parse import urlsplit

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from issue_tracker.encryption import split_keys
from issue_tracker.host_names import ascii_host
from issue_tracker.settings.declared import PREFIX, Settings, SettingsError
from issue_tracker.settings.server import DEFAULT_DATABASE_URL


def networks(text: str) -> list[IPv4Network | IPv6Network]:
    """Returns the networks of a comma-separated list. Raises ValueError for a part that is not a network."""
    return [ip_network(part.strip()) for part in text.split(",") if part.strip()]


def check(settings: Settings) -> None:
    """Raises SettingsError for a value that cannot work; the message says what would be right."""
    _check_database_url(settings.database_url)
    if origin_of(settings.public_url) is None:
        raise SettingsError(f"{PREFIX}PUBLIC_URL must be like https://issues.example.com, without a path.")
    try:
        split_keys(settings.secret_key)
    except ValueError as refused:
        raise SettingsError(f"{PREFIX}SECRET_KEY is not valid: {refused}.") from None
    _check_sign_in(settings)
    for name, text in (
        ("WEBHOOK_ALLOWED_NETWORKS", settings.webhook_allowed_networks),
        ("FEED_ALLOWED_NETWORKS", settings.feed_allowed_networks),
        ("MAILBOX_ALLOWED_NETWORKS", settings.mailbox_allowed_networks),
        ("TRUSTED_PROXIES", "" if settings.trusted_proxies == "*" else settings.trusted_proxies),
    ):
        try:
            networks(text)
        except ValueError as refused:
            raise SettingsError(f"{PREFIX}{name} must be like 10.0.0.0/8,192.168.1.0/24: {refused}.") from None


def _check_sign_in(settings: Settings) -> None:
    try:
        providers = settings.providers
    except ValueError as refused:
        raise SettingsError(
            f"{PREFIX}IDENTITY_PROVIDERS is not valid: {refused}. docs/sign-in.md explains it."
        ) from None
    if not settings.password_sign_in and not providers:
        raise SettingsError(
            f"{PREFIX}PASSWORD_SIGN_IN=false needs an identity provider ({PREFIX}IDENTITY_PROVIDERS_FILE): "
            "otherwise most users could not sign in."
        )


def _check_database_url(text: str) -> None:
    name = f"{PREFIX}DATABASE_URL"
    scheme = text.split(":", 1)[0]
    if scheme not in ("sqlite", "postgresql", "postgres", "postgresql+psycopg"):
        raise SettingsError(f"{name} must start with sqlite:/// or postgresql://.")
    try:
        urls = [make_url(url) for url in _one_host_each(text)]
        for url in urls:
            (url.host or "").encode("idna")
    except (ArgumentError, ValueError):
        raise SettingsError(f"{name} cannot be read; it must be like {DEFAULT_DATABASE_URL}.") from None
    if any(url.database in (None, "", ":memory:") for url in urls):
        raise SettingsError(f"{name} must name a database, like {DEFAULT_DATABASE_URL}.")
    if "%00" in text or "\0" in text:
        raise SettingsError(f"{name} must not contain a NUL character.")
    if any("@" in (url.host or "") for url in urls):
        # Otherwise the end of a password would be taken for the host, and appear in error messages.
        raise SettingsError(f"{name} is ambiguous: write @ in a user name or a password as %40.")
    if scheme == "sqlite" and "?" in text:
        # Otherwise the file name would end there.
        raise SettingsError(f"{name} takes no parameters for SQLite: write ? in a path as %3F.")


def _one_host_each(url: str) -> list[str]:
    """Returns a database URL for each host, because libpq accepts several hosts, which SQLAlchemy cannot parse."""
    scheme, _, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    user, at, hosts = authority.rpartition("@")
    return [f"{scheme}://{user}{at}{host}{slash}{path}" for host in hosts.split(",")]


def origin_of(text: str) -> str | None:
    """Returns a site as browsers name it (RFC 6454, section 6): in lower case and ASCII, without the default port.

    Returns None for a text that does not consist of the scheme, host and port of a site, and nothing else.
    """
    try:
        url = urlsplit(text)
        host, port = ascii_host(url.hostname or ""), url.port
    except ValueError:
        return None
    plain = url.path in ("", "/") and not (url.query or url.fragment or "@" in url.netloc)
    if url.scheme not in ("http", "https") or not host or not plain or port == 0:
        return None
    host = f"[{host}]" if ":" in host else host
    return f"{url.scheme}://{host}" + ("" if port in (None, 443 if url.scheme == "https" else 80) else f":{port}")
